package cometchat

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

func TestPageFiles(t *testing.T) {
	b := newBench(t)
	for path, kind := range map[string]string{
		"/":                 "text/html; charset=utf-8",
		"/?search=a":        "text/html; charset=utf-8",
		"/_double/page.css": "text/css; charset=utf-8",
		"/_double/page.js":  "text/javascript; charset=utf-8",
	} {
		for _, method := range []string{"GET", "HEAD"} {
			w := httptest.NewRecorder()
			b.h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
			require.Equal(t, http.StatusOK, w.Code, path)
			require.Equal(t, kind, w.Header().Get("Content-Type"))
			require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
			require.Empty(t, w.Header().Get("Access-Control-Allow-Origin"), "for its own origin alone")
			policy := w.Header().Get("Content-Security-Policy")
			require.Contains(t, policy, "default-src 'none'")
			require.NotContains(t, policy, "unsafe")
			require.Equal(t, method == "GET", w.Body.Len() > 0)
		}
	}
	require.Zero(t, b.h.Journal().Total(), "the page is no request of the application")
}

// The page needs nothing from elsewhere, has no script or style of its own for the policy to refuse, and every file it
// asks for is there.
func TestPageStandsAlone(t *testing.T) {
	b := newBench(t)
	err := fs.WalkDir(pageFS, "page", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(pageFS, path)
		require.NoError(t, err)
		require.NotRegexp(t, `(?i)https?://|//[a-z]+\.|@import|innerHTML|insertAdjacentHTML|document\.write|\beval\(`, string(text), path)
		require.NotRegexp(t, `(?i)<script>|<style|\son[a-z]+=|\sstyle=`, string(text), path)
		for _, m := range regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(string(text), -1) {
			if strings.HasPrefix(m[1], "data:") {
				continue
			}
			w := httptest.NewRecorder()
			b.h.ServeHTTP(w, httptest.NewRequest("GET", m[1], nil))
			require.Equal(t, http.StatusOK, w.Code, m[1])
		}
		return nil
	})
	require.NoError(t, err)
}

func TestPageIsNotTheAPI(t *testing.T) {
	b := newBench(t)
	for _, test := range [][2]string{
		{"POST", "/"}, {"PUT", "/_double/state"}, {"GET", "/_double/"}, {"GET", "/_double/nothing"}, {"GET", "/_double/../page.go"},
		{"GET", "/_double/index.html"}, {"GET", "/page/index.html"}, {"GET", "/_doubles"},
	} {
		rep := b.send(test[0], test[1], "")
		require.Equal(t, http.StatusNotFound, rep.status, test)
		require.Equal(t, "ERR_API_NOT_FOUND", rep.at("error", "code"), test)
	}
}

func TestPageStateFilters(t *testing.T) {
	b := newBench(t)
	b.admin("POST", "/roles", `{"role":"trainer","name":"Trainer"}`)
	b.admin("POST", "/users", `{"uid":"ann","name":"Ann <b>&amp;","role":"trainer","tags":["x","a, b"]}`)
	b.admin("POST", "/users", `{"uid":"bob","name":"Bob","tags":["x"]}`)
	b.admin("POST", "/users", `{"uid":"cem","name":"Cem"}`)
	b.admin("POST", "/users", `{"uid":"dee","name":"Dee","tags":["x"]}`)
	b.admin("DELETE", "/users/dee", "")
	require.NoError(t, b.store.SetStatus(t.Context(), "bob", userstore.Online))
	for query, want := range map[string]string{
		"":                          "ann bob cem",
		"search=B":                  "bob",
		"search=an":                 "ann",
		"role=trainer":              "ann",
		"role=default":              "bob cem",
		"role=none":                 "",
		"tag=x":                     "ann bob",
		"tag=a%2C+b":                "ann",
		"status=available":          "bob",
		"status=offline":            "ann cem",
		"deactivated=with":          "ann bob cem dee",
		"deactivated=only":          "dee",
		"deactivated=only&tag=x":    "dee",
		"tag=x&status=offline":      "ann",
		"limit=2":                   "ann bob",
		"limit=5000":                "ann bob cem",
		"search=%22%3E%3Cscript%3E": "",
	} {
		rep := b.send("GET", "/_double/state?"+query, "")
		require.Equal(t, http.StatusOK, rep.status, "%s: %s", query, rep.text)
		var got []string
		users, _ := rep.at("data", "users").([]any)
		for _, u := range users {
			got = append(got, u.(map[string]any)["uid"].(string))
		}
		require.Equal(t, want, strings.Join(got, " "), query)
		if !strings.Contains(query, "limit=2") {
			require.EqualValues(t, len(got), rep.at("data", "found"), query)
		}
		require.EqualValues(t, 4, rep.at("data", "all"))
		require.EqualValues(t, 1, rep.at("data", "online"))
		require.Equal(t, "app", rep.at("data", "appId"))
		require.Equal(t, []any{"default", "trainer"}, rep.at("data", "roles"))
	}
	for _, query := range []string{"status=busy", "deactivated=yes", "limit=0", "limit=x", "limit=-1"} {
		require.Equal(t, http.StatusBadRequest, b.send("GET", "/_double/state?"+query, "").status, query)
	}
}

