package cometchat

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// probe is a request to a route that succeeds in the town. {token} stands for a token of ann's, {jwt} for a JWT of hers,
// {key} for an api key that is neither of the two.
type probe struct{ path, body string }

// probes has one for each row of the table of routes.
var probes = map[string]probe{
	"POST /users apiKey":         {"/users", `{"uid":"new","name":"New"}`},
	"GET /users apiKey":          {"/users", ""},
	"PUT /users apiKey":          {"/users", `{"uidsToActivate":["eva"]}`},
	"DELETE /users apiKey":       {"/users", `{"uidsToDeactivate":["dee"]}`},
	"GET /users/{uid} apiKey":    {"/users/ann", ""},
	"PUT /users/{uid} apiKey":    {"/users/ann", `{"name":"Ann B"}`},
	"DELETE /users/{uid} apiKey": {"/users/ann", `{"permanent":true}`},
	"GET /users authToken":       {"/users", ""},
	"GET /users/{uid} authToken": {"/users/bob", ""},

	"POST /users/{uid}/auth_tokens apiKey":               {"/users/ann/auth_tokens", ""},
	"GET /users/{uid}/auth_tokens apiKey":                {"/users/ann/auth_tokens", ""},
	"GET /users/{uid}/auth_tokens/{authToken} apiKey":    {"/users/ann/auth_tokens/{token}", ""},
	"PUT /users/{uid}/auth_tokens/{authToken} apiKey":    {"/users/ann/auth_tokens/{token}", `{"platform":"web"}`},
	"DELETE /users/{uid}/auth_tokens/{authToken} apiKey": {"/users/ann/auth_tokens/{token}", ""},
	"DELETE /users/{uid}/auth_tokens apiKey":             {"/users/ann/auth_tokens", ""},

	"POST /roles apiKey":          {"/roles", `{"role":"guest","name":"Guest"}`},
	"GET /roles apiKey":           {"/roles", ""},
	"GET /roles/{role} apiKey":    {"/roles/manager", ""},
	"PUT /roles/{role} apiKey":    {"/roles/manager", `{"name":"Boss"}`},
	"DELETE /roles/{role} apiKey": {"/roles/spare", ""},

	"POST /roles/{role}/restrictedfeatures apiKey":   {"/roles/manager/restrictedfeatures", `{"featuresToRestrict":["u.getUser"]}`},
	"GET /roles/{role}/restrictedfeatures apiKey":    {"/roles/manager/restrictedfeatures", ""},
	"DELETE /roles/{role}/restrictedfeatures apiKey": {"/roles/manager/restrictedfeatures", `{"allowAll":true}`},

	"POST /users/{uid}/friends apiKey":   {"/users/ann/friends", `{"accepted":["dee"]}`},
	"GET /users/{uid}/friends apiKey":    {"/users/ann/friends", ""},
	"DELETE /users/{uid}/friends apiKey": {"/users/ann/friends", `{"friends":["cem"]}`},

	"POST /users/{uid}/blockedusers apiKey":   {"/users/ann/blockedusers", `{"blockedUids":["cem"]}`},
	"GET /users/{uid}/blockedusers apiKey":    {"/users/ann/blockedusers", ""},
	"DELETE /users/{uid}/blockedusers apiKey": {"/users/ann/blockedusers", `{"blockedUids":["bob"]}`},
	"POST /blockedusers authToken":            {"/blockedusers", `{"blockedUids":["cem"]}`},
	"GET /blockedusers authToken":             {"/blockedusers", ""},
	"DELETE /blockedusers authToken":          {"/blockedusers", `{"blockedUids":["bob"]}`},

	"POST /apikeys apiKey":            {"/apikeys", `{"name":"Third"}`},
	"GET /apikeys apiKey":             {"/apikeys", ""},
	"GET /apikeys/{apiKey} apiKey":    {"/apikeys/{key}", ""},
	"PUT /apikeys/{apiKey} apiKey":    {"/apikeys/{key}", `{"name":"Other"}`},
	"DELETE /apikeys/{apiKey} apiKey": {"/apikeys/{key}", ""},

	"POST /data_import/users apiKey": {"/data_import/users", `{"users":{"imp":{"uid":"imp","name":"Imp"}}}`},

	"GET /me authToken":             {"/me", ""},
	"PUT /me authToken":             {"/me", `{"name":"Ann B"}`},
	"DELETE /me authToken":          {"/me", ""},
	"POST /me/jwt authToken":        {"/me/jwt", ""},
	"GET /settings authToken":       {"/settings", ""},
	"POST /user_sessions authToken": {"/user_sessions", `{"sessionId":"abc"}`},

	"GET /health none":                        {"/health", ""},
	"POST /api/{version}/online-members none": {"/api/v3.0/online-members", ""},
}

