package userstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/seed-3546c6b2/userstore/internal/cache"
	"github.com/seed-3546c6b2/userstore/internal/keys"
	"github.com/seed-3546c6b2/userstore/internal/kv"
)

// Store is a directory of users. Open one and use it from as many goroutines as you like. Its methods are the back
// end's: they are trusted and may change everything. What a logged-in user may do is a Session.
//
// Every change is atomic, checks its rules inside its transaction, and returns what is stored afterwards. Unless
// WithSync(false) was given, it is on disk when the call returns. Changes made at the same time share one commit.
type Store struct {
	options
	db     *kv.DB
	cache  *cache.Cache[packed]  // records by uid
	counts *cache.Cache[[]share] // what the counters of a tag say, by what their keys start with
	run    uint64                // tells who came online since Open from who did before; see record.seen
}

// Open opens the store in dir and creates it, readable by its owner alone, if there is none. ErrLocked: another process,
// or another Store, has it open. ErrCorrupt: what is there is damaged. ErrInvalid: an option has a value it cannot
// have, the encryption key is missing or wrong, or the store is of a newer format.
func Open(dir string, opts ...Option) (*Store, error) {
	if dir == "" {
		return nil, invalid("dir", ruleRequired)
	}
	return open(dir, opts)
}

// OpenInMemory gives a store that is empty and leaves nothing behind. It follows the same rules in the same code.
func OpenInMemory(opts ...Option) (*Store, error) { return open("", opts) }

func open(dir string, opts []Option) (*Store, error) {
	s, engine, err := newStore(dir, opts)
	if err != nil {
		return nil, err
	}
	if err := s.start(engine, dir); err != nil {
		return nil, err
	}
	return s, nil
}

// newStore checks the options and opens the engine; start makes a working store of both.
func newStore(dir string, opts []Option) (*Store, kv.Engine, error) {
	s := &Store{options: defaults()}
	for _, opt := range opts {
		if opt != nil {
			opt(&s.options)
		}
	}
	if err := s.options.check(); err != nil {
		return nil, nil, err
	}
	engine, err := kv.OpenBadger(kv.Config{
		Dir: dir, Sync: s.sync, ReadOnly: s.readOnly, Key: s.key, Small: s.profile == ProfileEdge, Log: s.log, Format: format,
	})
	if err != nil {
		return nil, nil, openError(err)
	}
	return s, engine, nil
}

func openError(err error) error {
	switch {
	case errors.Is(err, kv.ErrKey):
		return invalid("encryptionKey", ruleOpenKey)
	case errors.Is(err, kv.ErrNewer):
		return invalid("format", ruleNewer, format)
	case errors.Is(err, kv.ErrStranger):
		return invalid("dir", ruleStranger)
	}
	return err
}

// start takes over an engine and brings what is in it up to this run.
func (s *Store) start(engine kv.Engine, dir string) error {
	size := s.cacheSize(dir)
	s.cache, s.counts = cache.New[packed](size), cache.New[[]share](size/64)
	s.db = kv.New(engine, string([]byte{keys.Counter, keys.Role}), s.watch)
	err := s.checkFormat()
	if err == nil && !s.readOnly {
		err = s.prepare()
	}
	if err != nil {
		return errors.Join(err, s.db.Close())
	}
	return nil
}

// watch keeps the caches true to a commit; see kv.New.
func (s *Store) watch(writes []kv.Write, version uint64, failed bool) {
	if s.cache == nil {
		return
	}
	for i := range writes {
		switch w := &writes[i]; w.Key[0] {
		case keys.User:
			if d, ok := w.Known.(*draft); ok && d.old != nil && !failed {
				p := pack(d.now)
				s.cache.Replace(p.uid(), p, len(p), version)
			} else {
				s.cache.Forget(kv.Text(w.Key[1:]), version)
			}
		case keys.Counter:
			s.counts.Forget(kv.Text(keys.CountersBeside(w.Key)), version)
		}
	}
}

// Close ends the store; calls under way are let finish, later ones return ErrClosed. A second Close does nothing.
func (s *Store) Close() error { return s.db.Close() }

func (s *Store) now() time.Time { return s.clock().Round(0).UTC() }

// update runs a change; see kv.DB.Update.
func (s *Store) update(ctx context.Context, fn func(*change) error) error {
	wait, err := s.begin(ctx, fn)
	if err != nil {
		return err
	}
	return wait()
}