func TestPageStateRequests(t *testing.T) {
	b := newBench(t)
	numbers := func(after string) (got []any, last any) {
		rep := b.send("GET", "/_double/state?after="+after, "")
		for _, r := range rep.at("data", "requests").([]any) {
			got = append(got, r.(map[string]any)["number"])
		}
		return got, rep.at("data", "last")
	}
	got, last := numbers("")
	require.Empty(t, got)
	require.EqualValues(t, 0, last)

	b.admin("POST", "/users", `{"uid":"ann","name":"Ann"}`)
	b.send("GET", "/users/bob?x=%3Cb%3E", "", "apiKey", restKey)
	b.admin("GET", "/users/ann", "")
	got, last = numbers("0")
	require.Equal(t, []any{1., 2., 3.}, got)
	require.EqualValues(t, 3, last)
	got, _ = numbers("2")
	require.Equal(t, []any{3.}, got)
	got, _ = numbers("3")
	require.Empty(t, got)
	for _, odd := range []string{"-1", "99", "x"} {
		got, _ = numbers(odd)
		require.Equal(t, []any{1., 2., 3.}, got, odd)
	}

	rep := b.send("GET", "/_double/state?after=1", "")
	second := rep.at("data", "requests", 0).(map[string]any)
	require.Equal(t, "GET", second["method"])
	require.Equal(t, "/users/bob?x=%3Cb%3E", second["path"])
	require.EqualValues(t, b.h.Journal().Last(2)[0].Status, second["status"])
	require.Contains(t, second["answer"], `"error"`)

	for range journalSize { // the ring goes round
		b.send("GET", "/nothing", "")
	}
	got, last = numbers("1")
	require.Len(t, got, journalSize)
	require.EqualValues(t, journalSize+3, last)
	require.EqualValues(t, 4, got[0])
	got, _ = numbers("258")
	require.Equal(t, []any{259.}, got)
	b.h.Journal().Clear()
	_, last = numbers("259")
	require.EqualValues(t, 0, last)
}

// Whatever went through the API, the page shows no key and no token.
func TestPageLeaksNoSecret(t *testing.T) {
	b := newBench(t)
	b.admin("POST", "/users", `{"uid":"ann","name":"Ann"}`)
	secrets := []string{restKey, loginKey, "wrong-key", "wrong-token"}
	issued := b.send("POST", "/users/ann/auth_tokens", "", "apiKey", loginKey)
	token := issued.at("data", "authToken").(string)
	me := b.as(token, "PUT", "/me", `{"deviceId":"d"}`)
	jwt := me.at("data", "jwt").(string)
	made := b.admin("POST", "/users", `{"uid":"bob","name":"Bob","withAuthToken":true}`).at("data", "authToken").(string)
	key := b.admin("POST", "/apikeys", `{"name":"third"}`).at("data", "apiKey").(string)
	secrets = append(secrets, token, jwt, made, key)

	b.admin("GET", "/users/ann/auth_tokens", "")
	b.admin("GET", "/users/ann/auth_tokens/"+token, "")
	b.admin("GET", "/users/ann/auth_tokens/"+url.PathEscape(token), "")
	b.admin("GET", "/apikeys", "")
	b.admin("GET", "/apikeys/"+key, "")
	b.send("GET", "/apikeys/wrong-key", "", "apiKey", restKey)
	b.send("GET", "/users", "", "apiKey", "wrong-key")
	b.send("GET", "/users", "", "authToken", "wrong-token")
	b.send("GET", "/users", "", "apiKey", loginKey)
	b.send("POST", "/api/v3.0/online-members", "", "Authorization", jwt)
	b.send("POST", "/api/v3.0/online-members", "", "Authorization", "Bearer "+jwt)
	b.as(token, "GET", "/me", "")
	b.as(token, "GET", "/settings", "")
	b.as(token, "PUT", "/me", `{"name":"Ann","authToken":"`+token+`","jwt": "`+jwt+`"}`)
	b.admin("DELETE", "/users/ann/auth_tokens/"+token, "")
	b.send("GET", "/me", "", "authToken", token)
	b.admin("DELETE", "/apikeys/"+key, "")

	rep := b.send("GET", "/_double/state", "")
	require.EqualValues(t, b.h.Journal().Total(), rep.at("data", "last"))
	for _, secret := range secrets {
		require.NotContains(t, rep.text, secret)
	}
	require.Contains(t, rep.text, "/users/ann/auth_tokens")
}

// Keys as short as the defaults of a test server leave the rest readable.
func TestPageShortKeys(t *testing.T) {
	b := newBench(t, func(o *Options) { o.AuthKey, o.APIKey = "auth", "rest" })
	b.send("POST", "/users", `{"uid":"ann","name":"Ann interest rest"}`, "apiKey", "rest")
	b.send("POST", "/users/ann/auth_tokens", "", "apiKey", "auth")
	b.send("GET", "/users", "", "apiKey", "auth")
	rep := b.send("GET", "/_double/state", "")
	require.Equal(t, "/users/ann/auth_tokens", rep.at("data", "requests", 1, "path"))
	require.Contains(t, rep.at("data", "requests", 0, "body"), "Ann interest "+redacted)
	require.Contains(t, rep.at("data", "requests", 2, "answer"), "The key "+redacted+" cannot be used")
}

func FuzzPageState(f *testing.F) {
	b := newBench(f)
	b.admin("POST", "/users", `{"uid":"ann","name":"Ann","tags":["x"]}`)
	for _, seed := range []string{"", "search=a&role=default&tag=x&status=offline&deactivated=with&limit=1&after=0", "limit=%zz&;", "search=%ff%00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest("GET", "/_double/state", nil)
		r.URL.RawQuery = query
		w := httptest.NewRecorder()
		b.h.ServeHTTP(w, r)
		require.True(t, json.Valid(w.Body.Bytes()), w.Body)
		require.Contains(t, []int{http.StatusOK, http.StatusBadRequest}, w.Code, w.Body)
	})
}
