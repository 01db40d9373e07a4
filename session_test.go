package userstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

// dead demands that every call on a session gives one of these errors and no user.
func dead(t *testing.T, s *userstore.Session, want ...error) {
	t.Helper()
	for name, call := range map[string]func() error{
		"user":   func() error { return fails(s.User(bg)) },
		"get":    func() error { return fails(s.Get(bg, "bob")) },
		"update": func() error { return fails(s.Update(bg, rename("late"))) },
		"list":   func() error { return fails(s.List(bg, userstore.Query{})) },
		"all": func() error {
			users, err := collect(s.All(bg, userstore.Query{}))
			require.Empty(t, users)
			return err
		},
		"count":     func() error { return fails(s.Count(bg, userstore.Query{})) },
		"block":     func() error { return fails(s.Block(bg, "bob")) },
		"unblock":   func() error { return fails(s.Unblock(bg, "bob")) },
		"blocked":   func() error { return fails(s.Blocked(bg, userstore.BlockQuery{})) },
		"blockedAt": func() error { return fails(s.BlockedAt(bg, "bob")) },
	} {
		err := call()
		require.Error(t, err, name)
		is := func(target error) bool { return errors.Is(err, target) }
		require.True(t, slices.ContainsFunc(want, is), "%s: %v", name, err)
	}
}

func TestSessionHasNoBackEndVerbs(t *testing.T) {
	session := reflect.TypeFor[*userstore.Session]()
	for _, verb := range []string{"Create", "Upsert", "Delete", "Deactivate", "Reactivate", "SetStatus", "Import", "Export", "Backup", "AddFriends", "CreateRole", "IssueToken"} {
		_, there := session.MethodByName(verb)
		require.False(t, there, verb)
	}
}

func TestSessionLife(t *testing.T) {
	hold(t, []sentence{
		{"login is for users who are there and active", func(t *testing.T, w *world) {
			w.add(t, "ada")
			require.Equal(t, "ada", login(t, w, "Ada").UID())
			require.ErrorIs(t, fails(w.Login(bg, "nobody")), userstore.ErrNotFound)
			must(w.Deactivate(bg, "ada"))(t)
			require.ErrorIs(t, fails(w.Login(bg, "ada")), userstore.ErrNotFound)
		}},
		{"every call checks that the user is active", func(t *testing.T, w *world) {
			w.add(t, "ada", "bob")
			byUID, byToken := login(t, w, "ada"), must(w.LoginWithToken(bg, must(w.IssueToken(bg, "ada"))(t).Token))(t)
			must(w.Deactivate(bg, "ada"))(t)
			dead(t, byUID, userstore.ErrNotFound)
			dead(t, byToken, userstore.ErrNotFound)
			must(w.Reactivate(bg, "ada"))(t)
			require.Equal(t, "ada", must(byUID.User(bg))(t).Name)
			require.Equal(t, "ada", must(byToken.User(bg))(t).Name)
			require.NoError(t, w.Delete(bg, "ada"))
			dead(t, byUID, userstore.ErrNotFound)
			dead(t, byToken, userstore.ErrNotFound, userstore.ErrLoggedOut)
		}},
		{"a session from a token ends with the token", func(t *testing.T, w *world) {
			w.add(t, "ada", "bob")
			one, two := must(w.IssueToken(bg, "ada"))(t), must(w.IssueToken(bg, "ada"))(t)
			s, other, byUID := must(w.LoginWithToken(bg, one.Token))(t), must(w.LoginWithToken(bg, two.Token))(t), login(t, w, "ada")
			require.NoError(t, w.RevokeToken(bg, "ada", one.Token))
			dead(t, s, userstore.ErrLoggedOut)
			require.Equal(t, "ada", must(other.User(bg))(t).UID)
			must(w.RevokeTokens(bg, "ada"))(t)
			dead(t, other, userstore.ErrLoggedOut)
			require.Equal(t, "ada", must(byUID.User(bg))(t).UID)
			require.Equal(t, "ada", must(w.Get(bg, "ada"))(t).Name, "no late update")
		}},
		{"after logout every call is logged out, and other sessions go on", func(t *testing.T, w *world) {
			w.add(t, "ada", "bob")
			token := must(w.IssueToken(bg, "ada"))(t)
			for _, s := range []*userstore.Session{login(t, w, "ada"), must(w.LoginWithToken(bg, token.Token))(t)} {
				other := login(t, w, "ada")
				require.NoError(t, s.Logout(bg))
				dead(t, s, userstore.ErrLoggedOut)
				require.Equal(t, "ada", must(other.User(bg))(t).UID)
				require.Equal(t, "ada", s.UID())
			}
		}},
		{"a uid deleted and created anew is another user", func(t *testing.T, w *world) {
			w.add(t, "ada", "bob")
			token := must(w.IssueToken(bg, "ada"))(t)
			byUID, byToken := login(t, w, "ada"), must(w.LoginWithToken(bg, token.Token))(t)
			require.NoError(t, w.Delete(bg, "ada"))
			w.add(t, "ada")
			must(w.IssueToken(bg, "ada"))(t)
			dead(t, byUID, userstore.ErrNotFound, userstore.ErrLoggedOut)
			dead(t, byToken, userstore.ErrNotFound, userstore.ErrLoggedOut)
			require.ErrorIs(t, fails(w.LoginWithToken(bg, token.Token)), userstore.ErrNotFound)
			require.ErrorIs(t, w.RevokeToken(bg, "ada", token.Token), userstore.ErrNotFound)
			require.Equal(t, "ada", must(login(t, w, "ada").User(bg))(t).Name)
		}},
	})
}