func (rt *route) id() string { return fmt.Sprintf("%s %s %s", rt.method, rt.pattern, rt.side) }

// probe fills in a probe's names and sends it with the credentials its route asks for, and more headers.
func (b *bench) probe(rt *route, p probe, headers ...string) reply {
	b.t.Helper()
	token := ""
	if rt.side != admin || strings.Contains(p.path, "{token}") {
		token = b.login("ann")
	}
	switch rt.side {
	case client:
		headers = append([]string{"authToken", token}, headers...)
	case admin:
		headers = append([]string{"apiKey", restKey}, headers...)
	case open:
		headers = append([]string{"Authorization", b.h.mintJWT("ann", token)}, headers...)
	}
	if strings.Contains(p.path, "/spare") {
		b.send("POST", "/roles", `{"role":"spare","name":"Spare"}`, "apiKey", restKey) // may be there already
	}
	if strings.Contains(p.path, "{key}") {
		key := b.admin("POST", "/apikeys", `{"name":"k"}`).at("data", "apiKey").(string)
		p.path = strings.ReplaceAll(p.path, "{key}", key)
	}
	p.path = strings.ReplaceAll(p.path, "{token}", token)
	return b.send(rt.method, p.path, p.body, headers...)
}

func TestEveryRouteHasAProbe(t *testing.T) {
	seen := map[string]bool{}
	for i := range routes {
		id := routes[i].id()
		require.False(t, seen[id], "%s is in the table twice", id)
		seen[id] = true
		require.Contains(t, probes, id)
	}
	require.Len(t, probes, len(routes))
}

func TestRoutesAnswerAsDeclared(t *testing.T) {
	for i := range routes {
		rt := &routes[i]
		t.Run(rt.id(), func(t *testing.T) {
			t.Parallel()
			p := probes[rt.id()]
			b := town(t, func(o *Options) { o.RateLimit = RateLimit{Core: 5_000, Other: 20_000, Import: 60} })
			answersUnderEveryVersion(t, rt, p)
			refusesWrongCredentials(t, b, rt, p)
			rep := b.probe(rt, p)
			require.Equal(t, http.StatusOK, rep.status, rep.text)
			require.Contains(t, rep.body, "data")
			require.Equal(t, map[rateClass]string{rateCore: "5000", rateOther: "20000", rateImport: "60"}[rt.rate], rep.header.Get("X-Rate-Limit"))

			unknown := p
			unknown.path += "?nosuch=1"
			b.probe(rt, unknown).invalid("nosuch", "The nosuch parameter is not supported.")
			limitsBody(t, b, rt, p)
			actsOnBehalf(t, b, rt, p)
			obeysRestriction(t, b, rt, p)
		})
	}
}

func answersUnderEveryVersion(t *testing.T, rt *route, p probe) {
	for _, prefix := range []string{"", "/v3", "/v3.0"} {
		b := town(t)
		under := p
		under.path = prefix + p.path
		require.Equal(t, http.StatusOK, b.probe(rt, under).status, under.path)
	}
	b := town(t)
	other := p
	other.path = "/v2.0" + p.path
	b.probe(rt, other).refusal(http.StatusNotFound, "ERR_INVALID_API_VERSION")
}

