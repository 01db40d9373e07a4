package userstore_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

// expected demands that an error, if there is one, is of a kind that input may cause.
func expected(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	kinds := []error{userstore.ErrNotFound, userstore.ErrExists, userstore.ErrInvalid, userstore.ErrNotEditable}
	require.True(t, slices.ContainsFunc(kinds, func(kind error) bool { return errors.Is(err, kind) }), "%v", err)
	require.True(t, utf8.ValidString(err.Error()), "%q", err)
}

// FuzzUID gives any string for a uid: to every call that takes one, of users and of roles.
func FuzzUID(f *testing.F) {
	for _, seed := range append([]string{"ada", "ADA_1", "default", strings.Repeat("x", 100)}, badUIDs...) {
		f.Add(seed)
	}
	w := memory(f)
	w.add(f, "other")
	f.Fuzz(func(t *testing.T, uid string) {
		u, err := w.Create(bg, userstore.User{UID: uid, Name: "N"})
		expected(t, err)
		if err == nil {
			require.True(t, goodUID.MatchString(u.UID))
			require.Equal(t, fold(uid), u.UID)
			require.Equal(t, u, must(w.Get(bg, uid))(t))
			require.Equal(t, []string{u.UID}, found(t, w, userstore.Query{UIDs: []string{uid}}))
			token := must(w.IssueToken(bg, uid))(t)
			require.Equal(t, u.UID, must(w.LoginWithToken(bg, token.Token))(t).UID())
			require.NoError(t, w.Delete(bg, uid))
		} else if !errors.Is(err, userstore.ErrExists) {
			require.False(t, goodUID.MatchString(fold(uid)))
		}
		if fold(uid) == "other" {
			return
		}
		require.ErrorIs(t, fails(w.Get(bg, uid)), userstore.ErrNotFound)
		require.ErrorIs(t, w.Delete(bg, uid), userstore.ErrNotFound)
		require.ErrorIs(t, fails(w.LoginWithToken(bg, uid)), userstore.ErrNotFound)
		require.ErrorIs(t, w.RevokeToken(bg, "other", uid), userstore.ErrNotFound)
		require.Equal(t, userstore.Outcome{NotFound: []string{uid}}, must(w.AddFriends(bg, "other", uid))(t))
		require.Equal(t, userstore.Outcome{NotFound: []string{uid}}, must(w.Reactivate(bg, uid))(t))
		_, err = w.Role(bg, uid)
		expected(t, err)
		if _, err = w.CreateRole(bg, userstore.Role{ID: uid, Name: "R"}); err == nil {
			require.NoError(t, w.DeleteRole(bg, uid))
		}
		expected(t, err)
	})
}

// FuzzCursor gives any string for a cursor: only those that the store gave out are taken.
func FuzzCursor(f *testing.F) {
	w := memory(f)
	w.add(f, "a", "b", "c")
	given := map[string]string{}
	for _, q := range orders() {
		q.Limit = 1
		for _, rest := range []string{"second", "third"} {
			page := must(w.List(bg, q))(f)
			q.Cursor = page.Next
			given[page.Next] = rest
			f.Add(page.Next)
		}
	}
	f.Add("")
	f.Add("AAAAAAAAAAAAAAAA")
	a := must(w.Login(bg, "a"))(f)
	f.Fuzz(func(t *testing.T, cursor string) {
		for _, q := range orders() {
			q.Cursor = cursor
			page, err := w.List(bg, q)
			if err == nil {
				require.True(t, cursor == "" || given[cursor] != "", "a cursor that nobody gave out")
				require.LessOrEqual(t, len(page.Users), 3)
			} else {
				refused(t, err, "cursor", userstore.ErrInvalid)
			}
		}
		for _, err := range []error{
			fails(w.Friends(bg, "a", userstore.Query{Cursor: cursor})), fails(a.List(bg, userstore.Query{Cursor: cursor})), fails(a.Blocked(bg, userstore.BlockQuery{Cursor: cursor})),
		} {
			require.Equal(t, cursor == "", err == nil)
		}
	})
}

// FuzzQuery asks anything; what is answered, the plain map answers alike.
func FuzzQuery(f *testing.F) {
	f.Add("b", "red", "vip", "u1", uint8(0), uint8(0), false)
	f.Add("É", "Red,blue", "", "u1,U2", uint8(1), uint8(1), true)
	f.Add("\xff", " ", "v p", "\x00", uint8(2), uint8(2), false)
	f.Add("\u212a", ",", ",", ",", uint8(3), uint8(255), false)
	f.Add("", "", "", "", uint8(200), uint8(0), true)
	w := memory(f)
	m := newModel(w.clock.Now)
	w.roles(f, "vip")
	m.roles["vip"] = true
	g := newGen(7)
	for len(m.users) < 40 {
		u := g.user()
		if _, err := m.create(u); err == nil {
			must(w.Create(bg, u))(f)
		}
	}
	f.Fuzz(func(t *testing.T, search, tags, roles, uids string, sort, other uint8, desc bool) {
		list := func(s string) []string {
			if s == "" {
				return nil
			}
			return strings.Split(s, ",")
		}
		q := userstore.Query{Search: search, Roles: list(roles), UIDs: list(uids), Sort: userstore.Sort(sort), Desc: desc,
			Deactivated: userstore.Deactivated(other >> 6), Limit: 1 + int(other&15)}
		*[]*[]string{&q.Tags, &q.AllTags, &q.NoTags, new([]string)}[other>>4&3] = list(tags)
		d := &driver{t: t, world: w, model: m}
		want, err := m.find(q, nil, nil)
		d.sameAnswer(w, q, want, err)
	})
}

