package userstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/seed-3546c6b2/userstore/internal/keys"
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
	Kind   string // "record", "missing entry", "extra entry", "counter", "relation", "token", "role" or "key"
	UID    string // whom it is about, if it is about a user
	Detail string
}

const maxProblems = 10000

// Verify reads the whole store as of one moment and holds everything against everything: records against their
// checksums and rules, index entries against records both ways, counters against entries, relations and tokens against
// users. It changes nothing.
func (s *Store) Verify(ctx context.Context) (VerifyReport, error) {
	return s.inspect(ctx, func(mend) error { return nil })
}

// Repair does what Verify does and mends what it finds: index entries, counters, and relations and tokens of nobody are
// put right from the records; a record that cannot be read is put aside, so that lists work again, and is reported. The
// report says what was found; a Verify afterwards says what is left.
func (s *Store) Repair(ctx context.Context) (VerifyReport, error) {
	if s.readOnly {
		return VerifyReport{}, ErrReadOnly
	}
	const some = 256
	var mends []mend
	flush := func() error {
		defer func() { mends = mends[:0] }()
		return s.update(ctx, func(c *change) error {
			for _, m := range mends {
				if err := m(c); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return s.inspect(ctx, func(m mend) error {
		if m != nil {
			mends = append(mends, m)
		}
		if len(mends) == some || m == nil && len(mends) > 0 {
			return flush()
		}
		return nil
	})
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
	i := &inspection{Store: s, ctx: ctx, v: v, counts: map[string]int{}, mend: mend}
	err = s.db.Step(func() error {
		for _, step := range []func() error{i.roles, i.records, i.entries, i.counters, i.relations, i.tokens, i.strangers} {
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

func remove(key []byte) mend {
	return func(c *change) error { c.Delete(key); return nil }
}

// has tells whether a key is there in the snapshot.
func (i *inspection) has(key []byte) (bool, error) {
	value, _, err := i.v.Get(key)
	return value != nil, err
}

func (i *inspection) roles() error {
	missing := true
	err := i.each(keys.Role, func(key, value []byte) error {
		id := string(key[1:])
		missing = missing && id != defaultRole
		if _, err := decodeRole(id, value); err != nil {
			return i.problem("role", "", "role "+id+" is not readable", restoreRole(id))
		}
		return nil
	})
	if err == nil && missing {
		err = i.problem("role", "", "the default role is missing", restoreRole(defaultRole))
	}
	return err
}

// restoreRole makes a role anew, with nothing but its id known.
func restoreRole(id string) mend {
	return func(c *change) error { return c.putRole(&Role{ID: id, Name: id, CreatedAt: c.store.now()}) }
}

func (i *inspection) records() error {
	return i.each(keys.User, func(key, value []byte) error {
		uid := string(key[1:])
		if bytes.Equal(value, clearing) {
			return nil
		}
		i.report.Users++
		r, err := decodeRecord(uid, value, i.run)
		if err == nil {
			checked := r.User
			err = normalize(&checked)
		}
		if err != nil || !validID(uid) {
			return i.problem("record", uid, "cannot be read, or breaks a rule", func(c *change) error {
				c.Set(keys.Of(keys.Aside, uid), value)
				c.Delete(key)
				return nil
			})
		}
		if ok, err := i.has(keys.Of(keys.Role, r.Role)); err != nil {
			return err
		} else if !ok {
			if err := i.problem("role", uid, "role "+r.Role+" does not exist", restoreRole(r.Role)); err != nil {
				return err
			}
		}
		for _, e := range r.entries() {
			if e.counter != nil {
				i.counts[string(e.counter)]++
			}
			ok, err := i.has(e.key)
			if err == nil && !ok {
				err = i.problem("missing entry", uid, kindName[e.key[0]], func(c *change) error {
					if r, err := c.user(uid); r == nil || err != nil || !contains(r.entries(), &e) {
						return err
					}
					c.Set(e.key, present)
					return nil
				})
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

var kindName = map[byte]string{
	keys.Roster: "roster", keys.Created: "created", keys.Online: "online",
	keys.Friend: "friend", keys.Block: "block", keys.BlockRev: "block, seen from the other side",
}

// entries looks for index entries that no record has.
func (i *inspection) entries() error {
	for _, kind := range []byte{keys.Roster, keys.Created, keys.Online} {
		err := i.each(kind, func(key, value []byte) error {
			i.report.Entries++
			if kind == keys.Online && !bytes.HasPrefix(key, keys.OnlineIn(nil, i.run)) {
				return nil // of an earlier run; nobody reads it
			}
			uid := entryUID(key)
			r, err := i.user(uid)
			if err != nil || r != nil && contains(r.entries(), &entry{key: key}) && len(value) > 0 {
				return err
			}
			return i.problem("extra entry", uid, kindName[kind], func(c *change) error {
				if r, err := c.user(uid); err == nil && r != nil && contains(r.entries(), &entry{key: key}) {
					return nil
				}
				c.Delete(key)
				return nil
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// entryUID is the uid that an index entry names.
func entryUID(key []byte) string {
	if key[0] == keys.Created {
		return string(key[min(2+keys.TimeLen, len(key)):])
	}
	_, uid := keys.SplitPosition(key)
	return string(uid)
}

// nobody tells whether a uid is of no user, readable or in the midst of being deleted.
func (i *inspection) nobody(uid string) (bool, error) {
	u, err := i.user(uid)
	if u != nil || err != nil {
		return false, err
	}
	going, err := i.has(keys.Of(keys.Clearing, uid))
	return !going, err
}

// user reads a record, nil if it is not there or not readable.
func (i *inspection) user(uid string) (*record, error) {
	r, err := i.record(i.v, uid)
	if errors.Is(err, ErrCorrupt) {
		return nil, nil
	}
	return r, err
}

func (i *inspection) counters() error {
	err := i.each(keys.Counter, func(key, value []byte) error {
		n, err := number(value)
		want := i.counts[string(key)]
		delete(i.counts, string(key))
		if err == nil && n == want {
			return nil
		}
		return i.problem("counter", "", fmt.Sprintf("is %d, should be %d", n, want), recount(key))
	})
	for key, want := range i.counts {
		if err == nil {
			err = i.problem("counter", "", fmt.Sprintf("is missing, should be %d", want), recount([]byte(key)))
		}
	}
	return err
}

// recount counts the roster entries that a counter counts.
func recount(counter []byte) mend {
	return func(c *change) error {
		under := append(bytes.Clone(counter), 0)
		under[0] = keys.Roster
		n := uint64(0)
		err := c.Walk(under, func(kv.Write) bool { n++; return true })
		if n == 0 {
			c.Delete(counter)
		} else {
			c.Set(counter, binary.AppendUvarint(nil, n))
		}
		return err
	}
}

func (i *inspection) relations() error {
	for _, kind := range []byte{keys.Friend, keys.Block, keys.BlockRev} {
		err := i.each(kind, func(key, value []byte) error {
			from, to, ok := bytes.Cut(key[1:], []byte{0})
			back := keys.Pair(mirror[kind], string(to), string(from))
			_, _, readable := keys.CutTime(value)
			a, err := i.nobody(string(from))
			if err != nil {
				return err
			}
			b, err := i.nobody(string(to))
			if err != nil {
				return err
			}
			mirrored, err := i.has(back)
			switch {
			case err != nil:
				return err
			case !ok || a || b || !readable:
				return i.problem("relation", string(from), kindName[kind]+" of nobody, or not readable", remove(key))
			case !mirrored:
				return i.problem("relation", string(from), kindName[kind]+" is one-sided", func(c *change) error {
					c.Set(back, value)
					return nil
				})
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (i *inspection) tokens() error {
	for _, kind := range []byte{keys.Token, keys.Guard} {
		err := i.each(kind, func(key, value []byte) error {
			from, rest, _ := bytes.Cut(key[1:], []byte{0})
			uid := string(from)
			nobody, err := i.nobody(uid)
			if err != nil {
				return err
			}
			if kind == keys.Token {
				t, err := readToken(uid, value)
				if !nobody && err == nil && len(rest) == 8 && bytes.HasPrefix([]byte(t.Token), append(from, '_')) {
					return nil
				}
			} else if _, err := number(value); err == nil && !nobody {
				return nil
			}
			return i.problem("token", uid, "of nobody, or not readable", remove(key))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// strangers looks for keys of no kind that is known.
func (i *inspection) strangers() error {
	known := []byte{keys.Meta, keys.User, keys.Roster, keys.Counter, keys.Created, keys.Online, keys.Role, keys.Friend,
		keys.Block, keys.BlockRev, keys.Token, keys.Guard, keys.Clearing, keys.Aside}
	it := i.v.Iterate(nil, false)
	defer it.Close()
	for it.Seek(nil); it.Valid(); {
		kind := it.Key()[0]
		if bytes.IndexByte(known, kind) >= 0 {
			it.Seek([]byte{kind + 1})
			continue
		}
		key := bytes.Clone(it.Key())
		if err := i.problem("key", "", fmt.Sprintf("of unknown kind %q", kind), remove(key)); err != nil {
			return err
		}
		it.Next()
	}
	return nil
}
