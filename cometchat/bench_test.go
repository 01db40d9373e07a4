package cometchat

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

const (
	restKey  = "rest-key"
	loginKey = "auth-key"
)

// bench is a handler over a store of its own, with a clock that stands still.
type bench struct {
	t     testing.TB
	store *userstore.Store
	h     *Handler
	log   *bytes.Buffer // what the handler logged

	mu  sync.Mutex
	now time.Time
}

func newBench(t testing.TB, change ...func(*Options)) *bench {
	t.Helper()
	b := &bench{t: t, now: time.Unix(1_700_000_000, 0), log: &bytes.Buffer{}}
	o := Options{AppID: "app", AuthKey: loginKey, APIKey: restKey, Strict: true, Clock: b.clock}
	o.Logger = slog.New(slog.NewTextHandler(b.log, nil))
	for _, c := range change {
		c(&o)
	}
	store, err := userstore.OpenInMemory(userstore.WithClock(b.clock))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	b.store = store
	b.h, err = New(store, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.h.Close()) })
	return b
}

func (b *bench) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *bench) advance(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

// reply is an answer, taken apart.
type reply struct {
	t      testing.TB
	status int
	header http.Header
	text   string
	body   map[string]any
}

// send makes one request; headers are names and values in turn.
func (b *bench) send(method, path, body string, headers ...string) reply {
	b.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	b.h.ServeHTTP(w, r)
	rep := reply{t: b.t, status: w.Code, header: w.Header(), text: w.Body.String()}
	require.NoError(b.t, json.Unmarshal(w.Body.Bytes(), &rep.body), "%s %s: %s", method, path, w.Body)
	require.Equal(b.t, "application/json", w.Header().Get("Content-Type"))
	return rep
}

// admin makes a request as the back end, which has to succeed.
func (b *bench) admin(method, path, body string) reply {
	b.t.Helper()
	rep := b.send(method, path, body, "apiKey", restKey)
	require.Equal(b.t, http.StatusOK, rep.status, "%s %s: %s", method, path, rep.text)
	return rep
}

// as makes a request as the user who has the token, which has to succeed.
func (b *bench) as(token, method, path, body string) reply {
	b.t.Helper()
	rep := b.send(method, path, body, "authToken", token)
	require.Equal(b.t, http.StatusOK, rep.status, "%s %s: %s", method, path, rep.text)
	return rep
}

// at gives what stands at a path of members and indexes; nil if there is nothing.
func (r reply) at(path ...any) any {
	var v any = r.body
	for _, p := range path {
		switch step := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[step]
		case int:
			l, _ := v.([]any)
			if step >= len(l) {
				return nil
			}
			v = l[step]
		}
	}
	return v
}

func (r reply) code() string {
	s, _ := r.at("error", "code").(string)
	return s
}

// uids gives the uids of a list, in its order.
func (r reply) uids() []string {
	rows, ok := r.at("data").([]any)
	require.True(r.t, ok, r.text)
	uids := []string{}
	for _, row := range rows {
		uids = append(uids, row.(map[string]any)["uid"].(string))
	}
	return uids
}

// member gives one member of each row, nil where it is missing.
func (r reply) member(name string) []any {
	rows, ok := r.at("data").([]any)
	require.True(r.t, ok, r.text)
	var out []any
	for _, row := range rows {
		out = append(out, row.(map[string]any)[name])
	}
	return out
}

// refusal asserts an error.
func (r reply) refusal(status int, code string) reply {
	r.t.Helper()
	require.Equal(r.t, status, r.status, r.text)
	require.Equal(r.t, code, r.code(), r.text)
	require.NotEmpty(r.t, r.at("error", "message"))
	require.NotContains(r.t, r.body, "data")
	return r
}

// invalid asserts that these fields, and no others, are refused with these texts.
func (r reply) invalid(fields ...string) reply {
	r.t.Helper()
	r.refusal(http.StatusBadRequest, "ERR_BAD_REQUEST")
	want := map[string]any{}
	for i := 0; i+1 < len(fields); i += 2 {
		want[fields[i]] = []any{fields[i+1]}
	}
	require.Equal(r.t, want, r.at("error", "details"), r.text)
	return r
}

// add creates users, each a uid or a whole JSON object.
func (b *bench) add(users ...string) {
	b.t.Helper()
	for _, u := range users {
		if !strings.HasPrefix(u, "{") {
			u = `{"uid":"` + u + `","name":"` + strings.ToUpper(u[:1]) + u[1:] + `"}`
		}
		b.admin("POST", "/users", u)
		b.advance(time.Second)
	}
}

// login gives a new token of the user.
func (b *bench) login(uid string) string {
	b.t.Helper()
	return b.admin("POST", "/users/"+uid+"/auth_tokens", `{"force":true}`).at("data", "authToken").(string)
}

func (b *bench) online(uids ...string) {
	b.t.Helper()
	for _, uid := range uids {
		require.NoError(b.t, b.store.SetStatus(context.Background(), uid, userstore.Online))
	}
}

// town gives a bench with people in it: ann, bob, cem and dee; ann is a manager and cem's friend, has blocked bob and is
// blocked by dee; bob is online; eva is deactivated.
func town(t testing.TB, change ...func(*Options)) *bench {
	t.Helper()
	b := newBench(t, change...)
	b.admin("POST", "/roles", `{"role":"manager","name":"Manager"}`)
	b.add(`{"uid":"ann","name":"Ann","role":"manager","tags":["red","blue"],"metadata":{"@private":{"phone":"1"},"team":"x"}}`,
		`{"uid":"bob","name":"Zed","tags":["red"],"metadata":{"@private":{"phone":"2"}}}`, "cem", "dee", "eva")
	b.admin("POST", "/users/ann/friends", `{"accepted":["cem"]}`)
	b.admin("POST", "/users/ann/blockedusers", `{"blockedUids":["bob"]}`)
	b.admin("POST", "/users/dee/blockedusers", `{"blockedUids":["ann"]}`)
	b.admin("DELETE", "/users/eva", "")
	b.online("bob")
	return b
}

// from makes a user's request to a host.
func (b *bench) from(host, method, path, token string) reply {
	b.t.Helper()
	return b.send(method, "http://"+host+path, "", "authToken", token)
}
