package cometchat

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// pair is two values of a parameter that make a route answer, or leave the store, differently.
type pair struct{ a, b string }

var pagingPairs = map[string]pair{
	"perPage": {"", "perPage=1"}, "per_page": {"", "per_page=1"}, "page": {"perPage=1", "perPage=1&page=2"},
}

var listPairs = map[string]pair{
	"searchKey": {"", "searchKey=z"}, "searchIn": {"searchKey=z", "searchKey=z&searchIn=uid"},
	"status": {"", "status=available"}, "count": {"", "count=1"}, "role": {"", "role=manager"}, "roles": {"", "roles=manager"},
	"tags": {"", "tags=red"}, "withTags": {"", "withTags=1"}, "uids": {"", "uids=bob"},
	"sortBy": {"", "sortBy=name"}, "sortOrder": {"sortBy=name", "sortBy=name&sortOrder=desc"},
	"withDeactivated": {"", "withDeactivated=true"}, "onlyDeactivated": {"", "onlyDeactivated=true"},
	"hideBlockedUsers": {"", "hideBlockedUsers=1"}, "friendsOnly": {"", "friendsOnly=1"},
}

// queryPairs has the pairs of each route's own query parameters; those of paging are everywhere the same.
var queryPairs = map[string]map[string]pair{
	"GET /users apiKey":                           listPairs,
	"GET /users authToken":                        listPairs,
	"GET /users/{uid}/friends apiKey":             {"searchKey": {"", "searchKey=z"}},
	"GET /blockedusers authToken":                 {"direction": {"", "direction=hasBlockedMe"}, "searchKey": {"", "searchKey=z"}},
	"GET /apikeys apiKey":                         {"scope": {"", "scope=authOnly"}, "searchKey": {"", "searchKey=rest"}},
	"GET /roles apiKey":                           {},
	"GET /users/{uid}/auth_tokens apiKey":         {},
	"GET /users/{uid}/blockedusers apiKey":        {},
	"GET /roles/{role}/restrictedfeatures apiKey": {},
}

// crowd is a town where every list has two rows at least.
func crowd(t testing.TB) *bench {
	b := town(t)
	b.admin("POST", "/users/ann/friends", `{"accepted":["bob"]}`)
	b.admin("POST", "/users/ann/blockedusers", `{"blockedUids":["cem"]}`)
	b.admin("POST", "/roles/manager/restrictedfeatures", `{"featuresToRestrict":["listSettings","logout"]}`)
	b.login("ann")
	b.login("ann")
	return b
}

func TestQueryParametersHaveAnEffect(t *testing.T) {
	b := crowd(t)
	for i := range routes {
		rt := &routes[i]
		pairs, known := queryPairs[rt.id()]
		require.Equal(t, len(rt.query) > 0, known, rt.id())
		for _, name := range rt.query {
			p, ok := pairs[name]
			if !ok {
				p, ok = pagingPairs[name]
			}
			require.True(t, ok, "%s: %s", rt.id(), name)
			path := probes[rt.id()].path
			without := b.probe(rt, probe{path: path + "?" + p.a})
			with := b.probe(rt, probe{path: path + "?" + p.b})
			require.Equal(t, 200, without.status, without.text)
			require.Equal(t, 200, with.status, with.text)
			if _, paging := pagingPairs[name]; paging {
				require.NotEqual(t, len(without.at("data").([]any)), 0, "%s: %s", rt.id(), name)
				require.NotEqual(t, without.at("data"), with.at("data"), "%s: %s", rt.id(), name)
				require.Len(t, with.at("data"), 1, "%s: %s", rt.id(), name)
			}
			require.NotEqual(t, scrub(without.text), scrub(with.text), "%s: %s", rt.id(), name)
		}
	}
}

var userPairs = map[string]pair{
	"name": {"{}", `{"name":"Other"}`}, "avatar": {"{}", `{"avatar":"https://example.com/a.png"}`},
	"link": {"{}", `{"link":"https://example.com/"}`}, "role": {`{"role":"default"}`, `{"role":"manager"}`},
	"statusMessage": {"{}", `{"statusMessage":"busy"}`}, "metadata": {"{}", `{"metadata":{"a":1}}`},
	"tags": {"{}", `{"tags":["x"]}`}, "unset": {"{}", `{"unset":["metadata"]}`},
}

