package userstore_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

func roleIDs(roles []userstore.Role) []string {
	list := make([]string, len(roles))
	for i := range roles {
		list[i] = roles[i].ID
	}
	return list
}

func TestRoles(t *testing.T) {
	hold(t, []sentence{
		{"default always exists and cannot be deleted", func(t *testing.T, w *world) {
			require.Equal(t, "default", must(w.Role(bg, "Default"))(t).ID)
			require.Equal(t, []string{"default"}, roleIDs(must(w.Roles(bg))(t)))
			require.ErrorIs(t, w.DeleteRole(bg, "default"), userstore.ErrInUse)
			require.ErrorIs(t, w.DeleteRole(bg, "DEFAULT"), userstore.ErrInUse)
			require.ErrorIs(t, fails(w.CreateRole(bg, userstore.Role{ID: "default", Name: "D"})), userstore.ErrExists)
		}},
		{"a role is created, read, listed, updated and deleted", func(t *testing.T, w *world) {
			want := userstore.Role{ID: "vip", Name: "Very important", Description: "Who pays", Metadata: json.RawMessage(`{ "rank":1}`)}
			given := want
			given.ID, given.CreatedAt, given.UpdatedAt = "VIP", time.Unix(1, 0), time.Unix(1, 0)
			want.CreatedAt = w.clock.Now()
			require.Equal(t, want, must(w.CreateRole(bg, given))(t))
			require.Equal(t, want, must(w.Role(bg, "viP"))(t))
			want.Name, want.UpdatedAt = "VIP", w.clock.tick(time.Second)
			rename := func(r *userstore.Role) error { r.Name = "VIP"; return nil }
			require.Equal(t, want, must(w.UpdateRole(bg, "VIP", rename))(t))
			require.Equal(t, want, must(w.Role(bg, "vip"))(t))
			w.clock.tick(time.Second)
			require.Equal(t, want, must(w.UpdateRole(bg, "vip", rename))(t), "no change, no write")
			w.roles(t, "agent")
			require.Equal(t, []string{"agent", "default", "vip"}, roleIDs(must(w.Roles(bg))(t)))
			require.NoError(t, w.DeleteRole(bg, "Vip"))
			require.ErrorIs(t, fails(w.Role(bg, "vip")), userstore.ErrNotFound)
		}},
		{"a taken id is refused", func(t *testing.T, w *world) {
			w.roles(t, "vip")
			require.ErrorIs(t, fails(w.CreateRole(bg, userstore.Role{ID: "ViP", Name: "Other"})), userstore.ErrExists)
			require.Equal(t, "vip", must(w.Role(bg, "vip"))(t).Name)
		}},
		{"an unknown or malformed role is not found", func(t *testing.T, w *world) {
			for _, id := range []string{"ghost", "", "a b", "\xff", pad("", "r", 101)} {
				require.ErrorIs(t, fails(w.Role(bg, id)), userstore.ErrNotFound, "%q", id)
				require.ErrorIs(t, w.DeleteRole(bg, id), userstore.ErrNotFound, "%q", id)
				require.ErrorIs(t, fails(w.UpdateRole(bg, id, func(*userstore.Role) error { return nil })), userstore.ErrNotFound, "%q", id)
			}
		}},
		{"an edit that fails changes nothing, and id and times are not editable", func(t *testing.T, w *world) {
			w.roles(t, "vip")
			before := must(w.Role(bg, "vip"))(t)
			oops := errors.New("oops")
			require.ErrorIs(t, fails(w.UpdateRole(bg, "vip", func(r *userstore.Role) error { r.Name = "X"; return oops })), oops)
			for _, edit := range []func(*userstore.Role){
				func(r *userstore.Role) { r.ID = "other" }, func(r *userstore.Role) { r.CreatedAt = time.Unix(1, 0) }, func(r *userstore.Role) { r.UpdatedAt = time.Unix(1, 0) },
			} {
				require.ErrorIs(t, fails(w.UpdateRole(bg, "vip", func(r *userstore.Role) error { edit(r); return nil })), userstore.ErrNotEditable)
			}
			require.NotPanics(t, func() { _, _ = w.UpdateRole(bg, "vip", nil) })
			require.Equal(t, before, must(w.Role(bg, "vip"))(t))
		}},
		{"a role has limits", func(t *testing.T, w *world) {
			good := userstore.Role{ID: pad("", "r", 100), Name: pad("", "界", 100), Description: pad("", "界", 255), Metadata: object(5120)}
			got := must(w.CreateRole(bg, good))(t)
			require.Equal(t, []any{good.Name, good.Description, good.Metadata}, []any{got.Name, got.Description, got.Metadata})
			for name, bad := range map[string]userstore.Role{
				"no id": {Name: "N"}, "id": {ID: "a b", Name: "N"}, "long id": {ID: pad("", "r", 101), Name: "N"},
				"name": {ID: "x", Name: secret + "\n"}, "long name": {ID: "x", Name: pad(secret, "n", 101)}, "utf8": {ID: "x", Name: "\xff"},
				"long description": {ID: "x", Name: "N", Description: pad(secret, "d", 256)}, "metadata": {ID: "x", Name: "N", Metadata: json.RawMessage(`["` + secret + `"]`)},
			} {
				err := fails(w.CreateRole(bg, bad))
				require.ErrorIs(t, err, userstore.ErrInvalid, name)
				require.ErrorAs(t, err, new(*userstore.FieldError), name)
				require.NotContains(t, err.Error(), secret)
			}
			require.ErrorIs(t, fails(w.Role(bg, "x")), userstore.ErrNotFound)
		}},
		{"a role held by anybody cannot be deleted, deactivated users included", func(t *testing.T, w *world) {
			w.roles(t, "vip", "staff")
			must(w.Create(bg, userstore.User{UID: "ada", Name: "A", Role: "vip"}))(t)
			require.ErrorIs(t, w.DeleteRole(bg, "vip"), userstore.ErrInUse)
			must(w.Deactivate(bg, "ada"))(t)
			require.ErrorIs(t, w.DeleteRole(bg, "vip"), userstore.ErrInUse)
			must(w.Reactivate(bg, "ada"))(t)
			must(w.Update(bg, "ada", userstore.Patch{Role: ptr("staff")}.Apply))(t)
			require.NoError(t, w.DeleteRole(bg, "vip"))
			require.ErrorIs(t, w.DeleteRole(bg, "staff"), userstore.ErrInUse)
			require.NoError(t, w.Delete(bg, "ada"))
			require.NoError(t, w.DeleteRole(bg, "staff"))
			refused(t, fails(w.Create(bg, userstore.User{UID: "bob", Name: "B", Role: "vip"})), userstore.FieldRole, userstore.ErrInvalid)
		}},
		{"with roles: they exist after open, and those that exist are left as they are", func(t *testing.T, w *world) {
			v := disk(t)
			must(v.CreateRole(bg, userstore.Role{ID: "vip", Name: "Very", Description: "kept"}))(t)
			v.opts = []userstore.Option{userstore.WithRoles("VIP", "agent"), userstore.WithRoles("guest")}
			v.reopen(t)
			require.Equal(t, []string{"agent", "default", "guest", "vip"}, roleIDs(must(v.Roles(bg))(t)))
			require.Equal(t, "kept", must(v.Role(bg, "vip"))(t).Description)
			_, err := userstore.OpenInMemory(userstore.WithRoles("no role"))
			require.ErrorIs(t, err, userstore.ErrInvalid)
		}},
	})
}