// begin is the first half of update; see kv.DB.Start.
func (s *Store) begin(ctx context.Context, fn func(*change) error) (wait func() error, err error) {
	if s.readOnly {
		return nil, ErrReadOnly
	}
	return s.db.Start(ctx, func(tx *kv.Tx) error { return fn(&change{Tx: tx, store: s}) })
}

// Create stores a new user and returns it as stored. The read-only fields of u are ignored. ErrExists: the uid is
// taken, if only by a deactivated user. A *FieldError says which value breaks which rule (facts 3.1).
func (s *Store) Create(ctx context.Context, u User) (User, error) {
	fresh, err := newRecord(u)
	if err == nil {
		err = s.create(ctx, fresh)
	}
	if err != nil {
		return User{}, err
	}
	return fresh.clone(), nil
}

// create stores a new user, and completes its record.
func (s *Store) create(ctx context.Context, fresh *record) error {
	d, err := firstDraft(fresh, s.now())
	if err != nil {
		return err
	}
	seen := s.absent(d.key)
	return s.update(ctx, func(c *change) error { return c.create(d, seen) })
}

// newRecord makes a record of the editable fields of u, in their stored form.
func newRecord(u User) (*record, error) {
	r := &record{User: User{UID: u.UID}, born: rand.Uint64()}
	r.setEditable(&u)
	if err := normalize(&r.User); err != nil {
		return nil, err
	}
	return r, nil
}

// setEditable takes over a copy of the fields that a back end may edit, and leaves the others.
func (u *User) setEditable(from *User) {
	c := from.clone()
	u.Name, u.Avatar, u.Link, u.Role, u.StatusMessage, u.Metadata, u.Tags = c.Name, c.Avatar, c.Link, c.Role, c.StatusMessage, c.Metadata, c.Tags
}

// Get returns an active user. ErrNotFound: there is none of that uid, or it is deactivated (facts 3.3).
func (s *Store) Get(ctx context.Context, uid string) (User, error) {
	var u User
	err := s.read(ctx, func(v kv.View) error {
		p, err := s.active(v, uid)
		if err == nil {
			p.user(&u, new(room))
		}
		return err
	})
	return u, err
}

// read runs fn on the newest state.
func (s *Store) read(ctx context.Context, fn func(kv.View) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.db.Read(fn)
}

// active reads a user that is not deactivated.
func (s *Store) active(v kv.View, uid string) (packed, error) {
	p, err := s.find(v, foldUID(uid))
	if err == nil && (p == nil || !p.active()) {
		err = notFound(uid)
	}
	return p, err
}

// isActive is nil for a user that is there and not deactivated; otherwise it says that there is none of that uid.
func isActive(r *record, uid string) error {
	if r == nil || !r.DeactivatedAt.IsZero() {
		return notFound(uid)
	}
	return nil
}

// find reads any user, from memory if it is there; nil if there is none.
func (s *Store) find(v kv.View, uid string) (packed, error) {
	if p, ok := s.cache.Get(uid, v.Version()); ok {
		return p, nil
	}
	if !validID(uid) {
		return nil, nil
	}
	value, version, err := v.Get(keys.Of(keys.User, uid))
	if value == nil || err != nil || bytes.Equal(value, clearing) {
		return nil, err
	}
	var r record
	if err := r.decode(uid, value, s.run); err != nil {
		return nil, err
	}
	p := pack(&r)
	s.cache.Put(p.uid(), p, len(p), version, v.Version())
	return p, nil
}

// record is find for who needs more of the user than is shown of it.
func (s *Store) record(v kv.View, uid string) (*record, error) {
	p, err := s.find(v, uid)
	if p == nil {
		return nil, err
	}
	return p.record(), nil
}

// notFound says who is missing, if what was asked for may be said at all: only a uid.
func notFound(uid string) error {
	if uid = foldUID(uid); !validID(uid) {
		return ErrNotFound
	}
	return fmt.Errorf("%w: user %s", ErrNotFound, uid)
}

// Update changes an active user: it reads the user, calls edit on a copy, checks the result against the rules, and
// writes it, all in one step, and returns what is stored. Nothing is written if edit returns an error, which Update
// returns, or if it changes nothing. ErrNotFound: no such active user. A *FieldError matching ErrNotEditable: edit
// changed a field that is not to be changed. One matching ErrInvalid: a value breaks a rule (facts 3.4).
//
// edit may run more than once, and beside the edits of other calls. Where somebody else has just changed the user, it runs
// again while other writers wait: keep it short, and do not write to the store in it.
func (s *Store) Update(ctx context.Context, uid string, edit func(*User) error) (User, error) {
	return s.edit(ctx, foldUID(uid), backEnd, edit, activeOnly(uid))
}

