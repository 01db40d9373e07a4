package userstore_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

// full is a user with every editable field set.
func full(uid string) userstore.User {
	return userstore.User{
		UID: uid, Name: "Ada Lovelace", Avatar: "https://cdn.example/ada.png", Link: "https://ada.example/", Role: "vip",
		StatusMessage: "Thinking\nin engines", Metadata: json.RawMessage(`{"@private": {"email":"ada@example.org"}, "n":1}`),
		Tags: []string{"math", "Math", "poet"},
	}
}

func TestCreateAndGet(t *testing.T) {
	hold(t, []sentence{
		{"create takes a user and gives back the created user", func(t *testing.T, w *world) {
			w.roles(t, "vip")
			want := full("Ada")
			want.UID, want.Status, want.CreatedAt, want.Version = "ada", userstore.Offline, w.clock.Now(), 1
			require.Equal(t, want, must(w.Create(bg, full("Ada")))(t))
			require.Equal(t, want, must(w.Get(bg, "ada"))(t))
		}},
		{"a taken uid is refused", func(t *testing.T, w *world) {
			w.add(t, "ada")
			before := must(w.Get(bg, "ada"))(t)
			for _, uid := range []string{"ada", "ADA"} {
				require.ErrorIs(t, fails(w.Create(bg, userstore.User{UID: uid, Name: "Other"})), userstore.ErrExists)
			}
			require.Equal(t, before, must(w.Get(bg, "ada"))(t))
		}},
		{"a taken uid is refused, a deactivated one too", func(t *testing.T, w *world) {
			w.add(t, "ada")
			must(w.Deactivate(bg, "ada"))(t)
			require.ErrorIs(t, fails(w.Create(bg, userstore.User{UID: "ada", Name: "Other"})), userstore.ErrExists)
			must(w.Reactivate(bg, "ada"))(t)
			require.Equal(t, "ada", must(w.Get(bg, "ada"))(t).Name)
		}},
		{"uid is folded to lower case at the edge of every call", func(t *testing.T, w *world) {
			w.add(t, "ADA", "Bob")
			require.Equal(t, "ada", must(w.Get(bg, "aDa"))(t).UID)
			require.Equal(t, "New", must(w.Update(bg, "ADA", rename("New")))(t).Name)
			require.Equal(t, uint64(3), must(w.Upsert(bg, userstore.User{UID: "AdA", Name: "Newer"}))(t).Version)
			require.NoError(t, w.SetStatus(bg, "ADA", userstore.Online))
			require.Equal(t, []string{"BOB"}, must(w.AddFriends(bg, "ADA", "BOB"))(t).Done)
			require.Len(t, must(w.Friends(bg, "ADA", userstore.Query{}))(t).Users, 1)
			require.Equal(t, []string{"boB"}, must(w.RemoveFriends(bg, "ADA", "boB"))(t).Done)
			token := must(w.IssueToken(bg, "ADA"))(t)
			require.Equal(t, "ada", token.UID)
			require.Len(t, must(w.Tokens(bg, "ADA"))(t), 1)
			require.NoError(t, w.RevokeToken(bg, "ADA", token.Token))
			require.Zero(t, must(w.RevokeTokens(bg, "ADA"))(t))
			ada := must(w.Login(bg, "ADA"))(t)
			require.Equal(t, "ada", ada.UID())
			require.Equal(t, "bob", must(ada.Get(bg, "BOB"))(t).UID)
			require.Equal(t, []string{"BOB"}, must(ada.Block(bg, "BOB"))(t).Done)
			require.False(t, must(ada.BlockedAt(bg, "BOB"))(t).IsZero())
			require.Equal(t, []string{"BOB"}, must(ada.Unblock(bg, "BOB"))(t).Done)
			require.Equal(t, []string{"bob"}, found(t, w, userstore.Query{UIDs: []string{"BOB"}}))
			require.Equal(t, []string{"BOB"}, must(w.Deactivate(bg, "BOB"))(t).Done)
			require.Equal(t, []string{"BOB"}, must(w.Reactivate(bg, "BOB"))(t).Done)
			require.NoError(t, w.Delete(bg, "BOB"))
		}},
		{"folding is ASCII only: the Kelvin sign is no k", func(t *testing.T, w *world) {
			w.add(t, "kelvin")
			require.ErrorIs(t, fails(w.Get(bg, "\u212aelvin")), userstore.ErrNotFound)
			require.Equal(t, []string{"\u212aelvin"}, must(w.Deactivate(bg, "\u212aelvin"))(t).NotFound)
			require.Empty(t, found(t, w, userstore.Query{UIDs: []string{"\u212aelvin"}}))
		}},
		{"an absent, deactivated or malformed uid is not found by any call about one user", func(t *testing.T, w *world) {
			w.add(t, "gone", "ada")
			must(w.Deactivate(bg, "gone"))(t)
			for _, uid := range []string{"gone", "nobody", "", "no body", "ü", "\xff", pad("", "u", 101)} {
				for name, err := range map[string]error{
					"get": fails(w.Get(bg, uid)), "update": fails(w.Update(bg, uid, nothing)), "status": w.SetStatus(bg, uid, userstore.Online),
					"friends": fails(w.Friends(bg, uid, userstore.Query{})), "add friends": fails(w.AddFriends(bg, uid, "ada")),
					"remove friends": fails(w.RemoveFriends(bg, uid, "ada")), "issue": fails(w.IssueToken(bg, uid)), "tokens": fails(w.Tokens(bg, uid)),
					"revoke": w.RevokeToken(bg, uid, "t"), "revoke all": fails(w.RevokeTokens(bg, uid)), "login": fails(w.Login(bg, uid)),
				} {
					require.ErrorIs(t, err, userstore.ErrNotFound, "%s %q", name, uid)
				}
			}
		}},
		{"strings are kept as given", func(t *testing.T, w *world) {
			u := userstore.User{UID: "ada", Name: "  Ada\u00a0e\u0301 ", StatusMessage: " \n", Tags: []string{" a "}}
			got := must(w.Create(bg, u))(t)
			require.Equal(t, []any{u.Name, u.StatusMessage, u.Tags}, []any{got.Name, got.StatusMessage, got.Tags})
		}},
		{"tags: case matters, order is kept, repeats are dropped", func(t *testing.T, w *world) {
			got := must(w.Create(bg, userstore.User{UID: "ada", Name: "A", Tags: []string{"z", "a", "Z", "z", "a"}}))(t)
			require.Equal(t, []string{"z", "a", "Z"}, got.Tags)
			require.Equal(t, []string{"a", "z"}, must(w.Update(bg, "ada", userstore.Patch{Tags: ptr([]string{"a", "z"})}.Apply))(t).Tags, "a new order is a change")
		}},
		{"metadata is kept byte for byte", func(t *testing.T, w *world) {
			for _, raw := range []string{"{ \"b\" :1,\n\t\"a\":[ 1 ] }", `{"é":"\u00e9<&>","a":1,"a":2}`, `{"n":1.00e+2,"big":123456789012345678901234567890}`} {
				got := must(w.Upsert(bg, userstore.User{UID: "ada", Name: "A", Metadata: json.RawMessage(raw)}))(t)
				require.Equal(t, raw, string(got.Metadata))
				require.Equal(t, raw, string(must(w.Get(bg, "ada"))(t).Metadata))
			}
		}},
		{"nil, null and {} all mean no metadata", func(t *testing.T, w *world) {
			for _, raw := range []json.RawMessage{nil, {}, json.RawMessage("null"), json.RawMessage("{}"), json.RawMessage(" {\t} ")} {
				must(w.Upsert(bg, userstore.User{UID: "ada", Name: "A", Metadata: json.RawMessage(`{"a":1}`)}))(t)
				must(w.Update(bg, "ada", userstore.Patch{Metadata: &raw}.Apply))(t)
				require.Nil(t, must(w.Get(bg, "ada"))(t).Metadata)
			}
		}},
		{"an empty role means default, in create, update and upsert", func(t *testing.T, w *world) {
			w.roles(t, "vip")
			require.Equal(t, "default", must(w.Create(bg, userstore.User{UID: "ada", Name: "A"}))(t).Role)
			must(w.Update(bg, "ada", userstore.Patch{Role: ptr("vip")}.Apply))(t)
			require.Equal(t, "default", must(w.Update(bg, "ada", userstore.Patch{Role: ptr("")}.Apply))(t).Role)
			must(w.Update(bg, "ada", userstore.Patch{Role: ptr("vip")}.Apply))(t)
			require.Equal(t, "default", must(w.Upsert(bg, userstore.User{UID: "ada", Name: "A"}))(t).Role)
			require.Equal(t, "default", must(w.Upsert(bg, userstore.User{UID: "bob", Name: "B"}))(t).Role)
		}},
		{"times are UTC at the clock's own precision", func(t *testing.T, w *world) {
			zone := memory(t, userstore.WithClock(func() time.Time {
				return time.Date(2026, 1, 2, 3, 4, 5, 678901234, time.FixedZone("east", 3600))
			}))
			zone.add(t, "ada")
			got := must(zone.Get(bg, "ada"))(t).CreatedAt
			require.Equal(t, time.Date(2026, 1, 2, 2, 4, 5, 678901234, time.UTC), got)
			w.add(t, "ada")
			require.Equal(t, w.clock.Now(), must(w.Get(bg, "ada"))(t).CreatedAt)
		}},
		{"users that come back, and users that are given, are copies", func(t *testing.T, w *world) {
			w.roles(t, "vip")
			given := full("ada")
			scribble := func(u userstore.User) { u.Tags[0], u.Metadata[2] = "scribble", 'X' }
			want := must(w.Create(bg, given))(t)
			scribble(given)
			scribble(must(w.Get(bg, "ada"))(t))
			scribble(all(t, w, userstore.Query{})[0])
			scribble(must(w.List(bg, userstore.Query{}))(t).Users[0])
			scribble(must(must(w.Login(bg, "ada"))(t).User(bg))(t))
			require.Equal(t, want, must(w.Get(bg, "ada"))(t))
			patch := userstore.Patch{Tags: &[]string{"a"}, Metadata: ptr(json.RawMessage(`{"a":1}`))}
			must(w.Update(bg, "ada", patch.Apply))(t)
			(*patch.Tags)[0], (*patch.Metadata)[2] = "scribble", 'X'
			scribble(must(w.Update(bg, "ada", rename("Ada")))(t))
			got := must(w.Get(bg, "ada"))(t)
			require.Equal(t, []string{"a"}, got.Tags)
			require.JSONEq(t, `{"a":1}`, string(got.Metadata))
		}},
		{"read-only fields in the argument of create are ignored", func(t *testing.T, w *world) {
			w.add(t, "plain")
			want := must(w.Get(bg, "plain"))(t)
			long := time.Unix(1, 0).UTC()
			got := must(w.Create(bg, userstore.User{UID: "ada", Name: "plain", Status: userstore.Online, LastActiveAt: long, CreatedAt: long,
				UpdatedAt: long, DeactivatedAt: long, HasBlockedMe: true, BlockedByMe: true, Version: 42}))(t)
			want.UID = "ada"
			require.Equal(t, want, got)
			require.Equal(t, want, must(w.Get(bg, "ada"))(t))
		}},
	})
}

