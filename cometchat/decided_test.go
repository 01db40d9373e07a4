package cometchat

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// decision is a choice made where CometChat says nothing or contradicts itself, with the test that holds it. The first
// two are the row in docs/support.md.
type decision struct {
	what, here string
	prove      func(t *testing.T, b *bench)
}

func TestDecisions(t *testing.T) {
	for _, d := range decisions {
		t.Run(d.what, func(t *testing.T) {
			t.Parallel()
			d.prove(t, town(t))
		})
	}
}

var decisions = []decision{
	{"wrong or blank `appId`", "401; not sent at all is fine, as with CometChat's own host names", func(t *testing.T, b *bench) {
		b.send("GET", "/users", "", "appId", "x", "apiKey", restKey).refusal(401, "AUTH_ERR_INVALID_APPID")
		b.send("GET", "/users", "", "appId", " ", "apiKey", restKey).refusal(401, "AUTH_ERR_EMPTY_APPID")
		require.Equal(t, 200, b.send("GET", "/users", "", "appId", "APP", "apiKey", restKey).status)
	}},
	{"status of refused credentials", "no key 401, unknown key 404, key of the wrong scope 403, no token 401, bad token 401", func(t *testing.T, b *bench) {
		b.send("GET", "/roles", "").refusal(401, "AUTH_ERR_EMPTY_APIKEY")
		b.send("GET", "/roles", "", "apiKey", "x").refusal(404, "AUTH_ERR_APIKEY_NOT_FOUND")
		b.send("GET", "/roles", "", "apiKey", loginKey).refusal(403, "AUTH_ERR_NO_ACCESS")
		b.send("GET", "/me", "").refusal(401, "AUTH_ERR_EMPTY_AUTH_TOKEN")
		b.send("GET", "/me", "", "authToken", "x").refusal(401, "AUTH_ERR_AUTH_TOKEN_NOT_FOUND")
	}},
	{"both credentials", "where both APIs have the path, an `authToken` means the user's", func(t *testing.T, b *bench) {
		rep := b.send("GET", "/users", "", "authToken", b.login("ann"), "apiKey", restKey)
		require.NotContains(t, rep.uids(), "ann")
		require.Equal(t, 200, b.send("GET", "/roles", "", "authToken", "x", "apiKey", restKey).status)
	}},
	{"`authOnly` keys", "may create and update users and create tokens, unless told otherwise; `withAuthToken` needs both the right to create users and tokens", func(t *testing.T, b *bench) {
		require.Equal(t, 200, b.send("PUT", "/users/ann", `{"name":"A"}`, "apiKey", loginKey).status)
		b.h.opts.AuthOnly = AuthOnlyCreateUser
		b.send("POST", "/users", `{"uid":"n","name":"N","withAuthToken":true}`, "apiKey", loginKey).refusal(403, "AUTH_ERR_NO_ACCESS")
		b.send("GET", "/users/n", "", "apiKey", restKey).refusal(404, "ERR_UID_NOT_FOUND")
		require.Equal(t, 200, b.send("POST", "/users", `{"uid":"n","name":"N"}`, "apiKey", loginKey).status)
	}},
	{"`onBehalfOf`", "honoured by `GET /users` too, whose documented example shows an acting user; ignored elsewhere", func(t *testing.T, b *bench) {
		rep := b.send("GET", "/users?sortBy=name", "", "apiKey", restKey, "onBehalfOf", "ann")
		require.Equal(t, []string{"ann", "cem", "dee", "bob"}, rep.uids())
		require.Equal(t, []any{nil, nil, nil, true}, rep.member("blockedByMe"))
		require.Equal(t, []any{nil, nil, true, nil}, rep.member("hasBlockedMe"))
		require.Equal(t, []any{nil, "ann_user_cem", "ann_user_dee", "ann_user_bob"}, rep.member("conversationId"))
		require.Equal(t, 200, b.send("GET", "/roles", "", "apiKey", restKey, "onBehalfOf", "nobody").status)
	}},
	{"order of `GET /users`", "the back end sees the newest first, the user who is online first, then by name, then by uid; `sortBy` and `sortOrder` work for both", func(t *testing.T, b *bench) {
		require.Equal(t, []string{"dee", "cem", "bob", "ann"}, b.admin("GET", "/users", "").uids())
		require.Equal(t, []string{"bob", "cem", "dee"}, b.as(b.login("ann"), "GET", "/users", "").uids())
		require.Equal(t, []string{"ann", "bob", "cem", "dee"}, b.admin("GET", "/users?sortOrder=asc", "").uids())
	}},
	{"the logged-in user in its own list", "left out", func(t *testing.T, b *bench) {
		require.Empty(t, b.as(b.login("ann"), "GET", "/users?uids=ann", "").uids())
	}},
	{"`searchKey`", "the start of the name or of the uid, letter case ignored", func(t *testing.T, b *bench) {
		require.Equal(t, []string{"bob"}, b.admin("GET", "/users?searchKey=ZE", "").uids())
		require.Empty(t, b.admin("GET", "/users?searchKey=ed", "").uids())
	}},
	{"several `tags`", "users with any of them", func(t *testing.T, b *bench) {
		require.Equal(t, []string{"bob", "ann"}, b.admin("GET", "/users?tags=blue,red", "").uids())
	}},
	{"commas in `tags`", "from the SDK an escaped comma belongs to a tag, from a back end it separates, as generic HTTP clients write it", func(t *testing.T, b *bench) {
		b.admin("PUT", "/users/bob", `{"tags":["red,blue"]}`)
		require.Equal(t, []string{"ann"}, b.admin("GET", "/users?tags=red%2cblue", "").uids())
		require.Equal(t, []string{"bob"}, b.as(b.login("ann"), "GET", "/users?tags=red%2Cblue", "").uids())
	}},
	{"`count`", "adds `meta.count`, the number of all users found", func(t *testing.T, b *bench) {
		rep := b.admin("GET", "/users?count=1&perPage=2&status=offline", "")
		require.EqualValues(t, 3, rep.at("meta", "count"))
		require.Len(t, rep.uids(), 2)
	}},
	{"page numbers and sizes out of range", "beyond the end: an empty list; a size of 0: 100; a size above 1000, a page below 1 or no number: 400", func(t *testing.T, b *bench) {
		rep := b.admin("GET", "/users?perPage=3&page=3", "")
		require.Empty(t, rep.uids())
		require.Equal(t, map[string]any{"total": 4., "count": 0., "per_page": 3., "current_page": 3., "total_pages": 2.}, rep.at("meta", "pagination"))
		require.EqualValues(t, 100, b.admin("GET", "/users?per_page=0", "").at("meta", "pagination", "per_page"))
		for _, bad := range []string{"perPage=1001", "perPage=-1", "per_page=x", "page=0", "page=-1", "page=1.5", "page=99999999999999999999"} {
			b.send("GET", "/users?"+bad, "", "apiKey", restKey).refusal(400, "ERR_BAD_REQUEST")
		}
	}},
	{"unknown words in `status`, `sortBy`, `sortOrder`, `searchIn`, `direction`", "400", func(t *testing.T, b *bench) {
		token := b.login("ann")
		for _, name := range []string{"status", "sortBy", "sortOrder", "searchIn"} {
			b.send("GET", "/users?"+name+"=busy", "", "authToken", token).invalid(name, "The selected "+name+" is invalid.")
		}
		b.send("GET", "/blockedusers?direction=x", "", "authToken", token).invalid("direction", "The selected direction is invalid.")
	}},
	{"more than 25 `uids`", "400", func(t *testing.T, b *bench) {
		b.send("GET", "/users?uids=a"+strings.Repeat(",a", 25), "", "apiKey", restKey).invalid("uids", "The uids may not have more than 25 items.")
		b.admin("GET", "/users?uids=a"+strings.Repeat(",a", 24), "")
	}},
	{"`cursor` in answers", "beside `meta` for users, inside it for friends and blocked users: the newest change among the rows", func(t *testing.T, b *bench) {
		require.EqualValues(t, b.admin("GET", "/users/dee", "").at("data", "createdAt"), b.admin("GET", "/users", "").at("cursor", "updatedAt"))
		require.Equal(t, "prepend", b.admin("GET", "/users/ann/friends", "").at("meta", "cursor", "affix"))
		require.Nil(t, b.admin("GET", "/users/bob/friends", "").at("meta", "cursor"))
	}},
	{"`GET /users/{uid}`", "holds metadata and tags where they are set", func(t *testing.T, b *bench) {
		require.Equal(t, []any{"red", "blue"}, b.admin("GET", "/users/ann", "").at("data", "tags"))
		require.Equal(t, "x", b.admin("GET", "/users/ann", "").at("data", "metadata", "team"))
	}},
	{"a JSON `null`", "the same as an empty value", func(t *testing.T, b *bench) {
		require.Nil(t, b.admin("PUT", "/users/ann", `{"metadata":null}`).at("data", "metadata"))
		require.Nil(t, b.admin("PUT", "/users/ann", `{"statusMessage":null,"tags":null}`).at("data", "tags"))
		b.send("PUT", "/users/ann", `{"name":null}`, "apiKey", restKey).invalid("name", "The name field must have a value.")
		b.admin("POST", "/users", `{"uid":"n","name":"N","avatar":null,"role":null}`)
	}},
	{"a value and its `unset` in one request", "the value wins, as in the documented example; an unknown name in `unset` is 400", func(t *testing.T, b *bench) {
		rep := b.admin("PUT", "/users/ann", `{"avatar":"https://example.com/a","unset":["avatar","metadata"]}`)
		require.Equal(t, "https://example.com/a", rep.at("data", "avatar"))
		require.Nil(t, rep.at("data", "metadata"))
		b.send("PUT", "/users/ann", `{"unset":["tags"]}`, "apiKey", restKey).invalid("unset.0", "The selected unset.0 is invalid.")
	}},
	{"length of `statusMessage` and `metadata`", "1000 characters; 5120 bytes", func(t *testing.T, b *bench) {
		b.admin("PUT", "/users/ann", `{"statusMessage":"`+strings.Repeat("ü", 1000)+`"}`)
		b.send("PUT", "/users/ann", `{"statusMessage":"`+strings.Repeat("x", 1001)+`"}`, "apiKey", restKey).
			invalid("statusMessage", "The statusMessage may not be greater than 1000 characters.")
		b.send("PUT", "/users/ann", `{"metadata":{"a":"`+strings.Repeat("x", 5120)+`"}}`, "apiKey", restKey).
			invalid("metadata", "The metadata may not be greater than 5120 bytes.")
	}},
	{"repeated tags", "dropped; letter case matters", func(t *testing.T, b *bench) {
		require.Equal(t, []any{"a", "A"}, b.admin("PUT", "/users/ann", `{"tags":["a"," a ","A"]}`).at("data", "tags"))
	}},
	{"role `\"\"` in an update", "the default role", func(t *testing.T, b *bench) {
		require.Equal(t, "default", b.admin("PUT", "/users/ann", `{"role":""}`).at("data", "role"))
	}},
	{"`DELETE /users/{uid}` of a deactivated user", "404, unless permanent", func(t *testing.T, b *bench) {
		b.send("DELETE", "/users/eva", "", "apiKey", restKey).refusal(404, "ERR_UID_NOT_FOUND")
		b.admin("DELETE", "/users/eva", `{"permanent":true}`)
		b.send("DELETE", "/users/eva", `{"permanent":true}`, "apiKey", restKey).refusal(404, "ERR_UID_NOT_FOUND")
	}},
	{"lists of uids in bodies", "missing or empty: 400; a blank or non-string entry: 400; more than 25 to activate, deactivate or befriend: 400; unlimited where CometChat names no limit", func(t *testing.T, b *bench) {
		many := `["u` + strings.Repeat(`","u`, 25) + `"]`
		for _, c := range [][3]string{{"PUT", "/users", "uidsToActivate"}, {"DELETE", "/users", "uidsToDeactivate"}, {"POST", "/users/ann/friends", "accepted"}} {
			b.send(c[0], c[1], `{"`+c[2]+`":`+many+`}`, "apiKey", restKey).invalid(c[2], "The "+c[2]+" may not have more than 25 items.")
			for _, body := range []string{"", "{}", `{"` + c[2] + `":[]}`, `{"` + c[2] + `":null}`} {
				b.send(c[0], c[1], body, "apiKey", restKey).invalid(c[2], "The "+c[2]+" field is required.")
			}
			b.send(c[0], c[1], `{"`+c[2]+`":"u"}`, "apiKey", restKey).invalid(c[2], "The "+c[2]+" must be an array.")
			b.send(c[0], c[1], `{"`+c[2]+`":["u",7]}`, "apiKey", restKey).invalid(c[2]+".1", "The "+c[2]+".1 must be a string.")
		}
		b.admin("POST", "/users/ann/blockedusers", `{"blockedUids":`+many+`}`)
	}},
	{"`POST …/auth_tokens` without `force`", "gives the newest standing token of the same `deviceId` (none being one too), else a new one", func(t *testing.T, b *bench) {
		token := func(body string) any {
			return b.admin("POST", "/users/ann/auth_tokens", body).at("data", "authToken")
		}
		first := token("")
		require.Equal(t, first, token(`{"force":false}`))
		require.NotEqual(t, first, token(`{"force":true}`))
		phone := token(`{"deviceId":"phone"}`)
		require.NotEqual(t, token(""), phone)
		require.Equal(t, phone, token(`{"deviceId":"phone"}`))
		b.as(phone.(string), "DELETE", "/me", "")
		require.NotEqual(t, phone, token(`{"deviceId":"phone"}`))
	}},
	{"roles that cannot be deleted", "`default`: 403 `ERR_ROLE_DELETE_DENIED`; held by anybody, deactivated users included: 400 `ERR_ROLE_DELETE_FAILED`", func(t *testing.T, b *bench) {
		b.send("DELETE", "/roles/Default", "", "apiKey", restKey).refusal(403, "ERR_ROLE_DELETE_DENIED")
		b.send("DELETE", "/roles/manager", "", "apiKey", restKey).refusal(400, "ERR_ROLE_DELETE_FAILED")
		b.admin("DELETE", "/users/ann", "")
		b.send("DELETE", "/roles/manager", "", "apiKey", restKey).refusal(400, "ERR_ROLE_DELETE_FAILED")
	}},
	{"a taken role id", "400 `ERR_ROLE_ALREADY_EXISTS`", func(t *testing.T, b *bench) {
		b.send("POST", "/roles", `{"role":"MANAGER","name":"x"}`, "apiKey", restKey).refusal(400, "ERR_ROLE_ALREADY_EXISTS")
	}},
	{"settings of a role", "`listUsers: friendsOnly` is obeyed in the lists of its users; `sendMessagesTo` is kept; what is left out is `all`", func(t *testing.T, b *bench) {
		rep := b.admin("PUT", "/roles/manager", `{"settings":{"listUsers":"friendsOnly"}}`)
		require.Equal(t, map[string]any{"listUsers": "friendsOnly", "sendMessagesTo": "all"}, rep.at("data", "settings"))
		require.Equal(t, []string{"cem"}, b.as(b.login("ann"), "GET", "/users", "").uids())
		b.admin("PUT", "/roles/manager", `{"unset":["settings"]}`)
		require.Len(t, b.as(b.login("ann"), "GET", "/users", "").uids(), 3)
	}},
	{"restricted features", "keys with and without `u.`; who has the role gets 403 `AUTH_ERR_NO_ACCESS`; an unknown key fails alone", func(t *testing.T, b *bench) {
		rep := b.admin("POST", "/roles/manager/restrictedfeatures", `{"featuresToRestrict":["getUser","u.nosuch"]}`)
		require.Equal(t, true, rep.at("data", "getUser", "success"))
		require.Equal(t, false, rep.at("data", "u.nosuch", "success"))
		b.send("GET", "/users/bob", "", "authToken", b.login("ann")).refusal(403, "AUTH_ERR_NO_ACCESS")
		require.Equal(t, "u.getUser", b.admin("GET", "/roles/manager/restrictedfeatures", "").at("data", 0, "key"))
	}},
	{"friends", "each uid has its own result; a repeated friend succeeds, oneself and an unknown uid fail; removing somebody who is none succeeds", func(t *testing.T, b *bench) {
		rep := b.admin("POST", "/users/ann/friends", `{"accepted":["dee","CEM","ann","eva"]}`)
		require.Equal(t, "Created relationship with status accepted.", rep.at("data", "accepted", "dee", "message"))
		require.Equal(t, "Updated relationship with status accepted.", rep.at("data", "accepted", "CEM", "message"))
		require.Equal(t, false, rep.at("data", "accepted", "ann", "success"))
		require.Equal(t, false, rep.at("data", "accepted", "eva", "success"))
		b.admin("DELETE", "/users/ann/friends", `{"friends":["bob","nosuch"]}`)
	}},
	{"blocks", "each uid has its own result; blocking again and unblocking somebody who is not blocked succeed, oneself and an unknown uid fail; friends stay friends", func(t *testing.T, b *bench) {
		rep := b.admin("POST", "/users/ann/blockedusers", `{"blockedUids":["cem","Bob","ann","nosuch"]}`)
		require.Equal(t, "The user with UID ann has already blocked user with UID bob.", rep.at("data", "Bob", "message"))
		require.Equal(t, "The UID ann cannot block UID ann.", rep.at("data", "ann", "message"))
		require.Equal(t, false, rep.at("data", "nosuch", "success"))
		require.Equal(t, []string{"cem"}, b.admin("GET", "/users/ann/friends", "").uids())
		rep = b.admin("DELETE", "/users/ann/blockedusers", `{"blockedUids":["dee","bob"]}`)
		require.Equal(t, true, rep.at("data", "dee", "success"))
		require.Equal(t, "The user with UID ann has unblocked user with UID bob successfully.", rep.at("data", "bob", "message"))
	}},
	{"`GET /users/{uid}/blockedusers`", "only those whom the user has blocked; `direction` and `searchKey` are the client's alone", func(t *testing.T, b *bench) {
		require.Equal(t, []string{"bob"}, b.admin("GET", "/users/ann/blockedusers", "").uids())
		b.send("GET", "/users/ann/blockedusers?direction=both", "", "apiKey", restKey).refusal(400, "ERR_BAD_REQUEST")
	}},
	{"api keys", "a name has up to 100 characters; a key that acts on itself is 403 `ERR_APIKEY_NO_SELF_ACTION`; without a scope it is `authOnly`", func(t *testing.T, b *bench) {
		b.send("DELETE", "/apikeys/"+restKey, "", "apiKey", restKey).refusal(403, "ERR_APIKEY_NO_SELF_ACTION")
		b.send("PUT", "/apikeys/"+restKey, `{"name":"x"}`, "apiKey", restKey).refusal(403, "ERR_APIKEY_NO_SELF_ACTION")
		b.send("POST", "/apikeys", `{"name":"`+strings.Repeat("x", 101)+`"}`, "apiKey", restKey).
			invalid("name", "The name may not be greater than 100 characters.")
		require.Equal(t, "authOnly", b.admin("POST", "/apikeys", `{"name":"`+strings.Repeat("x", 100)+`"}`).at("data", "scope"))
	}},
	{"data import", "a uid that exists, and any other bad user, fails its own row with an `error`; times are numbers or numbers in strings; over 50 users, or no object of users: 400 `ERR_IMPORT_INVALID_USER_FORMAT`", func(t *testing.T, b *bench) {
		rep := b.admin("POST", "/data_import/users", `{"users":{"ann":{"uid":"ann","name":"A"},"n":{"uid":"n","name":"N","createdAt":"5","lastActiveAt":6}}}`)
		require.Equal(t, "ERR_UID_ALREADY_EXISTS", rep.at("data", "ann", "error", "code"))
		require.EqualValues(t, 5, rep.at("data", "n", "data", "createdAt"))
		for _, body := range []string{"", `{"users":[]}`, `{"users":{}}`, `{"users":[{"uid":"n","name":"N"}]}`, `{"users":{` + imports(51) + `}}`} {
			b.send("POST", "/data_import/users", body, "apiKey", restKey).refusal(400, "ERR_IMPORT_INVALID_USER_FORMAT")
		}
	}},
	{"plan quotas", "off unless set; over them: 403 `ERR_PLAN_QUOTA_RESTRICTION`, for friends a failed row", func(t *testing.T, b *bench) {
		b.h.opts.Quotas = Quotas{Roles: 2, Friends: 1, APIKeys: 2}
		b.send("POST", "/roles", `{"role":"r","name":"R"}`, "apiKey", restKey).refusal(403, "ERR_PLAN_QUOTA_RESTRICTION")
		b.send("POST", "/apikeys", `{"name":"k"}`, "apiKey", restKey).refusal(403, "ERR_PLAN_QUOTA_RESTRICTION")
		rep := b.admin("POST", "/users/bob/friends", `{"accepted":["cem","dee","ann","bob","nosuch"]}`)
		require.Equal(t, false, rep.at("data", "accepted", "cem", "success"), "cem has a friend")
		require.Equal(t, true, rep.at("data", "accepted", "dee", "success"))
		require.Equal(t, false, rep.at("data", "accepted", "ann", "success"))
		require.Equal(t, []string{"dee"}, b.admin("GET", "/users/bob/friends", "").uids())
	}},
	{"bodies that cannot be read", "larger than allowed: 413 `ERR_BAD_REQUEST`; too slow: 408; no JSON object or no UTF-8: 400", func(t *testing.T, b *bench) {
		b.send("POST", "/users", strings.Repeat(" ", bodyLimit+1), "apiKey", restKey).refusal(http.StatusRequestEntityTooLarge, "ERR_BAD_REQUEST")
		for _, body := range []string{"{", "[]", `"x"`, "7", `{"uid":"a"} x`, "{\"uid\":\"\xff\"}"} {
			b.send("POST", "/users", body, "apiKey", restKey).refusal(400, "ERR_BAD_REQUEST")
		}
	}},
	{"values of another type", "400 with the field; a `metadata` that is an object in a string is taken", func(t *testing.T, b *bench) {
		b.send("POST", "/users", `{"uid":7,"name":["x"],"tags":"a","metadata":[]}`, "apiKey", restKey).invalid(
			"uid", "The uid must be a string.", "name", "The name must be a string.", "tags", "The tags must be an array.",
			"metadata", "The metadata must be an object.")
		rep := b.admin("PUT", "/users/ann", `{"metadata":"{\"a\":1}"}`)
		require.Equal(t, map[string]any{"a": 1.}, rep.at("data", "metadata"))
	}},
	{"other versions than v3", "404 `ERR_INVALID_API_VERSION`", func(t *testing.T, b *bench) {
		b.send("GET", "/v4/users", "", "apiKey", restKey).refusal(404, "ERR_INVALID_API_VERSION")
	}},
	{"a trailing slash, a doubled one, dots", "404 `ERR_API_NOT_FOUND`", func(t *testing.T, b *bench) {
		for _, path := range []string{"/users/", "//users", "/v3//users", "/v3/../users", "/v3/users/ann/", "/users/ann/../bob"} {
			b.send("GET", path, "", "apiKey", restKey).refusal(404, "ERR_API_NOT_FOUND")
		}
	}},
	{"the JWT of `/me` and `/me/jwt`", "lives as long as the auth token it was made for; anything else is 401 `ERR_NO_AUTH`", func(t *testing.T, b *bench) {
		token := b.login("ann")
		jwt := b.as(token, "POST", "/me/jwt", `{"passthrough":{}}`).at("data", "jwt").(string)
		rep := b.send("POST", "/api/v3.0/online-members", "", "Authorization", jwt)
		require.EqualValues(t, 1, rep.at("data", "onlineUsersCount"))
		require.Equal(t, 200, b.send("POST", "/api/v3.0/online-members", "", "Authorization", "Bearer "+jwt).status)
		b.as(token, "DELETE", "/me", "")
		b.send("POST", "/api/v3.0/online-members", "", "Authorization", jwt).refusal(401, "ERR_NO_AUTH")
		b.send("POST", "/api/v3.0/online-members", "", "Authorization", "undefined").refusal(401, "ERR_NO_AUTH")
	}},
	{"failures of the store", "503 `ERR_OPERATION_FAILED` while it is closed or read-only, else 500", func(t *testing.T, b *bench) {
		require.NoError(t, b.store.Close())
		b.send("GET", "/health", "").refusal(503, "ERR_OPERATION_FAILED")
	}},
}

// imports gives n users of an import.
func imports(n int) string {
	var rows []string
	for i := range n {
		rows = append(rows, fmt.Sprintf(`"u%d":{"uid":"u%d","name":"U"}`, i, i))
	}
	return strings.Join(rows, ",")
}
