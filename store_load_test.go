package userstore_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

// Import into a store on disk that is all but empty is a load, see kv.Load; into one in memory it is one change after the
// other. Both have to come to the same.

func init() { children["load"] = loadChild }

// mixed gives lines of all kinds: new users, the same again, some that are there, some that are none.
func mixed(r *rand.Rand, lines int) string {
	var b strings.Builder
	for i := range lines {
		uid := fmt.Sprint("u", r.IntN(lines))
		switch r.IntN(20) {
		case 0:
			uid = fmt.Sprint("old", r.IntN(6))
		case 1:
			uid = "U" + uid[1:] // the same to the store
		case 2:
			uid = "not a uid"
		case 3:
			fmt.Fprintln(&b, `{"uid":`)
			continue
		}
		role := []string{"default", "vip", "nobody"}[min(2, r.IntN(30))%3]
		gone := ""
		if r.IntN(15) == 0 {
			gone = `,"deactivatedAt":1700000000`
		}
		fmt.Fprintf(&b, `{"uid":%q,"name":"Name %d","role":%q,"tags":["t%d","all"],"statusMessage":"%s"%s}`+"\n",
			uid, r.IntN(1000), role, i%7, strings.Repeat("x", r.IntN(200)), gone)
	}
	return b.String()
}

// stocked makes a store with a few users and roles in it, by the same clock.
func stocked(t testing.TB, w *world) {
	w.roles(t, "vip")
	for i := range 5 {
		must(w.Create(bg, userstore.User{UID: fmt.Sprint("old", i), Name: "Old", Tags: []string{"all", "old"}}))(t)
	}
	must(w.Deactivate(bg, "old3"))(t)
	must(w.AddFriends(bg, "old0", "old1"))(t)
	require.NoError(t, w.Delete(bg, "old4"))
}

// dump is every user as JSON, and some counts.
func dump(t testing.TB, w *world) (list []string) {
	for _, u := range all(t, w.Store, everybody) {
		list = append(list, string(must(u.MarshalJSON())(t)), fmt.Sprint(u.Version))
	}
	for _, q := range []userstore.Query{{}, {Roles: []string{"vip"}}, {Tags: []string{"t3"}}, {Tags: []string{"old"}}, {Tags: []string{"all"}, Roles: []string{"default"}}} {
		list = append(list, fmt.Sprint(must(w.Count(bg, q))(t)))
	}
	return list
}

func TestLoadComesToTheSameAsChanges(t *testing.T) {
	t.Parallel()
	for _, lines := range []int{0, 1, 30, 3000, 8000} {
		for _, mode := range []userstore.ImportMode{userstore.ImportInsert, userstore.ImportUpsert, userstore.ImportSkip} {
			t.Run(fmt.Sprint(lines, " lines, mode ", mode), func(t *testing.T) {
				t.Parallel()
				r := rand.New(rand.NewPCG(uint64(lines), uint64(mode)))
				text := mixed(r, lines)
				var reports [2]userstore.ImportReport
				var dumps [2][]string
				for i, w := range []*world{memory(t), disk(t, edge)} {
					stocked(t, w)
					read := 0
					reports[i] = must(w.Import(bg, strings.NewReader(text), userstore.ImportOptions{Mode: mode, Progress: func(n int) {
						require.Greater(t, n, read)
						read = n
					}}))(t)
					require.Equal(t, reports[i].Read, read)
					dumps[i] = dump(t, w)
					sound(t, w.Store)
					friends, err := w.Friends(bg, "old0", userstore.Query{})
					dumps[i] = append(dumps[i], fmt.Sprint(uids(friends.Users), err))
					if w.dir != "" {
						require.NoError(t, w.Close())
						w.open(t)
					}
					must(w.Create(bg, userstore.User{UID: "later", Name: "Later", Tags: []string{"t3"}}))(t)
					sound(t, w.Store)
				}
				require.Equal(t, lines > 200, reports[0].Created > 100)
				for i := range reports[0].Errors {
					require.Equal(t, reports[0].Errors[i].Err.Error(), reports[1].Errors[i].Err.Error())
					reports[0].Errors[i].Err, reports[1].Errors[i].Err = nil, nil
				}
				require.Equal(t, reports[0], reports[1])
				require.Equal(t, dumps[0], dumps[1])
			})
		}
	}
}

