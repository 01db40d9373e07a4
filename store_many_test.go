package userstore_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

// many is a call over many uids, made for or by ada.
type many struct {
	call func(t *testing.T, w *world, ctx context.Context, uids ...string) (userstore.Outcome, error)
	undo string // the call that brings back what was before
}

func login(t *testing.T, w *world, uid string) *userstore.Session {
	t.Helper()
	return must(w.Login(bg, uid))(t)
}

var manies = map[string]many{
	"deactivate": {undo: "reactivate", call: func(t *testing.T, w *world, ctx context.Context, uids ...string) (userstore.Outcome, error) {
		return w.Deactivate(ctx, uids...)
	}},
	"reactivate": {undo: "deactivate", call: func(t *testing.T, w *world, ctx context.Context, uids ...string) (userstore.Outcome, error) {
		return w.Reactivate(ctx, uids...)
	}},
	"add friends": {undo: "remove friends", call: func(t *testing.T, w *world, ctx context.Context, uids ...string) (userstore.Outcome, error) {
		return w.AddFriends(ctx, "ada", uids...)
	}},
	"remove friends": {undo: "add friends", call: func(t *testing.T, w *world, ctx context.Context, uids ...string) (userstore.Outcome, error) {
		return w.RemoveFriends(ctx, "ada", uids...)
	}},
	"block": {undo: "unblock", call: func(t *testing.T, w *world, ctx context.Context, uids ...string) (userstore.Outcome, error) {
		return login(t, w, "ada").Block(ctx, uids...)
	}},
	"unblock": {undo: "block", call: func(t *testing.T, w *world, ctx context.Context, uids ...string) (userstore.Outcome, error) {
		return login(t, w, "ada").Unblock(ctx, uids...)
	}},
}

// eachMany makes a sentence a test of every call over many uids. The users are such that Bob is open to the call.
func eachMany(rule string, calls []string, test func(t *testing.T, w *world, call, undo many)) (list []sentence) {
	for _, name := range calls {
		list = append(list, sentence{rule + "/" + name, func(t *testing.T, w *world) {
			w.add(t, "ada", "bob", "cleo", "dan", "gone")
			call := manies[name]
			if name == "remove friends" || name == "unblock" || name == "reactivate" {
				must(manies[call.undo].call(t, w, bg, "bob", "cleo", "dan"))(t)
			}
			if name != "reactivate" && name != "deactivate" {
				must(w.Deactivate(bg, "gone"))(t)
			}
			test(t, w, call, manies[call.undo])
		}})
	}
	return list
}

var (
	relations = []string{"add friends", "remove friends", "block", "unblock"}
	states    = []string{"deactivate", "reactivate"}
	every     = append(append([]string{}, relations...), states...)
)

