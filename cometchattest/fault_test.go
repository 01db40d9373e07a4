package cometchattest_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore/cometchattest"
)

type fault = cometchattest.Fault

func TestFaultAnswers(t *testing.T) {
	t.Parallel()
	srv := cometchattest.RunT(t)
	srv.SetTime(time.Unix(1_800_000_000, 0))
	for _, tt := range []struct {
		name    string
		fault   fault
		status  int
		code    string
		retry   string
		message string
	}{
		{"nothing said", fault{}, 500, "ERR_OPERATION_FAILED", "", "test"},
		{"status", fault{Status: 503}, 503, "ERR_OPERATION_FAILED", "", "test"},
		{"client's status", fault{Status: 400}, 400, "ERR_BAD_REQUEST", "", "test"},
		{"code and message", fault{Status: 403, Code: "AUTH_ERR_NO_ACCESS", Message: "No."}, 403, "AUTH_ERR_NO_ACCESS", "", "No."},
		{"code alone", fault{Code: "ERR_EXCEPTION"}, 500, "ERR_EXCEPTION", "", "test"},
		{"429", fault{Status: 429}, 429, "ERR_TOO_MANY_REQUESTS", "1", "test"},
		{"retry", fault{RetryAfter: 90 * time.Second}, 429, "ERR_TOO_MANY_REQUESTS", "90", "test"},
		{"part of a second", fault{RetryAfter: 1100 * time.Millisecond}, 429, "ERR_TOO_MANY_REQUESTS", "2", "test"},
		{"retry with another status", fault{RetryAfter: time.Second, Status: 503}, 503, "ERR_OPERATION_FAILED", "1", "test"},
		{"after a moment", fault{Latency: time.Nanosecond, Code: "ERR_EXCEPTION"}, 500, "ERR_EXCEPTION", "", "test"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.fault.Latency > 0 {
				srv.SetTime(time.Time{})
				defer srv.SetTime(time.Unix(1_800_000_000, 0))
			}
			in := srv.Inject(t, tt.fault)
			for _, client := range []*http.Client{srv.Client(), http.DefaultClient} {
				a := ask(client, srv, "GET", "/users", "")
				require.NoError(t, a.err)
				require.Equal(t, tt.status, a.status)
				require.Equal(t, tt.code, a.code())
				require.Contains(t, a.body, tt.message)
				require.Equal(t, tt.retry, a.header.Get("Retry-After"))
				require.Equal(t, "*", a.header.Get("Access-Control-Allow-Origin"))
				if tt.fault.RetryAfter == 90*time.Second {
					require.Equal(t, "1800000090", a.header.Get("X-Rate-Limit-Reset"))
				}
			}
			require.Equal(t, 2, in.Hits())
		})
	}
	require.Equal(t, http.StatusOK, ask(srv.Client(), srv, "GET", "/users", "").status, "a fault ends with its test")
}

