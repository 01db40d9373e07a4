package migrate

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		want   Class
		says   string
	}{
		{400, `{"error":{"code":"ERR_BAD_REQUEST","message":"The name Ann is bad.","details":{"name":["Ann"],"avatar":["x"]}}}`, Skip, "ERR_BAD_REQUEST (HTTP 400): avatar, name"},
		{400, `{"error":{"code":"ERR_UID_ALREADY_EXISTS"}}`, Skip, "ERR_UID_ALREADY_EXISTS (HTTP 400)"},
		{404, `{"error":{"code":"ERR_UID_NOT_FOUND"}}`, Skip, "ERR_UID_NOT_FOUND"},
		{413, `{"error":{"code":"ERR_BAD_REQUEST"}}`, Skip, "413"},
		{404, `{"error":{"code":"ERR_API_NOT_FOUND"}}`, Stop, "ERR_API_NOT_FOUND"},
		{404, `not found`, Stop, "is the address right?"},
		{400, `{}`, Stop, "is the address right?"},
		{301, ``, Stop, "HTTP 301"},
		{401, `{"error":{"code":"AUTH_ERR_APIKEY_NOT_FOUND"}}`, Stop, "AUTH_ERR_APIKEY_NOT_FOUND"},
		{404, `{"error":{"code":"AUTH_ERR_APIKEY_NOT_FOUND"}}`, Stop, "AUTH_ERR_APIKEY_NOT_FOUND"},
		{403, `{"error":{"code":"ERR_SOMETHING"}}`, Stop, "ERR_SOMETHING"},
		{403, `{"error":{"code":"ERR_CANNOT_FORM_SELF_RELATION"}}`, Skip, "SELF"},
		{401, `{"error":{"code":"ERR_CANNOT_BLOCK_SELF"}}`, Skip, "SELF"},
		{400, `{"error":{"code":"ERR_PLAN_QUOTA_RESTRICTION"}}`, Stop, "QUOTA"},
		{429, ``, Wait, "429"},
		{400, `{"error":{"code":"ERR_TOO_MANY_REQUESTS"}}`, Wait, "TOO_MANY"},
		{500, `{"error":{"code":"ERR_OPERATION_FAILED"}}`, Retry, "ERR_OPERATION_FAILED"},
		{417, `{"error":{"code":"ERR_BAD_ERROR_RESPONSE"}}`, Retry, "417"},
		{502, `<html>`, Retry, "502"},
		{408, ``, Retry, "408"},
		{202, ``, Retry, "202"},
		{400, `{"error":{"code":"ERR_BAD_REQUEST","details":["x"]}}`, Skip, "ERR_BAD_REQUEST"},
	} {
		got := classify(c.status, http.Header{}, []byte(c.body), begin)
		require.Equal(t, c.want, got.Class, "%d %s", c.status, c.body)
		require.ErrorContains(t, got, c.says)
		require.NotContains(t, got.Error(), "Ann", "the service's text may hold a user's data")
	}
}

func TestAfter(t *testing.T) {
	for _, c := range []struct {
		name, value string
		want        time.Duration
	}{
		{"Retry-After", "12", 12 * time.Second}, {"Retry-After", "-3", 0}, {"Retry-After", "99999999999", time.Hour},
		{"Retry-After", begin.Add(90 * time.Second).Format(http.TimeFormat), 90 * time.Second}, {"Retry-After", "soon", 0},
		{"X-Rate-Limit-Reset", fmt.Sprint(begin.Unix() + 30), 30 * time.Second}, {"X-Rate-Limit-Reset", "1", 0},
		{"X-Other", "5", 0},
	} {
		require.Equal(t, c.want, after(http.Header{c.name: {c.value}}, begin), "%s: %s", c.name, c.value)
	}
}

func FuzzClassify(f *testing.F) {
	f.Add(400, `{"error":{"code":"ERR_BAD_REQUEST","details":{"a":[]}}}`, "3")
	f.Fuzz(func(t *testing.T, status int, body, retryAfter string) {
		r := classify(status, http.Header{"Retry-After": {retryAfter}}, []byte(body), begin)
		require.NotEqual(t, Done, r.Class)
		require.NotEmpty(t, r.Error())
		require.LessOrEqual(t, r.After, time.Hour)
	})
}

