package cometchattest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
	"github.com/seed-3546c6b2/userstore/cometchattest"
)

// TestBodyStreams sees the first half of a body arrive before the second is written.
func TestBodyStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := cometchattest.RunT(t)
		body, write := io.Pipe()
		req, err := http.NewRequest("POST", srv.URL+"/users", body)
		require.NoError(t, err)
		req.Header.Set("apiKey", srv.APIKey)
		answered := make(chan answer)
		go func() { answered <- send(srv.Client(), req) }()

		_, err = io.WriteString(write, `{"uid":"ann",`)
		require.NoError(t, err)
		synctest.Wait()
		arrived := srv.Requests("POST /users")
		require.Len(t, arrived, 1)
		require.Equal(t, `{"uid":"ann",`, arrived[0].Body)
		require.Zero(t, arrived[0].Status)

		_, err = io.WriteString(write, `"name":"Ann"}`)
		require.NoError(t, err)
		require.NoError(t, write.Close())
		require.Equal(t, http.StatusOK, (<-answered).status)
		require.Equal(t, `{"uid":"ann","name":"Ann"}`, srv.Requests("")[0].Body)
	})
}

func TestClientGivesUp(t *testing.T) {
	for _, tt := range []struct {
		name   string
		method string
		give   func(*http.Client, *http.Request) *http.Request
	}{
		{"timeout", "GET", func(c *http.Client, r *http.Request) *http.Request {
			c.Timeout = 2 * time.Second
			return r
		}},
		{"deadline", "POST", func(_ *http.Client, r *http.Request) *http.Request {
			ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
			context.AfterFunc(ctx, cancel)
			return r.WithContext(ctx)
		}},
		{"cancel", "POST", func(_ *http.Client, r *http.Request) *http.Request {
			ctx, cancel := context.WithCancel(r.Context())
			time.AfterFunc(2*time.Second, cancel)
			return r.WithContext(ctx)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := cometchattest.RunT(t)
				srv.Inject(t, cometchattest.Fault{Latency: time.Minute})
				req, err := http.NewRequest(tt.method, srv.URL+"/users", strings.NewReader(`{"uid":"ann","name":"Ann"}`))
				require.NoError(t, err)
				req.Header.Set("apiKey", srv.APIKey)
				client := srv.Client()
				req = tt.give(client, req)

				start := time.Now()
				require.Error(t, send(client, req).err)
				require.Equal(t, 2*time.Second, time.Since(start))
				time.Sleep(2 * time.Minute)
				require.Empty(t, uids(t, srv.Store), "a request whose client has gone is not carried out")
				require.Zero(t, srv.Requests("")[0].Status)
			})
		})
	}
}

func TestClientsAreTheCallers(t *testing.T) {
	t.Parallel()
	srv := cometchattest.RunT(t)
	srv.Client().Timeout = time.Nanosecond
	require.NoError(t, ask(srv.Client(), srv, "GET", "/users", "").err)
}

func TestManyClients(t *testing.T) {
	t.Parallel()
	srv := cometchattest.RunT(t)
	var wg sync.WaitGroup
	for i := range 300 {
		wg.Go(func() {
			ask(srv.Client(), srv, "POST", "/users", fmt.Sprintf(`{"uid":"u%d","name":"N"}`, i%100))
		})
	}
	wg.Wait()
	require.Len(t, uids(t, srv.Store), 100)
	created := 0
	for _, r := range srv.Requests("POST /users") {
		if r.Status == http.StatusOK {
			created++
		}
	}
	require.Equal(t, 100, created)
	srv.AssertCalled(t, "POST /users", 300)
}

// TestBadRequests sends what no client should, and needs the double to answer or to hang up.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	srv := cometchattest.RunT(t)
	require.Equal(t, "ERR_API_NOT_FOUND", ask(srv.Client(), srv, "GET", "/v3/nowhere", "").code())

	// A client whose request is refused before it is all sent gets to read why, be it however long.
	long := strings.Repeat("x", 1<<20)
	for range 50 {
		a := ask(srv.Client(), srv, "POST", "/users", long)
		require.NoError(t, a.err)
		require.Equal(t, http.StatusRequestEntityTooLarge, a.status)
	}
	endless, err := http.NewRequest("POST", srv.URL+"/users", &spring{})
	require.NoError(t, err)
	require.Equal(t, http.StatusRequestEntityTooLarge, send(srv.Client(), endless).status)

	req, err := http.NewRequest("GET", srv.URL+"/users", nil)
	require.NoError(t, err)
	req.Header.Set("X-Flood", strings.Repeat("x", 1<<20))
	a := send(srv.Client(), req)
	require.True(t, a.err != nil || a.status == http.StatusRequestHeaderFieldsTooLarge, "%d %v", a.status, a.err)
	require.Equal(t, http.StatusOK, ask(srv.Client(), srv, "GET", "/users", "").status)
}

// TestWebSocket puts a user online through a socket that has no port either.
func TestWebSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := cometchattest.RunT(t)
		srv.Seed(t, ann())
		token, err := srv.Store.IssueToken(t.Context(), "ann")
		require.NoError(t, err)
		req, err := http.NewRequest("GET", srv.URL+"/v3/me", nil)
		require.NoError(t, err)
		req.Header.Set("authToken", token.Token)
		a := send(srv.Client(), req)
		var me struct{ Data struct{ JWT string } }
		require.NoError(t, json.Unmarshal([]byte(a.body), &me), a.body)

		conn, _, err := websocket.Dial(t.Context(), srv.URL, &websocket.DialOptions{HTTPClient: srv.Client()})
		require.NoError(t, err)
		defer conn.CloseNow()
		auth := fmt.Sprintf(`{"appId":"app","deviceId":"d","type":"auth","sender":"ann","body":{"auth":%q}}`, me.Data.JWT)
		require.NoError(t, conn.Write(t.Context(), websocket.MessageText, []byte(auth)))
		_, frame, err := conn.Read(t.Context())
		require.NoError(t, err)
		require.Contains(t, string(frame), `"200"`)
		synctest.Wait()
		u, err := srv.Store.Get(t.Context(), "ann")
		require.NoError(t, err)
		require.Equal(t, userstore.Online, u.Status)
	})
}

// spring is a body that never ends.
type spring struct{}

func (*spring) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}
