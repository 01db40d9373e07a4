package cometchat

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

// wired is a handler on a real listener, for real sockets.
type wired struct {
	t     *testing.T
	h     *Handler
	store *userstore.Store
	srv   *httptest.Server
}

// wire starts a handler over a store of ann, bob, cem (a manager) and dee; tune sees its presence before anybody
// connects.
func wire(t *testing.T, tune ...func(*presence)) *wired {
	t.Helper()
	store, err := userstore.OpenInMemory(userstore.WithRoles("manager"))
	require.NoError(t, err)
	for _, uid := range []string{"ann", "bob", "cem", "dee"} {
		u := userstore.User{UID: uid, Name: "The " + uid}
		if uid == "cem" {
			u.Role = "manager"
		}
		_, err := store.Create(t.Context(), u)
		require.NoError(t, err)
	}
	h, err := New(store, Options{AppID: "app", AuthKey: "auth-secret", APIKey: "rest-secret"})
	require.NoError(t, err)
	for _, f := range tune {
		f(h.presence)
	}
	w := &wired{t: t, h: h, store: store, srv: httptest.NewServer(h)}
	t.Cleanup(func() {
		require.NoError(t, h.Close())
		w.srv.Close()
		require.NoError(t, store.Close())
	})
	return w
}

// in is w for a subtest.
func (w *wired) in(t *testing.T) *wired {
	sub := *w
	sub.t = t
	return &sub
}

// jwt logs uid in; the token is the one the jwt was made for.
func (w *wired) jwt(uid string) (jwt, token string) {
	w.t.Helper()
	tok, err := w.store.IssueToken(w.t.Context(), uid)
	require.NoError(w.t, err)
	return w.h.mintJWT(tok.UID, tok.Token), tok.Token
}

// status is uid's presence in the store.
func (w *wired) status(uid string) userstore.Status {
	w.t.Helper()
	u, err := w.store.Get(w.t.Context(), uid)
	require.NoError(w.t, err)
	return u.Status
}

// eventually waits for what follows the end of a connection.
func (w *wired) eventually(condition func() bool) {
	w.t.Helper()
	require.Eventually(w.t, condition, 10*time.Second, time.Millisecond)
}

// peer is a client's end of a socket.
type peer struct {
	w     *wired
	conn  *websocket.Conn
	token string
}

// dial opens a socket and says nothing.
func (w *wired) dial() *peer {
	w.t.Helper()
	conn, _, err := websocket.Dial(w.t.Context(), w.srv.URL, nil)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { conn.CloseNow() })
	return &peer{w: w, conn: conn}
}

// connect opens a socket and authenticates it as the SDK does.
func (w *wired) connect(uid, subscription string, roles ...string) *peer {
	w.t.Helper()
	p := w.dial()
	jwt, token := w.jwt(uid)
	p.token = token
	p.say(authOf("app", uid, jwt, subscription, roles...))
	require.Equal(w.t, news{Type: "auth", AppID: "app", Body: newsBody{Code: "200", Status: "OK"}}, p.next())
	return p
}

// authOf is an auth frame in the SDK's shape.
func authOf(app, sender, jwt, subscription string, roles ...string) string {
	body := map[string]any{"auth": jwt, "deviceId": "WEB-4_2_0-x", "params": map[string]any{"platform": "javascript"}}
	if subscription != "" {
		body["presenceSubscription"] = subscription
	}
	if roles != nil {
		body["roles"] = roles
	}
	b, err := json.Marshal(map[string]any{
		"appId": app, "receiver": "", "receiverType": "", "deviceId": "WEB-4_2_0-x", "type": "auth", "sender": sender, "body": body,
	})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// news is a frame from the server.
type news struct {
	Type, Action, AppID, DeviceID, Sender string
	Body                                  newsBody
}

type newsBody struct {
	Code, Status, Action string
	Timestamp            int64
	User                 *struct {
		UID, Name, Role, Status string
		LastActiveAt            int64
	}
}

func (p *peer) say(frame string) {
	p.w.t.Helper()
	require.NoError(p.w.t, p.conn.Write(p.w.t.Context(), websocket.MessageText, []byte(frame)))
}

func (p *peer) read() (news, error) {
	ctx, cancel := context.WithTimeout(p.w.t.Context(), 10*time.Second)
	defer cancel()
	_, b, err := p.conn.Read(ctx)
	if err != nil {
		return news{}, err
	}
	var n news
	return n, json.Unmarshal(b, &n)
}

func (p *peer) next() news {
	p.w.t.Helper()
	n, err := p.read()
	require.NoError(p.w.t, err)
	return n
}

// hears requires that exactly this has been told to the client by now, each as "online ann". The server queues news
// before the call that makes them returns, so the pong comes after all of them.
func (p *peer) hears(want ...string) {
	p.w.t.Helper()
	p.say(`{"action":"ping","ack":"true"}`)
	var got []string
	for n := p.next(); n.Action != "pong"; n = p.next() {
		require.Equal(p.w.t, "presence", n.Type)
		require.Equal(p.w.t, n.Sender, n.Body.User.UID)
		got = append(got, n.Body.Action+" "+n.Body.User.UID)
	}
	slices.Sort(got)
	slices.Sort(want)
	require.Equal(p.w.t, want, got)
}

// closed requires that the server ends the connection with code, after any frames.
func (p *peer) closed(code websocket.StatusCode) {
	p.w.t.Helper()
	for {
		if _, err := p.read(); err != nil {
			require.Equal(p.w.t, code, websocket.CloseStatus(err), "%v", err)
			return
		}
	}
}

// leave closes the connection and waits until the server has noticed.
func (p *peer) leave() {
	p.w.t.Helper()
	before := p.w.open()
	p.conn.Close(websocket.StatusNormalClosure, "User logged out")
	p.w.eventually(func() bool { return p.w.open() < before })
}

// open counts the sockets that the server has.
func (w *wired) open() int {
	w.h.presence.mu.Lock()
	defer w.h.presence.mu.Unlock()
	return len(w.h.presence.sockets)
}