func TestSessionUpdate(t *testing.T) {
	hold(t, []sentence{
		{"it touches only the logged-in user, whatever uid is passed", func(t *testing.T, w *world) {
			w.add(t, "ada", "bob")
			bob := must(w.Get(bg, "bob"))(t)
			for _, uid := range []string{"bob", "", "BOB", "no uid \xff", "ada"} {
				got := must(login(t, w, "ada").Update(bg, func(u *userstore.User) error { u.UID, u.Name = uid, "Me "+u.Name; return nil }))(t)
				require.Equal(t, "ada", got.UID)
			}
			require.Equal(t, "Me Me Me Me Me ada", must(w.Get(bg, "ada"))(t).Name)
			require.Equal(t, bob, must(w.Get(bg, "bob"))(t))
			require.Equal(t, 2, must(w.Count(bg, userstore.Query{}))(t))
		}},
		{"never the role", func(t *testing.T, w *world) {
			w.roles(t, "vip")
			w.add(t, "ada")
			s := login(t, w, "ada")
			for _, role := range []string{"vip", "ghost"} {
				refused(t, fails(s.Update(bg, userstore.Patch{Name: ptr("X"), Role: &role}.Apply)), userstore.FieldRole, userstore.ErrNotEditable)
			}
			require.Equal(t, uint64(2), must(s.Update(bg, userstore.Patch{Name: ptr("X"), Role: ptr("Default")}.Apply))(t).Version, "its own role is no change")
			must(w.Update(bg, "ada", userstore.Patch{Role: ptr("vip")}.Apply))(t)
			require.ErrorIs(t, fails(s.Update(bg, userstore.Patch{Role: ptr("")}.Apply)), userstore.ErrNotEditable, "empty means default")
			require.Equal(t, "vip", must(w.Get(bg, "ada"))(t).Role)
		}},
		{"all that the user may edit", func(t *testing.T, w *world) {
			w.add(t, "ada")
			want := full("ada")
			want.Role, want.Status, want.CreatedAt, want.Version = "default", userstore.Offline, w.clock.Now(), 2
			want.UpdatedAt = w.clock.tick(time.Second)
			require.Equal(t, want, must(login(t, w, "ada").Update(bg, overwrite(full("ada"), false)))(t))
			require.Equal(t, want, must(w.Get(bg, "ada"))(t))
			cleared := must(login(t, w, "ada").Update(bg, userstore.Patch{Unset: []userstore.Field{"avatar", "link", "metadata", "statusMessage", "tags"}}.Apply))(t)
			require.Equal(t, json.RawMessage(nil), cleared.Metadata)
		}},
		{"a condition on the version holds here too", func(t *testing.T, w *world) {
			w.add(t, "ada")
			s := login(t, w, "ada")
			must(s.Update(bg, userstore.IfVersion(1, rename("B"))))(t)
			require.ErrorIs(t, fails(s.Update(bg, userstore.IfVersion(1, rename("C")))), userstore.ErrVersion)
		}},
	})
}

