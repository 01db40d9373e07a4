package cometchattest_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore/cometchattest"
)

func TestRequests(t *testing.T) {
	t.Parallel()
	srv := cometchattest.RunT(t)
	require.Empty(t, srv.Requests(""))
	now := time.Date(2031, 2, 3, 4, 5, 6, 7, time.UTC)
	srv.SetTime(now)
	require.Equal(t, 200, ask(srv.Client(), srv, "POST", "/v3/users", `{"uid":"ann","name":"Ann"}`).status)
	req, err := http.NewRequest("GET", srv.URL+"/users/ann?x=1", nil)
	require.NoError(t, err)
	req.Header.Set("apiKey", srv.APIKey)
	req.Header.Set("onBehalfOf", "Ann")
	req.Header.Set("X-Mine", "yes")
	require.Equal(t, 400, send(srv.Client(), req).status)

	all := srv.Requests("")
	require.Len(t, all, 2)
	post, get := all[0], all[1]
	require.Equal(t, "POST", post.Method)
	require.Equal(t, "/v3/users", post.Path)
	require.Equal(t, `{"uid":"ann","name":"Ann"}`, post.Body)
	require.Equal(t, http.StatusOK, post.Status)
	require.Contains(t, post.Answer, `"uid":"ann"`)
	require.Equal(t, srv.APIKey, post.Header.Get("apiKey"), "nothing is hidden from the test")
	require.Equal(t, now, post.Time)
	require.Empty(t, post.UID)
	require.Equal(t, "x=1", get.Query)
	require.Equal(t, "ann", get.UID)
	require.Equal(t, "yes", get.Header.Get("X-Mine"))
	require.Equal(t, 400, get.Status)

	post.Header.Set("apiKey", "changed")
	require.Equal(t, srv.APIKey, srv.Requests("POST")[0].Header.Get("apiKey"), "what is given out is a copy")
}

func TestAssertCalled(t *testing.T) {
	t.Parallel()
	srv := cometchattest.RunT(t)
	ask(srv.Client(), srv, "POST", "/v3/users", `{"uid":"ann","name":"Ann"}`)
	ask(srv.Client(), srv, "GET", "/users/ann", "")
	ask(srv.Client(), srv, "GET", "/users/bob", "")
	for _, tt := range []struct {
		route string
		n     int
		want  string // of the failure; empty = none
	}{
		{"POST /users", 1, ""}, {"GET /users/{uid}", 2, ""}, {"/users/bob", 1, ""}, {"GET", 2, ""}, {"", 3, ""}, {"DELETE", 0, ""},
		{"GET /users/{uid}", 1, "was called 2 times, want 1; calls:\n\tPOST /v3/users: 200\n\tGET /users/ann: 200\n\tGET /users/bob: 404"},
		{"POST /users", 0, "was called 1 times"},
		{"GET /roles", 1, "was called 0 times"},
		{"users", 0, "is no route"},
	} {
		got := failure(func(f cometchattest.T) { srv.AssertCalled(f, tt.route, tt.n) })
		if tt.want == "" {
			require.Empty(t, got)
			require.Len(t, srv.Requests(tt.route), tt.n)
		} else {
			require.Contains(t, got, tt.want)
		}
	}
	require.Empty(t, srv.Requests("users"))
	require.Contains(t, failure(func(f cometchattest.T) { cometchattest.RunT(f).AssertCalled(f, "", 1) }), "calls: none")
}
