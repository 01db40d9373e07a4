package cometchat

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What the SDK sends when it logs in.
const loginBody = `{"platform":"WEB","deviceId":"app_1_2","appInfo":{"version":"v4.2.0","apiVersion":"v3.0","userAgent":"x"}}`

func TestLoginAsTheSDKDoesIt(t *testing.T) {
	b := town(t)
	rep := b.send("POST", "/v3.0/users/ANN/auth_tokens", loginBody, "appId", "app", "apiKey", loginKey, "sdk", "javascript@4.2.0", "resource", "WEB-1")
	require.Equal(t, 200, rep.status, rep.text)
	require.Equal(t, "ann", rep.at("data", "uid"))
	token := rep.at("data", "authToken").(string)
	rep = b.as(token, "PUT", "/v3.0/me", loginBody)
	me := rep.at("data").(map[string]any)
	require.Equal(t, token, me["authToken"])
	require.Equal(t, "Ann", me["name"])
	require.Equal(t, []any{"red", "blue"}, me["tags"])
	require.NotEmpty(t, me["jwt"])
	require.NotEmpty(t, me["wsChannel"].(map[string]any)["secret"])
	require.NotContains(t, me, "updatedAt", "a login changes nothing of the user")
	require.Equal(t, me, b.as(token, "GET", "/me", "").at("data"))
	row := b.admin("GET", "/users/ann/auth_tokens/"+token, "").at("data").(map[string]any)
	require.Equal(t, "WEB", row["platform"])
	require.Equal(t, "v4.2.0", row["appInfo"].(map[string]any)["version"])
	require.NotContains(t, row, "device")
}

func TestSettingsKeepTheSDKHere(t *testing.T) {
	for host, want := range map[string][2]string{
		"127.0.0.1:8443": {"127.0.0.1", "8443"}, "localhost": {"localhost", "443"}, "[::1]:8443": {"[::1]", "8443"}, "[::1]": {"[::1]", "443"},
		"app.apiclient-us.cometchat.io": {"app.apiclient-us.cometchat.io", "443"},
	} {
		b := town(t)
		token := b.login("ann")
		settings := func() any {
			return b.from(host, "GET", "/settings", token).at("data")
		}
		s := settings().(map[string]any)
		require.Equal(t, host, s["CLIENT_API_HOST"])
		require.Equal(t, host, s["ADMIN_API_HOST"])
		require.Equal(t, "v3.0", s["CHAT_API_VERSION"])
		require.Equal(t, want[0], s["CHAT_HOST"])
		require.Equal(t, want[1], s["CHAT_WSS_PORT"])
		require.EqualValues(t, 4, s["APP_VERSION"])
		require.Equal(t, true, s["ANALYTICS_PING_DISABLED"])
		require.Equal(t, s, b.from(host, "GET", "/me", token).at("data", "settings"))
		require.Equal(t, s, settings(), "the hash does not change by itself")
	}
}

func TestUpdateMe(t *testing.T) {
	b := town(t)
	token := b.login("ann")
	rep := b.as(token, "PUT", "/me", `{"uid":"bob","name":"Ann B","role":"nosuch","status":"online","statusMessage":"hi","tags":[],"metadata":{"@private":{"k":1}},
		"authToken":"forged","jwt":"forged","hasBlockedMe":true,"blockedByMe":true,"deactivatedAt":5,"lastActiveAt":5}`)
	require.Equal(t, "ann", rep.at("data", "uid"))
	require.Equal(t, "Ann B", rep.at("data", "name"))
	require.Equal(t, "manager", rep.at("data", "role"))
	require.Equal(t, "offline", rep.at("data", "status"))
	require.Equal(t, token, rep.at("data", "authToken"))
	require.EqualValues(t, 1, rep.at("data", "metadata", "@private", "k"))
	require.NotContains(t, rep.at("data"), "tags")
	require.Equal(t, "Zed", b.admin("GET", "/users/bob", "").at("data", "name"))
	require.Equal(t, "Ann B", b.admin("GET", "/users/ann", "").at("data", "name"))
	b.send("PUT", "/me", `{"name":" "}`, "authToken", token).invalid("name", "The name field must have a value.")
}