func numbered(n int, at func(i int)) func(func(userstore.User) bool) {
	return sized(n, 200, at)
}

// sized gives users with so many bytes of metadata.
func sized(n, size int, at func(i int)) func(func(userstore.User) bool) {
	metadata := json.RawMessage(`{"x":"` + strings.Repeat("x", size) + `"}`)
	return func(yield func(userstore.User) bool) {
		for i := range n {
			at(i)
			if !yield(userstore.User{UID: fmt.Sprint("u", i), Name: "N", Tags: []string{"all"}, Metadata: metadata}) {
				return
			}
		}
	}
}

// Whoever gives the users may use the store meanwhile, and may end the import in any way.
func TestLoadFromSomebodyWhoUsesTheStore(t *testing.T) {
	t.Parallel()
	const users = 20000
	w := disk(t, edge)
	walked, progress := 0, 0
	report := must(w.ImportUsers(bg, numbered(users, func(i int) {
		switch i {
		case 5000:
			require.Zero(t, must(w.Count(bg, userstore.Query{}))(t), "nothing is to be seen yet")
		case 10000:
			must(w.Create(bg, userstore.User{UID: "other", Name: "Other"}))(t)
			n := must(w.Count(bg, userstore.Query{}))(t)
			require.Greater(t, n, 5000)
			require.LessOrEqual(t, n, 10001)
		case 15000:
			for range w.All(bg, userstore.Query{}) {
				if walked++; walked == 100 {
					must(w.Update(bg, "other", rename("Else")))(t)
				}
			}
		}
	}), userstore.ImportOptions{Progress: func(n int) {
		require.Greater(t, n, progress)
		progress = n
	}}))(t)
	require.Equal(t, users, progress)
	require.Equal(t, users, report.Created)
	require.Greater(t, walked, 100)
	require.Equal(t, users+1, must(w.Count(bg, userstore.Query{}))(t))
	sound(t, w.Store)
}

// One who has begun to read sees to the end what was there, and the load does not wait for him.
func TestLoadBesideReader(t *testing.T) {
	t.Parallel()
	w := disk(t, edge)
	stocked(t, w)
	seen, loaded := []string{}, false
	for u, err := range w.All(bg, userstore.Query{}) {
		require.NoError(t, err)
		if !loaded {
			loaded = true
			must(w.ImportUsers(bg, numbered(10000, func(int) {}), userstore.ImportOptions{}))(t)
			require.Equal(t, 10003, must(w.Count(bg, userstore.Query{}))(t))
		}
		seen = append(seen, u.UID)
	}
	require.Equal(t, []string{"old0", "old1", "old2"}, seen)
	sound(t, w.Store)
	require.NoError(t, w.Close())
	w.open(t)
	require.Equal(t, 10003, must(w.Count(bg, userstore.Query{}))(t))
	sound(t, w.Store)
}

func TestLoadThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	oops := errors.New("oops")
	for name, end := range map[string]func(t *testing.T, w *world){
		"panic": func(t *testing.T, w *world) {
			require.PanicsWithValue(t, oops, func() {
				_, _ = w.ImportUsers(bg, numbered(9000, func(i int) {
					if i == 8000 {
						panic(oops)
					}
				}), userstore.ImportOptions{})
			})
		},
		"context": func(t *testing.T, w *world) {
			ctx, cancel := context.WithCancel(bg)
			report, err := w.Import(ctx, readerFunc(func(b []byte) (int, error) {
				cancel()
				return copy(b, `{"uid":"u","name":"N"}`+"\n"), nil
			}), userstore.ImportOptions{})
			require.ErrorIs(t, err, context.Canceled)
			require.Zero(t, report.Created)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := disk(t, edge)
			stocked(t, w)
			before := dump(t, w)
			end(t, w)
			require.Equal(t, before, dump(t, w))
			require.Equal(t, 9000, must(w.ImportUsers(bg, numbered(9000, func(int) {}), userstore.ImportOptions{}))(t).Created)
			sound(t, w.Store)
		})
	}
	t.Run("the reader fails: what it gave is stored", func(t *testing.T) {
		t.Parallel()
		w := disk(t, edge)
		n := 0
		report, err := w.Import(bg, readerFunc(func(b []byte) (int, error) {
			if n++; n > 5000 {
				return 0, oops
			}
			return copy(b, fmt.Sprintf(`{"uid":"u%d","name":"N","statusMessage":"%s"}`+"\n", n, strings.Repeat("x", 200))), nil
		}), userstore.ImportOptions{})
		require.ErrorIs(t, err, oops)
		require.Equal(t, 5000, report.Created)
		require.Equal(t, 5000, must(w.Count(bg, userstore.Query{}))(t))
		sound(t, w.Store)
	})
}

// loadChild takes a directory, how many users to load into it, and how much of metadata each has. It says how far it is,
// and when it is done; an error on a full disk is well.
func loadChild(args []string) error {
	s, err := userstore.Open(args[0], edge)
	if err != nil {
		return err
	}
	if _, err := s.CreateRole(bg, userstore.Role{ID: "vip", Name: "VIP"}); err != nil && !errors.Is(err, userstore.ErrExists) {
		return err
	}
	users, size := atoi(args[1]), atoi(args[2])
	report, err := s.ImportUsers(bg, sized(users, size, func(i int) {
		if i%1000 == 0 {
			fmt.Println("at", i)
		}
	}), userstore.ImportOptions{})
	if errors.Is(err, syscall.ENOSPC) && report.Created == 0 {
		fmt.Println("full")
		if _, err := s.Create(bg, userstore.User{UID: "one", Name: "One"}); err != nil && !errors.Is(err, syscall.ENOSPC) {
			return err
		}
		return s.Close()
	}
	if err != nil || report.Created != users {
		return fmt.Errorf("%d users, %w", report.Created, err)
	}
	fmt.Println("done")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	return s.Close()
}

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}

// TestCrashWhileLoading kills a process that loads. Then all is there or nothing, and all if it said so.
func TestCrashWhileLoading(t *testing.T) {
	t.Parallel()
	const users = 6000
	rounds := 12
	if *long {
		rounds = 200
	}
	r := rand.New(rand.NewPCG(rand.Uint64(), 0))
	whole, half := 0, 0
	dir := t.TempDir()
	for range rounds {
		cmd := child(t, "load", dir, fmt.Sprint(users), "200")
		out := must(cmd.StdoutPipe())(t)
		must(cmd.StdinPipe())(t)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(out)
		for want := r.IntN(users/1000) * 1000; lines.Scan() && lines.Text() != fmt.Sprint("at ", want); {
		}
		killer := time.AfterFunc(time.Duration(r.IntN(int(100*time.Millisecond)))<<r.IntN(4), func() { _ = cmd.Process.Kill() })
		acknowledged := false
		for lines.Scan() {
			acknowledged = acknowledged || lines.Text() == "done"
		}
		require.Error(t, cmd.Wait())
		killer.Stop()
		if _, err := os.Stat(filepath.Join(dir, "USERSTORE.before")); err == nil {
			half++
		}
		s := must(userstore.Open(dir, edge))(t)
		n := must(s.Count(bg, userstore.Query{}))(t)
		require.Contains(t, []int{0, users}, n)
		if acknowledged {
			require.Equal(t, users, n)
		}
		sound(t, s)
		must(s.Role(bg, "vip"))(t)
		require.NoError(t, s.Close())
		if n > 0 {
			whole++
			dir = t.TempDir()
		}
	}
	t.Logf("%d of %d loads were whole, %d were killed while tables were made", whole, rounds, half)
}