func TestBlocks(t *testing.T) {
	blocked := func(t *testing.T, s *userstore.Session, q userstore.BlockQuery) []string {
		t.Helper()
		return uids(must(s.Blocked(bg, q))(t).Users)
	}
	flags := func(u userstore.User) [2]bool { return [2]bool{u.BlockedByMe, u.HasBlockedMe} }
	hold(t, []sentence{
		{"blocks are directed, and seen in every read", func(t *testing.T, w *world) {
			w.add(t, "ada", "bob")
			ada, bob := login(t, w, "ada"), login(t, w, "bob")
			must(ada.Block(bg, "bob"))(t)
			reads := map[string]func(s *userstore.Session, uid string) userstore.User{
				"get": func(s *userstore.Session, uid string) userstore.User { return must(s.Get(bg, uid))(t) },
				"list": func(s *userstore.Session, _ string) userstore.User {
					return must(s.List(bg, userstore.Query{}))(t).Users[0]
				},
				"all": func(s *userstore.Session, _ string) userstore.User { return all(t, s, userstore.Query{})[0] },
			}
			for name, read := range reads {
				require.Equal(t, [2]bool{true, false}, flags(read(ada, "bob")), name)
				require.Equal(t, [2]bool{false, true}, flags(read(bob, "ada")), name)
			}
			must(bob.Block(bg, "ada"))(t)
			for name, read := range reads {
				require.Equal(t, [2]bool{true, true}, flags(read(ada, "bob")), name)
			}
			must(ada.Unblock(bg, "bob"))(t)
			for name, read := range reads {
				require.Equal(t, [2]bool{false, true}, flags(read(ada, "bob")), name)
				require.Equal(t, [2]bool{true, false}, flags(read(bob, "ada")), name)
			}
			require.Equal(t, [2]bool{}, flags(must(w.Get(bg, "ada"))(t)), "the back end has no such view")
			require.Equal(t, [2]bool{}, flags(must(ada.User(bg))(t)))
		}},
		{"flags are right however many are blocked", func(t *testing.T, w *world) {
			w.add(t, "ada")
			ada := login(t, w, "ada")
			for i := range 40 {
				uid := fmt.Sprintf("u%02d", i)
				w.add(t, uid)
				if i >= 10 {
					must(ada.Block(bg, uid))(t)
				}
				if i < 30 {
					must(login(t, w, uid).Block(bg, "ada"))(t)
				}
			}
			for i, u := range all(t, ada, userstore.Query{}) {
				want := [2]bool{i >= 10, i < 30}
				require.Equal(t, want, flags(u))
				require.Equal(t, want, flags(must(ada.Get(bg, u.UID))(t)))
			}
			for i, u := range paged(t, userstore.Query{Limit: 3}, ada.List) {
				require.Equal(t, [2]bool{i >= 10, i < 30}, flags(u))
			}
		}},
		{"a mutual block is one row with both flags", func(t *testing.T, w *world) {
			w.add(t, "ada", "bob", "cleo", "dan", "eve")
			ada := login(t, w, "ada")
			must(ada.Block(bg, "cleo", "bob"))(t)
			must(login(t, w, "bob").Block(bg, "ada"))(t)
			must(login(t, w, "dan").Block(bg, "ada"))(t)
			rows := must(ada.Blocked(bg, userstore.BlockQuery{}))(t).Users
			require.Equal(t, []string{"bob", "cleo", "dan"}, uids(rows))
			require.Equal(t, [][2]bool{{true, true}, {true, false}, {false, true}}, [][2]bool{flags(rows[0]), flags(rows[1]), flags(rows[2])})
			require.Equal(t, []string{"bob", "cleo"}, blocked(t, ada, userstore.BlockQuery{Direction: userstore.BlockedByMe}))
			require.Equal(t, []string{"bob", "dan"}, blocked(t, ada, userstore.BlockQuery{Direction: userstore.HasBlockedMe}))
			require.Equal(t, rows[0], must(ada.Blocked(bg, userstore.BlockQuery{Direction: userstore.HasBlockedMe}))(t).Users[0])
		}},
		{"rows of deactivated users are left out until they return", func(t *testing.T, w *world) {
			w.add(t, "ada", "bob", "cleo")
			ada := login(t, w, "ada")
			must(ada.Block(bg, "bob"))(t)
			must(login(t, w, "cleo").Block(bg, "ada"))(t)
			must(w.Deactivate(bg, "bob", "cleo"))(t)
			require.Empty(t, blocked(t, ada, userstore.BlockQuery{}))
			must(w.Reactivate(bg, "bob", "cleo"))(t)
			require.Equal(t, []string{"bob", "cleo"}, blocked(t, ada, userstore.BlockQuery{}))
		}},
		{"blocked rows are paged and searched", func(t *testing.T, w *world) {
			w.add(t, "ada")
			ada := login(t, w, "ada")
			var want []string
			for _, uid := range []string{"a1", "b1", "b2", "b3", "c1"} {
				must(w.Create(bg, userstore.User{UID: uid, Name: "Ünal " + uid}))(t)
				must(login(t, w, uid).Block(bg, "ada"))(t)
				if uid[1] != '3' {
					must(ada.Block(bg, uid))(t)
				}
				want = append(want, uid)
			}
			for limit := range 7 {
				q := userstore.BlockQuery{Limit: limit}
				var got []string
				for {
					page := must(ada.Blocked(bg, q))(t)
					got = append(got, uids(page.Users)...)
					if q.Cursor = page.Next; q.Cursor == "" {
						break
					}
				}
				require.Equal(t, want, got, limit)
			}
			require.Equal(t, want, blocked(t, ada, userstore.BlockQuery{Search: "üNAL"}))
			require.Equal(t, []string{"b1", "b2", "b3"}, blocked(t, ada, userstore.BlockQuery{Search: "B"}))
			require.Equal(t, []string{"b1", "b2"}, blocked(t, ada, userstore.BlockQuery{Search: "B", Direction: userstore.BlockedByMe}))
			require.Empty(t, blocked(t, ada, userstore.BlockQuery{Search: "1"}))
		}},
		{"what cannot be asked is refused", func(t *testing.T, w *world) {
			w.add(t, "ada", "bob", "cleo")
			ada := login(t, w, "ada")
			must(ada.Block(bg, "bob", "cleo"))(t)
			next := must(ada.Blocked(bg, userstore.BlockQuery{Limit: 1}))(t).Next
			for _, q := range []userstore.BlockQuery{{Limit: -1}, {Limit: 1001}, {Direction: 99}, {Cursor: secret}, {Cursor: next, Search: "b"}, {Cursor: next, Direction: userstore.BlockedByMe}, {Cursor: next + "x"}} {
				err := fails(ada.Blocked(bg, q))
				require.ErrorIs(t, err, userstore.ErrInvalid, "%+v", q)
				require.NotContains(t, err.Error(), secret)
			}
			require.ErrorIs(t, fails(login(t, w, "bob").Blocked(bg, userstore.BlockQuery{Limit: 1, Cursor: next})), userstore.ErrInvalid, "another's cursor")
			require.Equal(t, []string{"cleo"}, blocked(t, ada, userstore.BlockQuery{Limit: 5, Cursor: next}))
		}},
		{"when a block was made is known", func(t *testing.T, w *world) {
			w.add(t, "ada", "bob")
			ada := login(t, w, "ada")
			require.Zero(t, must(ada.BlockedAt(bg, "bob"))(t))
			at := w.clock.tick(time.Minute)
			must(ada.Block(bg, "bob"))(t)
			w.clock.tick(time.Minute)
			must(ada.Block(bg, "bob"))(t)
			require.Equal(t, at, must(ada.BlockedAt(bg, "bob"))(t))
			require.Zero(t, must(login(t, w, "bob").BlockedAt(bg, "ada"))(t))
			must(ada.Unblock(bg, "bob"))(t)
			require.Zero(t, must(ada.BlockedAt(bg, "bob"))(t))
		}},
		{"blocking does not remove friendship", func(t *testing.T, w *world) {
			w.add(t, "ada", "bob")
			must(w.AddFriends(bg, "ada", "bob"))(t)
			must(login(t, w, "ada").Block(bg, "bob"))(t)
			require.Len(t, must(w.Friends(bg, "ada", userstore.Query{}))(t).Users, 1)
		}},
	})
}

