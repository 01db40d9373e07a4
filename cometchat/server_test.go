package cometchat

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// pipes is a listener in memory; a bubble has no network.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if c, ok := <-p; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p pipes) Close() error {
	close(p)
	return nil
}

// overServer serves h with the limits of Server, in the bubble of t, and gives a client for it.
func overServer(t *testing.T, h http.Handler) *http.Client {
	srv, listener := Server(h), make(pipes)
	ended := make(chan error)
	go func() { ended <- srv.Serve(listener) }()
	client := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		listener <- there
		return here, nil
	}}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		require.NoError(t, srv.Shutdown(context.Background()))
		require.ErrorIs(t, <-ended, http.ErrServerClosed)
	})
	return &http.Client{Transport: client, Timeout: 2 * time.Minute}
}

// A client that stops in the middle of its body is answered when the server's patience ends.
func TestServerEndsSlowBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := town(t)
		client := overServer(t, b.h)
		body, rest := io.Pipe()
		go io.WriteString(rest, `{"uid":"new",`)
		defer time.AfterFunc(time.Minute, func() { rest.Close() }).Stop()
		req, err := http.NewRequest("POST", "http://double/users", body)
		require.NoError(t, err)
		req.Header.Set("apiKey", restKey)
		start := time.Now()
		res, err := client.Do(req)
		require.NoError(t, err)
		res.Body.Close()
		rest.Close()
		require.Equal(t, http.StatusRequestTimeout, res.StatusCode)
		require.Equal(t, 30*time.Second, time.Since(start))
	})
}

// The time for a request is over once it has arrived: who works on it longer than that is not disturbed.
func TestServerLetsHandlersWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := town(t)
		client := overServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			time.Sleep(50 * time.Second)
			if err = errors.Join(err, r.Context().Err()); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			b.h.ServeHTTP(w, r)
		}))
		for _, body := range []string{"", `{"name":"Anna"}`, `{"name":"Anna","more":"` + strings.Repeat("x", 8<<10) + `"}`} {
			req, err := http.NewRequest("PUT", "http://double/users/ann", strings.NewReader(body))
			require.NoError(t, err)
			req.Header.Set("apiKey", restKey)
			res, err := client.Do(req)
			require.NoError(t, err)
			answer, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			res.Body.Close()
			require.Equal(t, http.StatusOK, res.StatusCode, "%s", answer)
		}
	})
}

// Sockets outlive the limits of requests.
func TestServerLeavesSocketsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := town(t)
		client := overServer(t, b.h)
		conn, _, err := websocket.Dial(t.Context(), "ws://double", &websocket.DialOptions{HTTPClient: client})
		require.NoError(t, err)
		defer conn.CloseNow()
		say := func(frame string) {
			require.NoError(t, conn.Write(t.Context(), websocket.MessageText, []byte(frame)))
		}
		hear := func() string {
			_, frame, err := conn.Read(t.Context())
			require.NoError(t, err)
			return string(frame)
		}
		say(authOf("app", "ann", b.h.mintJWT("ann", b.login("ann")), ""))
		require.Contains(t, hear(), `"200"`)
		heard := make(chan string)
		go func() { heard <- hear() }() // and answers the server's pings
		time.Sleep(5 * time.Minute)
		require.Empty(t, heard)
		say(`{"action":"ping","ack":"true"}`)
		require.Contains(t, <-heard, "pong")
	})
}

func TestServerRefusesHeaderFloods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := overServer(t, town(t).h)
		req, err := http.NewRequest("GET", "http://double/health", nil)
		require.NoError(t, err)
		req.Header.Set("X-Flood", strings.Repeat("x", 40<<10))
		res, err := client.Do(req)
		require.NoError(t, err)
		res.Body.Close()
		require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, res.StatusCode)
	})
}
