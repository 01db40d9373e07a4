package userstore

import (
	"context"
	"iter"
	"sync/atomic"
	"time"

	"github.com/seed-3546c6b2/userstore/internal/keys"
	"github.com/seed-3546c6b2/userstore/internal/kv"
)

// Session is what a logged-in user may see and do: change itself, but never its uid or role; read the others, each with
// the flags that say who has blocked whom; block them. There is no Delete here: that is the back end's.
//
// Every call checks that the user still is active, or returns ErrNotFound, and, where the session came from a token,
// that the token still stands, or returns ErrLoggedOut. A user that is deleted and created anew is another one: the old
// session does not become its. A Session may be used from many goroutines.
type Session struct {
	store *Store
	uid   string
	born  uint64 // of the record that logged in
	token []byte // key of the token, or nil
	out   atomic.Bool
}

// Login starts a session of an active user for a caller who has made sure that it is that user. Presence is not touched;
// see SetStatus. ErrNotFound: no such active user.
func (s *Store) Login(ctx context.Context, uid string) (*Session, error) {
	var in *Session
	err := s.read(ctx, func(v kv.View) error {
		p, err := s.active(v, uid)
		if err == nil {
			in = &Session{store: s, uid: p.uid(), born: p.born()}
		}
		return err
	})
	return in, err
}

// LoginWithToken starts a session of the user whom the token was issued to. The session ends with the token.
// ErrNotFound: the token is unknown or revoked, or its user is deactivated.
func (s *Store) LoginWithToken(ctx context.Context, token string) (*Session, error) {
	var in *Session
	err := s.read(ctx, func(v kv.View) error {
		uid, number, ok, err := findToken(v, token)
		if err != nil {
			return err
		}
		if !ok {
			return ErrNotFound // the token may be half right, so it is not named, nor is the user
		}
		p, err := s.active(v, uid)
		if err == nil {
			in = &Session{store: s, uid: uid, born: p.born(), token: keys.TokenOf(uid, number)}
		}
		return err
	})
	return in, err
}

// UID is the uid of the session's user.
func (in *Session) UID() string { return in.uid }

// check gives the error of a session that may not go on. get reads a key, user is what get found of the user.
func (in *Session) check(user *record, get getter) error {
	if in.out.Load() {
		return ErrLoggedOut
	}
	if user == nil || !user.DeactivatedAt.IsZero() || user.born != in.born {
		return notFound(in.uid)
	}
	if in.token == nil {
		return nil
	}
	value, err := get(in.token)
	if err == nil && value == nil {
		err = ErrLoggedOut
	}
	return err
}

// self reads the session's user, or says why the session may not go on.
func (in *Session) self(v kv.View) (*record, error) {
	u, err := in.store.record(v, in.uid)
	if err == nil {
		err = in.check(u, getterOf(v))
	}
	return u, err
}

// selfIn is self in a change.
func (in *Session) selfIn(c *change) (*record, error) {
	u, err := c.user(in.uid)
	if err == nil {
		err = in.check(u, c.Get)
	}
	return u, err
}

// read runs fn on the newest state, for a session that may go on.
func (in *Session) read(ctx context.Context, fn func(v kv.View, self *record) error) error {
	return in.store.read(ctx, func(v kv.View) error {
		u, err := in.self(v)
		if err != nil {
			return err
		}
		return fn(v, u)
	})
}

// User returns the session's own user.
func (in *Session) User(ctx context.Context) (User, error) {
	var u User
	err := in.read(ctx, func(_ kv.View, self *record) error {
		u = self.clone()
		return nil
	})
	return u, err
}

// Update changes the session's own user as Store.Update does, with two differences: a changed UID is ignored, and a
// changed role is a *FieldError matching ErrNotEditable (facts 13.1, updateCurrentUserDetails).
func (in *Session) Update(ctx context.Context, edit func(*User) error) (User, error) {
	return in.store.edit(ctx, in.uid, currentUser, edit, in.check)
}

