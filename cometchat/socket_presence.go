package cometchat

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/seed-3546c6b2/userstore"
)

// presence knows who is connected: a user with at least one authenticated socket is online, in the store and so in every
// list, and those who subscribed are told when that begins and when it ends.
type presence struct {
	h                            *Handler
	authWait, writeWait, byeWait time.Duration // for an auth frame, for a write, for an answer to a close
	beat                         time.Duration // between two checks that a socket lives and its session stands

	// mu is held over a change of status and the telling of it, so that the store and everybody who is told see the
	// same order. Telling only appends to queues and waits for no client.
	mu      sync.Mutex
	online  map[string]*member // by uid
	sockets map[*socket]struct{}
	closed  bool
	running sync.WaitGroup // one for each socket
}

// member is a user who is online.
type member struct {
	user    userstore.User // as it was when its status last changed
	sockets map[*socket]struct{}
	apart   map[string]bool // whom it has blocked and who has blocked it: neither is told of the other
	friends map[string]bool // read only while somebody subscribes to friends
}

func newPresence(h *Handler) *presence {
	return &presence{
		h: h, authWait: 10 * time.Second, writeWait: 10 * time.Second, byeWait: time.Second, beat: 30 * time.Second,
		online: map[string]*member{}, sockets: map[*socket]struct{}{},
	}
}

// refusal is why a socket is not let in, in the words of its auth frame's answer.
type refusal struct {
	code   int
	status string
}

var (
	refusedForm    = &refusal{http.StatusBadRequest, "BAD_REQUEST"}
	refusedSession = &refusal{http.StatusUnauthorized, "UNAUTHORIZED"}
	refusedStore   = &refusal{http.StatusInternalServerError, "ERROR"}
)

// join lets s in if its auth frame is good. The answer to the frame comes before any news.
func (p *presence) join(s *socket, f clientFrame, req *authRequest) *refusal {
	ctx := context.Background() // presence is the server's affair: it is set even if the client is gone by now
	p.mu.Lock()
	defer p.mu.Unlock()
	session, err := p.h.verifyJWT(ctx, req.Auth)
	if err != nil || p.closed {
		return refusedSession
	}
	uid, app := session.UID(), p.h.opts.AppID
	if app != "" && f.AppID != "" && !strings.EqualFold(f.AppID, app) || f.Sender != "" && !strings.EqualFold(f.Sender, uid) {
		return refusedSession
	}
	m, known := p.online[uid]
	if !known {
		if err := p.h.store.SetStatus(ctx, uid, userstore.Online); errors.Is(err, userstore.ErrNotFound) {
			return refusedSession
		} else if err != nil {
			p.h.log.Error("presence not set", "uid", uid, "err", err)
			return refusedStore
		}
		m = &member{user: userstore.User{UID: uid}, sockets: map[*socket]struct{}{}}
		p.online[uid] = m
	}
	s.uid, s.jwt, s.subscription, s.roles = uid, req.Auth, req.Subscription, req.Roles
	m.sockets[s] = struct{}{}
	if !known {
		p.tell(ctx, m, userstore.Online)
	}
	s.send(authFrame(f.AppID, http.StatusOK, "OK")) // last: who has it may rely on the others having been told
	return nil
}

// leave takes s out; the last socket of a user takes it offline. A second call does nothing.
func (p *presence) leave(s *socket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leaveLocked(s)
}

func (p *presence) leaveLocked(s *socket) {
	delete(p.sockets, s)
	m := p.online[s.uid]
	if m == nil {
		return
	}
	delete(m.sockets, s)
	if len(m.sockets) > 0 {
		return
	}
	delete(p.online, s.uid)
	ctx := context.Background()
	err := p.h.store.SetStatus(ctx, s.uid, userstore.Offline)
	if err != nil && !errors.Is(err, userstore.ErrNotFound) { // deactivated or deleted: offline already
		p.h.log.Error("presence not set", "uid", s.uid, "err", err)
	}
	p.tell(ctx, m, userstore.Offline)
}

// tell queues the news of m's new status for everybody who asked for it and may know.
func (p *presence) tell(ctx context.Context, m *member, status userstore.Status) {
	p.look(ctx, m, status)
	frame, err := presenceFrame(p.h.opts.AppID, m.user)
	if err != nil {
		p.h.log.Error("presence not told", "uid", m.user.UID, "err", err)
		return
	}
	for uid, other := range p.online {
		if uid == m.user.UID || m.apart[uid] {
			continue
		}
		for s := range other.sockets {
			if s.wants(m) {
				s.send(frame)
			}
		}
	}
}

// look brings m up to date. Of a user who has just been deactivated or deleted, what was known stays.
func (p *presence) look(ctx context.Context, m *member, status userstore.Status) {
	uid, store := m.user.UID, p.h.store
	if u, err := store.Get(ctx, uid); err == nil {
		m.user = u
	} else {
		m.user.LastActiveAt = p.h.now()
	}
	m.user.Status = status
	if session, err := store.Login(ctx, uid); err == nil {
		apart, err := uids(func(cursor string) (userstore.Page, error) {
			return session.Blocked(ctx, userstore.BlockQuery{Limit: 1000, Cursor: cursor})
		})
		if err == nil {
			m.apart = apart
		}
	}
	for s := range p.sockets {
		if s.subscription != subscribeFriends {
			continue
		}
		friends, err := uids(func(cursor string) (userstore.Page, error) {
			return store.Friends(ctx, uid, userstore.Query{Limit: 1000, Cursor: cursor})
		})
		if err == nil {
			m.friends = friends
		}
		return
	}
}

// uids collects the users of all pages.
func uids(page func(cursor string) (userstore.Page, error)) (map[string]bool, error) {
	set := map[string]bool{}
	for cursor := ""; ; {
		got, err := page(cursor)
		if err != nil {
			return nil, err
		}
		for _, u := range got.Users {
			set[u.UID] = true
		}
		if cursor = got.Next; cursor == "" {
			return set, nil
		}
	}
}

// recheck ends the sockets of uid whose session has ended.
func (p *presence) recheck(uid string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.online[strings.ToLower(uid)]
	if m == nil {
		return
	}
	for s := range m.sockets {
		if _, err := p.h.verifyJWT(context.Background(), s.jwt); err != nil {
			p.leaveLocked(s)
			s.end(websocket.StatusPolicyViolation, "session ended")
		}
	}
}

// close ends all sockets and waits for them; there are none from then on.
func (p *presence) close() error {
	p.mu.Lock()
	p.closed = true
	for s := range p.sockets {
		s.end(websocket.StatusGoingAway, "server closed")
	}
	p.mu.Unlock()
	p.running.Wait()
	return nil
}