func TestTokens(t *testing.T) {
	issue := func(t *testing.T, w *world, uid string, n int) (list []userstore.Token) {
		for range n {
			list = append(list, must(w.IssueToken(bg, uid))(t))
		}
		return list
	}
	hold(t, []sentence{
		{"a token logs its user in", func(t *testing.T, w *world) {
			w.add(t, "ada")
			token := must(w.IssueToken(bg, "Ada"))(t)
			require.Equal(t, []any{"ada", w.clock.Now()}, []any{token.UID, token.CreatedAt})
			require.Equal(t, "ada", must(w.LoginWithToken(bg, token.Token))(t).UID())
		}},
		{"tokens are unlike each other and unlike a store's before", func(t *testing.T, w *world) {
			seen := map[string]bool{}
			for range 2 {
				w.wipe(t)
				w.add(t, "ada", "bob")
				for _, token := range append(issue(t, w, "ada", 50), issue(t, w, "bob", 50)...) {
					require.False(t, seen[token.Token])
					require.GreaterOrEqual(t, len(strings.TrimPrefix(token.Token, token.UID)), 30)
					seen[token.Token] = true
				}
			}
		}},
		{"the newest 100 of a user live, older ones drop out", func(t *testing.T, w *world) {
			w.add(t, "ada", "bob")
			bob := must(w.IssueToken(bg, "bob"))(t)
			list := issue(t, w, "ada", 100)
			first := must(w.LoginWithToken(bg, list[0].Token))(t)
			require.Equal(t, list, must(w.Tokens(bg, "ada"))(t), "oldest first")
			list = append(list, issue(t, w, "ada", 2)...)
			require.Equal(t, list[2:], must(w.Tokens(bg, "ada"))(t))
			require.ErrorIs(t, fails(w.LoginWithToken(bg, list[1].Token)), userstore.ErrNotFound)
			require.ErrorIs(t, fails(first.User(bg)), userstore.ErrLoggedOut)
			require.Equal(t, "ada", must(w.LoginWithToken(bg, list[2].Token))(t).UID())
			require.Equal(t, "bob", must(w.LoginWithToken(bg, bob.Token))(t).UID(), "another user's tokens do not count")
		}},
		{"newest means issued last, whatever the clock says", func(t *testing.T, w *world) {
			w.add(t, "ada")
			var list []userstore.Token
			for range 103 {
				w.clock.tick(-time.Hour)
				list = append(list, issue(t, w, "ada", 1)...)
			}
			require.Equal(t, list[3:], must(w.Tokens(bg, "ada"))(t))
		}},
		{"newest means issued last, over a revocation too", func(t *testing.T, w *world) {
			w.add(t, "ada")
			list := issue(t, w, "ada", 100)
			require.NoError(t, w.RevokeToken(bg, "ada", list[99].Token))
			list = append(list[:99], issue(t, w, "ada", 1)...)
			require.Equal(t, list, must(w.Tokens(bg, "ada"))(t))
			list = append(list[1:], issue(t, w, "ada", 1)...)
			require.Equal(t, list, must(w.Tokens(bg, "ada"))(t))
			require.Equal(t, 100, must(w.RevokeTokens(bg, "ada"))(t))
			require.Equal(t, issue(t, w, "ada", 2), must(w.Tokens(bg, "ada"))(t))
		}},
		{"a deactivated user's do not work until it is reactivated", func(t *testing.T, w *world) {
			w.add(t, "ada")
			token := must(w.IssueToken(bg, "ada"))(t)
			must(w.Deactivate(bg, "ada"))(t)
			require.ErrorIs(t, fails(w.LoginWithToken(bg, token.Token)), userstore.ErrNotFound)
			must(w.Reactivate(bg, "ada"))(t)
			require.Equal(t, "ada", must(w.LoginWithToken(bg, token.Token))(t).UID())
		}},
		{"an unknown, revoked or foreign token is not found", func(t *testing.T, w *world) {
			w.add(t, "ada", "bob")
			list := issue(t, w, "ada", 3)
			require.NoError(t, w.RevokeToken(bg, "ada", list[0].Token))
			for _, bad := range []string{list[0].Token, "", "ada", "ada_", secret, "\xff\x00", list[1].Token + "0", list[1].Token[:len(list[1].Token)-1],
				strings.ToUpper(list[1].Token), strings.Replace(list[1].Token, "ada", "bob", 1), " " + list[1].Token, strings.Repeat("x", 100_000)} {
				err := fails(w.LoginWithToken(bg, bad))
				require.ErrorIs(t, err, userstore.ErrNotFound, "%.40q", bad)
				require.NotContains(t, err.Error(), secret)
				require.ErrorIs(t, w.RevokeToken(bg, "ada", bad), userstore.ErrNotFound, "%.40q", bad)
			}
			require.ErrorIs(t, w.RevokeToken(bg, "bob", list[1].Token), userstore.ErrNotFound)
			require.Equal(t, "ada", must(w.LoginWithToken(bg, list[1].Token))(t).UID())
		}},
		{"all tokens are revoked at once, and told how many", func(t *testing.T, w *world) {
			w.add(t, "ada", "bob")
			list := issue(t, w, "ada", 7)
			bob := issue(t, w, "bob", 1)
			require.Equal(t, 7, must(w.RevokeTokens(bg, "ada"))(t))
			require.Zero(t, must(w.RevokeTokens(bg, "ada"))(t))
			require.Empty(t, must(w.Tokens(bg, "ada"))(t))
			require.ErrorIs(t, fails(w.LoginWithToken(bg, list[6].Token)), userstore.ErrNotFound)
			require.Equal(t, bob, must(w.Tokens(bg, "bob"))(t))
		}},
		{"tokens are one user's, however alike the uids", func(t *testing.T, w *world) {
			for _, uid := range []string{"a", "a_1", "a_", "a_1700000000"} {
				w.add(t, uid)
				token := must(w.IssueToken(bg, uid))(t)
				require.Equal(t, uid, must(w.LoginWithToken(bg, token.Token))(t).UID())
				require.Equal(t, []userstore.Token{token}, must(w.Tokens(bg, uid))(t), fmt.Sprint(uid))
			}
		}},
	})
}
