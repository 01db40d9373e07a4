package userstore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

func TestUpsert(t *testing.T) {
	hold(t, []sentence{
		{"upsert creates", func(t *testing.T, w *world) {
			w.roles(t, "vip")
			got := must(w.Upsert(bg, full("Ada")))(t)
			require.Equal(t, uint64(1), got.Version)
			require.Equal(t, w.clock.Now(), got.CreatedAt)
			require.Zero(t, got.UpdatedAt)
			require.Equal(t, got, must(w.Get(bg, "ada"))(t))
		}},
		{"upsert replaces the editable fields", func(t *testing.T, w *world) {
			w.roles(t, "vip")
			want := must(w.Create(bg, full("ada")))(t)
			require.NoError(t, w.SetStatus(bg, "ada", userstore.Online))
			want = userstore.User{UID: "ada", Name: "Bare", Role: "default", Status: userstore.Online, LastActiveAt: w.clock.Now(), CreatedAt: want.CreatedAt, Version: 2}
			want.UpdatedAt = w.clock.tick(time.Second)
			require.Equal(t, want, plain(must(w.Upsert(bg, userstore.User{UID: "ADA", Name: "Bare"}))(t)))
			require.Equal(t, want, plain(must(w.Get(bg, "ada"))(t)))
		}},
		{"what get gave can be upserted", func(t *testing.T, w *world) {
			w.roles(t, "vip")
			must(w.Create(bg, full("ada")))(t)
			require.NoError(t, w.SetStatus(bg, "ada", userstore.Online))
			u := must(w.Get(bg, "ada"))(t)
			require.NoError(t, w.SetStatus(bg, "ada", userstore.Offline))
			u.Name, u.Version = "New", 77
			got := must(w.Upsert(bg, u))(t)
			require.Equal(t, uint64(2), got.Version)
			require.Equal(t, userstore.Offline, got.Status)
			require.NoError(t, w.Delete(bg, "ada"))
			w.clock.tick(time.Hour)
			anew := must(w.Upsert(bg, got))(t)
			require.Equal(t, []any{uint64(1), w.clock.Now(), true}, []any{anew.Version, anew.CreatedAt, anew.UpdatedAt.IsZero() && anew.LastActiveAt.IsZero()})
		}},
		{"upsert of a deactivated uid is refused", func(t *testing.T, w *world) {
			w.add(t, "ada")
			must(w.Deactivate(bg, "ada"))(t)
			require.ErrorIs(t, fails(w.Upsert(bg, userstore.User{UID: "ada", Name: "B"})), userstore.ErrExists)
		}},
	})
}