// FuzzPatch updates a user by anything, from JSON; what is taken is what the plain map takes.
func FuzzPatch(f *testing.F) {
	f.Add(`{"Name":"N","Tags":["a","a"],"Unset":["link"]}`)
	f.Add(`{"Avatar":"https://x","Unset":["avatar"]}`)
	f.Add(`{"Metadata":{"a":"é"},"Role":"VIP","StatusMessage":"x\ny"}`)
	f.Add(`{"Unset":["name","","version"]}`)
	f.Add(`{"Link":"http://[::1","Metadata":[]}`)
	w := memory(f, userstore.WithRoles("vip"))
	m := newModel(w.clock.Now)
	m.roles["vip"] = true
	u := full("ada")
	must(w.Create(bg, u))(f)
	must(m.create(u))(f)
	f.Fuzz(func(t *testing.T, text string) {
		var p userstore.Patch
		if json.Unmarshal([]byte(text), &p) != nil {
			return
		}
		got, err := w.Update(bg, "ada", p.Apply)
		expected(t, err)
		if err != nil {
			require.ErrorAs(t, err, new(*userstore.FieldError))
		}
		if p.Avatar != nil || p.Link != nil { // what is a URL is not the plain map's to say
			must(w.Upsert(bg, m.users["ada"].User))(t)
			m.users["ada"].User = must(w.Get(bg, "ada"))(t)
			return
		}
		want, wantErr := m.update("ada", false, p.Apply)
		(&driver{t: t}).sameUser(want, wantErr, got, err)
	})
}

// FuzzUserJSON reads anything as a user; what is read and written again stays the same.
func FuzzUserJSON(f *testing.F) {
	for _, u := range []userstore.User{full("ada"), {}, {UID: "a", Name: "\u2028<&>", CreatedAt: unix(1), Status: userstore.Online}} {
		f.Add(must(json.Marshal(u))(f))
	}
	f.Add([]byte(`{"createdAt":"17","updatedAt":1e3,"tags":[null],"metadata":null}`))
	f.Add([]byte(`{"uid":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var u, again userstore.User
		if err := u.UnmarshalJSON(text); err != nil {
			require.ErrorIs(t, err, userstore.ErrInvalid)
			require.ErrorAs(t, err, new(*userstore.FieldError))
			return
		}
		first, err := json.Marshal(u)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(first, &again))
		require.Equal(t, string(first), string(must(json.Marshal(again))(t)))
	})
}

// FuzzImport reads anything as an import; every line is accounted for, and what came in is sound and can go out again.
func FuzzImport(f *testing.F) {
	f.Add("{\"uid\":\"a\",\"name\":\"A\"}\n{\"uid\":\"A\",\"name\":\"B\",\"deactivatedAt\":5}\n", uint8(0))
	f.Add("{\"uid\":\"a\",\"name\":\"A\",\"tags\":[\"x\"],\"metadata\":{\"k\":[1]},\"lastActiveAt\":\"9\"}\r\n\r\n\n[]\nnull", uint8(1))
	f.Add("{\"uid\":\"a\"", uint8(2))
	f.Add("\x00\xff\n\"\n{\"createdAt\":253402300799,\"uid\":\"z\",\"name\":\"Z\"}", uint8(1))
	w := memory(f)
	f.Fuzz(func(t *testing.T, text string, mode uint8) {
		w.wipe(t)
		w.add(t, "a")
		r := load(t, w.Store, userstore.ImportMode(mode%3), text)
		require.Equal(t, r.Read, r.Created+r.Updated+r.Skipped+r.Failed)
		require.Len(t, r.Errors, min(r.Failed, 100))
		for _, e := range r.Errors {
			expected(t, e.Err)
			require.LessOrEqual(t, e.Line, strings.Count(text, "\n")+1)
		}
		sound(t, w.Store)
		first := export(t, w.Store, everybody)
		w.wipe(t)
		again := load(t, w.Store, userstore.ImportInsert, first)
		require.Zero(t, again.Failed, "%+v", again.Errors)
		require.Equal(t, first, export(t, w.Store, everybody))
	})
}