func TestLogoutEndsItsOwnTokenOnly(t *testing.T) {
	b := town(t)
	one, two := b.login("ann"), b.login("ann")
	b.as(one, "PUT", "/me", loginBody)
	rep := b.send("DELETE", "/me", "", "authToken", one, "Content-Type", "application/x-www-form-urlencoded")
	require.Equal(t, true, rep.at("data", "success"))
	for _, r := range []struct{ method, path, body string }{{"GET", "/me", ""}, {"PUT", "/me", loginBody}, {"DELETE", "/me", ""}, {"GET", "/users", ""},
		{"GET", "/users/bob", ""}, {"GET", "/blockedusers", ""}, {"POST", "/blockedusers", `{"blockedUids":["cem"]}`}, {"GET", "/settings", ""}} {
		b.send(r.method, r.path, r.body, "authToken", one).refusal(401, "AUTH_ERR_AUTH_TOKEN_NOT_FOUND")
	}
	b.as(two, "GET", "/me", "")
	require.Empty(t, b.h.notes.of, "what was noted of the token is forgotten with it")
}

func TestTokensOfAUser(t *testing.T) {
	b := town(t)
	var tokens []string
	for range 101 {
		tokens = append(tokens, b.login("ann"))
	}
	rep := b.admin("GET", "/users/ann/auth_tokens?perPage=1000", "")
	require.Len(t, rep.at("data"), 100)
	require.Equal(t, tokens[100], rep.at("data", 0, "authToken"), "newest first")
	b.send("GET", "/me", "", "authToken", tokens[0]).refusal(401, "AUTH_ERR_AUTH_TOKEN_NOT_FOUND")
	b.as(tokens[1], "GET", "/me", "")
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		b.send(method, "/users/bob/auth_tokens/"+tokens[1], `{"platform":"x"}`, rest()...).refusal(404, "ERR_AUTH_TOKEN_NOT_FOUND")
	}
	b.admin("DELETE", "/users/ann/auth_tokens/"+tokens[1], "")
	b.send("DELETE", "/users/ann/auth_tokens/"+tokens[1], "", rest()...).refusal(404, "ERR_AUTH_TOKEN_NOT_FOUND")
	b.as(tokens[2], "GET", "/me", "")
	b.send("PUT", "/users/ann/auth_tokens/"+tokens[2], "", rest()...).
		invalid("platform", "The platform field is required when none of userAgent / appInfo are present.")
	require.Equal(t, "Cleared Auth Tokens successfully for uid ann.", b.admin("DELETE", "/users/ANN/auth_tokens", "").at("data", "message"))
	b.send("GET", "/me", "", "authToken", tokens[2]).refusal(401, "AUTH_ERR_AUTH_TOKEN_NOT_FOUND")
	require.Empty(t, b.admin("GET", "/users/ann/auth_tokens", "").at("data"))
}

func TestNotesOfTokensDieWithThem(t *testing.T) {
	b := town(t)
	for range 105 {
		b.admin("POST", "/users/ann/auth_tokens", `{"force":true,"platform":"web"}`)
	}
	require.Len(t, b.h.notes.of["ann"], 100)
	b.admin("DELETE", "/users/ann", `{"permanent":true}`)
	require.Empty(t, b.h.notes.of)
}

func TestPrivateMetadata(t *testing.T) {
	b := town(t)
	b.admin("POST", "/users/bob/friends", `{"accepted":["ann"]}`)
	ann, bob := b.login("ann"), b.login("bob")
	require.Contains(t, b.as(ann, "GET", "/me", "").text, "@private")
	require.Contains(t, b.as(ann, "GET", "/users/ann", "").text, "@private")
	require.Contains(t, b.admin("GET", "/users/ann", "").text, "@private")
	require.Contains(t, b.admin("GET", "/users", "").text, "@private")
	require.Contains(t, b.send("GET", "/users/ann", "", rest("onBehalfOf", "bob")...).text, "@private")
	for _, path := range []string{"/users/ann", "/users", "/blockedusers", "/users?friendsOnly=1"} {
		require.NotContains(t, b.as(bob, "GET", path, "").text, "@private", path)
	}
	require.Equal(t, map[string]any{"team": "x"}, b.as(bob, "GET", "/users/ann", "").at("data", "metadata"))
	require.NotContains(t, b.as(ann, "GET", "/users/bob", "").at("data"), "metadata")
	b.admin("PUT", "/users/ann", `{"metadata":{"\u0040private":{"k":1},"a":{"@private":2}}}`)
	require.Equal(t, map[string]any{"a": map[string]any{"@private": 2.}}, b.as(bob, "GET", "/users/ann", "").at("data", "metadata"))
}