func TestDeactivateAndDelete(t *testing.T) {
	hold(t, []sentence{
		{"deactivate hides from every read", func(t *testing.T, w *world) {
			w.add(t, "ada", "bob")
			bob := must(w.Login(bg, "bob"))(t)
			must(w.AddFriends(bg, "bob", "ada"))(t)
			must(bob.Block(bg, "ada"))(t)
			must(w.Deactivate(bg, "ada"))(t)
			require.Equal(t, []string{"bob"}, found(t, w, userstore.Query{}))
			require.Empty(t, found(t, bob, userstore.Query{}))
			require.Empty(t, must(w.Friends(bg, "bob", userstore.Query{}))(t).Users)
			require.Empty(t, must(bob.Blocked(bg, userstore.BlockQuery{}))(t).Users)
			require.ErrorIs(t, fails(bob.Get(bg, "ada")), userstore.ErrNotFound)
			require.Equal(t, 1, must(w.Count(bg, userstore.Query{}))(t))
		}},
		{"deactivate keeps everything, reactivate brings it back", func(t *testing.T, w *world) {
			w.roles(t, "vip")
			before := must(w.Create(bg, full("ada")))(t)
			w.add(t, "bob")
			must(w.AddFriends(bg, "ada", "bob"))(t)
			ada, bob := must(w.Login(bg, "ada"))(t), must(w.Login(bg, "bob"))(t)
			must(ada.Block(bg, "bob"))(t)
			must(bob.Block(bg, "ada"))(t)
			token := must(w.IssueToken(bg, "ada"))(t)

			off := w.clock.tick(time.Minute)
			must(w.Deactivate(bg, "ada"))(t)
			hidden := all(t, w, userstore.Query{Deactivated: userstore.DeactivatedOnly})
			want := before
			want.DeactivatedAt, want.UpdatedAt, want.Version = off, off, 2
			require.Equal(t, []userstore.User{want}, hidden)

			want.DeactivatedAt, want.UpdatedAt, want.Version = time.Time{}, w.clock.tick(time.Minute), 3
			must(w.Reactivate(bg, "ada"))(t)
			require.Equal(t, want, must(w.Get(bg, "ada"))(t))
			require.Len(t, must(w.Friends(bg, "ada", userstore.Query{}))(t).Users, 1)
			mutual := must(bob.Get(bg, "ada"))(t)
			require.True(t, mutual.BlockedByMe && mutual.HasBlockedMe)
			require.Equal(t, []userstore.Token{token}, must(w.Tokens(bg, "ada"))(t))
			require.Equal(t, "ada", must(w.LoginWithToken(bg, token.Token))(t).UID())
			require.Equal(t, []string{"ada"}, found(t, w, userstore.Query{Tags: []string{"poet"}, Roles: []string{"vip"}}))
		}},
		{"deactivate ends presence", func(t *testing.T, w *world) {
			w.add(t, "ada")
			require.NoError(t, w.SetStatus(bg, "ada", userstore.Online))
			must(w.Deactivate(bg, "ada"))(t)
			require.Equal(t, userstore.Offline, all(t, w, userstore.Query{Deactivated: userstore.DeactivatedOnly})[0].Status)
			must(w.Reactivate(bg, "ada"))(t)
			require.Equal(t, userstore.Offline, must(w.Get(bg, "ada"))(t).Status)
			require.Empty(t, found(t, w, userstore.Query{Status: userstore.Online}))
		}},
		{"delete is for good, with everything that names the user", func(t *testing.T, w *world) {
			w.roles(t, "vip")
			must(w.Create(bg, full("ada")))(t)
			w.add(t, "bob")
			must(w.AddFriends(bg, "ada", "bob"))(t)
			ada, bob := must(w.Login(bg, "ada"))(t), must(w.Login(bg, "bob"))(t)
			must(ada.Block(bg, "bob"))(t)
			must(bob.Block(bg, "ada"))(t)
			token := must(w.IssueToken(bg, "ada"))(t)
			require.NoError(t, w.Delete(bg, "ada"))

			require.ErrorIs(t, w.Delete(bg, "ada"), userstore.ErrNotFound)
			require.ErrorIs(t, fails(w.LoginWithToken(bg, token.Token)), userstore.ErrNotFound)
			require.Equal(t, []string{"bob"}, found(t, w, userstore.Query{Deactivated: userstore.DeactivatedInclude}))
			w.add(t, "ada") // another user of this uid has nothing of the first one
			require.Empty(t, must(w.Tokens(bg, "ada"))(t))
			require.Empty(t, must(w.Friends(bg, "ada", userstore.Query{}))(t).Users)
			require.Empty(t, must(w.Friends(bg, "bob", userstore.Query{}))(t).Users)
			require.Empty(t, must(bob.Blocked(bg, userstore.BlockQuery{}))(t).Users)
			require.Empty(t, must(must(w.Login(bg, "ada"))(t).Blocked(bg, userstore.BlockQuery{}))(t).Users)
			require.Empty(t, found(t, w, userstore.Query{Tags: []string{"poet"}}))
			require.Equal(t, uint64(1), must(w.Get(bg, "ada"))(t).Version)
		}},
		{"a deactivated user can be deleted, an unknown or malformed uid is not found", func(t *testing.T, w *world) {
			w.add(t, "ada")
			must(w.Deactivate(bg, "ada"))(t)
			require.NoError(t, w.Delete(bg, "ada"))
			for _, uid := range []string{"ada", "", "a b", "\xff"} {
				require.ErrorIs(t, w.Delete(bg, uid), userstore.ErrNotFound, "%q", uid)
			}
		}},
		{"version and updatedAt rise not with presence, blocks, friends or tokens", func(t *testing.T, w *world) {
			w.add(t, "ada", "bob")
			before := must(w.Get(bg, "ada"))(t)
			before.Status, before.LastActiveAt = userstore.Online, w.clock.tick(time.Second)
			require.NoError(t, w.SetStatus(bg, "ada", userstore.Online))
			must(must(w.Login(bg, "ada"))(t).Block(bg, "bob"))(t)
			must(must(w.Login(bg, "bob"))(t).Block(bg, "ada"))(t)
			must(w.AddFriends(bg, "ada", "bob"))(t)
			must(w.IssueToken(bg, "ada"))(t)
			require.Equal(t, before, must(w.Get(bg, "ada"))(t))
		}},
	})
}

