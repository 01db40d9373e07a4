package userstore_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

var soakTime = flag.Duration("soak", 3*time.Second, "how long TestSoak works; 10m in the long mode, if it is not given")

const (
	soakWorkers = 8
	soakSteps   = 6 // times that the work rests and is measured
)

// footprint is what the process and the store take while nobody works, and the most they took before.
type footprint struct {
	heap, rss, peak, disk, live int64 // bytes; rss and its peak are 0 where they are not known
	goroutines, files, tables   int
	users, calls                int
}

func (f footprint) String() string {
	mib := func(n int64) float64 { return float64(n) / (1 << 20) }
	return fmt.Sprintf("%7d calls, %d users | heap %.1f MiB, resident %.1f, %.1f at most | disk %.1f MiB for %.1f of data | %d goroutines, %d files open, %d tables",
		f.calls, f.users, mib(f.heap), mib(f.rss), mib(f.peak), mib(f.disk), mib(f.live), f.goroutines, f.files, f.tables)
}

// TestSoak works on a bounded number of users for as long as it is told, and demands that what this takes stays bounded.
func TestSoak(t *testing.T) {
	duration := *soakTime
	if given := false; *long {
		flag.Visit(func(f *flag.Flag) { given = given || f.Name == "soak" })
		if !given {
			duration = 10 * time.Minute
		}
	}
	before := runtime.NumGoroutine()
	w := &world{clock: newClock(), dir: t.TempDir(), opts: []userstore.Option{
		userstore.WithClock(time.Now), userstore.WithProfile(userstore.ProfileEdge), userstore.WithRoles(someRoles...),
	}}
	w.open(t)
	soak := &soak{t: t, Store: w.Store, idle: runtime.NumGoroutine()}
	var lines strings.Builder
	for slot := range soak.slots {
		lines.Write(append(must(soak.user(newGen(uint64(slot)), slot).MarshalJSON())(t), '\n'))
	}
	must(w.Import(bg, strings.NewReader(lines.String()), userstore.ImportOptions{}))(t)
	steps := []footprint{soak.measure()}
	for range soakSteps {
		var workers sync.WaitGroup
		deadline := time.Now().Add(duration / soakSteps)
		for i := range soakWorkers {
			workers.Go(func() { soak.work(newGen(uint64(i+soakWorkers*len(steps))), i == 0, deadline) })
		}
		workers.Wait()
		steps = append(steps, soak.measure())
	}

	const mib = 1 << 20
	third, end := steps[soakSteps/3], steps[soakSteps]
	require.LessOrEqual(t, end.heap, third.heap*5/4+16*mib) // the store's own caches and memtables fill up to about so much
	require.LessOrEqual(t, end.rss, third.rss*5/4+32*mib)
	require.LessOrEqual(t, end.peak, third.peak*5/4+32*mib)
	require.LessOrEqual(t, end.live, third.live*5/4, "something of deleted users stays")
	for i, step := range steps[1:] {
		require.Greater(t, step.calls, steps[i].calls)
		require.Equal(t, len(soak.slots), step.users)
		// Badger lets twelve tables and two logs of 2 MiB pile up before it makes writers wait.
		require.LessOrEqual(t, step.disk, 3*step.live+32*mib, "what was replaced or deleted is not given back")
		require.LessOrEqual(t, step.files-step.tables, steps[0].files-steps[0].tables+16)
	}
	sound(t, w.Store)
	want := export(t, w.Store, everybody)
	w.reopen(t)
	require.Equal(t, strings.ReplaceAll(want, string(userstore.Online), string(userstore.Offline)), export(t, w.Store, everybody))
	sound(t, w.Store)
	require.NoError(t, w.Close())
	until(func() bool { return runtime.NumGoroutine() <= before })
	require.LessOrEqual(t, runtime.NumGoroutine(), before)
}

// soak is a store that many work on. Each slot holds one user, or none for a moment; one that was deleted is followed by
// one of another name, so that all that is left of the deleted ones adds up.
type soak struct {
	t *testing.T
	*userstore.Store
	idle  int // goroutines
	slots [1000]slot
	calls atomic.Int64
	peak  int64 // of resident bytes; of one worker
}

type slot struct {
	sync.Mutex // of who creates or deletes
	deleted    atomic.Int64
}

func (s *soak) uid(slot int) string { return fmt.Sprintf("s%d-%d", slot, s.slots[slot].deleted.Load()) }

func (s *soak) user(g gen, slot int) userstore.User {
	uid := s.uid(slot)
	return userstore.User{
		UID: uid, Name: g.name(), Role: pick(g, someRoles), Tags: append(some(g, someTags, 4), "of "+uid), Link: pick(g, someURLs),
		Metadata: json.RawMessage(`{"k":"` + strings.Repeat("x", g.IntN(2000)) + `"}`),
	}
}

