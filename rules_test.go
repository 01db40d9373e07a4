package userstore_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

// secret stands in refused values; no error may show it.
const secret = "s3cr3t"

// pad is s filled up with c to n characters.
func pad(s, c string, n int) string { return s + strings.Repeat(c, n-len([]rune(s))) }

// object is a JSON object of n bytes.
func object(n int) json.RawMessage {
	return json.RawMessage(`{"k":"` + strings.Repeat("x", n-len(`{"k":""}`)) + `"}`)
}

func tags(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = "tag " + strings.Repeat("i", i)
	}
	return list
}

// fieldCase is one value of one field: accepted as it is, or refused with this limit.
type fieldCase struct {
	name    string
	set     func(*userstore.User)
	refused bool
	limit   int
}

// texts makes cases of strings for one field.
func texts(set func(*userstore.User, string), refused bool, limit int, values ...string) (cases []fieldCase) {
	for _, v := range values {
		name := v
		if len(name) > 40 {
			name = name[:20] + "…"
		}
		cases = append(cases, fieldCase{strings.ToValidUTF8(name, "?"), func(u *userstore.User) { set(u, v) }, refused, limit})
	}
	return cases
}

func setName(u *userstore.User, s string)          { u.Name = s }
func setAvatar(u *userstore.User, s string)        { u.Avatar = s }
func setLink(u *userstore.User, s string)          { u.Link = s }
func setRole(u *userstore.User, s string)          { u.Role = s }
func setStatusMessage(u *userstore.User, s string) { u.StatusMessage = s }
func setMetadata(u *userstore.User, s string)      { u.Metadata = json.RawMessage(s) }
func setTag(u *userstore.User, s string)           { u.Tags = []string{"first", s} }
func setTags(list []string) func(*userstore.User)  { return func(u *userstore.User) { u.Tags = list } }

var goodURLs = []string{
	"", "http://a", "https://a.example/b?c=d#e", "HTTPS://EXAMPLE.ORG/Up", "https://user:pass@h.example:8443/", "http://[::1]:8080/x.png",
	"http://localhost:3000/me.png", "https://例え.jp/ü.png", "https://a.example/%F0%9F%9A%80", pad("https://a.example/", "p", 3000),
	pad("https://a.example/", "é", 3000),
}

var badURLs = []string{
	secret + ".png", "/" + secret, "//cdn.example/" + secret, "ftp://h.example/" + secret, "javascript:alert('" + secret + "')", "data:image/png;base64," + secret,
	"https://", "https:///" + secret, "http://:80/" + secret, "https:" + secret, "https://h.example/" + secret + " b", " https://h.example/" + secret,
	"https://h.example/" + secret + "\n", "https://h.example/%zz" + secret, "https://h.example/" + secret + "\xff", "https://h.example/\x00" + secret, " ",
}

// fieldCases is every rule of the value of a field, at and around its limits. In a role's case "vip" exists.
var fieldCases = map[userstore.Field][][]fieldCase{
	userstore.FieldName: {
		texts(setName, false, 0, "A", " A ", pad("", "n", 99), pad("", "n", 100), pad("", "😀", 100), "Zoë 王 علي 🚀", "a\u200db", "<b>&\"'\\"),
		texts(setName, true, 0, "", " ", "\t", "\u3000", secret+"\n", secret+"\x00", secret+"\x7f", secret+"\u0085", secret+"\xff", "\xed\xa0\x80"+secret),
		texts(setName, true, 100, pad(secret, "n", 101), pad(secret, "😀", 101), pad(secret, "n", 100_000)),
	},
	userstore.FieldAvatar: {
		texts(setAvatar, false, 0, goodURLs...), texts(setAvatar, true, 0, badURLs...),
		texts(setAvatar, true, 3000, pad("https://"+secret+".example/", "p", 3001), pad("https://"+secret+".example/", "é", 3001)),
	},
	userstore.FieldLink: {
		texts(setLink, false, 0, goodURLs...), texts(setLink, true, 0, badURLs...),
		texts(setLink, true, 3000, pad("https://"+secret+".example/", "p", 3001), pad("https://"+secret+".example/", "é", 3001)),
	},
	userstore.FieldRole: {
		texts(setRole, false, 0, "", "default", "vip", "VIP", "Default"),
		texts(setRole, true, 0, secret, "vip ", " ", "v.p", "vip\x00", "ｖip", "\xff"),
	},
	userstore.FieldStatusMessage: {
		texts(setStatusMessage, false, 0, "", " ", "two\nlines", "two\r\nlines", pad("", "s", 999), pad("", "s", 1000), pad("", "界", 1000)),
		texts(setStatusMessage, true, 0, secret+"\x00", secret+"\x1b[31m", secret+"\xff"),
		texts(setStatusMessage, true, 1000, pad(secret, "s", 1001), pad(secret, "界", 1001)),
	},
	userstore.FieldMetadata: {
		texts(setMetadata, false, 0, "", "null", "{}", " {\n} ", `{"a":1}`, `{"a":{"b":[1,2,{"c":null}]},"é":"\u00e9<&>"}`, `{"@private":{"email":"a@b.example"}}`, string(object(5119)), string(object(5120))),
		texts(setMetadata, true, 0, `["`+secret+`"]`, `"`+secret+`"`, "5", "true", "{", `{"`+secret+`":}`, `{"a":"`+secret+`"}{}`, `{"a":"`+secret+`",}`, "{\"a\":\""+secret+"\xff\"}", secret),
		texts(setMetadata, true, 5120, string(object(5121)), `{"k":"`+pad(secret, "é", 2560)+`"}`),
	},
	userstore.FieldTags: {
		texts(setTag, false, 0, "a", "A B", "🏷", pad("", "t", 99), pad("", "t", 100), pad("", "界", 100), " led", "a,b"),
		{{"none", setTags(nil), false, 0}, {"empty", setTags([]string{}), false, 0}, {"24", setTags(tags(24)), false, 0}, {"25", setTags(tags(25)), false, 0},
			{"25 and a repeat", setTags(append(tags(25), tags(1)...)), false, 0}},
		texts(setTag, true, 0, "", " ", "\u3000", secret+"\n", secret+"\x00", secret+"\xff"),
		texts(setTag, true, 100, pad(secret, "t", 101), pad(secret, "界", 101)),
		{{"26", setTags(tags(26)), true, 25}},
	},
}