// script is a service that answers as told.
type script struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
	clock    *world
}

func newScript(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) *script {
	s := &script{clock: &world{now: begin}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, r)
		n := len(s.requests)
		s.mu.Unlock()
		answer(n, w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *script) options() Options {
	return Options{URL: s.URL + "/v3/", Key: "secret", AppID: "app", Now: s.clock.Now, Sleep: s.clock.Sleep, UsersOnly: true}
}

func (s *script) client(t *testing.T) *client {
	r, err := newRun(nil, ptr(s.options()), "pull")
	require.NoError(t, err)
	return r.c
}

func TestWaitsAsTold(t *testing.T) {
	s := newScript(t, func(n int, w http.ResponseWriter, r *http.Request) {
		switch n {
		case 1:
			w.Header().Set("Retry-After", "40")
			w.WriteHeader(429)
		case 2:
			w.WriteHeader(429) // says not how long
		case 3:
			w.Header().Set("Retry-After", "100")
			w.WriteHeader(503)
		default:
			fmt.Fprint(w, `{"data":{}}`)
		}
	})
	require.NoError(t, s.client(t).call(t.Context(), "GET", "/x", nil, nil))
	require.GreaterOrEqual(t, s.clock.Now().Sub(begin), 150*time.Second)
	require.Less(t, s.clock.Now().Sub(begin), 160*time.Second)
}

func TestGivesUp(t *testing.T) {
	s := newScript(t, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	c := s.client(t)
	err := c.call(t.Context(), "GET", "/x", nil, nil)
	require.ErrorContains(t, err, "after 8 attempts")
	require.Len(t, s.requests, 8)
	require.EqualValues(t, 8, c.requests.Load())
	require.EqualValues(t, 7, c.again.Load())
	require.Greater(t, s.clock.Now().Sub(begin), 60*time.Second, "the pauses grow")
}

func TestKeyGoesNowhereElse(t *testing.T) {
	other := newScript(t, func(_ int, w http.ResponseWriter, _ *http.Request) {})
	s := newScript(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	err := s.client(t).call(t.Context(), "GET", "/x", nil, nil)
	require.ErrorContains(t, err, "HTTP 307")
	require.NotContains(t, err.Error(), "secret")
	require.Empty(t, other.requests)
	require.Equal(t, "secret", s.requests[0].Header.Get("apikey"))
	require.Equal(t, "app", s.requests[0].Header.Get("appid"))
	require.Equal(t, "/v3/x", s.requests[0].URL.Path)
}

func TestCallEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := newScript(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		cancel()
		w.WriteHeader(500)
	})
	require.ErrorIs(t, s.client(t).call(ctx, "GET", "/x", nil, nil), context.Canceled)
	require.ErrorIs(t, s.client(t).call(ctx, "GET", "/x", nil, nil), context.Canceled)
}

// TestPaging pulls users from services that count pages in their own ways.
func TestPaging(t *testing.T) {
	rows := func(from, to int) string {
		var out []string
		for i := from; i < to; i++ {
			out = append(out, fmt.Sprintf(`{"uid":"u%03d","name":"N","role":"default"}`, i))
		}
		return strings.Join(out, ",")
	}
	for name, c := range map[string]struct {
		answer func(page string) string
		users  int
		err    string
	}{
		"with a count of pages": {func(page string) string {
			return map[string]string{
				"1": `{"data":[` + rows(0, 100) + `],"meta":{"pagination":{"total_pages":2}}}`,
				"2": `{"data":[` + rows(100, 130) + `],"meta":{"pagination":{"total_pages":2}}}`,
			}[page]
		}, 130, ""},
		"without": {func(page string) string {
			return map[string]string{"1": `{"data":[` + rows(0, 100) + `]}`, "2": `{"data":[` + rows(100, 101) + `],"meta":7}`, "3": `{"data":[]}`}[page]
		}, 101, ""},
		"a count of 0": {func(page string) string {
			return map[string]string{"1": `{"data":[` + rows(0, 3) + `],"meta":{"pagination":{"total_pages":0}}}`, "2": `{"data":[]}`}[page]
		}, 3, ""},
		"the same page again and again": {func(string) string { return `{"data":[` + rows(0, 3) + `]}` }, 3, "same page"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, func(_ int, w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/v3/users" || r.URL.Query().Has("onlyDeactivated") {
					fmt.Fprint(w, `{"data":[]}`)
					return
				}
				fmt.Fprint(w, c.answer(r.URL.Query().Get("page")))
			})
			store := newStore(t, s.clock)
			got, err := Pull(t.Context(), store, s.options())
			if c.err == "" {
				require.NoError(t, err)
				require.Equal(t, c.users, got.Users)
			} else {
				require.ErrorContains(t, err, c.err)
			}
			n, err := store.Count(t.Context(), userstore.Query{})
			require.NoError(t, err)
			require.Equal(t, c.users, n)
		})
	}
}