// Upsert creates the user, or replaces all editable fields of the one that has its uid; fields that u leaves empty are
// emptied. The read-only fields of u are ignored, so what Get gave can be given back. ErrExists: the uid is a
// deactivated user's.
func (s *Store) Upsert(ctx context.Context, u User) (User, error) {
	fresh, err := newRecord(u)
	if err != nil {
		return User{}, err
	}
	var nobody bool
	replaceable := func(old *record, _ getter) error {
		nobody = old == nil
		switch {
		case nobody:
			return ErrNotFound
		case !old.DeactivatedAt.IsZero():
			return exists(old.UID)
		}
		return nil
	}
	replace := func(edited *User) error {
		edited.setEditable(&fresh.User)
		return nil
	}
	for {
		if u, err := s.edit(ctx, fresh.UID, backEnd, replace, replaceable); !nobody {
			return u, err
		}
		err := s.create(ctx, fresh)
		if err == nil {
			return fresh.clone(), nil
		}
		if !errors.Is(err, ErrExists) { // if it is, somebody was faster
			return User{}, err
		}
	}
}

func exists(uid string) error { return fmt.Errorf("%w: user %s", ErrExists, uid) }

// Deactivate hides users: look-ups answer as if they did not exist, and their tokens do not work, until Reactivate.
// Everything about them is kept, their uids stay taken, and they are offline. Each uid is a change of its own (facts
// 3.6, 3.8).
func (s *Store) Deactivate(ctx context.Context, uids ...string) (Outcome, error) {
	return s.activate(ctx, uids, false)
}

// Reactivate brings deactivated users back with all they had; their tokens work again. Each uid is a change of its own
// (facts 3.7).
func (s *Store) Reactivate(ctx context.Context, uids ...string) (Outcome, error) {
	return s.activate(ctx, uids, true)
}

func (s *Store) activate(ctx context.Context, uids []string, active bool) (Outcome, error) {
	return s.each(ctx, uids, func(c *change, uid string) (verdict, error) {
		old, err := c.user(uid)
		switch {
		case err != nil:
			return 0, err
		case old == nil:
			return missing, nil
		case old.DeactivatedAt.IsZero() == active:
			return already, nil
		}
		r := *old
		if r.DeactivatedAt, r.UpdatedAt, r.Version = (time.Time{}), s.now(), old.Version+1; !active {
			r.setOnline(0)
			r.DeactivatedAt = r.UpdatedAt
		}
		return done, c.put(old, &r)
	})
}

// Delete removes a user, active or deactivated, for good, with everything that names it: friendships, blocks both ways,
// and tokens. The uid is free again. ErrNotFound: no such user (facts 3.5).
func (s *Store) Delete(ctx context.Context, uid string) error {
	uid = foldUID(uid)
	var before sight
	_ = s.db.Read(func(v kv.View) (err error) { // what goes wrong is for the change to find
		before, err = s.seen(v, uid)
		return err
	})
	rest := false
	err := s.update(ctx, func(c *change) (err error) {
		old := before.user
		if !c.holds(before) {
			old, err = c.user(uid)
		}
		if err == nil && old == nil {
			err = notFound(uid)
		}
		if err == nil {
			rest, err = c.remove(old)
		}
		return err
	})
	if err != nil || !rest {
		return err
	}
	return s.purge(context.WithoutCancel(ctx), uid)
}

// purge clears away the relations of a deleted user that had too many for one change.
func (s *Store) purge(ctx context.Context, uid string) error {
	for rest := true; rest; {
		err := s.update(ctx, func(c *change) (err error) {
			rest, err = c.purge(uid)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// SetStatus says that an active user is Online or Offline from now on, and sets its LastActiveAt. It is no edit: Version
// and UpdatedAt stay. After Open everybody is offline. ErrNotFound: no such active user (facts 8).
func (s *Store) SetStatus(ctx context.Context, uid string, st Status) error {
	if st != Online && st != Offline {
		return invalid(FieldStatus, ruleUnknown)
	}
	_, err := s.revise(ctx, foldUID(uid), activeOnly(uid), func(old *record) (*draft, error) {
		r := *old
		r.LastActiveAt = s.now()
		if r.setOnline(0); st == Online {
			r.setOnline(s.run)
		}
		return newDraft(old, &r)
	})
	return err
}