// TestFieldValues writes every value of fieldCases in every way there is, and finds the rule applied alike.
func TestFieldValues(t *testing.T) {
	w := memory(t, userstore.WithRoles("vip"))
	w.add(t, "writer")
	login := must(w.Login(bg, "writer"))(t)
	writes := []struct {
		name  string
		write func(userstore.User) (userstore.User, error)
	}{
		{"create", func(u userstore.User) (userstore.User, error) { return w.Create(bg, u) }},
		{"upsert", func(u userstore.User) (userstore.User, error) { return w.Upsert(bg, u) }},
		{"update", func(u userstore.User) (userstore.User, error) { return w.Update(bg, "writer", overwrite(u, true)) }},
		{"session update", func(u userstore.User) (userstore.User, error) { return login.Update(bg, overwrite(u, false)) }},
	}
	for field, groups := range fieldCases {
		for _, group := range groups {
			for _, c := range group {
				for _, way := range writes {
					if field == userstore.FieldRole && way.name == "session update" {
						continue // a role is not the user's to change; see TestWhoMayEdit
					}
					t.Run(string(field)+"/"+way.name+"/"+c.name, func(t *testing.T) {
						_ = w.Delete(bg, "x")
						u := userstore.User{UID: "x", Name: "X"}
						c.set(&u)
						_, err := way.write(u)
						if !c.refused {
							require.NoError(t, err)
							return
						}
						require.Equal(t, c.limit, refused(t, err, field, userstore.ErrInvalid).Limit)
						require.NotContains(t, err.Error(), secret)
						_, err = w.Get(bg, "x")
						require.ErrorIs(t, err, userstore.ErrNotFound, "a refused value leaves nothing")
					})
				}
			}
		}
	}
	sound(t, w.Store)
}

// overwrite is an edit that sets every editable field to that of u.
func overwrite(u userstore.User, role bool) func(*userstore.User) error {
	return func(to *userstore.User) error {
		to.Name, to.Avatar, to.Link, to.StatusMessage, to.Metadata, to.Tags = u.Name, u.Avatar, u.Link, u.StatusMessage, u.Metadata, u.Tags
		if role {
			to.Role = u.Role
		}
		return nil
	}
}

func TestUIDs(t *testing.T) {
	w := memory(t)
	for given, stored := range map[string]string{
		"a": "a", "Z9": "z9", "_-_": "_-_", "0": "0", "User_One-2": "user_one-2", pad("", "u", 99): pad("", "u", 99), pad("", "U", 100): pad("", "u", 100),
	} {
		require.Equal(t, stored, must(w.Create(bg, userstore.User{UID: given, Name: "N"}))(t).UID)
		require.Equal(t, stored, must(w.Get(bg, given))(t).UID)
	}
	for _, uid := range []string{"", " ", secret + " b", secret + ".b", secret + "/b", secret + "ü", secret + "\n", secret + "\x00", secret + "\xff",
		secret + "ａ", secret + "\u212a", "😀" + secret, secret + "@example.org", secret + ":b", "%20" + secret} {
		_, err := w.Create(bg, userstore.User{UID: uid, Name: "N"})
		require.NotContains(t, refused(t, err, userstore.FieldUID, userstore.ErrInvalid).Error(), secret)
	}
	for _, uid := range []string{pad(secret, "u", 101), pad(secret, "u", 100_000)} {
		_, err := w.Create(bg, userstore.User{UID: uid, Name: "N"})
		refusal := refused(t, err, userstore.FieldUID, userstore.ErrInvalid)
		require.Equal(t, 100, refusal.Limit)
		require.NotContains(t, refusal.Error(), secret)
	}
}