// TestFaultChoice asks the same requests under each fault and compares which of them were hit.
func TestFaultChoice(t *testing.T) {
	t.Parallel()
	requests := []struct{ method, path, body string }{
		{"POST", "/users", `{"uid":"Ann","name":"Ann"}`},
		{"POST", "/v3/users", `{"uid":"bob","name":"Bob"}`},
		{"GET", "/v3.0/users/ANN", ""},
		{"PUT", "/users/bob", `{"name":"Bobby"}`},
		{"POST", "/users/bob/friends", `{"accepted":["ann"]}`},
		{"GET", "/users?uids=x,ann", ""},
		{"OPTIONS", "/users", ""},
		{"POST", "/data_import/users", `{"users":{"ann":{}}}`},
		{"DELETE", "/users", `{"uidsToDeactivate":["bob","ann"]}`},
	}
	for _, tt := range []struct {
		name  string
		fault fault
		hits  []int
	}{
		{"any", fault{}, []int{0, 1, 2, 3, 4, 5, 7, 8}},
		{"method", fault{Route: "POST"}, []int{0, 1, 4, 7}},
		{"method in small letters", fault{Route: "post"}, []int{0, 1, 4, 7}},
		{"path", fault{Route: "/users"}, []int{0, 1, 5, 8}},
		{"path with version", fault{Route: "/v3/users"}, []int{0, 1, 5, 8}},
		{"route", fault{Route: "POST /users"}, []int{0, 1}},
		{"pattern", fault{Route: "/users/{uid}"}, []int{2, 3}},
		{"longer pattern", fault{Route: "POST /users/{uid}/friends"}, []int{4}},
		{"one user's path", fault{Route: "/users/bob"}, []int{3}},
		{"preflight", fault{Route: "OPTIONS"}, []int{6}},
		{"uid", fault{UID: "ann"}, []int{0, 2, 4, 5, 7, 8}},
		{"uid in capitals", fault{UID: "BOB"}, []int{1, 3, 4, 8}},
		{"route and uid", fault{Route: "POST /users", UID: "bob"}, []int{1}},
		{"first", fault{Nth: 1}, []int{0}},
		{"third", fault{Nth: 3}, []int{2}},
		{"second post", fault{Route: "POST", Nth: 2}, []int{1}},
		{"second about ann", fault{UID: "ann", Nth: 2}, []int{2}},
		{"never", fault{Nth: 100}, nil},
		{"surely", fault{Probability: 1, Seed: 7}, []int{0, 1, 2, 3, 4, 5, 7, 8}},
		{"hardly", fault{Probability: 1e-300}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := cometchattest.RunT(t)
			tt.fault.Status = 599
			in := srv.Inject(t, tt.fault)
			var hits []int
			for i, r := range requests {
				if ask(srv.Client(), srv, r.method, r.path, r.body).status == 599 {
					hits = append(hits, i)
				}
			}
			require.Equal(t, tt.hits, hits)
			require.Equal(t, len(tt.hits), in.Hits())
		})
	}
}

func TestFaultByActor(t *testing.T) {
	t.Parallel()
	srv := cometchattest.RunT(t)
	srv.Seed(t, ann())
	token, err := srv.Store.IssueToken(t.Context(), "ann")
	require.NoError(t, err)
	in := srv.Inject(t, fault{UID: "ann", Status: 503})
	for header, value := range map[string]string{"onBehalfOf": "Ann", "authToken": token.Token} {
		req, err := http.NewRequest("GET", srv.URL+"/users", nil)
		require.NoError(t, err)
		req.Header.Set(header, value)
		require.Equal(t, 503, send(srv.Client(), req).status, header)
	}
	require.Equal(t, 2, in.Hits())
}

func TestFaultProbability(t *testing.T) {
	t.Parallel()
	run := func(seed uint64) (pattern string) {
		srv := cometchattest.RunT(t)
		in := srv.Inject(t, fault{Probability: 0.3, Seed: seed})
		for range 100 {
			pattern += map[bool]string{true: "x", false: "."}[ask(srv.Client(), srv, "GET", "/users", "").status == 500]
		}
		require.Equal(t, strings.Count(pattern, "x"), in.Hits())
		require.InDelta(t, 30, in.Hits(), 20)
		return pattern
	}
	require.Equal(t, run(1), run(1), "a seed repeats itself")
	require.NotEqual(t, run(1), run(2))
}

func TestFaultDrop(t *testing.T) {
	t.Parallel()
	srv := cometchattest.RunT(t)
	network := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for name, client := range map[string]*http.Client{"pipe": srv.Client(), "network": network, "TLS": nil} {
		t.Run(name, func(t *testing.T) {
			srv, base := srv, srv.URL
			if client == nil {
				https := srv.TLS(t)
				client, base = https.Client, https.URL
			}
			in := srv.Inject(t, fault{Drop: true})
			req, err := http.NewRequest("POST", base+"/users", jsonBody(`{"uid":"ann","name":"Ann"}`))
			require.NoError(t, err)
			req.Header.Set("apiKey", srv.APIKey)
			require.ErrorContains(t, send(client, req).err, "EOF")
			require.Equal(t, 1, in.Hits())
			require.Empty(t, uids(t, srv.Store))
		})
	}
	for _, r := range srv.Requests("") {
		require.Zero(t, r.Status)
		require.Equal(t, `{"uid":"ann","name":"Ann"}`, r.Body, "the journal knows what was lost")
	}
}