func TestCallsOverManyUIDs(t *testing.T) {
	var list []sentence
	add := func(s []sentence) { list = append(list, s...) }
	add(eachMany("each uid is answered as the caller wrote it, a repeat once", every, func(t *testing.T, w *world, call, undo many) {
		got := must(call.call(t, w, bg, "DAN", "Bob", "bob", "Nobody", "Bob", "nobody", "dan"))(t)
		require.Equal(t, userstore.Outcome{Done: []string{"DAN", "Bob"}, NotFound: []string{"Nobody"}}, got)
	}))
	add(eachMany("what is so already is already, and can be turned back", every, func(t *testing.T, w *world, call, undo many) {
		require.Equal(t, []string{"bob"}, must(call.call(t, w, bg, "bob"))(t).Done)
		require.Equal(t, userstore.Outcome{Done: []string{"cleo"}, Already: []string{"BOB"}}, must(call.call(t, w, bg, "BOB", "cleo"))(t))
		require.Equal(t, userstore.Outcome{Done: []string{"cleo", "bob"}, Already: nil}, must(undo.call(t, w, bg, "cleo", "bob"))(t))
		require.Equal(t, userstore.Outcome{Already: []string{"bob"}}, must(undo.call(t, w, bg, "bob"))(t))
	}))
	add(eachMany("malformed and unknown uids are not found", every, func(t *testing.T, w *world, call, undo many) {
		bad := []string{"", "no body", "ü", "\xff", pad("", "u", 101), "nobody"}
		require.Equal(t, userstore.Outcome{Done: []string{"bob"}, NotFound: bad}, must(call.call(t, w, bg, append([]string{"bob"}, bad...)...))(t))
	}))
	add(eachMany("a deactivated user is not found", relations, func(t *testing.T, w *world, call, undo many) {
		require.Equal(t, userstore.Outcome{NotFound: []string{"gone"}}, must(call.call(t, w, bg, "gone"))(t))
	}))
	add(eachMany("oneself is refused", relations, func(t *testing.T, w *world, call, undo many) {
		require.Equal(t, userstore.Outcome{Done: []string{"bob"}, Refused: []string{"ADA"}}, must(call.call(t, w, bg, "ADA", "bob", "ada"))(t))
	}))
	add(eachMany("no uids is no change", every, func(t *testing.T, w *world, call, undo many) {
		require.Zero(t, must(call.call(t, w, bg))(t))
	}))
	add(eachMany("an error ends the call, and the outcome says what was done until then", every, func(t *testing.T, w *world, call, undo many) {
		part := false
		for looks := range 60 {
			ctx := &fading{Context: bg, left: looks, done: make(chan struct{})}
			out, err := call.call(t, w, ctx, "nobody", "bob", "cleo", "dan")
			if err != nil {
				require.ErrorIs(t, err, context.Canceled)
				part = part || len(out.Done) > 0
			}
			// What the outcome does not name is as before: the call still finds it to do.
			rest := must(call.call(t, w, bg, "bob", "cleo", "dan"))(t)
			require.ElementsMatch(t, []string{"bob", "cleo", "dan"}, append(out.Done, rest.Done...))
			require.ElementsMatch(t, out.Done, rest.Already)
			must(undo.call(t, w, bg, "bob", "cleo", "dan"))(t)
		}
		require.True(t, part, "no call was cut in its middle")
	}))
	hold(t, list)
}

// fading is a context that is cancelled once it has been looked at so many times.
type fading struct {
	context.Context
	mu   sync.Mutex
	left int
	done chan struct{}
}

func (c *fading) look() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left--; c.left == -1 {
		close(c.done)
	}
	return c.left < 0
}

func (c *fading) Done() <-chan struct{} { c.look(); return c.done }

func (c *fading) Err() error {
	if c.look() {
		return context.Canceled
	}
	return nil
}

