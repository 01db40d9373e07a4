package cometchat

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCreateUser(t *testing.T) {
	b := newBench(t)
	rep := b.admin("POST", "/users", `{"uid":" U-One ","name":"  One  ","tags":[" a ","b"],"hasBlockedMe":false,"blockedByMe":false,
		"deactivatedAt":0,"status":"online","createdAt":5,"unknown":{"x":1}}`)
	require.Equal(t, map[string]any{"uid": "u-one", "name": "One", "status": "offline", "role": "default",
		"createdAt": 1.7e9, "tags": []any{"a", "b"}}, rep.at("data"))
	b.send("POST", "/users", `{"uid":"u-ONE","name":"x"}`, rest()...).refusal(400, "ERR_UID_ALREADY_EXISTS")
	b.admin("DELETE", "/users/u-one", "")
	b.send("POST", "/users", `{"uid":"u-one","name":"x"}`, rest()...).refusal(400, "ERR_UID_ALREADY_EXISTS")
	b.admin("DELETE", "/users/u-one", `{"permanent":true}`)
	token := b.admin("POST", "/users", `{"uid":"u-one","name":"x","withAuthToken":1}`).at("data", "authToken").(string)
	require.Regexp(t, `^u-one_\d{10}[0-9a-f]{30}$`, token)
	require.Equal(t, "u-one", b.as(token, "GET", "/me", "").at("data", "uid"))
}

func TestUserFieldsAreChecked(t *testing.T) {
	long := strings.Repeat("ü", 101)
	url := "https://example.com/" + strings.Repeat("x", 3000)
	tags := strings.TrimSuffix(strings.Repeat(`"%d",`, 26), ",")
	numbers := make([]any, 26)
	for i := range numbers {
		numbers[i] = i
	}
	tags = fmt.Sprintf(tags, numbers...)
	for _, c := range []struct{ body, field, text string }{
		{`{"name":"` + long + `"}`, "name", "The name may not be greater than 100 characters."},
		{`{"name":"a\u0007"}`, "name", "The name format is invalid."},
		{`{"name":7}`, "name", "The name must be a string."},
		{`{"avatar":"ftp://x/y"}`, "avatar", "The avatar must be a valid URL."},
		{`{"avatar":"` + url + `"}`, "avatar", "The avatar may not be greater than 3000 characters."},
		{`{"link":"example.com"}`, "link", "The link must be a valid URL."},
		{`{"link":{}}`, "link", "The link must be a string."},
		{`{"role":"nosuch"}`, "role", "The selected role is invalid."},
		{`{"role":"no such"}`, "role", "The role may only contain letters, numbers, dashes and underscores."},
		{`{"statusMessage":[]}`, "statusMessage", "The statusMessage must be a string."},
		{`{"metadata":"x"}`, "metadata", "The metadata must be an object."},
		{`{"metadata":7}`, "metadata", "The metadata must be an object."},
		{`{"tags":["a","` + long + `"]}`, "tags.1", "The tags.1 may not be greater than 100 characters."},
		{`{"tags":["a",null]}`, "tags.1", "The tags.1 field is required."},
		{`{"tags":["a",{}]}`, "tags.1", "The tags.1 must be a string."},
		{`{"tags":[` + tags + `]}`, "tags", "The tags may not have more than 25 items."},
	} {
		t.Run(c.text, func(t *testing.T) {
			b := newBench(t)
			b.add("ann")
			token := b.login("ann")
			b.send("PUT", "/users/ann", c.body, rest()...).invalid(c.field, c.text)
			create := `{"uid":"new",` + strings.TrimPrefix(c.body, "{")
			if c.field != "name" {
				create = `{"uid":"new","name":"New",` + strings.TrimPrefix(c.body, "{")
			}
			b.send("POST", "/users", create, rest()...).invalid(c.field, c.text)
			imported := b.admin("POST", "/data_import/users", `{"users":{"new":`+create+`}}`)
			require.Equal(t, []any{c.text}, imported.at("data", "new", "error", "details", c.field), imported.text)
			if c.field != "role" {
				b.send("PUT", "/me", c.body, "authToken", token).invalid(c.field, c.text)
			}
			require.Equal(t, []string{"ann"}, b.admin("GET", "/users", "").uids())
			require.Nil(t, b.admin("GET", "/users/ann", "").at("data", "updatedAt"))
		})
	}
}

