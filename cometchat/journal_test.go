package cometchat

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestJournal(t *testing.T) {
	b := newBench(t)
	b.add("ann")
	token := b.login("ann")
	b.h.journal.Clear()
	b.send("PUT", "/v3/me?x=", `{"name":"Ann B"}`, "authToken", token)
	b.send("GET", "/nosuch", "")
	last := b.h.Journal().Last(2)
	require.Len(t, last, 2)
	e := last[0]
	require.Equal(t, []any{"PUT", "/v3/me", "x=", `{"name":"Ann B"}`, 400}, []any{e.Method, e.Path, e.Query, e.Body, e.Status})
	require.Equal(t, "ann", e.UID)
	require.Equal(t, token, e.Header.Get("authToken"))
	require.Equal(t, b.clock(), e.Time)
	require.Contains(t, e.Answer, "ERR_BAD_REQUEST")
	require.Equal(t, 404, last[1].Status)
	require.Equal(t, last[1:], b.h.Journal().Last(1))
	require.Equal(t, last, b.h.Journal().Last(-1))
	require.Empty(t, b.h.Journal().Last(0))
	for range 300 {
		b.send("GET", "/health", "")
	}
	require.Len(t, b.h.Journal().Last(1000), journalSize)
	require.Equal(t, 302, b.h.Journal().Total())
	for _, e := range b.h.Journal().Last(-1) {
		require.Equal(t, "/health", e.Path)
	}
}

func TestJournalKeepsTheBeginningOfLargeBodies(t *testing.T) {
	b := newBench(t)
	b.send("POST", "/data_import/users", `{"users":"`+strings.Repeat("x", 100_000)+`"}`, rest()...)
	e := b.h.Journal().Last(1)[0]
	require.Len(t, e.Body, journalBody)
	b.send("POST", "/nosuch", strings.Repeat("y", 20_000))
	require.Equal(t, strings.Repeat("y", bodyLimit), b.h.Journal().Last(1)[0].Body, "a body is kept even where nobody reads it")
}

// What others add is kept, and shown, as if the handler had answered it.
func TestJournalAdd(t *testing.T) {
	b := newBench(t)
	header := http.Header{"Apikey": {restKey}, "Cookie": {"session=secret"}, "Sdk": {"js"}}
	b.h.Journal().Add(Exchange{Method: "POST", Path: "/users", Header: header, Body: strings.Repeat("x", 20_000), Status: 503,
		Answer: strings.Repeat("y", 20_000)})
	b.h.Journal().Add(Exchange{Method: "GET", Path: "/me"})
	e := b.h.Journal().Last(2)[0]
	require.Equal(t, http.Header{"Apikey": {restKey}, "Sdk": {"js"}}, e.Header)
	header["Sdk"][0] = "changed"
	require.Equal(t, "js", e.Header.Get("sdk"))
	require.Equal(t, strings.Repeat("x", journalBody), e.Body)
	require.Equal(t, strings.Repeat("y", journalBody), e.Answer)
	require.Equal(t, 2, b.h.Journal().Total())

	page := b.send("GET", "/_double/state", "")
	require.EqualValues(t, 503, page.at("data", "requests", 0, "status"))
	require.Equal(t, map[string]any{"Apikey": redacted, "Sdk": "js"}, page.at("data", "requests", 0, "header"))
	require.EqualValues(t, 0, page.at("data", "requests", 1, "status"))
}

func TestRedactedShowsNoSecret(t *testing.T) {
	b := newBench(t)
	b.add("ann")
	token := b.login("ann")
	me := b.as(token, "GET", "/me", "")
	jwt, secret := me.at("data", "jwt").(string), me.at("data", "wsChannel", "secret").(string)
	b.as(token, "GET", "/settings", "")
	b.send("POST", "/api/v3/online-members", "", "Authorization", jwt)
	b.admin("GET", "/users/ann/auth_tokens/"+token, "")
	b.admin("DELETE", "/users/ann/auth_tokens/"+token, "")
	b.send("GET", "/me", "", "authToken", token)
	b.send("GET", "/users", "", "apiKey", loginKey)
	b.send("PUT", "/me", `{"authToken": "`+token+`","x":1}`)
	created := b.admin("POST", "/apikeys", `{"name":"k"}`).at("data", "apiKey").(string)
	b.admin("DELETE", "/apikeys/"+created, "")
	b.admin("GET", "/apikeys", "")
	b.send("GET", "/users", "", "apiKey", `odd"key\`)
	raw, shown := "", ""
	for _, e := range b.h.Journal().Last(-1) {
		r := e.Redacted()
		for _, x := range []struct {
			to *string
			e  Exchange
		}{{&raw, e}, {&shown, r}} {
			*x.to += strings.Join([]string{x.e.Path, x.e.Query, x.e.Body, x.e.Answer, strings.Join(x.e.Header.Values("Authtoken"), ""),
				strings.Join(x.e.Header.Values("Apikey"), ""), strings.Join(x.e.Header.Values("Authorization"), "")}, "\n")
		}
	}
	for _, s := range []string{token, restKey, loginKey, created, jwt, secret} {
		require.Contains(t, raw, s)
		require.NotContains(t, shown, s)
	}
	require.NotContains(t, shown, "odd")
	require.Contains(t, shown, `"uid":"ann"`)
}

func TestJournalSubscription(t *testing.T) {
	b := newBench(t)
	ch, cancel := b.h.Journal().Subscribe()
	b.send("GET", "/health", "")
	require.Equal(t, "/health", (<-ch).Path)
	for range 100 {
		b.send("GET", "/health", "") // nobody reads, nobody waits
	}
	require.Len(t, ch, 64)
	cancel()
	cancel()
	for range ch {
	}
	other, end := b.h.Journal().Subscribe()
	defer end()
	require.NoError(t, b.h.Close())
	_, open := <-other
	require.False(t, open)
	late, end := b.h.Journal().Subscribe()
	defer end()
	_, open = <-late
	require.False(t, open)
}
