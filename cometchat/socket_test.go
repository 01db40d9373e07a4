package cometchat

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

func TestSocketAuthRefused(t *testing.T) {
	w := wire(t)
	good, _ := w.jwt("ann")
	dead, token := w.jwt("bob")
	require.NoError(t, w.store.RevokeToken(t.Context(), "bob", token))
	other := wire(t)
	foreign, _ := other.jwt("ann")
	for name, test := range map[string]struct{ frame, code string }{
		"not JSON":            {`auth`, ""},
		"no object":           {`[]`, ""},
		"empty":               {``, ""},
		"not auth first":      {`{"action":"ping","ack":"true"}`, ""},
		"body of wrong type":  {`{"type":"auth","body":"x"}`, ""},
		"no body":             {`{"type":"auth"}`, ""},
		"no jwt":              {authOf("app", "ann", "", ""), "401"},
		"jwt undefined":       {authOf("app", "ann", "undefined", ""), "401"},
		"jwt changed":         {authOf("app", "ann", good[:len(good)-3]+"AAA", ""), "401"},
		"jwt of a dead token": {authOf("app", "bob", dead, ""), "401"},
		"jwt of elsewhere":    {authOf("app", "ann", foreign, ""), "401"},
		"other app":           {authOf("shop", "ann", good, ""), "401"},
		"other sender":        {authOf("app", "bob", good, ""), "401"},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			p := w.dial()
			p.say(test.frame)
			if test.code != "" {
				answer := p.next()
				require.Equal(t, "auth", answer.Type)
				require.Equal(t, test.code, answer.Body.Code)
				require.NotEqual(t, "OK", answer.Body.Status)
			}
			p.closed(websocket.StatusPolicyViolation)
			require.Equal(t, userstore.Offline, w.status("ann"))
			require.Equal(t, userstore.Offline, w.status("bob"))
		})
	}
	w.eventually(func() bool { return w.open() == 0 })
}

func TestSocketAuthTakesWhatTheSDKLeavesOut(t *testing.T) {
	w := wire(t)
	jwt, _ := w.jwt("ann")
	p := w.dial()
	p.say(`{"type":"auth","body":{"auth":"` + jwt + `","presenceSubscription":"NONSENSE"}}`)
	require.Equal(t, "200", p.next().Body.Code)
	require.Equal(t, userstore.Online, w.status("ann"))
}

func TestSocketLimits(t *testing.T) {
	t.Run("no auth frame in time", func(t *testing.T) {
		w := wire(t, func(p *presence) { p.authWait = 10 * time.Millisecond })
		w.dial().closed(websocket.StatusPolicyViolation)
	})
	t.Run("the deadline ends with the auth", func(t *testing.T) {
		w := wire(t, func(p *presence) { p.authWait = 300 * time.Millisecond })
		silent, p := w.dial(), w.connect("ann", "")
		silent.closed(websocket.StatusPolicyViolation) // it came first, so the deadline of the other is near
		p.hears()
	})
	t.Run("frame too long", func(t *testing.T) {
		p := wire(t).connect("ann", "")
		p.say(strings.Repeat(" ", maxFrame+1))
		p.closed(websocket.StatusMessageTooBig)
	})
	t.Run("binary", func(t *testing.T) {
		p := wire(t).connect("ann", "")
		require.NoError(t, p.conn.Write(t.Context(), websocket.MessageBinary, []byte(`{"action":"ping"}`)))
		p.closed(websocket.StatusUnsupportedData)
	})
	t.Run("not JSON after the auth", func(t *testing.T) {
		p := wire(t).connect("ann", "")
		p.say(`{`)
		p.closed(websocket.StatusPolicyViolation)
	})
	t.Run("frames about other things", func(t *testing.T) {
		p := wire(t).connect("ann", "")
		p.say(`{"type":"typing_indicator","body":{"action":"started"}}`)
		p.say(`{"type":"auth","body":{"auth":"again"}}`)
		p.say(`{"type":"presence","sender":"bob","body":{"action":"offline","user":{"uid":"bob"}}}`)
		p.hears()
	})
}

func TestSocketOfAnyOrigin(t *testing.T) {
	w := wire(t)
	conn, _, err := websocket.Dial(t.Context(), w.srv.URL, &websocket.DialOptions{
		HTTPHeader: http.Header{"Origin": {"https://app.example"}},
	})
	require.NoError(t, err)
	conn.CloseNow()
}