func TestUpdate(t *testing.T) {
	oops := errors.New("oops")
	hold(t, []sentence{
		{"only what is given changes, and version and updatedAt rise", func(t *testing.T, w *world) {
			w.roles(t, "vip")
			want := must(w.Create(bg, full("ada")))(t)
			want.Name, want.UpdatedAt, want.Version = "Countess", w.clock.tick(time.Minute), 2
			require.Equal(t, want, must(w.Update(bg, "ada", rename("Countess")))(t))
			require.Equal(t, want, must(w.Get(bg, "ada"))(t))
		}},
		{"an update that changes nothing writes nothing", func(t *testing.T, w *world) {
			w.roles(t, "vip")
			want := must(w.Create(bg, full("ada")))(t)
			w.clock.tick(time.Minute)
			for _, edit := range []func(*userstore.User) error{
				nothing, rename(want.Name), overwrite(want, true), userstore.Patch{}.Apply,
				func(u *userstore.User) error { u.Tags = append(u.Tags, u.Tags[0]); return nil }, // a repeat is dropped
				func(u *userstore.User) error { u.UID, u.Role = "ADA", "VIP"; return nil },       // folded
			} {
				require.Equal(t, want, must(w.Update(bg, "ada", edit))(t))
			}
			require.Equal(t, want, must(w.Upsert(bg, full("ada")))(t))
			require.Equal(t, want, must(w.Get(bg, "ada"))(t))
		}},
		{"an edit that fails gives its error and changes nothing", func(t *testing.T, w *world) {
			w.roles(t, "vip")
			want := must(w.Create(bg, full("ada")))(t)
			require.ErrorIs(t, fails(w.Update(bg, "ada", func(u *userstore.User) error {
				u.Name, u.Tags[0], u.Metadata[2] = "changed", "scribble", 'X' // in place, too
				return oops
			})), oops)
			require.Equal(t, want, must(w.Get(bg, "ada"))(t))
			require.Equal(t, []string{"ada"}, found(t, w, userstore.Query{Tags: []string{"math"}}))
		}},
		{"an edit may change tags and metadata in place", func(t *testing.T, w *world) {
			w.roles(t, "vip")
			must(w.Create(bg, full("ada")))(t)
			got := must(w.Update(bg, "ada", func(u *userstore.User) error { u.Tags[0] = "logic"; return nil }))(t)
			require.Equal(t, []string{"logic", "Math", "poet"}, got.Tags)
			require.Equal(t, uint64(2), got.Version)
			require.Empty(t, found(t, w, userstore.Query{Tags: []string{"math"}}))
			require.Equal(t, []string{"ada"}, found(t, w, userstore.Query{Tags: []string{"logic"}}))
		}},
		{"an edit that panics, or is nil, leaves a working store", func(t *testing.T, w *world) {
			w.add(t, "ada")
			require.PanicsWithValue(t, "oops", func() { _, _ = w.Update(bg, "ada", func(*userstore.User) error { panic("oops") }) })
			require.NotPanics(t, func() { _, _ = w.Update(bg, "ada", nil) })
			require.Equal(t, "New", must(w.Update(bg, "ada", rename("New")))(t).Name)
		}},
		{"what an edit keeps hold of is not the store's", func(t *testing.T, w *world) {
			w.roles(t, "vip")
			must(w.Create(bg, full("ada")))(t)
			var kept *userstore.User
			want := must(w.Update(bg, "ada", func(u *userstore.User) error { kept, u.Name = u, "New"; return nil }))(t)
			kept.Name, kept.Tags[0], kept.Metadata[2] = "late", "late", 'X'
			require.Equal(t, want, must(w.Get(bg, "ada"))(t))
		}},
		{"tags and metadata replace the old value as a whole", func(t *testing.T, w *world) {
			w.roles(t, "vip")
			must(w.Create(bg, full("ada")))(t)
			got := must(w.Update(bg, "ada", userstore.Patch{Tags: ptr([]string{"one"}), Metadata: ptr(json.RawMessage(`{"x":2}`))}.Apply))(t)
			require.Equal(t, []string{"one"}, got.Tags)
			require.JSONEq(t, `{"x":2}`, string(got.Metadata))
		}},
		{"present but empty clears, an empty name is refused", func(t *testing.T, w *world) {
			w.roles(t, "vip")
			must(w.Create(bg, full("ada")))(t)
			got := must(w.Update(bg, "ada", userstore.Patch{Avatar: ptr(""), Link: ptr(""), StatusMessage: ptr(""), Metadata: ptr(json.RawMessage("{}")), Tags: ptr([]string{})}.Apply))(t)
			require.Zero(t, got.Avatar+got.Link+got.StatusMessage+string(got.Metadata))
			require.Empty(t, got.Tags)
			refused(t, fails(w.Update(bg, "ada", rename(""))), userstore.FieldName, userstore.ErrInvalid)
		}},
		{"a role that does not exist is refused", func(t *testing.T, w *world) {
			w.add(t, "ada")
			refused(t, fails(w.Update(bg, "ada", userstore.Patch{Role: ptr("ghost")}.Apply)), userstore.FieldRole, userstore.ErrInvalid)
			refused(t, fails(w.Create(bg, userstore.User{UID: "bob", Name: "B", Role: "ghost"})), userstore.FieldRole, userstore.ErrInvalid)
			refused(t, fails(w.Upsert(bg, userstore.User{UID: "bob", Name: "B", Role: "ghost"})), userstore.FieldRole, userstore.ErrInvalid)
			require.Zero(t, must(w.Count(bg, userstore.Query{UIDs: []string{"bob"}}))(t))
		}},
		{"an update touches neither createdAt, friends, blocks, tokens nor presence", func(t *testing.T, w *world) {
			w.add(t, "ada", "bob")
			must(w.AddFriends(bg, "ada", "bob"))(t)
			ada := must(w.Login(bg, "ada"))(t)
			must(ada.Block(bg, "bob"))(t)
			token := must(w.IssueToken(bg, "ada"))(t)
			require.NoError(t, w.SetStatus(bg, "ada", userstore.Online))
			before := must(w.Get(bg, "ada"))(t)
			w.clock.tick(time.Hour)
			after := must(w.Update(bg, "ada", rename("New")))(t)
			require.Equal(t, []any{before.CreatedAt, before.LastActiveAt, userstore.Online}, []any{after.CreatedAt, after.LastActiveAt, after.Status})
			require.Len(t, must(w.Friends(bg, "ada", userstore.Query{}))(t).Users, 1)
			require.Len(t, must(ada.Blocked(bg, userstore.BlockQuery{}))(t).Users, 1)
			require.Equal(t, []userstore.Token{token}, must(w.Tokens(bg, "ada"))(t))
		}},
	})
}