// TestFaultAfter is the failure that applications forget: the request was carried out, and nobody said so.
func TestFaultAfter(t *testing.T) {
	for _, f := range []fault{{After: true, Drop: true}, {After: true, Status: 502}, {After: true, Latency: time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			srv := cometchattest.RunT(t)
			f.Nth = 1
			srv.Inject(t, f)
			start := time.Now()
			a := ask(srv.Client(), srv, "POST", "/users", `{"uid":"ann","name":"Ann"}`)
			require.Equal(t, f.Latency, time.Since(start))
			switch {
			case f.Drop:
				require.ErrorContains(t, a.err, "EOF")
			case f.Status != 0:
				require.Equal(t, f.Status, a.status)
			default:
				require.Equal(t, http.StatusOK, a.status)
				require.Contains(t, a.body, `"uid":"ann"`)
				require.Equal(t, "application/json", strings.Split(a.header.Get("Content-Type"), ";")[0])
			}
			u, err := srv.Store.Get(t.Context(), "ann")
			require.NoError(t, err)
			require.True(t, u.CreatedAt.Equal(start), "before the wait")
			require.Equal(t, "ERR_UID_ALREADY_EXISTS", ask(srv.Client(), srv, "POST", "/users", `{"uid":"ann","name":"Ann"}`).code())
		})
	}
}

func TestFaultLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := cometchattest.RunT(t)
		srv.Inject(t, fault{Latency: 3 * time.Second})
		srv.Inject(t, fault{Latency: 4 * time.Second, Nth: 1, Status: 503})
		never := srv.Inject(t, fault{Nth: 1, Drop: true})
		for _, want := range []struct {
			status int
			took   time.Duration
		}{{503, 7 * time.Second}, {200, 3 * time.Second}} {
			start := time.Now()
			require.Equal(t, want.status, ask(srv.Client(), srv, "GET", "/users", "").status)
			require.Equal(t, want.took, time.Since(start))
		}
		require.Zero(t, never.Hits(), "the fault before it had ended the request")
	})
}

// TestFaultLatencyOnTheClock holds a request until the test moves the clock.
func TestFaultLatencyOnTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := cometchattest.RunT(t)
		srv.SetTime(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
		in := srv.Inject(t, fault{Latency: time.Hour})
		answered := make(chan answer, 1)
		go func() { answered <- ask(srv.Client(), srv, "GET", "/users", "") }()
		for range 3 {
			synctest.Wait()
			require.Equal(t, 1, in.Hits())
			require.Empty(t, answered)
			srv.Advance(29 * time.Minute)
		}
		require.Equal(t, http.StatusOK, (<-answered).status)
	})
}

func TestFaultRemove(t *testing.T) {
	t.Parallel()
	srv := cometchattest.RunT(t)
	one, two := srv.Inject(t, fault{Status: 501}), srv.Inject(t, fault{Status: 502})
	status := func() int { return ask(srv.Client(), srv, "GET", "/users", "").status }
	require.Equal(t, 501, status())
	one.Remove()
	one.Remove()
	require.Equal(t, 502, status())
	two.Remove()
	require.Equal(t, 200, status())
	require.Equal(t, []int{1, 1}, []int{one.Hits(), two.Hits()})
}

func TestFaultRefused(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]fault{
		"no route": {Route: "users"}, "unknown method": {Route: "FETCH /users"},
		"nth": {Nth: -1}, "probability": {Probability: 1.1}, "negative probability": {Probability: -0.1},
		"latency": {Latency: -1}, "retry": {RetryAfter: -1}, "status": {Status: 200}, "large status": {Status: 600},
		"drop with an answer": {Drop: true, Status: 500},
	} {
		require.NotEmpty(t, failure(func(f2 cometchattest.T) { cometchattest.RunT(f2).Inject(f2, f) }), name)
	}
}
