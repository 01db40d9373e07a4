package userstore_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

func unix(sec int64) time.Time { return time.Unix(sec, 0).UTC() }

func TestUserJSON(t *testing.T) {
	for _, c := range []struct {
		name string
		user userstore.User
		want string
	}{
		{"unset fields are left out", userstore.User{UID: "ada", Name: "Ada", Role: "default", Status: userstore.Offline, CreatedAt: unix(1700000000)},
			`{"uid":"ada","name":"Ada","role":"default","status":"offline","createdAt":1700000000}`},
		{"the zero user has the words of a new one", userstore.User{}, `{"uid":"","name":"","role":"default","status":"offline"}`},
		{"every field", userstore.User{
			UID: "ada", Name: "Ada <&> \u2028", Avatar: "https://a/?b&c", Link: "https://l", Role: "vip", StatusMessage: "hi\n", Metadata: json.RawMessage(`{"a":"<"}`),
			Tags: []string{"x", "y"}, Status: userstore.Online, LastActiveAt: unix(4), CreatedAt: unix(1), UpdatedAt: unix(2), DeactivatedAt: unix(3),
			HasBlockedMe: true, BlockedByMe: true, Version: 9},
			`{"uid":"ada","name":"Ada <&> \u2028","avatar":"https://a/?b&c","link":"https://l","role":"vip","statusMessage":"hi\n","metadata":{"a":"<"},
			"tags":["x","y"],"status":"available","lastActiveAt":4,"createdAt":1,"updatedAt":2,"deactivatedAt":3,"hasBlockedMe":true,"blockedByMe":true}`},
		{"times are whole seconds", userstore.User{UID: "a", Name: "A", CreatedAt: time.Unix(5, 999_999_999)}, `{"uid":"a","name":"A","role":"default","status":"offline","createdAt":5}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := string(must(json.Marshal(c.user))(t))
			require.JSONEq(t, c.want, got)
			require.JSONEq(t, c.want, string(must(json.Marshal(&c.user))(t)))
			require.JSONEq(t, "["+c.want+"]", string(must(json.Marshal([]userstore.User{c.user}))(t)))
			if c.user.UID == "" {
				return
			}
			var back userstore.User
			require.NoError(t, json.Unmarshal([]byte(got), &back))
			require.JSONEq(t, c.want, string(must(json.Marshal(back))(t)), "what is read gives the same again")
			require.Zero(t, back.Version)
		})
	}
}

func TestUserJSONOddInput(t *testing.T) {
	read := func(s string) (u userstore.User, err error) {
		err = json.Unmarshal([]byte(s), &u)
		return u, err
	}
	t.Run("accepted", func(t *testing.T) {
		for text, want := range map[string]userstore.User{
			`{}`: {},
			`{"uid":"A","name":"N","unknown":{"x":[1]},"version":7,"authToken":"t"}`: {UID: "A", Name: "N"},
			`{"createdAt":"1700000000","updatedAt":5,"lastActiveAt":0}`:              {CreatedAt: unix(1700000000), UpdatedAt: unix(5)},
			`{"name":null,"tags":null,"createdAt":null}`:                             {},
			` {"tags":["b","a","b"]} `:                                               {Tags: []string{"b", "a", "b"}},
			`{"metadata":{"a" : [1]}}`:                                               {Metadata: json.RawMessage(`{"a" : [1]}`)},
			`{"deactivatedAt":253402300799}`:                                         {DeactivatedAt: unix(253402300799)},
		} {
			require.Equal(t, want, must(read(text))(t), text)
		}
	})
	t.Run("refused", func(t *testing.T) {
		for text, field := range map[string]userstore.Field{
			`{"name":5}`: "name", `{"uid":{"` + secret + `":1}}`: "uid", `{"tags":"` + secret + `"}`: "tags", `{"tags":[1]}`: "tags", `{"avatar":["` + secret + `"]}`: "avatar",
			`{"hasBlockedMe":"` + secret + `"}`: "hasBlockedMe", `{"role":true}`: "role", `{"createdAt":"` + secret + `"}`: "", `{"createdAt":1.5}`: "", `{"createdAt":-1}`: "",
			`{"createdAt":99999999999999}`: "", `{"createdAt":1e400}`: "", `{"createdAt":[]}`: "", `["` + secret + `"]`: "", `"` + secret + `"`: "", `5`: "",
		} {
			_, err := read(text)
			var refusal *userstore.FieldError
			require.ErrorAs(t, err, &refusal, text)
			require.ErrorIs(t, err, userstore.ErrInvalid, text)
			require.NotContains(t, err.Error(), secret)
			if field != "" {
				require.Equal(t, field, refusal.Field)
			}
		}
	})
	t.Run("the user is asked directly", func(t *testing.T) {
		for _, text := range []string{"", "{", "nul", `{"uid":"` + secret + `"`, `{"uid":"a"}}`, "\xff", strings.Repeat("[", 100_000)} {
			err := new(userstore.User).UnmarshalJSON([]byte(text))
			require.ErrorIs(t, err, userstore.ErrInvalid, "%.20q", text)
			require.NotContains(t, err.Error(), secret)
		}
	})
}

func TestPatch(t *testing.T) {
	editable := func() userstore.User {
		u := full("ada")
		u.Version = 3
		return u
	}
	for _, c := range []struct {
		name  string
		patch userstore.Patch
		want  func(*userstore.User)
	}{
		{"an empty patch changes nothing", userstore.Patch{}, func(*userstore.User) {}},
		{"what is set replaces", userstore.Patch{Name: ptr("N"), Avatar: ptr("https://a"), Link: ptr("https://l"), Role: ptr("r"), StatusMessage: ptr("s"),
			Metadata: ptr(json.RawMessage(`{"z":1}`)), Tags: ptr([]string{"t"})}, func(u *userstore.User) {
			u.Name, u.Avatar, u.Link, u.Role, u.StatusMessage, u.Metadata, u.Tags = "N", "https://a", "https://l", "r", "s", json.RawMessage(`{"z":1}`), []string{"t"}
		}},
		{"what is unset is cleared", userstore.Patch{Unset: []userstore.Field{"avatar", "link", "metadata", "statusMessage", "tags", "tags"}}, func(u *userstore.User) {
			u.Avatar, u.Link, u.Metadata, u.StatusMessage, u.Tags = "", "", nil, "", nil
		}},
		{"one set, another unset", userstore.Patch{Link: ptr("https://l"), Unset: []userstore.Field{"avatar"}}, func(u *userstore.User) { u.Link, u.Avatar = "https://l", "" }},
		{"set to empty is set", userstore.Patch{Avatar: ptr(""), Tags: ptr([]string{})}, func(u *userstore.User) { u.Avatar, u.Tags = "", []string{} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, want := editable(), editable()
			c.want(&want)
			require.NoError(t, c.patch.Apply(&got))
			require.Equal(t, plain(want), plain(got))
		})
	}
	for name, patch := range map[string]userstore.Patch{
		"avatar set and unset":        {Name: ptr("N"), Avatar: ptr("x"), Unset: []userstore.Field{"avatar"}},
		"link set and unset":          {Name: ptr("N"), Link: ptr(""), Unset: []userstore.Field{"link"}},
		"metadata set and unset":      {Name: ptr("N"), Metadata: ptr(json.RawMessage("{}")), Unset: []userstore.Field{"metadata"}},
		"statusMessage set and unset": {Name: ptr("N"), StatusMessage: ptr("x"), Unset: []userstore.Field{"link", "statusMessage"}},
		"tags set and unset":          {Name: ptr("N"), Tags: ptr([]string{}), Unset: []userstore.Field{"tags"}},
		"name is not unset":           {Unset: []userstore.Field{"link", "name"}},
		"role is not unset":           {Unset: []userstore.Field{"role"}},
		"uid is not unset":            {Unset: []userstore.Field{"uid"}},
		"status is not unset":         {Unset: []userstore.Field{"status"}},
		"version is not unset":        {Unset: []userstore.Field{"version"}},
		"there is no such field":      {Name: ptr("N"), Unset: []userstore.Field{secret}},
		"nor an empty one":            {Unset: []userstore.Field{""}},
	} {
		t.Run(name, func(t *testing.T) {
			got := editable()
			err := patch.Apply(&got)
			require.ErrorIs(t, err, userstore.ErrInvalid)
			require.ErrorAs(t, err, new(*userstore.FieldError))
			require.NotContains(t, err.Error(), secret)
			require.Equal(t, editable(), got, "the user is left as it was")
		})
	}
}

func TestIfVersion(t *testing.T) {
	w := memory(t)
	w.add(t, "ada")
	shown := must(w.Get(bg, "ada"))(t)
	must(w.Update(bg, "ada", rename("Somebody was faster")))(t)

	called := false
	late := userstore.IfVersion(shown.Version, func(u *userstore.User) error { called = true; u.Name = "Late"; return nil })
	require.ErrorIs(t, fails(w.Update(bg, "ada", late)), userstore.ErrVersion)
	require.False(t, called)
	require.Equal(t, "Somebody was faster", must(w.Get(bg, "ada"))(t).Name)

	require.Equal(t, uint64(3), must(w.Update(bg, "ada", userstore.IfVersion(2, rename("Now"))))(t).Version)
	oops := errors.New("oops")
	require.ErrorIs(t, fails(w.Update(bg, "ada", userstore.IfVersion(3, func(*userstore.User) error { return oops }))), oops)
	require.ErrorIs(t, fails(w.Update(bg, "ada", userstore.IfVersion(0, nothing))), userstore.ErrVersion)
	require.NotPanics(t, func() { _, _ = w.Update(bg, "ada", userstore.IfVersion(3, nil)) })
}

func TestFieldErrorText(t *testing.T) {
	w := memory(t)
	_, err := w.Create(bg, userstore.User{UID: "ada", Name: pad("", "n", 101)})
	refusal := refused(t, err, userstore.FieldName, userstore.ErrInvalid)
	require.Contains(t, refusal.Error(), "name")
	require.Contains(t, refusal.Error(), "100")
	require.NotErrorIs(t, err, userstore.ErrNotFound)
}
