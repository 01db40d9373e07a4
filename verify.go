package userstore

import (
	"bytes"
	"context"
	"errors"

	"github.com/seed-3546c6b2/userstore/internal/kv"
)

// VerifyReport says what Verify or Repair found.
type VerifyReport struct {
	Users    int       // records, deactivated users included
	Entries  int       // index entries
	Problems []Problem // the first 10,000
}

// OK tells that nothing is wrong.
func (r VerifyReport) OK() bool { return len(r.Problems) == 0 }

// Problem is one thing that is not as it should be.
type Problem struct {
	Kind   string // "file", "record", "missing entry", "extra entry", "counter", "relation", "token", "role" or "key"
	UID    string // whom it is about, if it is about a user
	Detail string
}

const maxProblems = 10000

// Verify reads the whole store as of one moment and holds everything against everything: records against their
// checksums and rules, index entries against records both ways, counters against entries, relations and tokens against
// users. Before that it reads the files against their checksums; if one has been damaged since Open, that is all the
// report says, for nothing that is read can be relied on then. It changes nothing.
func (s *Store) Verify(ctx context.Context) (VerifyReport, error) {
	return s.inspect(ctx, func(mend) error { return nil })
}

// Repair does what Verify does and mends what it finds: index entries, counters, and relations and tokens of nobody are
// put right from the records; a record that cannot be read is put aside, so that lists work again, and is reported. The
// report says what was found; a Verify afterwards says what is left. Of a problem of Kind "file" nothing is mended: close
// the store, and restore a backup or see Salvage.
func (s *Store) Repair(ctx context.Context) (VerifyReport, error) {
	if s.readOnly {
		return VerifyReport{}, ErrReadOnly
	}
	const some = 256
	var mends []mend
	return s.inspect(ctx, func(m mend) error {
		if m != nil {
			mends = append(mends, m)
		}
		if len(mends) == 0 || m != nil && len(mends) < some {
			return nil
		}
		defer func() { mends = mends[:0] }()
		return s.mendAll(ctx, mends)
	})
}

// mendAll makes one change of many mends, or several if it gets too large.
func (s *Store) mendAll(ctx context.Context, mends []mend) error {
	err := s.update(ctx, func(c *change) error {
		for _, m := range mends {
			if err := m(c); err != nil {
				return err
			}
		}
		return nil
	})
	if half := len(mends) / 2; half > 0 && errors.Is(err, kv.ErrTooLarge) {
		if err = s.mendAll(ctx, mends[:half]); err == nil {
			err = s.mendAll(ctx, mends[half:])
		}
	}
	return err
}

// mend puts one problem right, if it still is there.
type mend func(*change) error

// inspection is a reading of the whole store. Its steps come in an order in which each may rely on what the ones before
// it have mended.
type inspection struct {
	*Store
	ctx    context.Context
	v      kv.View
	report VerifyReport
	counts map[string]int
	aside  map[string]bool  // uids whose records are no good, though they may be readable
	mend   func(mend) error // nil: the end of a step
	seen   int
}

func (s *Store) inspect(ctx context.Context, mend func(mend) error) (VerifyReport, error) {
	if err := ctx.Err(); err != nil {
		return VerifyReport{}, err
	}
	v, err := s.db.Pin()
	if err != nil {
		return VerifyReport{}, err
	}
	defer v.Release()
	i := &inspection{Store: s, ctx: ctx, v: v, counts: map[string]int{}, aside: map[string]bool{}, mend: mend}
	err = s.db.Step(func() error {
		if damaged, err := i.files(); damaged || err != nil {
			return err
		}
		for _, step := range []func() error{i.roles, i.records, i.entries, i.counters, i.relations, i.tokens, i.clearings, i.strangers} {
			if err := step(); err != nil {
				return err
			}
			if err := mend(nil); err != nil {
				return err
			}
		}
		return nil
	})
	return i.report, err
}

func (i *inspection) problem(kind, uid, detail string, m mend) error {
	if len(i.report.Problems) < maxProblems {
		i.report.Problems = append(i.report.Problems, Problem{kind, uid, detail})
	}
	return i.mend(m)
}

// each calls fn with every key of a kind, and its value.
func (i *inspection) each(kind byte, fn func(key, value []byte) error) error {
	it := i.v.Iterate([]byte{kind}, false)
	defer it.Close()
	for it.Seek(nil); it.Valid(); it.Next() {
		if i.seen++; i.seen%256 == 0 && i.ctx.Err() != nil {
			return i.ctx.Err()
		}
		value, err := it.Value()
		if err == nil {
			err = fn(bytes.Clone(it.Key()), bytes.Clone(value))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// unless does what puts one problem right, unless the key has been changed since: others may be at work.
func unless(key, value []byte, put func(c *change)) mend {
	return func(c *change) error {
		now, err := c.Get(key)
		if err == nil && bytes.Equal(now, value) {
			put(c)
		}
		return err
	}
}

func remove(key, value []byte) mend {
	return unless(key, value, func(c *change) { c.Delete(key) })
}

// has tells whether a key is there in the snapshot.
func (i *inspection) has(key []byte) (bool, error) {
	value, _, err := i.v.Get(key)
	return value != nil, err
}
