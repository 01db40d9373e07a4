package userstore_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

// together runs n calls at the same time and gives their errors.
func together(n int, call func(i int) error) []error {
	errs, start := make([]error, n), make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = call(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

// tally counts how many errors are of each kind.
func tally(t *testing.T, errs []error, kinds ...error) map[error]int {
	t.Helper()
	count := map[error]int{}
next:
	for _, err := range errs {
		for _, kind := range append(kinds, nil) {
			if errors.Is(err, kind) {
				count[kind]++
				continue next
			}
		}
		require.NoError(t, err)
	}
	return count
}

func TestConcurrency(t *testing.T) {
	hold(t, []sentence{
		{"an edit keeps nobody waiting", func(t *testing.T, w *world) {
			w.add(t, "ada", "bob")
			ada := login(t, w, "ada")
			slow := func(u *userstore.User) error {
				require.Equal(t, "Bob", must(w.Update(bg, "bob", rename("Bob")))(t).Name)
				must(w.Update(bg, "bob", rename("Robert")))(t)
				u.StatusMessage += "x"
				return nil
			}
			require.Equal(t, "x", must(w.Update(bg, "ada", slow))(t).StatusMessage)
			require.Equal(t, "xx", must(ada.Update(bg, slow))(t).StatusMessage)
		}},
		{"an edit runs again on a user that was changed meanwhile", func(t *testing.T, w *world) {
			w.add(t, "ada")
			ada := login(t, w, "ada")
			for i, update := range []func(func(*userstore.User) error) (userstore.User, error){
				func(edit func(*userstore.User) error) (userstore.User, error) { return w.Update(bg, "ada", edit) },
				func(edit func(*userstore.User) error) (userstore.User, error) { return ada.Update(bg, edit) },
			} {
				runs := 0
				got := must(update(func(u *userstore.User) error {
					if runs++; runs == 1 { // no edit, so the version stays
						require.NoError(t, w.SetStatus(bg, "ada", []userstore.Status{userstore.Online, userstore.Offline}[i]))
					}
					u.StatusMessage += "x"
					return nil
				}))(t)
				require.Equal(t, 2, runs)
				require.Equal(t, []userstore.Status{userstore.Online, userstore.Offline}[i], got.Status)
				require.Len(t, got.StatusMessage, i+1)
				require.Equal(t, got, must(w.Get(bg, "ada"))(t))
			}
		}},
		{"a user who goes meanwhile does not come back", func(t *testing.T, w *world) {
			w.add(t, "ada", "bob")
			bob := login(t, w, "bob")
			require.ErrorIs(t, fails(w.Update(bg, "ada", func(u *userstore.User) error {
				u.Name = "New"
				return w.Delete(bg, "ada")
			})), userstore.ErrNotFound)
			require.ErrorIs(t, fails(bob.Update(bg, func(u *userstore.User) error {
				u.Name = "New"
				return bob.Logout(bg)
			})), userstore.ErrLoggedOut)
			require.Equal(t, []string{"bob"}, found(t, w, userstore.Query{}))
			require.NotEqual(t, "New", must(w.Get(bg, "bob"))(t).Name)
		}},
		{"concurrent updates of one user lose nothing", func(t *testing.T, w *world) {
			w.add(t, "ada")
			ada := login(t, w, "ada")
			tally(t, together(64, func(i int) error {
				edit := func(u *userstore.User) error { u.StatusMessage += "x"; return nil }
				if i%2 == 0 {
					return fails(ada.Update(bg, edit))
				}
				return fails(w.Update(bg, "ada", edit))
			}))
			u := must(w.Get(bg, "ada"))(t)
			require.Len(t, u.StatusMessage, 64)
			require.Equal(t, uint64(65), u.Version)
		}},
		{"of 64 concurrent creates of one uid exactly one wins", func(t *testing.T, w *world) {
			var winner atomic.Int32
			errs := together(64, func(i int) error {
				u, err := w.Create(bg, userstore.User{UID: "Ada", Name: fmt.Sprint(i), Tags: []string{fmt.Sprint(i)}})
				if err == nil {
					winner.Store(int32(i))
					require.Equal(t, "ada", u.UID)
				}
				return err
			})
			require.Equal(t, map[error]int{nil: 1, userstore.ErrExists: 63}, tally(t, errs, userstore.ErrExists))
			require.Equal(t, fmt.Sprint(winner.Load()), must(w.Get(bg, "ada"))(t).Name)
			require.Equal(t, 1, must(w.Count(bg, userstore.Query{Deactivated: userstore.DeactivatedInclude}))(t))
			require.Equal(t, 1, must(w.Count(bg, userstore.Query{Tags: []string{fmt.Sprint(winner.Load())}}))(t))
		}},
		{"of many conditional updates exactly one wins", func(t *testing.T, w *world) {
			w.add(t, "ada")
			errs := together(32, func(i int) error { return fails(w.Update(bg, "ada", userstore.IfVersion(1, rename(fmt.Sprint(i))))) })
			require.Equal(t, map[error]int{nil: 1, userstore.ErrVersion: 31}, tally(t, errs, userstore.ErrVersion))
		}},
		{"one that fails takes no other down", func(t *testing.T, w *world) {
			w.add(t, "ada")
			errs := together(60, func(i int) error {
				switch i % 3 {
				case 0:
					return fails(w.Create(bg, userstore.User{UID: fmt.Sprint(i), Name: "N"}))
				case 1:
					return fails(w.Create(bg, userstore.User{UID: "ada", Name: "N"}))
				}
				return fails(w.Update(bg, "nobody", nothing))
			})
			require.Equal(t, map[error]int{nil: 20, userstore.ErrExists: 20, userstore.ErrNotFound: 20}, tally(t, errs, userstore.ErrExists, userstore.ErrNotFound))
			require.Equal(t, 21, must(w.Count(bg, userstore.Query{}))(t))
		}},
		{"nobody gets a role that is just being deleted", func(t *testing.T, w *world) {
			for round := range 10 {
				role := fmt.Sprintf("r%d", round)
				w.roles(t, role)
				errs := together(9, func(i int) error {
					if i == 4 {
						return w.DeleteRole(bg, role)
					}
					return fails(w.Create(bg, userstore.User{UID: fmt.Sprintf("u%d-%d", round, i), Name: "N", Role: role}))
				})
				holders := must(w.Count(bg, userstore.Query{Roles: []string{role}}))(t)
				_, err := w.Role(bg, role)
				if errs[4] == nil {
					require.Zero(t, holders)
					require.ErrorIs(t, err, userstore.ErrNotFound)
				} else {
					require.ErrorIs(t, errs[4], userstore.ErrInUse)
					require.Equal(t, 8-tally(t, append(errs[:4:4], errs[5:]...), userstore.ErrInvalid)[userstore.ErrInvalid], holders)
					require.NoError(t, err)
				}
			}
		}},
		{"nothing names a user that is just being deleted", func(t *testing.T, w *world) {
			w.add(t, "bob")
			bob := login(t, w, "bob")
			for range 10 {
				w.add(t, "ada")
				token := must(w.IssueToken(bg, "ada"))(t)
				together(8, func(i int) error {
					return []func() error{
						func() error { return w.Delete(bg, "ada") }, func() error { return fails(w.AddFriends(bg, "bob", "ada")) },
						func() error { return fails(bob.Block(bg, "ada")) }, func() error { return fails(w.IssueToken(bg, "ada")) },
						func() error { return fails(w.Update(bg, "ada", rename("late"))) }, func() error { return fails(w.Deactivate(bg, "ada")) },
						func() error { return w.SetStatus(bg, "ada", userstore.Online) }, func() error { return fails(w.LoginWithToken(bg, token.Token)) },
					}[i]()
				})
				require.ErrorIs(t, fails(w.Get(bg, "ada")), userstore.ErrNotFound)
				require.Empty(t, must(w.Friends(bg, "bob", userstore.Query{}))(t).Users)
				require.Empty(t, must(bob.Blocked(bg, userstore.BlockQuery{}))(t).Users)
				sound(t, w.Store)
			}
		}},
		{"concurrent friendships and tokens add up", func(t *testing.T, w *world) {
			w.add(t, "ada")
			for i := range 30 {
				w.add(t, fmt.Sprintf("f%d", i))
			}
			tally(t, together(120, func(i int) error {
				if i < 60 {
					return fails(w.AddFriends(bg, "ada", fmt.Sprintf("f%d", i%30)))
				}
				return fails(w.IssueToken(bg, "ada"))
			}))
			require.Len(t, must(w.Friends(bg, "ada", userstore.Query{}))(t).Users, 30)
			require.Len(t, must(w.Tokens(bg, "ada"))(t), 60)
		}},
		{"readers see whole changes only", func(t *testing.T, w *world) {
			w.add(t, "ada", "bob")
			var stop atomic.Bool
			tally(t, together(6, func(i int) error {
				if i == 0 {
					defer stop.Store(true)
					for n := range 150 {
						tag := fmt.Sprintf("t%d", n%2)
						must(w.Update(bg, "ada", userstore.Patch{Name: &tag, Tags: &[]string{tag}}.Apply))(t)
					}
					return nil
				}
				for !stop.Load() {
					for u, err := range w.All(bg, userstore.Query{Tags: []string{"t0", "t1"}}) {
						if err != nil || len(u.Tags) != 1 || u.Tags[0] != u.Name {
							return fmt.Errorf("%v, %v", u, err)
						}
					}
					if n, err := w.Count(bg, userstore.Query{Tags: []string{"t0", "t1"}}); err != nil || n > 1 {
						return fmt.Errorf("%d, %w", n, err)
					}
					u, err := w.Get(bg, "ada")
					if err != nil || len(u.Tags) == 1 && u.Tags[0] != u.Name {
						return fmt.Errorf("%v, %w", u, err)
					}
				}
				return nil
			}))
		}},
		{"a writer reads its own write at once, whatever the cache holds", func(t *testing.T, w *world) {
			tally(t, together(8, func(i int) error {
				uid := fmt.Sprintf("u%d", i)
				for n := range 40 {
					if _, err := w.Upsert(bg, userstore.User{UID: uid, Name: fmt.Sprint(n)}); err != nil {
						return err
					}
					if u, err := w.Get(bg, uid); err != nil || u.Name != fmt.Sprint(n) {
						return fmt.Errorf("%v, want %d, %w", u, n, err)
					}
				}
				return nil
			}))
		}},
		{"calls cut off at any moment are done whole or not at all", func(t *testing.T, w *world) {
			w.add(t, "ada")
			for looks := range 25 {
				uid := fmt.Sprintf("u%d", looks)
				ctx := &fading{Context: bg, left: looks, done: make(chan struct{})}
				_, err := w.Create(ctx, userstore.User{UID: uid, Name: "N", Tags: []string{"t"}})
				n := must(w.Count(bg, userstore.Query{UIDs: []string{uid}, Tags: []string{"t"}}))(t)
				if err != nil {
					require.ErrorIs(t, err, context.Canceled)
					require.Zero(t, n, "a cancelled context changes nothing")
				} else {
					require.Equal(t, 1, n)
				}
			}
		}},
	})
}

// TestCloseWhileBusy closes a store under calls of every kind: each succeeds or is told that the store is closed.
func TestCloseWhileBusy(t *testing.T) {
	for _, w := range []*world{memory(t), disk(t)} {
		populate(t, w)
		ada := login(t, w, "ada")
		calls := verbs(w, ada)
		var created atomic.Int32
		errs := together(9, func(i int) error {
			if i == 8 {
				for created.Load() < 20 { // lets the others begin
					runtime.Gosched()
				}
				return w.Close()
			}
			for n := 0; ; n++ {
				if _, err := w.Create(bg, userstore.User{UID: fmt.Sprintf("u%d-%d", i, n), Name: "N"}); err != nil {
					return err
				}
				created.Add(1)
				for name, call := range calls {
					if name == "! delete" || name == "! create" || name == "! import" {
						continue
					}
					if err := call(bg); errors.Is(err, userstore.ErrClosed) {
						return err
					}
				}
			}
		})
		require.NoError(t, errs[8])
		require.Equal(t, map[error]int{userstore.ErrClosed: 8}, tally(t, errs[:8], userstore.ErrClosed))
		if w.dir != "" {
			w.open(t)
			require.GreaterOrEqual(t, must(w.Count(bg, userstore.Query{Search: "u", SearchIn: []userstore.Field{"uid"}}))(t), int(created.Load()))
			sound(t, w.Store)
		}
	}
}
