package userstore

import (
	"context"

	"github.com/seed-3546c6b2/userstore/internal/keys"
	"github.com/seed-3546c6b2/userstore/internal/kv"
)

// Most of a change can be worked out ahead of its turn, beside other changes, from what is seen of the user then. In its
// turn the change makes sure that it still is so, and otherwise works it out anew.

// sight is what was seen of a user ahead of the turn.
type sight struct {
	key     []byte
	user    *record // nil: nobody
	version uint64
	ok      bool // it was seen
}

// holds tells whether what was seen surely is still so.
func (c *change) holds(s sight) bool { return s.ok && c.Unchanged(s.key, s.version, s.user != nil) }

// absent looks, ahead of the turn, whether nobody has the uid of a key. What goes wrong is for the change to find.
func (s *Store) absent(key []byte) sight {
	at := sight{key: key}
	_ = s.db.Read(func(v kv.View) error {
		value, _, err := v.Get(key)
		at.version, at.ok = v.Version(), value == nil && err == nil
		return err
	})
	return at
}

// seen reads a user and keeps in mind in which version.
func (s *Store) seen(v kv.View, uid string) (sight, error) {
	r, err := s.record(v, uid)
	return sight{keys.Of(keys.User, uid), r, v.Version(), r != nil && err == nil}, err
}

// activeOnly is the check that a user is there and active.
func activeOnly(uid string) func(*record, getter) error {
	return func(u *record, _ getter) error { return isActive(u, uid) }
}

// getter reads a key of a view, or of what a change sees.
type getter func(key []byte) ([]byte, error)

func getterOf(v kv.View) getter {
	return func(key []byte) ([]byte, error) {
		value, _, err := v.Get(key)
		return value, err
	}
}

// edit is revise by an edit.
func (s *Store) edit(ctx context.Context, uid string, by editor, edit func(*User) error, check func(*record, getter) error) (User, error) {
	if edit == nil {
		return User{}, invalid("edit", ruleRequired)
	}
	r, err := s.revise(ctx, uid, check, func(old *record) (*draft, error) { return s.edited(old, by, edit) })
	if err != nil {
		return User{}, err
	}
	return r.clone(), nil
}

// revise changes a user and gives what is stored then. What comes of it is worked out ahead of the turn, and again in it
// if the user was changed meanwhile; no draft means no change. check refuses, each time, a user that may not be changed;
// nil if there is none.
func (s *Store) revise(ctx context.Context, uid string, check func(*record, getter) error, work func(*record) (*draft, error)) (*record, error) {
	if s.readOnly {
		return nil, ErrReadOnly
	}
	var before sight
	err := s.read(ctx, func(v kv.View) (err error) {
		if before, err = s.seen(v, uid); err == nil {
			err = check(before.user, getterOf(v))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	d, err := work(before.user)
	if err != nil || d == nil {
		return before.user, err
	}
	var stored *record
	err = s.update(ctx, func(c *change) (err error) {
		old, d := before.user, d
		same := c.holds(before)
		if !same {
			if old, err = c.user(uid); err != nil {
				return err
			}
		}
		if err = check(old, c.Get); err == nil && !same {
			d, err = work(old)
		}
		if err != nil {
			return err
		}
		if stored = old; d == nil {
			return nil
		}
		stored = d.now
		return c.save(d)
	})
	return stored, err
}