// TestPullSkips has rows that the store does not take.
func TestPullSkips(t *testing.T) {
	s := newScript(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/v3/roles":
			fmt.Fprint(w, `{"data":[{"role":"good","name":"Good"},{"role":"b a d","name":"x"},7],"meta":{"pagination":{"total_pages":1}}}`)
		case r.URL.Query().Has("onlyDeactivated"):
			fmt.Fprint(w, `{"data":[{"uid":"gone","name":"Gone"}],"meta":{"pagination":{"total_pages":1}}}`)
		default:
			fmt.Fprint(w, `{"data":[{"uid":"ann","name":"Ann","role":"good"},{"uid":"ben","name":"Ben","role":"none"},{"uid":"c c","name":"C"},7],"meta":{"pagination":{"total_pages":1}}}`)
		}
	})
	store := newStore(t, s.clock)
	o := s.options()
	var skipped []string
	o.Skipped = func(s Skipped) { skipped = append(skipped, s.Phase+" "+s.ID) }
	got, err := Pull(t.Context(), store, o)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"roles b a d", "roles ", "users ben", "users ", "users "}, skipped)
	require.Equal(t, Report{Phase: "done", Roles: 1, Users: 2, Skipped: 5, Requests: 3}, got)
	page, err := store.List(t.Context(), userstore.Query{Deactivated: userstore.DeactivatedOnly})
	require.NoError(t, err)
	require.Equal(t, "gone", page.Users[0].UID)
	require.Equal(t, begin, page.Users[0].DeactivatedAt)
}

// TestPullSkipsRelations has friends and blocks that the store does not take.
func TestPullSkipsRelations(t *testing.T) {
	s := newScript(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/v3/users/here"):
			w.WriteHeader(404)
			fmt.Fprint(w, `{"error":{"code":"ERR_UID_NOT_FOUND"}}`)
		case strings.HasSuffix(r.URL.Path, "/friends"):
			fmt.Fprint(w, `{"data":[{"uid":"ben"},{"uid":"ghost"},{"uid":"ann"}],"meta":{"pagination":{"total_pages":1}}}`)
		case strings.HasSuffix(r.URL.Path, "/blockedusers"):
			fmt.Fprint(w, `{"data":[{"uid":"ben","blockedByMe":true},{"uid":"dan","hasBlockedMe":true},{"uid":"ghost"}],"meta":{"pagination":{"total_pages":1}}}`)
		case r.URL.Path == "/v3/users" && !r.URL.Query().Has("onlyDeactivated"):
			fmt.Fprint(w, `{"data":[{"uid":"ann","name":"Ann"},{"uid":"ben","name":"Ben"},{"uid":"dan","name":"Dan"}],"meta":{"pagination":{"total_pages":1}}}`)
		default:
			fmt.Fprint(w, `{"data":[]}`)
		}
	})
	store := newStore(t, s.clock)
	_, err := store.Create(t.Context(), userstore.User{UID: "here", Name: "Only here"})
	require.NoError(t, err)
	o := s.options()
	o.UsersOnly, o.Workers = false, 1
	var skipped []string
	o.Skipped = func(s Skipped) { skipped = append(skipped, s.Phase+" "+s.ID+" "+s.Reason) }
	got, err := Pull(t.Context(), store, o)
	require.NoError(t, err)
	const ghost, self = "with ghost: no such active user in the store", ": refused"
	require.ElementsMatch(t, []string{
		"friends ann " + ghost, "friends ben " + ghost, "friends dan " + ghost, "friends ann with ann" + self, "friends ben with ben" + self,
		"blocks ann " + ghost, "blocks ben " + ghost, "blocks dan " + ghost, "blocks ben with ben" + self,
	}, skipped)
	require.Equal(t, 3, got.Friends, "ann and ben, ann and dan, ben and dan")
	require.Equal(t, 2, got.Blocks, "ann and dan block ben")
}

