package cometchat

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

// Whatever is sent, the answer is JSON with data or error, and shows nobody what others keep private.
func FuzzHandler(f *testing.F) {
	for _, rt := range routes {
		p := probes[rt.id()]
		for who := range byte(4) {
			f.Add(rt.method, p.path, p.body, "onBehalfOf", "bob", who)
		}
		for _, name := range rt.query {
			f.Add(rt.method, p.path+"?"+name+"=1", "", "Content-Type", "text/plain", byte(1))
		}
	}
	examples, err := filepath.Glob(examplesDir + "*.request.json")
	require.NoError(f, err)
	for _, name := range examples {
		body, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add("POST", "/v3/users", string(body), "appId", "app", byte(3))
		f.Add("PUT", "/me", string(body), "appId", "app", byte(1))
	}
	f.Add("GET", "/v3.0/users/%2e%2e/../%00?tags=%zz,%2C&page=-1", "\xff{", "Host", "x.api-us.cometchat.io", byte(0))

	b := town(f)
	b.admin("PUT", "/users/bob", `{"metadata":{"@private":{"s":"`+secretOfBob+`"}}}`)
	token := b.login("ann")
	f.Fuzz(func(t *testing.T, method, target, body, header, value string, who byte) {
		u, err := url.ParseRequestURI(target)
		if err != nil || method == "" || strings.ContainsFunc(method, func(r rune) bool { return r < 'A' || r > 'Z' }) {
			return // a server does not let these through
		}
		r := &http.Request{Method: method, URL: u, Header: http.Header{}, Host: u.Host, Body: httptest.NewRequest("POST", "/", strings.NewReader(body)).Body}
		r.Header.Set(header, value)
		switch who % 4 {
		case 1:
			r.Header.Set("authToken", token)
		case 2:
			r.Header.Set("apiKey", loginKey)
		case 3:
			r.Header.Set("apiKey", restKey)
		}
		for _, raw := range rawRoutes {
			if raw.match(r) {
				return
			}
		}
		w := httptest.NewRecorder()
		b.h.ServeHTTP(w, r)
		var answer map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer), w.Body)
		require.True(t, (answer["data"] == nil) != (answer["error"] == nil), w.Body)
		require.Less(t, w.Code, 500, w.Body)
		require.Equal(t, w.Code == http.StatusOK, answer["data"] != nil)
		require.Equal(t, "*", w.Header().Get("Access-Control-Allow-Origin"))
		if who%4 < 2 && r.Header.Get("Apikey") != restKey {
			require.NotContains(t, w.Body.String(), secretOfBob)
		}
		if _, err := b.store.LoginWithToken(context.Background(), token); err != nil {
			token = revived(t, b.store)
		}
	})
}

const secretOfBob = "secret-of-bob"

// revived brings ann back after the fuzzer has ended her, or her token.
func revived(t *testing.T, store *userstore.Store) string {
	ctx := context.Background()
	_, err := store.Reactivate(ctx, "ann")
	require.NoError(t, err)
	if _, err := store.Create(ctx, userstore.User{UID: "ann", Name: "Ann"}); !errors.Is(err, userstore.ErrExists) {
		require.NoError(t, err)
	}
	token, err := store.IssueToken(ctx, "ann")
	require.NoError(t, err)
	return token.Token
}

func FuzzJWT(f *testing.F) {
	b := town(f)
	token := b.login("ann")
	jwt := b.h.mintJWT("ann", token)
	f.Add(jwt)
	f.Add(jwtHeader + "..")
	f.Add("undefined")
	f.Fuzz(func(t *testing.T, s string) {
		session, err := b.h.verifyJWT(context.Background(), s)
		if err == nil {
			require.Equal(t, "ann", session.UID())
			require.Equal(t, jwt[:strings.LastIndexByte(jwt, '.')], s[:strings.LastIndexByte(s, '.')])
		}
	})
}

func FuzzRedacted(f *testing.F) {
	f.Add("token", "/users/ann/auth_tokens/token", `{"authToken":"x`, `{"error":{"message":"The key token"}}`)
	f.Fuzz(func(t *testing.T, secret, path, body, answer string) {
		e := Exchange{Path: path, Body: body, Answer: answer, Header: http.Header{"Apikey": {secret}}}
		r := e.Redacted()
		require.Equal(t, secret, e.Header.Get("Apikey"), "the original stays")
		if secret != "" {
			require.Equal(t, redacted, r.Header.Get("Apikey"))
			require.Equal(t, redacted, Exchange{Answer: secret, Header: e.Header}.Redacted().Answer)
		}
	})
}
