package userstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
	"github.com/seed-3546c6b2/userstore/internal/kv"
	"github.com/seed-3546c6b2/userstore/internal/kv/kvtest"
)

// faulty opens a store on an engine that fails when fail says so.
func faulty(t testing.TB, cfg kv.Config, cache int, fail func(kvtest.Call) error) (*world, *kvtest.Faulty) {
	engine, err := kv.OpenBadger(cfg)
	require.NoError(t, err)
	f := &kvtest.Faulty{Engine: engine}
	w := &world{clock: newClock(), dir: cfg.Dir}
	w.Store, err = userstore.OpenOn(f, userstore.WithClock(w.clock.Now), userstore.WithCache(cache))
	require.NoError(t, err)
	f.Fail = fail
	t.Cleanup(func() { f.Fail = nil; require.NoError(t, w.Close()) })
	return w, f
}

// plainUser is what a fault test knows of a user; a nil one is not there.
type plainUser struct {
	name    string
	version uint64
	gone    bool // deactivated
}

// hand changes some users that nobody else changes, and knows what they have to be.
type hand struct {
	t     *testing.T
	s     *userstore.Store
	r     *rand.Rand
	uids  []string
	known map[string]*plainUser
	// what the last call that came to no certain end would have made of a user, besides what is known
	doubt map[string]*plainUser
	tally map[string]int
}

// do makes one change. A refused change is not there, one that ended uncertain is or is not, any other is.
func (h *hand) do() {
	uid := h.uids[h.r.IntN(len(h.uids))]
	h.look(uid)
	old := h.known[uid]
	name := fmt.Sprint("Name ", h.r.IntN(1000))
	var next *plainUser
	var err, refused error
	var outcome userstore.Outcome
	switch n := h.r.IntN(10); {
	case old == nil:
		next = &plainUser{name: name, version: 1}
		_, err = h.s.Create(bg, userstore.User{UID: uid, Name: name, Tags: []string{"t", uid[:1]}})
	case n < 5 && old.gone:
		refused = userstore.ErrNotFound
		_, err = h.s.Update(bg, uid, rename(name))
	case n < 5:
		next = &plainUser{name: name, version: old.version + 1}
		if name == old.name {
			next = old
		}
		_, err = h.s.Update(bg, uid, rename(name))
	case n < 7:
		next = &plainUser{name: old.name, version: old.version + 1, gone: true}
		if outcome, err = h.s.Deactivate(bg, uid); old.gone {
			next = old
		}
	case n < 9:
		next = &plainUser{name: old.name, version: old.version + 1}
		if outcome, err = h.s.Reactivate(bg, uid); !old.gone {
			next = old
		}
	default:
		err = h.s.Delete(bg, uid)
	}
	switch {
	case errors.Is(err, kv.ErrUncertain):
		require.Empty(h.t, outcome.Done)
		h.doubt[uid] = next
		h.tally["uncertain"]++
	case refused != nil && errors.Is(err, refused):
	case err != nil:
		require.True(h.t, errors.Is(err, syscall.EIO) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, kv.ErrTooLarge), "%v", err)
		require.Empty(h.t, outcome.Done)
		h.tally["failed"]++
	default:
		h.known[uid] = next
		h.tally["done"]++
	}
}

// look reads a user until that succeeds, and demands that it is what it has to be.
func (h *hand) look(uid string) {
	var found []userstore.User
	for {
		var err error
		found, err = collect(h.s.All(bg, userstore.Query{UIDs: []string{uid}, Deactivated: userstore.DeactivatedInclude}))
		if err == nil {
			break
		}
		require.ErrorIs(h.t, err, syscall.EIO)
	}
	var got *plainUser
	if len(found) > 0 {
		got = &plainUser{found[0].Name, found[0].Version, !found[0].DeactivatedAt.IsZero()}
	}
	if doubt, ok := h.doubt[uid]; ok {
		delete(h.doubt, uid)
		if !equal(got, h.known[uid]) {
			require.Equal(h.t, doubt, got, "%s: neither as before nor as after", uid)
		}
		h.known[uid] = got
	}
	require.Equal(h.t, h.known[uid], got, uid)
}

func equal(a, b *plainUser) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }

