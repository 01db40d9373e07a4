package userstore

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/seed-3546c6b2/userstore/internal/keys"
	"github.com/seed-3546c6b2/userstore/internal/kv"
)

// format is the version of what is stored. A store of an older format is brought up to it by Open; one of a newer
// format is refused and left as it is. What a crash leaves of format 2 has a log that format 1 did not know.
const format = 2

var (
	formatKey = keys.Of(keys.Meta, "format")
	runKey    = keys.Of(keys.Meta, "run")
)

// checkFormat refuses what this version cannot read.
func (s *Store) checkFormat() error {
	return s.db.Read(func(v kv.View) error {
		value, _, err := v.Get(formatKey)
		if err != nil {
			return err
		}
		found := 0
		if value != nil {
			if found, err = number(value); err != nil {
				return err
			}
		}
		switch {
		case found > format:
			return invalid("format", ruleNewer, format)
		case found > 0:
			return nil
		case s.readOnly:
			return fmt.Errorf("%w: there is no store in the directory", ErrNotFound)
		}
		it := v.Iterate(nil, false)
		defer it.Close()
		if it.Seek(nil); it.Valid() {
			return invalid("dir", ruleStranger)
		}
		return nil
	})
}

// prepare makes a new store, and gets one that was open before ready for this run.
func (s *Store) prepare() error {
	ctx := context.Background()
	err := s.update(ctx, func(c *change) error {
		run, err := c.counter(runKey)
		if err != nil {
			return err
		}
		s.run = uint64(run) + 1
		c.Set(runKey, binary.AppendUvarint(nil, s.run))
		c.Set(formatKey, binary.AppendUvarint(nil, format))
		for _, id := range append([]string{defaultRole}, s.roles...) {
			if value, err := c.Get(keys.Of(keys.Role, id)); err != nil {
				return err
			} else if value != nil {
				continue
			}
			name := id
			if id == defaultRole {
				name = "Default Role"
			}
			if err := c.putRole(&Role{ID: id, Name: name, CreatedAt: s.now()}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := s.finishDeletions(ctx); err != nil {
		return err
	}
	return s.forgetPresence(ctx)
}

// finishDeletions clears away what a crash in the midst of a Delete has left.
func (s *Store) finishDeletions(ctx context.Context) error {
	var uids []string
	err := s.db.Read(func(v kv.View) error {
		it := v.Iterate([]byte{keys.Clearing}, false)
		defer it.Close()
		for it.Seek(nil); it.Valid(); it.Next() {
			uids = append(uids, string(it.Key()[1:]))
		}
		return nil
	})
	for _, uid := range uids {
		if err == nil {
			err = s.purge(ctx, uid)
		}
	}
	return err
}

// forgetPresence removes the online entries of earlier runs. Nobody reads them any more.
func (s *Store) forgetPresence(ctx context.Context) error {
	const some = 1000
	for {
		n := 0
		err := s.update(ctx, func(c *change) error {
			old, err := c.Scan([]byte{keys.Online}, some)
			n = len(old)
			for _, w := range old {
				c.Delete(w.Key)
			}
			return err
		})
		if err != nil || n < some {
			return err
		}
	}
}