func TestFriends(t *testing.T) {
	friends := func(t *testing.T, w *world, uid string, q userstore.Query) []string {
		t.Helper()
		return uids(paged(t, q, func(ctx context.Context, q userstore.Query) (userstore.Page, error) { return w.Friends(ctx, uid, q) }))
	}
	hold(t, []sentence{
		{"friends are mutual", func(t *testing.T, w *world) {
			w.add(t, "ada", "bob", "cleo")
			must(w.AddFriends(bg, "ada", "bob"))(t)
			require.Equal(t, []string{"bob"}, friends(t, w, "ada", userstore.Query{}))
			require.Equal(t, []string{"ada"}, friends(t, w, "bob", userstore.Query{}))
			require.Equal(t, []string{"ada"}, must(w.AddFriends(bg, "bob", "ada"))(t).Already)
			must(w.RemoveFriends(bg, "bob", "ada"))(t)
			require.Empty(t, friends(t, w, "ada", userstore.Query{}))
		}},
		{"friends are a query like any other", func(t *testing.T, w *world) {
			w.roles(t, "vip")
			w.add(t, "ada")
			for i, name := range []string{"Émile", "zoe", "anna", "Anton", "Bo"} {
				w.clock.tick(time.Second)
				u := userstore.User{UID: fmt.Sprintf("f%d", i), Name: name, Tags: []string{"t"}}
				if i%2 == 0 {
					u.Role, u.Tags = "vip", []string{"t", "u"}
				}
				must(w.Create(bg, u))(t)
				must(w.AddFriends(bg, "ada", u.UID))(t)
			}
			w.add(t, "stranger")
			require.NoError(t, w.SetStatus(bg, "f3", userstore.Online))
			for _, c := range []struct {
				q    userstore.Query
				want []string
			}{
				{userstore.Query{}, []string{"f2", "f3", "f4", "f1", "f0"}},
				{userstore.Query{Desc: true}, []string{"f0", "f1", "f4", "f3", "f2"}},
				{userstore.Query{Sort: userstore.SortUID}, []string{"f0", "f1", "f2", "f3", "f4"}},
				{userstore.Query{Sort: userstore.SortCreated, Desc: true}, []string{"f4", "f3", "f2", "f1", "f0"}},
				{userstore.Query{Sort: userstore.SortStatus}, []string{"f3", "f2", "f4", "f1", "f0"}},
				{userstore.Query{Search: "AN"}, []string{"f2", "f3"}},
				{userstore.Query{Roles: []string{"vip"}}, []string{"f2", "f4", "f0"}},
				{userstore.Query{NoTags: []string{"u"}}, []string{"f3", "f1"}},
				{userstore.Query{UIDs: []string{"f1", "stranger"}}, []string{"f1"}},
				{userstore.Query{Status: userstore.Online}, []string{"f3"}},
			} {
				for _, limit := range []int{0, 1, 2, 1000} {
					c.q.Limit = limit
					require.Equal(t, c.want, friends(t, w, "ada", c.q), "%+v", c.q)
				}
			}
			must(w.Deactivate(bg, "f2", "f1"))(t)
			require.Equal(t, []string{"f3", "f4", "f0"}, friends(t, w, "ada", userstore.Query{}))
			require.Equal(t, []string{"f2", "f1"}, friends(t, w, "ada", userstore.Query{Deactivated: userstore.DeactivatedOnly}))
			require.Len(t, friends(t, w, "ada", userstore.Query{Deactivated: userstore.DeactivatedInclude}), 5)
		}},
		{"what a query refuses, friends refuse", func(t *testing.T, w *world) {
			w.add(t, "ada")
			for field, q := range map[string]userstore.Query{
				"limit": {Limit: 1001}, "cursor": {Cursor: "x"}, "sort": {Sort: 99}, "status": {Status: "away"}, "friendsOnly": {FriendsOnly: true}, "hideBlocked": {HideBlocked: true},
			} {
				require.ErrorIs(t, fails(w.Friends(bg, "ada", q)), userstore.ErrInvalid, field)
			}
		}},
		{"a cursor of one user's friends is not another's", func(t *testing.T, w *world) {
			w.add(t, "ada", "bob", "cleo", "dan")
			must(w.AddFriends(bg, "ada", "cleo", "dan"))(t)
			must(w.AddFriends(bg, "bob", "cleo", "dan"))(t)
			next := must(w.Friends(bg, "ada", userstore.Query{Limit: 1}))(t).Next
			require.Len(t, must(w.Friends(bg, "ADA", userstore.Query{Limit: 1, Cursor: next}))(t).Users, 1)
			require.ErrorIs(t, fails(w.Friends(bg, "bob", userstore.Query{Limit: 1, Cursor: next})), userstore.ErrInvalid)
			require.ErrorIs(t, fails(w.List(bg, userstore.Query{Limit: 1, Cursor: next})), userstore.ErrInvalid)
		}},
		{"a user with more friends than one transaction takes is deleted whole", func(t *testing.T, w *world) {
			w.add(t, "ada")
			for i := range 250 {
				uid := fmt.Sprintf("f%03d", i)
				w.add(t, uid)
				must(w.AddFriends(bg, "ada", uid))(t)
				if i%10 == 0 {
					must(login(t, w, uid).Block(bg, "ada"))(t)
				}
			}
			require.NoError(t, w.Delete(bg, "ada"))
			w.add(t, "ada")
			require.Empty(t, friends(t, w, "ada", userstore.Query{}))
			require.Empty(t, friends(t, w, "f249", userstore.Query{}))
			require.Empty(t, must(login(t, w, "ada").Blocked(bg, userstore.BlockQuery{}))(t).Users)
			sound(t, w.Store)
		}},
	})
}