func TestCreateUserNeedsUIDAndName(t *testing.T) {
	b := newBench(t)
	both := []string{"uid", "The uid field is required.", "name", "The name field is required."}
	for _, body := range []string{"", "{}", "null", ` `, `{"uid":" ","name":"\t"}`, `{"uid":null,"name":null}`} {
		b.send("POST", "/users", body, rest()...).invalid(both...)
	}
	b.send("POST", "/users", `{"uid":"no spaces","name":"x"}`, rest()...).
		invalid("uid", "The uid may only contain letters, numbers, dashes and underscores.")
	b.send("POST", "/users", `{"uid":"`+strings.Repeat("x", 101)+`","name":"x"}`, rest()...).
		invalid("uid", "The uid may not be greater than 100 characters.")
	b.send("POST", "/users", `{"uid":"x","name":"x","withAuthToken":"maybe"}`, rest()...).
		invalid("withAuthToken", "The withAuthToken field must be true or false.")
	b.admin("POST", "/users", `{"uid":"`+strings.Repeat("x", 100)+`","name":"x"}`)
}

func TestUpdateUserClearsWhatIsEmpty(t *testing.T) {
	b := town(t)
	b.admin("PUT", "/users/ann", `{"avatar":"https://example.com/a","link":"https://example.com/b","statusMessage":"busy"}`)
	whole := b.admin("GET", "/users/ann", "").at("data").(map[string]any)
	for _, c := range []struct{ field, body string }{
		{"avatar", `{"avatar":""}`}, {"link", `{"link":" "}`}, {"statusMessage", `{"statusMessage":""}`},
		{"metadata", `{"metadata":{}}`}, {"tags", `{"tags":[]}`},
	} {
		require.Contains(t, whole, c.field)
		b.advance(time.Second)
		rep := b.admin("PUT", "/users/ANN", c.body)
		got := rep.at("data").(map[string]any)
		delete(whole, c.field)
		whole["updatedAt"] = float64(b.clock().Unix())
		require.Equal(t, whole, got)
		require.Equal(t, got, b.admin("GET", "/users/ann", "").at("data"))
	}
	b.admin("PUT", "/users/ann", `{"avatar":"https://example.com/a","link":"https://example.com/b","metadata":{"a":1}}`)
	rep := b.admin("PUT", "/users/ann", `{"unset":["avatar","link","metadata"]}`)
	for _, field := range []string{"avatar", "link", "metadata"} {
		require.NotContains(t, rep.at("data"), field)
	}
}

// The SDK writes back whole users, with everything that came from the server.
func TestUpdateUserIgnoresWhatIsNotEditable(t *testing.T) {
	b := town(t)
	rep := b.admin("PUT", "/users/ann", `{"uid":"bob","status":"available","lastActiveAt":5,"createdAt":5,"updatedAt":5,"deactivatedAt":0,
		"conversationId":"a_user_b","blockedByMe":true,"hasBlockedMe":true,"blockedAt":5,"authToken":"x","version":9,"withAuthToken":true,"name":"Ann B"}`)
	require.Equal(t, "ann", rep.at("data", "uid"))
	require.Equal(t, "offline", rep.at("data", "status"))
	require.EqualValues(t, 1.7e9, rep.at("data", "createdAt"))
	for _, name := range []string{"lastActiveAt", "deactivatedAt", "conversationId", "blockedByMe", "hasBlockedMe", "authToken"} {
		require.NotContains(t, rep.at("data"), name)
	}
	require.Equal(t, "Zed", b.admin("GET", "/users/bob", "").at("data", "name"))
}