func refusesWrongCredentials(t *testing.T, b *bench, rt *route, p probe) {
	path := strings.NewReplacer("{token}", "x", "{key}", "x").Replace(p.path)
	b.send(rt.method, path, p.body, "appId", "other", "apiKey", restKey).refusal(http.StatusUnauthorized, "AUTH_ERR_INVALID_APPID")
	both := false // whether the other API has the same path
	for i := range routes {
		both = both || routes[i].method == rt.method && routes[i].pattern == rt.pattern && routes[i].side != rt.side
	}
	switch rt.side {
	case admin:
		b.send(rt.method, path, p.body).refusal(http.StatusUnauthorized, "AUTH_ERR_EMPTY_APIKEY")
		b.send(rt.method, path, p.body, "apiKey", "wrong").refusal(http.StatusNotFound, "AUTH_ERR_APIKEY_NOT_FOUND")
		if !both {
			b.send(rt.method, path, p.body, "authToken", b.login("ann")).refusal(http.StatusUnauthorized, "AUTH_ERR_EMPTY_APIKEY")
		}
		if rep := b.probe(rt, p, "apiKey", loginKey); rt.authOnly == 0 {
			rep.refusal(http.StatusForbidden, "AUTH_ERR_NO_ACCESS")
		} else {
			require.Equal(t, http.StatusOK, rep.status, rep.text)
			b.h.opts.AuthOnly &^= rt.authOnly
			b.probe(rt, p, "apiKey", loginKey).refusal(http.StatusForbidden, "AUTH_ERR_NO_ACCESS")
			if rt.pattern == "/users" {
				b.admin("DELETE", "/users/new", `{"permanent":true}`)
			}
		}
	case client:
		if !both {
			b.send(rt.method, path, p.body).refusal(http.StatusUnauthorized, "AUTH_ERR_EMPTY_AUTH_TOKEN")
			b.send(rt.method, path, p.body, "apiKey", restKey).refusal(http.StatusUnauthorized, "AUTH_ERR_EMPTY_AUTH_TOKEN")
		}
		b.send(rt.method, path, p.body, "authToken", "ann_1700000000deadbeef").refusal(http.StatusUnauthorized, "AUTH_ERR_AUTH_TOKEN_NOT_FOUND")
	case open:
		require.NotEqual(t, http.StatusForbidden, b.send(rt.method, path, p.body).status)
	}
}

func limitsBody(t *testing.T, b *bench, rt *route, p probe) {
	big := p
	big.body = `{"filler":"` + strings.Repeat("x", bodyLimit) + `"}`
	if rep := b.probe(rt, big); rt.large {
		require.NotEqual(t, http.StatusRequestEntityTooLarge, rep.status)
		big.body = `{"filler":"` + strings.Repeat("x", importBodyLimit) + `"}`
	} else {
		rep.refusal(http.StatusRequestEntityTooLarge, "ERR_BAD_REQUEST")
	}
	b.probe(rt, big).refusal(http.StatusRequestEntityTooLarge, "ERR_BAD_REQUEST")
}

func actsOnBehalf(t *testing.T, b *bench, rt *route, p probe) {
	rep := b.probe(rt, p, "onBehalfOf", "Nobody")
	if rt.behalf {
		rep.refusal(http.StatusNotFound, "ERR_UID_NOT_FOUND")
		require.Contains(t, rep.at("error", "message"), "UID nobody ")
		rep := b.probe(rt, p, "onBehalfOf", "DEE")
		require.Contains(t, rep.text, `"conversationId":"ann_user_dee"`)
		require.Contains(t, rep.text, `"blockedByMe":true`)
	} else {
		require.NotEqual(t, "The UID nobody does not exist, please make sure you have created a user with UID nobody.",
			rep.at("error", "message"))
	}
}

func obeysRestriction(t *testing.T, _ *bench, rt *route, p probe) {
	if rt.feature == "" {
		return
	}
	b := town(t)
	_, known := findFeature(rt.feature)
	require.True(t, known, rt.feature)
	b.admin("POST", "/roles/manager/restrictedfeatures", `{"featuresToRestrict":["`+rt.feature+`"]}`)
	b.probe(rt, p).refusal(http.StatusForbidden, "AUTH_ERR_NO_ACCESS")
	b.admin("DELETE", "/roles/manager/restrictedfeatures", `{"featuresToAllow":["u.`+rt.feature+`"]}`)
	require.Equal(t, http.StatusOK, b.probe(rt, p).status)
}

func TestEveryFeatureIsARoutes(t *testing.T) {
	used := map[string]bool{}
	for _, rt := range routes {
		used[rt.feature] = true
	}
	for _, f := range features {
		require.True(t, used[f.key], f.key)
	}
}
