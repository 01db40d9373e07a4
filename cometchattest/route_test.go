package cometchattest

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzRoute(f *testing.F) {
	f.Add("POST /users/{uid}", "POST", "/v3/users/ann")
	f.Add("/users", "GET", "/users")
	f.Add("/{}/{x", "DELETE", "//")
	f.Add("", "", "")
	f.Add("get/v3.0", "GET", "/v3")
	f.Fuzz(func(t *testing.T, text, method, path string) {
		rt, ok := parseRoute(text)
		if ok && rt.matches(method, path) {
			require.True(t, rt.method == "" || rt.method == method)
			require.True(t, rt.path == nil || len(rt.path) == len(segments(path)))
		}
		path = "/" + strings.TrimSpace(path)
		if own, ok := parseRoute(path); !strings.Contains(path, "{") {
			require.True(t, ok && own.matches(method, path), "a path is its own pattern")
		}
	})
}

func FuzzNamed(f *testing.F) {
	f.Add("/v3/users/Ann?uids=a,,B", "u_1_2", "me", `{"uid":"x","accepted":["y"],"users":{"z":{}}}`)
	f.Add("/", "", "", `{"uid":["x",1],"friends":"y","users":[]}`)
	f.Add("/users/%zz", "_", " ", `null`)
	f.Fuzz(func(t *testing.T, target, token, behalf, body string) {
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.URL.Path, r.URL.RawQuery, _ = strings.Cut(target, "?")
		r.Header.Set("authToken", token)
		r.Header.Set("onBehalfOf", behalf)
		read := peek(r)
		require.Equal(t, body[:min(len(body), 1<<20)], string(read))
		for _, uid := range named(r, read) {
			require.NotEmpty(t, uid)
			require.Equal(t, strings.ToLower(uid), uid)
		}
	})
}