func TestSessionLists(t *testing.T) {
	hold(t, []sentence{
		{"a user's lists hold everyone it may see but itself", func(t *testing.T, w *world) {
			w.add(t, "ada", "bob", "cleo", "gone")
			must(w.Deactivate(bg, "gone"))(t)
			ada := login(t, w, "ada")
			must(login(t, w, "cleo").Block(bg, "ada"))(t)
			require.Equal(t, []string{"bob", "cleo"}, found(t, ada, userstore.Query{}))
			require.Equal(t, []string{"bob", "cleo"}, uids(must(ada.List(bg, userstore.Query{}))(t).Users))
			require.Equal(t, 2, must(ada.Count(bg, userstore.Query{}))(t))
			require.Equal(t, []string{"bob"}, found(t, ada, userstore.Query{UIDs: []string{"ada", "bob", "gone"}}))
			require.Equal(t, "ada", must(ada.Get(bg, "ada"))(t).UID)
			require.Equal(t, "ada", must(ada.User(bg))(t).UID)
		}},
		{"friends only", func(t *testing.T, w *world) {
			w.add(t, "ada", "bob", "cleo", "dan")
			must(w.AddFriends(bg, "ada", "dan", "bob"))(t)
			must(w.AddFriends(bg, "cleo", "bob"))(t)
			ada := login(t, w, "ada")
			require.Equal(t, []string{"bob", "dan"}, found(t, ada, userstore.Query{FriendsOnly: true}))
			require.Equal(t, []string{"dan"}, found(t, ada, userstore.Query{FriendsOnly: true, Search: "D"}))
			require.Equal(t, 2, must(ada.Count(bg, userstore.Query{FriendsOnly: true}))(t))
		}},
		{"hide blocked hides those it blocked, not those who blocked it", func(t *testing.T, w *world) {
			w.add(t, "ada", "bob", "cleo", "dan")
			ada := login(t, w, "ada")
			must(ada.Block(bg, "bob"))(t)
			must(login(t, w, "cleo").Block(bg, "ada"))(t)
			must(w.AddFriends(bg, "ada", "bob", "dan"))(t)
			require.Equal(t, []string{"cleo", "dan"}, found(t, ada, userstore.Query{HideBlocked: true}))
			require.Equal(t, []string{"bob", "cleo", "dan"}, found(t, ada, userstore.Query{}))
			require.Equal(t, []string{"dan"}, found(t, ada, userstore.Query{HideBlocked: true, FriendsOnly: true}))
			require.Equal(t, 2, must(ada.Count(bg, userstore.Query{HideBlocked: true}))(t))
		}},
		{"friendsOnly and hideBlocked need a session, deactivated is not for one", func(t *testing.T, w *world) {
			w.add(t, "ada", "bob")
			ask := func(l lister, q userstore.Query) (errs []error) {
				_, err := collect(l.All(bg, q))
				return []error{fails(l.List(bg, q)), fails(l.Count(bg, q)), err}
			}
			for _, err := range append(ask(w, userstore.Query{FriendsOnly: true}), ask(w, userstore.Query{HideBlocked: true})...) {
				require.ErrorIs(t, err, userstore.ErrInvalid)
			}
			for _, d := range []userstore.Deactivated{userstore.DeactivatedInclude, userstore.DeactivatedOnly} {
				for _, err := range ask(login(t, w, "ada"), userstore.Query{Deactivated: d}) {
					require.ErrorIs(t, err, userstore.ErrInvalid)
				}
			}
		}},
		{"one's cursor is not another's", func(t *testing.T, w *world) {
			w.add(t, "ada", "bob", "cleo", "dan")
			next := must(login(t, w, "ada").List(bg, userstore.Query{Limit: 1}))(t).Next
			for _, l := range []lister{w, login(t, w, "bob")} {
				require.ErrorIs(t, fails(l.List(bg, userstore.Query{Limit: 1, Cursor: next})), userstore.ErrInvalid)
			}
			require.Equal(t, []string{"cleo", "dan"}, uids(must(login(t, w, "ada").List(context.Background(), userstore.Query{Cursor: next}))(t).Users))
		}},
	})
}