// Get returns an active user as this one sees it. ErrNotFound: there is none of that uid.
func (in *Session) Get(ctx context.Context, uid string) (User, error) {
	var users [1]User
	err := in.read(ctx, func(v kv.View, _ *record) error {
		p, err := in.store.active(v, uid)
		if err != nil {
			return err
		}
		p.user(&users[0], new(room))
		return in.see(v, users[:])
	})
	if err != nil {
		return User{}, err
	}
	return users[0], nil
}

// see sets the flags that say who has blocked whom. Users are looked up among a user's blocks if those are few, and one
// by one if they are many.
func (in *Session) see(v kv.View, users []User) error {
	for _, kind := range []byte{keys.Block, keys.BlockRev} {
		flag := func(u *User) *bool {
			if kind == keys.Block {
				return &u.BlockedByMe
			}
			return &u.HasBlockedMe
		}
		few := 8 * len(users)
		others, err := related(v, kind, in.uid, few)
		if err != nil {
			return err
		}
		blocked := make(map[string]bool, len(others))
		for _, uid := range others {
			blocked[uid] = true
		}
		for i := range users {
			*flag(&users[i]) = blocked[users[i].UID]
			if len(others) < few {
				continue
			}
			at, err := relatedAt(v, kind, in.uid, users[i].UID)
			if err != nil {
				return err
			}
			*flag(&users[i]) = !at.IsZero()
		}
	}
	return nil
}

// walk makes a query ready as this user asks it: without itself, and with what only a session can ask for.
func (in *Session) walk(v kv.View, w *walk) error {
	if w.Deactivated != DeactivatedExclude {
		return invalid("deactivated", ruleNoViewer)
	}
	w.hide(in.uid)
	if w.FriendsOnly {
		friends, err := related(v, keys.Friend, in.uid, 0)
		if err != nil {
			return err
		}
		w.restrict(friends)
	}
	if w.HideBlocked {
		blocked, err := related(v, keys.Block, in.uid, 0)
		if err != nil {
			return err
		}
		w.hide(blocked...)
	}
	return nil
}

func (in *Session) asker() string { return "session " + in.uid }

// List is Store.List as this user sees it: without itself and without deactivated users.
func (in *Session) List(ctx context.Context, q Query) (Page, error) {
	w, err := newWalk(q, in.asker())
	if err != nil {
		return Page{}, err
	}
	var page Page
	err = in.read(ctx, func(v kv.View, _ *record) error {
		if err := in.walk(v, w); err != nil {
			return err
		}
		if page, err = in.store.page(ctx, v, w); err != nil {
			return err
		}
		return in.see(v, page.Users)
	})
	if err != nil {
		return Page{}, err
	}
	return page, nil
}

// All is Store.All as this user sees it.
func (in *Session) All(ctx context.Context, q Query) iter.Seq2[User, error] {
	q.Limit, q.Cursor = 0, ""
	return func(yield func(User, error) bool) {
		begin := func(v kv.View) (*walk, error) {
			w, err := newWalk(q, in.asker())
			if err == nil {
				_, err = in.self(v)
			}
			if err == nil {
				err = in.walk(v, w)
			}
			return w, err
		}
		in.store.walk(ctx, begin, in.see, yield)
	}
}

// Count says how many users All would yield.
func (in *Session) Count(ctx context.Context, q Query) (int, error) {
	q.Limit, q.Cursor = 0, ""
	w, err := newWalk(q, in.asker())
	if err != nil {
		return 0, err
	}
	n := 0
	err = in.read(ctx, func(v kv.View, _ *record) error {
		if err := in.walk(v, w); err != nil {
			return err
		}
		n, err = in.store.count(ctx, v, w)
		return err
	})
	return n, err
}

