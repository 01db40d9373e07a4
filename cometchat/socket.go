package cometchat

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

const (
	maxFrame = 16 << 10 // bytes of a client's frame; the SDK's auth frame has about one thousand
	maxQueue = 4096     // frames waiting for one client; one that is further behind is dropped
)

func init() {
	rawRoutes = append(rawRoutes, rawRoute{
		// The SDK opens wss://host:port with no path.
		match: func(r *http.Request) bool {
			return (r.URL.Path == "/" || r.URL.Path == "") && strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
		},
		serve: func(h *Handler, w http.ResponseWriter, r *http.Request) { h.presence.serve(w, r) },
	})
	starters = append(starters, func(h *Handler) {
		h.presence = newPresence(h)
		h.ended = append(h.ended, func(uid, _ string) { h.presence.recheck(uid) })
		h.closers = append(h.closers, h.presence.close)
	})
}

// socket is one connection of a client.
type socket struct {
	p      *presence
	conn   *websocket.Conn
	ctx    context.Context
	cancel context.CancelFunc // cuts the connection

	authenticated bool // the reader's own

	// Set once, under the presence's lock, when the socket is let in.
	uid, jwt, subscription string
	roles                  []string

	ending  sync.Once
	writing sync.Mutex // held from taking frames off the queue until they are written
	mu      sync.Mutex // guards queue
	queue   [][]byte
	wake    chan struct{} // holds one token if the queue is not empty
}

// serve runs a connection until either side ends it.
func (p *presence) serve(w http.ResponseWriter, r *http.Request) {
	// A page of any origin may connect, as it may call the API: no cookie is involved, the jwt in the first frame is
	// what counts.
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return // Accept has answered
	}
	defer conn.CloseNow()
	conn.SetReadLimit(maxFrame)
	ctx, cancel := context.WithCancel(context.Background()) // the request's context does not outlive the upgrade reliably
	defer cancel()
	s := &socket{p: p, conn: conn, ctx: ctx, cancel: cancel, wake: make(chan struct{}, 1)}
	if !p.admit(s) {
		conn.Close(websocket.StatusGoingAway, "server closed")
		return
	}
	defer p.running.Done()
	defer p.leave(s)
	go s.write()
	s.read()
}

// admit counts a socket that is yet to authenticate; false once the handler is closed.
func (p *presence) admit(s *socket) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.sockets[s] = struct{}{}
	p.running.Add(1)
	return true
}

func (s *socket) read() {
	late := time.AfterFunc(s.p.authWait, func() { s.end(websocket.StatusPolicyViolation, "no auth frame in time") })
	defer late.Stop()
	for {
		kind, frame, err := s.conn.Read(s.ctx)
		if err != nil {
			return
		}
		if kind != websocket.MessageText {
			s.end(websocket.StatusUnsupportedData, "text frames only")
			continue // Read fails once the close is through
		}
		was := s.authenticated
		if refused := s.receive(frame); refused != nil {
			s.end(websocket.StatusPolicyViolation, refused.status)
		} else if s.authenticated && !was {
			late.Stop()
			go s.live()
		}
	}
}

// receive takes a client's frame in.
func (s *socket) receive(b []byte) *refusal {
	f, req, err := parseFrame(b)
	switch {
	case err != nil, !s.authenticated && req == nil:
		return refusedForm
	case !s.authenticated:
		if refused := s.p.join(s, f, req); refused != nil {
			s.send(authFrame(f.AppID, refused.code, refused.status))
			return refused
		}
		s.authenticated = true
	case f.Action == "ping":
		s.send(pongFrame)
	}
	return nil
}

// wants tells whether the client asked for news of m.
func (s *socket) wants(m *member) bool {
	switch s.subscription {
	case subscribeAll:
		return true
	case subscribeRoles:
		return slices.ContainsFunc(s.roles, func(role string) bool { return strings.EqualFold(role, m.user.Role) })
	case subscribeFriends:
		return m.friends[s.uid]
	}
	return false
}

// send queues a frame and returns at once. A client that does not read what it is sent is cut off.
func (s *socket) send(frame []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) >= maxQueue {
		s.cancel()
		return
	}
	s.queue = append(s.queue, frame)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// write sends what is queued until the connection ends.
func (s *socket) write() {
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-s.wake:
		}
		if !s.flush() {
			s.cancel()
			return
		}
	}
}

// flush writes what is queued by now; false if it cannot.
func (s *socket) flush() bool {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	frames := s.queue
	s.queue = nil
	s.mu.Unlock()
	for _, frame := range frames {
		ctx, cancel := context.WithTimeout(s.ctx, s.p.writeWait)
		err := s.conn.Write(ctx, websocket.MessageText, frame)
		cancel()
		if err != nil {
			return false
		}
	}
	return true
}

// live notices a peer that is gone without a word, and a session that ended behind the handler's back, in the store.
func (s *socket) live() {
	beat := time.NewTicker(s.p.beat)
	defer beat.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-beat.C:
		}
		ctx, cancel := context.WithTimeout(s.ctx, s.p.writeWait)
		err := s.conn.Ping(ctx)
		cancel()
		if err != nil {
			s.cancel()
			return
		}
		s.p.recheck(s.uid)
	}
}

// end closes the connection politely and does not wait: what is queued goes out first, then the peer has a moment to
// answer the close.
func (s *socket) end(code websocket.StatusCode, reason string) {
	s.ending.Do(func() {
		go func() {
			cut := time.AfterFunc(s.p.byeWait, s.cancel)
			defer cut.Stop()
			s.flush()
			s.conn.Close(code, reason)
			s.cancel()
		}()
	})
}