// work does whatever comes to mind until the deadline.
func (s *soak) work(g gen, watches bool, deadline time.Time) {
	for n := 0; time.Now().Before(deadline); n++ {
		slot := g.IntN(len(s.slots))
		what := g.IntN(60)
		if err := s.call(g, what, slot, s.uid(slot), s.uid(g.IntN(len(s.slots)))); err != nil {
			s.t.Errorf("%d: %v", what, err)
			return
		}
		s.calls.Add(1)
		if watches && n%200 == 0 {
			s.peak = max(s.peak, resident())
		}
	}
}

// call makes one call. The users may be changed or deleted by others at any time, so some answers are as good as none.
func (s *soak) call(g gen, what, slot int, uid, other string) (err error) {
	switch what {
	default:
		u := s.user(g, slot)
		_, err = s.Update(bg, uid, func(old *userstore.User) error {
			old.Name, old.Role, old.Tags, old.Metadata = u.Name, u.Role, u.Tags, u.Metadata
			return nil
		})
	case 0, 1, 2, 3:
		s.slots[slot].Lock()
		defer s.slots[slot].Unlock()
		if err = s.Delete(bg, s.uid(slot)); err == nil {
			s.slots[slot].deleted.Add(1)
			_, err = s.Create(bg, s.user(g, slot))
		}
		return err // which none of the others can bring about
	case 4, 5, 6:
		if _, err = s.Deactivate(bg, uid); err == nil {
			_, err = s.Reactivate(bg, uid)
		}
	case 7, 8, 9, 10:
		s.slots[slot].Lock()
		defer s.slots[slot].Unlock()
		_, err = s.Upsert(bg, s.user(g, slot))
	case 11:
		s.slots[slot].Lock()
		defer s.slots[slot].Unlock()
		_, err = s.Import(bg, strings.NewReader(fmt.Sprintf(`{"uid":%q,"name":"Imported","tags":["x"]}`, s.uid(slot))), userstore.ImportOptions{Mode: userstore.ImportUpsert})
	case 12, 13, 14, 15, 16:
		err = s.SetStatus(bg, uid, pick(g, []userstore.Status{userstore.Online, userstore.Offline}))
	case 17, 18, 19:
		_, err = s.AddFriends(bg, uid, other)
	case 20, 21:
		_, err = s.RemoveFriends(bg, uid, other)
	case 22, 23, 24:
		var token userstore.Token
		if token, err = s.IssueToken(bg, uid); err == nil {
			if err = s.session(g, token.Token, other); err == nil && g.oneIn(3) {
				_, err = s.RevokeTokens(bg, uid)
			}
		}
	case 25, 26, 27, 28, 29, 30:
		_, err = s.Get(bg, uid)
	case 31, 32:
		_, err = s.Count(bg, userstore.Query{Roles: []string{pick(g, someRoles)}, Tags: []string{pick(g, someTags)}})
	case 33:
		for _, err = range s.All(bg, userstore.Query{Sort: userstore.SortCreated}) {
			if err != nil || g.oneIn(50) { // most walks are left early
				break
			}
		}
	case 34, 35:
		q := g.query(false)
		q.Limit = 1 + g.IntN(20)
		if _, err = s.List(bg, q); errors.Is(err, userstore.ErrInvalid) { // a few of these queries are
			err = nil
		}
	}
	for _, good := range []error{userstore.ErrNotFound, userstore.ErrExists, userstore.ErrLoggedOut} {
		if errors.Is(err, good) {
			return nil
		}
	}
	return err
}

// session is what a user does who has logged in.
func (s *soak) session(g gen, token, other string) error {
	in, err := s.LoginWithToken(bg, token)
	if err != nil {
		return err
	}
	_, err = in.Block(bg, other)
	if err == nil {
		_, err = in.List(bg, userstore.Query{HideBlocked: true, Search: g.search(), Limit: 10})
	}
	if err == nil && g.oneIn(2) {
		_, err = in.Unblock(bg, other)
	}
	if err == nil && g.oneIn(2) {
		err = in.Logout(bg)
	}
	return err
}

// measure waits until nobody works, and for a compaction that is under way.
func (s *soak) measure() footprint {
	s.t.Helper()
	until(func() bool { return runtime.NumGoroutine() <= s.idle })
	f := footprint{goroutines: runtime.NumGoroutine(), rss: resident(), peak: s.peak, calls: int(s.calls.Load())}
	require.LessOrEqual(s.t, f.goroutines, s.idle, "more goroutines than after Open")
	s.peak = 0
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	f.heap = int64(memory.HeapAlloc)
	stats := must(s.Stats(bg))(s.t)
	f.users, f.disk = stats.Active+stats.Deactivated, stats.DiskBytes
	for _, kind := range stats.Keys {
		f.live += kind.Bytes
	}
	for _, level := range stats.Levels {
		f.tables += level.Tables
	}
	files, _ := os.ReadDir("/proc/self/fd") // none where there is no such thing
	f.files = len(files)
	s.t.Log(f)
	return f
}

// until waits up to half a minute for something that goes on in the background.
func until(done func() bool) {
	for deadline := time.Now().Add(30 * time.Second); !done() && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
}

// resident is how much of the process is in memory.
func resident() int64 {
	status, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kib, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, _ := strconv.ParseInt(kib, 10, 64)
	return n << 10
}