func TestPresence(t *testing.T) {
	hold(t, []sentence{
		{"a new user is offline and was never active", func(t *testing.T, w *world) {
			w.add(t, "ada")
			u := must(w.Get(bg, "ada"))(t)
			require.Equal(t, userstore.Offline, u.Status)
			require.Zero(t, u.LastActiveAt)
		}},
		{"presence also sets lastActiveAt", func(t *testing.T, w *world) {
			w.add(t, "ada")
			for _, status := range []userstore.Status{userstore.Online, userstore.Offline} {
				now := w.clock.tick(time.Minute)
				require.NoError(t, w.SetStatus(bg, "ada", status))
				u := must(w.Get(bg, "ada"))(t)
				require.Equal(t, []any{status, now}, []any{u.Status, u.LastActiveAt})
				require.Equal(t, []string{"ada"}, found(t, w, userstore.Query{Status: status}))
			}
		}},
		{"an unknown status is refused", func(t *testing.T, w *world) {
			w.add(t, "ada")
			for _, status := range []userstore.Status{"", "online", "away", "Available", secret} {
				err := w.SetStatus(bg, "ada", status)
				require.NotContains(t, refused(t, err, userstore.FieldStatus, userstore.ErrInvalid).Error(), secret)
			}
		}},
		{"login and logout do not touch presence", func(t *testing.T, w *world) {
			w.add(t, "ada")
			before := must(w.Get(bg, "ada"))(t)
			s := must(w.Login(bg, "ada"))(t)
			require.Equal(t, before, must(w.Get(bg, "ada"))(t))
			require.NoError(t, w.SetStatus(bg, "ada", userstore.Online))
			require.NoError(t, s.Logout(bg))
			require.Equal(t, userstore.Online, must(w.Get(bg, "ada"))(t).Status)
		}},
	})
	t.Run("after open nobody is online, lastActiveAt is kept", func(t *testing.T) {
		w := disk(t)
		w.add(t, "ada", "bob")
		require.NoError(t, w.SetStatus(bg, "ada", userstore.Online))
		seen := w.clock.Now()
		w.clock.tick(time.Hour)
		w.reopen(t)
		ada := must(w.Get(bg, "ada"))(t)
		require.Equal(t, []any{userstore.Offline, seen}, []any{ada.Status, ada.LastActiveAt})
		require.Empty(t, found(t, w, userstore.Query{Status: userstore.Online}))
		require.Equal(t, 2, must(w.Count(bg, userstore.Query{Status: userstore.Offline}))(t))
		require.Equal(t, []string{"ada", "bob"}, found(t, w, userstore.Query{Sort: userstore.SortStatus}))
		require.NoError(t, w.SetStatus(bg, "bob", userstore.Online))
		require.Equal(t, []string{"bob", "ada"}, found(t, w, userstore.Query{Sort: userstore.SortStatus}))
		require.Equal(t, []string{"bob"}, found(t, w, userstore.Query{Status: userstore.Online}))
		sound(t, w.Store)
	})
}