// TestPushSkips has a service that refuses some.
func TestPushSkips(t *testing.T) {
	s := newScript(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		var body struct{ UID string }
		_ = json.NewDecoder(r.Body).Decode(&body)
		if r.URL.Path == "/v3/users" && body.UID == "u001" {
			w.WriteHeader(400)
			fmt.Fprint(w, `{"error":{"code":"ERR_BAD_REQUEST","details":{"avatar":["no"]}}}`)
			return
		}
		switch {
		case r.Method == http.MethodDelete:
			fmt.Fprint(w, `{"data":{"notFound":["u003"]}}`)
		case strings.HasSuffix(r.URL.Path, "/friends"):
			fmt.Fprint(w, `{"data":{"accepted":{"u002":{"success":false},"u001":{"success":true}}}}`)
		case strings.HasSuffix(r.URL.Path, "/blockedusers"):
			fmt.Fprint(w, `{"data":{"u002":{"success":false},"u001":{"success":true}}}`)
		default:
			fmt.Fprint(w, `{"data":{}}`)
		}
	})
	store := newStore(t, s.clock)
	populate(t, store, 5)
	o := s.options()
	o.UsersOnly = false
	reasons := map[string]int{}
	o.Skipped = func(s Skipped) { reasons[s.Phase+" "+s.Reason]++ }
	_, err := Push(t.Context(), store, o)
	require.NoError(t, err)
	require.Equal(t, 1, reasons["users ERR_BAD_REQUEST (HTTP 400): avatar"])
	require.Equal(t, 1, reasons["users could not be deactivated: not found"])
	require.Positive(t, reasons["friends with u002: not taken by the service"])
	require.Positive(t, reasons["blocks with u002: not taken by the service"])
}

func TestStopsAtAWrongKey(t *testing.T) {
	s := newScript(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(403)
		fmt.Fprint(w, `{"error":{"code":"AUTH_ERR_NO_ACCESS"}}`)
	})
	for _, move := range []func(context.Context, *userstore.Store, Options) (Report, error){Pull, Push} {
		_, err := move(t.Context(), newStore(t, s.clock), s.options())
		require.ErrorContains(t, err, "roles: AUTH_ERR_NO_ACCESS")
	}
	require.Len(t, s.requests, 2)
}

func TestOptions(t *testing.T) {
	store := newStore(t, &world{now: begin})
	for _, o := range []Options{{URL: "http://x"}, {Key: "k"}, {Key: "k", URL: "ftp://x"}, {Key: "k", URL: "example.com/v3"}, {Key: "k", URL: ":"}} {
		_, err := Pull(t.Context(), store, o)
		require.Error(t, err)
		_, err = Push(t.Context(), store, o)
		require.Error(t, err)
	}
}

func TestRelateAnswer(t *testing.T) {
	for in, want := range map[string]bool{
		`{"a":{"success":true}}`: true, `{"accepted":{"a":{"success":true}}}`: true, `{"a":{"success":false}}`: false,
		`{"accepted":{"success":true},"a":{"success":true}}`: true, // a user named accepted
	} {
		var out relateAnswer
		require.NoError(t, json.Unmarshal([]byte(in), &out), in)
		require.Equal(t, want, out["a"].Success, in)
	}
}

func TestSleep(t *testing.T) {
	require.NoError(t, Sleep(t.Context(), time.Nanosecond))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, Sleep(ctx, time.Hour), context.Canceled)
}