func TestBlockedListOfTheClient(t *testing.T) {
	b := town(t)
	token := b.login("ann")
	b.admin("POST", "/users/bob/blockedusers", `{"blockedUids":["ann"]}`)
	for query, want := range map[string]string{"": "dee bob", "direction=both": "dee bob", "direction=blockedByMe": "bob", "direction=hasBlockedMe": "dee bob",
		"searchKey=Z": "bob", "searchKey=de&direction=both": "dee", "searchKey=x": "", "per_page=1&page=2": "bob"} {
		require.Equal(t, want, strings.Join(b.as(token, "GET", "/blockedusers?"+query, "").uids(), " "), query)
	}
	rep := b.as(token, "GET", "/blockedusers?searchKey=bob", "")
	require.Equal(t, []any{true}, rep.member("blockedByMe"))
	require.Equal(t, []any{true}, rep.member("hasBlockedMe"))
	require.Equal(t, []any{nil, 1.700000005e9}, b.as(token, "GET", "/blockedusers", "").member("blockedByMeAt"))
	rep = b.as(token, "DELETE", "/blockedusers", `{"blockedUids":["bob"]}`)
	require.Equal(t, true, rep.at("data", "bob", "success"))
	require.Equal(t, []any{nil, nil}, b.as(token, "GET", "/blockedusers", "").member("blockedByMe"))
}

func TestJWT(t *testing.T) {
	b := town(t)
	ctx := context.Background()
	token := b.login("ann")
	jwt := b.h.mintJWT("ann", token)
	s, err := b.h.verifyJWT(ctx, jwt)
	require.NoError(t, err)
	require.Equal(t, "ann", s.UID())
	require.NotContains(t, jwt, token)
	parts := strings.Split(jwt, ".")
	require.Len(t, parts, 3)
	for name, bad := range map[string]string{
		"empty": "", "text": "undefined", "dots": "..", "no signature": parts[0] + "." + parts[1] + ".", "not signed": parts[0] + "." + parts[1],
		"other claims": parts[0] + "." + parts[1] + "A." + parts[2],
		"other header": "eyJhbGciOiJub25lIn0." + parts[1] + "." + parts[2],
		"header only":  jwtHeader + ".", "signature only": jwtHeader + "." + parts[2],
		"another's token": b.h.mintJWT("bob", token), "no such user": b.h.mintJWT("nobody", token), "no such token": b.h.mintJWT("ann", "x"),
		"another double's": town(t).h.mintJWT("ann", token),
	} {
		_, err := b.h.verifyJWT(ctx, bad)
		var e *apiError
		require.ErrorAs(t, err, &e, name)
		require.Equal(t, "ERR_NO_AUTH", e.Code, name)
	}
	b.admin("DELETE", "/users/ann", "")
	_, err = b.h.verifyJWT(ctx, jwt)
	require.Error(t, err)
	b.admin("PUT", "/users", `{"uidsToActivate":["ann"]}`)
	_, err = b.h.verifyJWT(ctx, jwt)
	require.NoError(t, err)
	b.admin("DELETE", "/users/ann/auth_tokens", "")
	_, err = b.h.verifyJWT(ctx, jwt)
	require.Error(t, err)
}

func TestOnlineMembersAreCounted(t *testing.T) {
	b := town(t)
	jwt := b.as(b.login("ann"), "GET", "/me", "").at("data", "jwt").(string)
	b.online("cem", "dee")
	for _, path := range []string{"/api/v3.0/online-members", "/api/v2/online-members"} {
		rep := b.send("POST", path, "", "appId", "app", "Authorization", jwt)
		require.EqualValues(t, 3, rep.at("data", "onlineUsersCount"))
	}
}