var notePairs = map[string]pair{
	"platform": {`{"appInfo":{}}`, `{"appInfo":{},"platform":"web"}`}, "userAgent": {`{"platform":"p"}`, `{"platform":"p","userAgent":"u"}`},
	"appInfo": {`{"platform":"p"}`, `{"platform":"p","appInfo":{"a":1}}`},
}

// bodyPairs has the pairs of each member of each route's body. In a create, NEW stands for what is required.
var bodyPairs = map[string]map[string]pair{
	"POST /users apiKey": {
		"uid": {`{"uid":"n1","name":"N"}`, `{"uid":"n2","name":"N"}`}, "name": {`{"uid":"n1","name":"N"}`, `{"uid":"n1","name":"M"}`},
		"avatar": {"{NEW}", `{NEW,"avatar":"https://example.com/a.png"}`}, "link": {"{NEW}", `{NEW,"link":"https://example.com/"}`},
		"role": {"{NEW}", `{NEW,"role":"manager"}`}, "statusMessage": {"{NEW}", `{NEW,"statusMessage":"busy"}`},
		"metadata": {"{NEW}", `{NEW,"metadata":{"a":1}}`}, "tags": {"{NEW}", `{NEW,"tags":["x"]}`},
		"withAuthToken": {"{NEW}", `{NEW,"withAuthToken":true}`},
	},
	"PUT /users apiKey":          {"uidsToActivate": {`{"uidsToActivate":["ann"]}`, `{"uidsToActivate":["eva"]}`}},
	"DELETE /users apiKey":       {"uidsToDeactivate": {`{"uidsToDeactivate":["ann"]}`, `{"uidsToDeactivate":["bob"]}`}},
	"PUT /users/{uid} apiKey":    userPairs,
	"DELETE /users/{uid} apiKey": {"permanent": {"", `{"permanent":true}`}},
	"POST /users/{uid}/auth_tokens apiKey": {
		"force": {"{}", `{"force":true}`}, "deviceId": {`{"deviceId":"c"}`, `{"deviceId":"d"}`},
		"platform": {"{}", `{"platform":"web"}`}, "userAgent": {"{}", `{"userAgent":"u"}`}, "appInfo": {"{}", `{"appInfo":{"a":1}}`},
	},
	"PUT /users/{uid}/auth_tokens/{authToken} apiKey": notePairs,
	"POST /roles apiKey": {
		"role": {`{"role":"r1","name":"R"}`, `{"role":"r2","name":"R"}`}, "name": {`{"role":"r1","name":"R"}`, `{"role":"r1","name":"S"}`},
		"description": {"{NEW}", `{NEW,"description":"d"}`}, "metadata": {"{NEW}", `{NEW,"metadata":{"a":1}}`},
		"settings": {"{NEW}", `{NEW,"settings":{"listUsers":"friendsOnly"}}`},
	},
	"PUT /roles/{role} apiKey": {
		"name": {"{}", `{"name":"Boss"}`}, "description": {"{}", `{"description":"d"}`}, "metadata": {"{}", `{"metadata":{"a":1}}`},
		"settings": {"{}", `{"settings":{"sendMessagesTo":"friendsOnly"}}`}, "unset": {"{}", `{"unset":["description"]}`},
	},
	"POST /roles/{role}/restrictedfeatures apiKey": {
		"featuresToRestrict": {`{"featuresToRestrict":["u.getUser"]}`, `{"featuresToRestrict":["u.listUsers"]}`}},
	"DELETE /roles/{role}/restrictedfeatures apiKey": {
		"featuresToAllow": {`{"featuresToAllow":["logout"]}`, `{"featuresToAllow":["listSettings"]}`},
		"allowAll":        {`{"featuresToAllow":["logout"]}`, `{"allowAll":true}`}},
	"POST /users/{uid}/friends apiKey":        {"accepted": {`{"accepted":["dee"]}`, `{"accepted":["bob"]}`}},
	"DELETE /users/{uid}/friends apiKey":      {"friends": {`{"friends":["bob"]}`, `{"friends":["cem"]}`}},
	"POST /users/{uid}/blockedusers apiKey":   {"blockedUids": {`{"blockedUids":["bob"]}`, `{"blockedUids":["dee"]}`}},
	"DELETE /users/{uid}/blockedusers apiKey": {"blockedUids": {`{"blockedUids":["bob"]}`, `{"blockedUids":["cem"]}`}},
	"POST /blockedusers authToken":            {"blockedUids": {`{"blockedUids":["bob"]}`, `{"blockedUids":["dee"]}`}},
	"DELETE /blockedusers authToken":          {"blockedUids": {`{"blockedUids":["bob"]}`, `{"blockedUids":["cem"]}`}},
	"POST /apikeys apiKey": {
		"name": {`{"name":"a"}`, `{"name":"b"}`}, "scope": {`{"name":"a"}`, `{"name":"a","scope":"fullAccess"}`}},
	"PUT /apikeys/{apiKey} apiKey": {"name": {"{}", `{"name":"b"}`}, "scope": {"{}", `{"scope":"fullAccess"}`}},
	"POST /data_import/users apiKey": {
		"users": {`{"users":{"i":{"uid":"i","name":"I"}}}`, `{"users":{"j":{"uid":"j","name":"J"}}}`}},
	"PUT /me authToken": {
		"name": userPairs["name"], "avatar": userPairs["avatar"], "link": userPairs["link"], "tags": userPairs["tags"],
		"statusMessage": userPairs["statusMessage"], "metadata": userPairs["metadata"], "deviceId": {"{}", `{"deviceId":"d"}`},
		"platform": notePairs["platform"], "userAgent": notePairs["userAgent"], "appInfo": notePairs["appInfo"],
	},
	"POST /user_sessions authToken": {"sessionId": {`{"sessionId":"a"}`, `{"sessionId":"b"}`}},
}

