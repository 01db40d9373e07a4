package cometchattest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore/cometchattest"
)

// onPage is what the page for people shows of the requests.
func onPage(t *testing.T, srv *cometchattest.Server) (lines []string) {
	t.Helper()
	resp, err := srv.Client().Get(srv.URL + "/_double/state")
	require.NoError(t, err)
	defer resp.Body.Close()
	var page struct {
		Data struct {
			Requests []struct {
				Method, Path, Body, Answer string
				Header                     map[string]string
				Status                     int
				Millis                     float64
			}
		}
	}
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&page))
	for _, r := range page.Data.Requests {
		var answer struct{ Error struct{ Code string } }
		if r.Answer != "" {
			require.NoError(t, json.Unmarshal([]byte(r.Answer), &answer))
		}
		lines = append(lines, fmt.Sprintf("%s %s %s: %d %s, %v ms, %v", r.Method, r.Path, r.Body, r.Status, answer.Error.Code, r.Millis, r.Header["Apikey"]))
	}
	return lines
}

// TestFaultsOnPage has a person see what happened to each request.
func TestFaultsOnPage(t *testing.T) {
	const body = `{"uid":"ann","name":"Ann"}`
	for _, tt := range []struct {
		name  string
		fault fault
		want  []string
	}{
		{"answer", fault{Status: 503}, []string{"POST /v3/users " + body + ": 503 ERR_OPERATION_FAILED, 0 ms, [redacted]"}},
		{"late answer", fault{Latency: 2 * time.Second, Status: 429},
			[]string{"POST /v3/users " + body + ": 429 ERR_TOO_MANY_REQUESTS, 2000 ms, [redacted]"}},
		{"drop", fault{Drop: true}, []string{"POST /v3/users " + body + ": 0 , 0 ms, [redacted]"}},
		{"latency alone", fault{Latency: time.Second}, []string{"POST /v3/users " + body + ": 200 , 0 ms, [redacted]"}},
		{"after", fault{After: true, Latency: time.Second, Status: 502}, []string{
			"POST /v3/users " + body + ": 200 , 0 ms, [redacted]",
			"POST /v3/users " + body + ": 502 ERR_OPERATION_FAILED, 1000 ms, [redacted]",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := cometchattest.RunT(t)
				srv.Inject(t, tt.fault)
				ask(srv.Client(), srv, "POST", "/v3/users", body)
				require.Equal(t, tt.want, onPage(t, srv))
				srv.Reset(t)
				require.Empty(t, onPage(t, srv))
			})
		})
	}
}

// TestPageIsNoRequest has somebody look at the page while a test runs, which the test does not notice.
func TestPageIsNoRequest(t *testing.T) {
	t.Parallel()
	srv := cometchattest.RunT(t)
	in := srv.Inject(t, fault{Nth: 1})
	require.Empty(t, onPage(t, srv))
	for _, path := range []string{"", "/", "/_double/page.js"} {
		resp, err := http.Get(srv.URL + path)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode, path)
	}
	require.Empty(t, srv.Requests(""))
	require.Equal(t, http.StatusInternalServerError, ask(srv.Client(), srv, "GET", "/users", "").status)
	require.Equal(t, 1, in.Hits())

	in = srv.Inject(t, fault{Route: "/", Nth: 1})
	req, err := http.NewRequest("GET", srv.URL, nil)
	require.NoError(t, err)
	req.Header.Set("Upgrade", "websocket")
	req.Header.Set("Connection", "Upgrade")
	require.Equal(t, http.StatusInternalServerError, send(srv.Client(), req).status, "a socket is the application's")
	require.Equal(t, 1, in.Hits())
}