// TestWhoMayEdit has one row a field: an edit of it, and what the back end and the current user are told.
func TestWhoMayEdit(t *testing.T) {
	for _, row := range []struct {
		field         userstore.Field
		edit          func(*userstore.User)
		backEnd, self error
	}{
		{userstore.FieldUID, func(u *userstore.User) { u.UID = "eve" }, userstore.ErrNotEditable, nil}, // the current user's is ignored
		{userstore.FieldName, func(u *userstore.User) { u.Name = "New" }, nil, nil},
		{userstore.FieldAvatar, func(u *userstore.User) { u.Avatar = "https://new.example" }, nil, nil},
		{userstore.FieldLink, func(u *userstore.User) { u.Link = "https://new.example" }, nil, nil},
		{userstore.FieldRole, func(u *userstore.User) { u.Role = map[string]string{"vip": "", "default": "vip"}[u.Role] }, nil, userstore.ErrNotEditable},
		{userstore.FieldMetadata, func(u *userstore.User) { u.Metadata = json.RawMessage(`{"new":1}`) }, nil, nil},
		{userstore.FieldStatusMessage, func(u *userstore.User) { u.StatusMessage = "new" }, nil, nil},
		{userstore.FieldTags, func(u *userstore.User) { u.Tags = []string{"new"} }, nil, nil},
		{userstore.FieldStatus, func(u *userstore.User) { u.Status = userstore.Online }, userstore.ErrNotEditable, userstore.ErrNotEditable},
		{userstore.FieldLastActiveAt, func(u *userstore.User) { u.LastActiveAt = time.Unix(1, 0) }, userstore.ErrNotEditable, userstore.ErrNotEditable},
		{userstore.FieldHasBlockedMe, func(u *userstore.User) { u.HasBlockedMe = true }, userstore.ErrNotEditable, userstore.ErrNotEditable},
		{userstore.FieldBlockedByMe, func(u *userstore.User) { u.BlockedByMe = true }, userstore.ErrNotEditable, userstore.ErrNotEditable},
		{userstore.FieldCreatedAt, func(u *userstore.User) { u.CreatedAt = time.Unix(1, 0) }, userstore.ErrNotEditable, userstore.ErrNotEditable},
		{userstore.FieldUpdatedAt, func(u *userstore.User) { u.UpdatedAt = time.Unix(1, 0) }, userstore.ErrNotEditable, userstore.ErrNotEditable},
		{userstore.FieldDeactivatedAt, func(u *userstore.User) { u.DeactivatedAt = time.Unix(1, 0) }, userstore.ErrNotEditable, userstore.ErrNotEditable},
		{userstore.FieldVersion, func(u *userstore.User) { u.Version++ }, userstore.ErrNotEditable, userstore.ErrNotEditable},
	} {
		t.Run(string(row.field), func(t *testing.T) {
			w := memory(t, userstore.WithRoles("vip"))
			w.add(t, "ada", "eve")
			before := must(w.Get(bg, "ada"))(t)
			eve := must(w.Get(bg, "eve"))(t)
			login := must(w.Login(bg, "ada"))(t)
			for _, by := range []struct {
				name   string
				update func(func(*userstore.User) error) (userstore.User, error)
				want   error
			}{
				{"back end", func(e func(*userstore.User) error) (userstore.User, error) { return w.Update(bg, "ada", e) }, row.backEnd},
				{"current user", func(e func(*userstore.User) error) (userstore.User, error) { return login.Update(bg, e) }, row.self},
			} {
				edit := func(u *userstore.User) error {
					row.edit(u)
					u.StatusMessage += "!" // something that both may change
					return nil
				}
				got, err := by.update(edit)
				now := must(w.Get(bg, "ada"))(t)
				if by.want != nil {
					refused(t, err, row.field, by.want)
					require.Equal(t, before, now, by.name)
					continue
				}
				require.NoError(t, err, by.name)
				require.Equal(t, now, got)
				require.Equal(t, "ada", now.UID)
				before = now
			}
			require.Equal(t, eve, must(w.Get(bg, "eve"))(t), "nobody else was touched")
		})
	}
}
