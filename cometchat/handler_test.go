package cometchat

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

func TestNew(t *testing.T) {
	_, err := New(nil, Options{})
	require.Error(t, err)
	b := newBench(t)
	_, err = New(b.store, Options{AuthKey: "same", APIKey: "same"})
	require.Error(t, err)
	h, err := New(b.store, Options{})
	require.NoError(t, err)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/health", nil))
	require.Equal(t, `{"data":{"status":"ok"}}`, strings.TrimSpace(w.Body.String()))
	r := httptest.NewRequest("GET", "/users", nil)
	r.Header.Set("apiKey", "")
	w = httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, http.StatusUnauthorized, w.Code, "no key is not the empty key")
	require.NoError(t, h.Close())
	require.NoError(t, h.Close())
}

func TestHostNamesOfCometChat(t *testing.T) {
	b := town(t)
	for host, status := range map[string]int{
		"app.api-us.cometchat.io": 200, "APP.apiclient-US.cometchat.io": 200, "other.api-us.cometchat.io": 401, "app.api-eu.cometchat.io": 401,
		"api-eu.cometchat.io": 200, "app.other-us.cometchat.io": 200, "example.com": 200, "localhost:80": 200, "": 200,
	} {
		r := httptest.NewRequest("GET", "/v3/users", nil)
		r.Host = host
		r.Header.Set("apiKey", restKey)
		w := httptest.NewRecorder()
		b.h.ServeHTTP(w, r)
		require.Equal(t, status, w.Code, host)
	}
}

func TestBodiesThatDoNotArrive(t *testing.T) {
	b := town(t)
	for name, c := range map[string]struct {
		err    error
		status int
	}{"broken": {errors.New("connection reset"), 400}, "slow": {os.ErrDeadlineExceeded, 408}} {
		r := httptest.NewRequest("POST", "/users", iotest.ErrReader(c.err))
		r.Header.Set("apiKey", restKey)
		w := httptest.NewRecorder()
		b.h.ServeHTTP(w, r)
		require.Equal(t, c.status, w.Code, name)
		require.Contains(t, w.Body.String(), "ERR_BAD_REQUEST", name)
		require.NotContains(t, w.Body.String(), "reset", name)
	}
}

func TestAPanicIsAnAnswer(t *testing.T) {
	b := town(t)
	b.h.keys = nil // a defect
	b.send("GET", "/users", "", rest()...).refusal(500, "ERR_EXCEPTION")
	require.Contains(t, b.log.String(), "panic")
}

func TestCORS(t *testing.T) {
	b := town(t)
	rep := b.send("OPTIONS", "/any/path/at/all", "", "Origin", "https://example.com", "Access-Control-Request-Method", "PUT",
		"Access-Control-Request-Headers", "appid,authtoken,content-type,resource,sdk,x-more", "Access-Control-Request-Private-Network", "true")
	require.Equal(t, 200, rep.status)
	require.Equal(t, "*", rep.header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "appid,authtoken,content-type,resource,sdk,x-more", rep.header.Get("Access-Control-Allow-Headers"))
	require.Equal(t, "true", rep.header.Get("Access-Control-Allow-Private-Network"))
	plain := b.send("OPTIONS", "/v3.0/users", "")
	for _, name := range []string{"appId", "apiKey", "authToken", "Content-Type", "resource", "sdk", "Authorization", "onBehalfOf"} {
		require.Contains(t, plain.header.Get("Access-Control-Allow-Headers"), name)
	}
	for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
		require.Contains(t, plain.header.Get("Access-Control-Allow-Methods"), method)
	}
	for _, answer := range []reply{b.admin("GET", "/users", ""), b.send("GET", "/nosuch", ""), b.send("GET", "/users", ""), b.send("POST", "/users", "{", rest()...)} {
		require.Equal(t, "*", answer.header.Get("Access-Control-Allow-Origin"))
		require.Contains(t, answer.header.Get("Access-Control-Expose-Headers"), "Retry-After")
	}
}

func TestRateLimit(t *testing.T) {
	b := newBench(t, func(o *Options) { o.RateLimit = RateLimit{Core: 2, Other: 3} })
	b.advance(500 * time.Millisecond)
	for left := range 3 {
		rep := b.admin("GET", "/users", "")
		require.Equal(t, "3", rep.header.Get("X-Rate-Limit"))
		require.Equal(t, []string{"2", "1", "0"}[left], rep.header.Get("X-Rate-Limit-Remaining"))
		require.Empty(t, rep.header.Get("Retry-After"))
		b.advance(5 * time.Second)
	}
	rep := b.send("GET", "/users", "", rest()...).refusal(429, "ERR_TOO_MANY_REQUESTS")
	require.Equal(t, "45", rep.header.Get("Retry-After"))
	require.Equal(t, "1700000060", rep.header.Get("X-Rate-Limit-Reset"))
	require.Equal(t, "*", rep.header.Get("Access-Control-Allow-Origin"))
	b.admin("POST", "/users", `{"uid":"a","name":"A"}`) // counted apart
	b.admin("POST", "/users", `{"uid":"b","name":"B"}`)
	b.send("POST", "/users", `{"uid":"c","name":"C"}`, rest()...).refusal(429, "ERR_TOO_MANY_REQUESTS")
	b.admin("POST", "/data_import/users", `{"users":{"c":{"uid":"c","name":"C"}}}`) // not limited
	b.advance(45 * time.Second)
	b.admin("GET", "/users", "")
	b.advance(15 * time.Second)
	b.admin("DELETE", "/users/a", "")
	require.Empty(t, town(t).admin("GET", "/users", "").header.Get("X-Rate-Limit"), "off by default")
}

func TestStoreErrorsSayNothing(t *testing.T) {
	for err, want := range map[error]int{
		userstore.ErrClosed: 503, userstore.ErrReadOnly: 503, errors.New("disk on fire in /var"): 500, userstore.ErrCorrupt: 500,
	} {
		e := asAPIError(err)
		require.Equal(t, want, e.status)
		require.Equal(t, "ERR_OPERATION_FAILED", e.Code)
		require.NotContains(t, e.Message, "/var")
	}
}

// A user may be deactivated, or its token revoked, between the look at the credentials and the rest of a call.
func TestActorsWhoEndMidway(t *testing.T) {
	for _, err := range []error{userstore.ErrNotFound, userstore.ErrLoggedOut} {
		c := &call{route: &route{side: client}, token: "t"}
		require.Equal(t, "AUTH_ERR_AUTH_TOKEN_NOT_FOUND", asAPIError(c.actorError(err)).Code)
		c = &call{route: &route{side: admin}, args: map[string]string{"uid": "ann"}}
		require.Equal(t, "ERR_UID_NOT_FOUND", asAPIError(c.actorError(err)).Code)
		require.Contains(t, asAPIError(c.actorError(err)).Message, "UID ann ")
	}
	c := &call{route: &route{side: admin}}
	require.ErrorIs(t, c.actorError(userstore.ErrClosed), userstore.ErrClosed)
}