// TestFaults has several hands at work on an engine of which any call fails now and then. What was acknowledged is
// there, what was refused is not, what is uncertain is or is not, and all that is there fits together.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		share float64
		cfg   kv.Config
	}{
		{"rare, in memory", 0.02, kv.Config{}},
		{"often, in memory", 0.2, kv.Config{}},
		{"on disk", 0.1, kv.Config{Dir: t.TempDir(), Small: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			seed := *modelSeed
			if seed == 0 {
				seed = rand.Uint64()
			}
			t.Log("repeat with -model.seed", seed)
			w, f := faulty(t, c.cfg, 1<<20, kvtest.Random(seed, c.share))
			hands := make([]*hand, 4)
			var all, readers sync.WaitGroup
			var done atomic.Bool
			readers.Go(func() { // fill the cache with what is about to change
				for n := 0; !done.Load(); n++ {
					_, _ = w.Get(bg, fmt.Sprintf("%c-%d", 'a'+n%3, n%48))
				}
			})
			for i := range hands {
				h := &hand{t: t, s: w.Store, r: rand.New(rand.NewPCG(seed, uint64(i))), known: map[string]*plainUser{}, doubt: map[string]*plainUser{}, tally: map[string]int{}}
				for n := range 12 {
					h.uids = append(h.uids, fmt.Sprintf("%c-%d", 'a'+n%3, 12*i+n))
				}
				hands[i] = h
				all.Go(func() {
					for range 200 {
						h.do()
					}
				})
			}
			all.Wait()
			failed := func() (n int) {
				for _, h := range hands {
					n += h.tally["failed"] + h.tally["uncertain"]
				}
				return n
			}
			for n := 0; failed() == 0 && n < 10_000; n++ { // chance has spared them all
				hands[0].do()
			}
			done.Store(true)
			readers.Wait()
			f.Fail = nil
			check := func() {
				users := 0
				for _, h := range hands {
					for _, uid := range h.uids {
						if h.look(uid); h.known[uid] != nil {
							users++
						}
					}
				}
				require.Equal(t, users, must(w.Count(bg, everybody))(t))
				sound(t, w.Store)
			}
			check()
			for _, h := range hands {
				t.Log(h.tally)
				require.Positive(t, h.tally["done"])
			}
			require.Positive(t, failed())
			if c.cfg.Dir != "" {
				require.NoError(t, w.Close())
				w.open(t)
				for _, h := range hands {
					h.s = w.Store
				}
				check()
			}
		})
	}
}

// TestReadsUnderFaults demands that an answer is right or an error, never a part of it.
func TestReadsUnderFaults(t *testing.T) {
	t.Parallel()
	w, f := faulty(t, kv.Config{}, 0, nil)
	populate(t, w)
	for i := range 200 {
		must(w.Create(bg, userstore.User{UID: fmt.Sprint("u", i), Name: fmt.Sprint("U", i), Tags: []string{"t"}}))(t)
	}
	verbs := verbs(w, login(t, w, "ada"))
	users := func(u []userstore.User, err error) any { return answer(uids(u), err) }
	session := login(t, w, "ada")
	answers := map[string]func() any{
		"all": func() any { return users(collect(w.All(bg, everybody))) },
		"tag": func() any { return users(collect(w.All(bg, userstore.Query{Tags: []string{"t"}}))) },
		"without": func() any { // rows that only their records decide on
			return users(collect(w.All(bg, userstore.Query{Sort: userstore.SortCreated, NoTags: []string{"t"}})))
		},
		"behind": func() any {
			return answer(w.Skip(bg, userstore.Query{Sort: userstore.SortUID, NoTags: []string{"t"}}, 2))
		},
		"get": func() any { return answer(w.Get(bg, "u7")) },
		"count": func() any {
			return answer(w.Count(bg, userstore.Query{Tags: []string{"t"}, Search: "u"}))
		},
		"page":    func() any { p, err := w.List(bg, userstore.Query{Limit: 50}); return users(p.Users, err) },
		"roles":   func() any { return answer(w.Roles(bg)) },
		"friends": func() any { p, err := w.Friends(bg, "ada", userstore.Query{}); return users(p.Users, err) },
		"blocked": func() any { p, err := session.Blocked(bg, userstore.BlockQuery{}); return users(p.Users, err) },
		"tokens":  func() any { return answer(w.Tokens(bg, "bob")) },
		"stats":   func() any { return answer(w.Stats(bg)) },
		"verify":  func() any { return answer(w.Verify(bg)) },
		"backup": func() any {
			var b bytes.Buffer
			return answer(&b, w.Backup(bg, &b))
		},
	}
	for name, read := range answers {
		right := read()
		require.NotImplements(t, (*error)(nil), right, name)
		failed := 0
		const times = 60
		for seed := range uint64(times) {
			f.Fail = kvtest.Random(seed, []float64{0.0003, 0.003, 0.03, 0.3}[seed%4])
			switch got := read().(type) {
			case error:
				require.ErrorIs(t, got, syscall.EIO, name)
				failed++
			default:
				require.Equal(t, right, got, name)
			}
		}
		require.Positive(t, failed, "%s met no fault", name)
		require.Less(t, failed, times, "%s never came through", name)
		f.Fail = nil
	}
	f.Fail = func(kvtest.Call) error { return syscall.EIO }
	for name, verb := range verbs {
		if err := verb(bg); err != nil {
			require.ErrorIs(t, err, syscall.EIO, name)
		} else {
			require.NotContains(t, name, "!", "a write succeeds on an engine that does nothing")
		}
	}
	f.Fail = nil
	sound(t, w.Store)
}