var required = map[string]string{"POST /users apiKey": `"uid":"new","name":"New"`, "POST /roles apiKey": `"role":"new","name":"New"`}

func TestBodyMembersHaveAnEffect(t *testing.T) {
	for i := range routes {
		rt := &routes[i]
		pairs, known := bodyPairs[rt.id()]
		require.Equal(t, len(rt.body) > 0, known, rt.id())
		require.Len(t, pairs, len(rt.body), rt.id())
		for _, name := range rt.body {
			t.Run(rt.id()+" "+name, func(t *testing.T) {
				t.Parallel()
				p, ok := pairs[name]
				require.True(t, ok)
				require.NotEqual(t, outcome(t, rt, p.a), outcome(t, rt, p.b))
			})
		}
	}
}

// outcome is the answer to a body and what the whole application looks like afterwards.
func outcome(t *testing.T, rt *route, body string) string {
	b := crowd(t)
	b.admin("PUT", "/roles/manager", `{"description":"Sample"}`)
	rep := b.probe(rt, probe{probes[rt.id()].path, strings.ReplaceAll(body, "NEW", required[rt.id()])})
	require.Equal(t, 200, rep.status, rep.text)
	all := []string{rep.text}
	if b.send("GET", "/users/ann", "", "apiKey", restKey).status == 200 {
		all = append(all, b.admin("POST", "/users/ann/auth_tokens", `{"deviceId":"d"}`).text) // is that device known?
	}
	for _, path := range []string{"/users?withTags=1&withDeactivated=1", "/users/ann/auth_tokens", "/users/ann/friends",
		"/users/ann/blockedusers", "/roles", "/roles/manager/restrictedfeatures", "/apikeys"} {
		all = append(all, b.send("GET", path, "", "apiKey", restKey).text)
	}
	return scrub(strings.Join(all, "\n"))
}

var random = regexp.MustCompile(`[a-z]+_\d{10}[0-9a-f]{30}|[0-9a-f]{32,}|eyJ[\w.-]+`)

// scrub takes out what differs from one run to the next.
func scrub(s string) string { return random.ReplaceAllString(s, "*") }

func TestScrubLeavesTheRest(t *testing.T) {
	b, c := crowd(t), crowd(t)
	one, two := b.as(b.login("ann"), "GET", "/me", "").text, c.as(c.login("ann"), "GET", "/me", "").text
	require.NotEqual(t, one, two)
	require.Equal(t, scrub(one), scrub(two))
	require.True(t, slices.Contains(strings.Split(scrub(one), `"`), "*"))
}