// Skip is Store.Skip as this user sees it.
func (in *Session) Skip(ctx context.Context, q Query, n int) (cursor string, err error) {
	w, err := newWalk(q, in.asker())
	if err != nil {
		return "", err
	}
	err = in.read(ctx, func(v kv.View, _ *record) error {
		if err := in.walk(v, w); err != nil {
			return err
		}
		cursor, err = in.store.skip(ctx, v, w, n)
		return err
	})
	return cursor, err
}

// Block makes this user block others: each is a change of its own. It is one way; the other's own block stands apart.
// Friendship stays. The user itself is refused (facts 7).
func (in *Session) Block(ctx context.Context, uids ...string) (Outcome, error) {
	return in.block(ctx, uids, true)
}

// Unblock ends blocks; see Block. Who was not blocked is Already.
func (in *Session) Unblock(ctx context.Context, uids ...string) (Outcome, error) {
	return in.block(ctx, uids, false)
}

func (in *Session) block(ctx context.Context, uids []string, put bool) (Outcome, error) {
	if err := in.read(ctx, func(kv.View, *record) error { return nil }); err != nil { // says so even of an empty list
		return Outcome{}, err
	}
	return in.store.each(ctx, uids, func(c *change, uid string) (verdict, error) {
		if _, err := in.selfIn(c); err != nil {
			return 0, err
		}
		return c.relate(keys.Block, in.uid, uid, put)
	})
}

// BlockDirection says whose blocks are meant.
type BlockDirection uint8

const (
	BlockBoth    BlockDirection = iota // either way
	BlockedByMe                        // whom the session's user has blocked
	HasBlockedMe                       // who has blocked the session's user
)

// BlockQuery says which blocks Blocked lists.
type BlockQuery struct {
	Direction BlockDirection
	Search    string // start of the name or of the uid, letter case ignored
	Limit     int    // users in a page, 1 to 1000; 0 = 100
	Cursor    string // Next of the page before; empty for the first page
}

// Blocked lists the active users that this one has blocked or is blocked by, by name; a mutual block is one row with
// both flags.
func (in *Session) Blocked(ctx context.Context, q BlockQuery) (Page, error) {
	if q.Direction > HasBlockedMe {
		return Page{}, invalid("direction", ruleUnknown)
	}
	w, err := newWalk(Query{Search: q.Search, Limit: q.Limit, Cursor: q.Cursor}, "blocked "+string('0'+rune(q.Direction))+" "+in.uid)
	if err != nil {
		return Page{}, err
	}
	var page Page
	err = in.read(ctx, func(v kv.View, _ *record) error {
		var uids []string
		for direction, kind := range map[BlockDirection]byte{BlockedByMe: keys.Block, HasBlockedMe: keys.BlockRev} {
			if q.Direction != BlockBoth && q.Direction != direction {
				continue
			}
			some, err := related(v, kind, in.uid, 0)
			if err != nil {
				return err
			}
			uids = append(uids, some...)
		}
		w.restrict(distinct(uids))
		if page, err = in.store.page(ctx, v, w); err != nil {
			return err
		}
		return in.see(v, page.Users)
	})
	if err != nil {
		return Page{}, err
	}
	return page, nil
}

// BlockedAt says when this user blocked another; zero if it has not.
func (in *Session) BlockedAt(ctx context.Context, uid string) (time.Time, error) {
	var at time.Time
	err := in.read(ctx, func(v kv.View, _ *record) (err error) {
		if uid = foldUID(uid); validID(uid) {
			at, err = relatedAt(v, keys.Block, in.uid, uid)
		}
		return err
	})
	return at, err
}

// Logout ends the session, and with it the token that it came from; the user's other tokens stand. Presence is not
// touched.
func (in *Session) Logout(ctx context.Context) error {
	err := in.read(ctx, func(kv.View, *record) error { return nil })
	if err == nil && in.token != nil {
		err = in.store.update(ctx, func(c *change) error {
			if _, err := in.selfIn(c); err != nil {
				return err
			}
			return c.revoke(in.uid, in.token)
		})
	}
	if err == nil {
		in.out.Store(true)
	}
	return err
}