func answer[T any](v T, err error) any {
	if err != nil {
		return err
	}
	return v
}

// TestImportUnderFaults demands that the report of an import that broke off tells how far it came.
func TestImportUnderFaults(t *testing.T) {
	t.Parallel()
	var lines string
	for i := range 3000 {
		lines += fmt.Sprintf("{\"uid\":\"u%d\",\"name\":\"U\"}\n", i)
	}
	for after := range int32(6) {
		var applied atomic.Int32
		w, f := faulty(t, kv.Config{}, 0, nil)
		f.Fail = func(c kvtest.Call) error {
			if c == kvtest.Apply && applied.Add(1) > after {
				return syscall.ENOSPC
			}
			return nil
		}
		report, err := w.Import(context.Background(), strings.NewReader(lines), userstore.ImportOptions{})
		f.Fail = nil
		n := must(w.Count(bg, userstore.Query{}))(t)
		require.Equal(t, n, report.Created)
		if n < 3000 {
			require.ErrorIs(t, err, syscall.ENOSPC)
		}
		sound(t, w.Store)
	}
}

// TestManyUnderFaults demands that the outcome of a call over many that broke off names those that were changed, and
// nobody else.
func TestManyUnderFaults(t *testing.T) {
	t.Parallel()
	for after := range int32(4) {
		var applied atomic.Int32
		w, f := faulty(t, kv.Config{}, 0, nil)
		uids := w.addMany(t, 200)
		f.Fail = func(c kvtest.Call) error {
			if c == kvtest.Apply && applied.Add(1) > after {
				return syscall.ENOSPC
			}
			return nil
		}
		out, err := w.Deactivate(bg, uids...)
		f.Fail = nil
		require.ErrorIs(t, err, syscall.ENOSPC)
		gone := must(collect(w.All(bg, userstore.Query{Deactivated: userstore.DeactivatedOnly})))(t)
		require.Len(t, out.Done, len(gone))
		for _, u := range gone {
			require.Contains(t, out.Done, u.UID)
		}
		require.Equal(t, userstore.Outcome{Done: out.Done}, out)
		sound(t, w.Store)
	}
}

// TestManyShareCommits demands that the changes of one call do not wait for each other's commits.
func TestManyShareCommits(t *testing.T) {
	t.Parallel()
	const many = 64
	w, f := faulty(t, kv.Config{}, 0, nil)
	uids := w.addMany(t, many)
	var looked, applied atomic.Int32
	all := make(chan struct{})
	f.Fail = func(c kvtest.Call) error {
		switch c {
		case kvtest.Get:
			if looked.Add(1) == many { // each looks for its user
				close(all)
			}
		case kvtest.Apply:
			applied.Add(1)
			<-all
		}
		return nil
	}
	out := must(w.Deactivate(bg, uids...))(t)
	require.Equal(t, uids, out.Done)
	require.LessOrEqual(t, applied.Load(), int32(2))
}

// addMany creates so many users.
func (w *world) addMany(t testing.TB, n int) (uids []string) {
	for i := range n {
		uids = append(uids, fmt.Sprint("u", i))
	}
	w.add(t, uids...)
	return uids
}

// TestCloseFails demands that an engine which cannot close is reported, and closed only once.
func TestCloseFails(t *testing.T) {
	t.Parallel()
	engine, err := kv.OpenBadger(kv.Config{Dir: t.TempDir(), Small: true})
	require.NoError(t, err)
	asked := 0
	f := &kvtest.Faulty{Engine: engine, Fail: func(c kvtest.Call) error {
		if c != kvtest.Close {
			return nil
		}
		asked++
		return syscall.EIO
	}}
	s := must(userstore.OpenOn(f))(t)
	must(s.Create(bg, big("ada")))(t)
	require.ErrorIs(t, s.Close(), syscall.EIO)
	require.ErrorIs(t, fails(s.Get(bg, "ada")), userstore.ErrClosed)
	require.ErrorIs(t, s.Compact(bg), userstore.ErrClosed)
	_ = s.Close()
	require.Equal(t, 1, asked)
}