func TestSocketElsewhereIsNone(t *testing.T) {
	w := wire(t)
	_, res, err := websocket.Dial(t.Context(), w.srv.URL+"/v3/users", nil)
	require.Error(t, err)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Contains(t, string(body), `"error"`)
}

// A client that does not read is cut off, and nobody else waits for it.
func TestSocketSlowReader(t *testing.T) {
	t.Run("while written to", func(t *testing.T) {
		w := wire(t, func(p *presence) { p.writeWait = 50 * time.Millisecond })
		w.connect("ann", subscribeAll) // and never reads again
		watcher := w.connect("bob", subscribeAll)
		w.h.presence.mu.Lock()
		for s := range w.h.presence.online["ann"].sockets {
			for range 1000 {
				s.send(make([]byte, 64<<10)) // more than the buffers on the way hold
			}
		}
		w.h.presence.mu.Unlock()
		w.eventually(func() bool { return w.open() == 1 }) // the store has the status before the news are told
		require.Equal(t, userstore.Offline, w.status("ann"))
		watcher.hears("offline ann")
	})
	t.Run("by the length of its queue", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := &socket{ctx: ctx, cancel: cancel, wake: make(chan struct{}, 1)}
		for range maxQueue {
			s.send(pongFrame)
		}
		require.NoError(t, ctx.Err())
		s.send(pongFrame)
		require.ErrorIs(t, ctx.Err(), context.Canceled)
		require.Len(t, s.queue, maxQueue)
	})
}

func TestSocketClose(t *testing.T) {
	w := wire(t)
	authenticated, silent := w.connect("ann", ""), w.dial()
	done := make(chan struct{})
	go func() { // the close handshake needs a reader
		defer close(done)
		silent.closed(websocket.StatusGoingAway)
	}()
	go w.h.Close()
	authenticated.closed(websocket.StatusGoingAway)
	<-done
	require.NoError(t, w.h.Close())
	require.Zero(t, w.open())
	require.Equal(t, userstore.Offline, w.status("ann"))
	w.dial().closed(websocket.StatusGoingAway)
}

// A peer that does not answer the close holds nothing up.
func TestSocketCloseOfDeafPeer(t *testing.T) {
	w := wire(t, func(p *presence) { p.byeWait = 10 * time.Millisecond })
	w.connect("ann", "")
	start := time.Now()
	require.NoError(t, w.h.Close())
	require.Less(t, time.Since(start), 4*time.Second, "the library alone would wait for 5 s")
	require.Equal(t, userstore.Offline, w.status("ann"))
}

func FuzzSocketFrame(f *testing.F) {
	store, err := userstore.OpenInMemory()
	require.NoError(f, err)
	f.Cleanup(func() { store.Close() })
	_, err = store.Create(f.Context(), userstore.User{UID: "ann", Name: "Ann"})
	require.NoError(f, err)
	h, err := New(store, Options{AppID: "app"})
	require.NoError(f, err)
	token, err := store.IssueToken(f.Context(), "ann")
	require.NoError(f, err)
	jwt := h.mintJWT("ann", token.Token)
	for _, seed := range []string{
		authOf("app", "ann", "JWT", subscribeRoles, "a", "b"), authOf("", "", "JWT", ""), authOf("app", "ann", "", subscribeAll),
		`{"action":"ping","ack":"true"}`, `{"type":"auth","body":{"auth":"JWT","roles":[null]}}`, `{"type":"auth","body":null}`,
		`{"type":"auth","appId":5}`, `null`, `[]`, `"`, `{"body":{"auth":"JWT"}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, frame string) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := &socket{p: h.presence, ctx: ctx, cancel: cancel, wake: make(chan struct{}, 1)}
		require.True(t, h.presence.admit(s))
		defer h.presence.running.Done()
		defer h.presence.leave(s)
		for range 2 { // the second time, the socket may be authenticated
			b := strings.ReplaceAll(frame, "JWT", jwt)
			was := s.authenticated
			refused := s.receive([]byte(b))
			require.False(t, refused != nil && s.authenticated != was, "refused and let in")
			if s.authenticated {
				require.Equal(t, "ann", s.uid)
				require.Contains(t, b, "auth")
			} else {
				require.NotNil(t, refused)
				require.Empty(t, s.uid)
			}
		}
		u, err := store.Get(t.Context(), "ann")
		require.NoError(t, err)
		require.Equal(t, s.authenticated, u.Status == userstore.Online)
	})
}