func TestUnknownAndDeactivatedUsersAreNotFound(t *testing.T) {
	b := town(t)
	for _, c := range []struct{ uid, echo string }{
		{"NoSuch", "nosuch"}, {"eva", "eva"}, {"%20", "%20"}, {"%C3%9C", "%c3%9c"}, {"a%2Fb", "a%2fb"}, {"..", ".."}, {"%2e%2e", "%2e%2e"},
		{strings.Repeat("x", 200), strings.Repeat("x", 200)},
	} {
		text := "The UID " + c.echo + " does not exist, please make sure you have created a user with UID " + c.echo + "."
		for _, r := range []struct{ method, path, body string }{
			{"GET", "", ""}, {"PUT", "", `{"name":"x"}`}, {"DELETE", "", ""}, {"POST", "/auth_tokens", ""}, {"POST", "/auth_tokens", `{"force":true}`},
			{"GET", "/auth_tokens", ""}, {"GET", "/auth_tokens/x", ""}, {"PUT", "/auth_tokens/x", `{"platform":"p"}`}, {"DELETE", "/auth_tokens/x", ""},
			{"DELETE", "/auth_tokens", ""}, {"POST", "/friends", `{"accepted":["ann"]}`}, {"GET", "/friends", ""}, {"DELETE", "/friends", `{"friends":["ann"]}`},
			{"POST", "/blockedusers", `{"blockedUids":["ann"]}`}, {"GET", "/blockedusers", ""}, {"DELETE", "/blockedusers", `{"blockedUids":["ann"]}`},
		} {
			rep := b.send(r.method, "/users/"+c.uid+r.path, r.body, rest()...).refusal(404, "ERR_UID_NOT_FOUND")
			require.Equal(t, text, rep.at("error", "message"))
		}
	}
}

func TestDeactivationAndReturn(t *testing.T) {
	b := town(t)
	token := b.login("ann")
	rep := b.admin("DELETE", "/users", `{"uidsToDeactivate":["ANN","eva","Nobody","ann"]}`)
	require.Equal(t, map[string]any{"deactivatedUids": []any{"ANN"}, "alreadyDeactivatedUids": []any{"eva"}, "notFound": []any{"Nobody"}}, rep.at("data"))
	b.send("GET", "/me", "", "authToken", token).refusal(401, "AUTH_ERR_AUTH_TOKEN_NOT_FOUND")
	require.Equal(t, []string{"dee", "cem", "bob"}, b.admin("GET", "/users", "").uids())
	rep = b.admin("GET", "/users?onlyDeactivated=true&sortBy=name", "")
	require.Equal(t, []string{"ann", "eva"}, rep.uids())
	require.NotContains(t, rep.member("deactivatedAt"), nil)
	require.Len(t, b.admin("GET", "/users?withDeactivated=1", "").uids(), 5)
	rep = b.admin("PUT", "/users", `{"uidsToActivate":["ann","bob","Nobody"]}`)
	require.Equal(t, map[string]any{"reactivatedUids": []any{"ann"}, "nonDeactivatedUids": []any{"bob"}, "notFound": []any{"Nobody"}}, rep.at("data"))
	require.Equal(t, "ann", b.as(token, "GET", "/me", "").at("data", "uid"))
	require.Equal(t, []string{"cem"}, b.admin("GET", "/users/ann/friends", "").uids())
	require.Equal(t, []string{"bob"}, b.admin("GET", "/users/ann/blockedusers", "").uids())

	b.admin("DELETE", "/users/ann", `{"permanent":true}`)
	b.add("ann")
	b.send("GET", "/me", "", "authToken", token).refusal(401, "AUTH_ERR_AUTH_TOKEN_NOT_FOUND")
	require.Empty(t, b.admin("GET", "/users/ann/friends", "").uids())
}
