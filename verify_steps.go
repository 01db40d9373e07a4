package userstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/seed-3546c6b2/userstore/internal/keys"
	"github.com/seed-3546c6b2/userstore/internal/kv"
)

// files tells whether a file has been damaged while the store is open. Records have checksums of their own, index entries
// do not, and Badger panics on some of what it reads.
func (i *inspection) files() (damaged bool, err error) {
	engine, ok := i.db.Engine().(interface{ CheckFiles() error })
	if !ok {
		return false, nil
	}
	if err = engine.CheckFiles(); errors.Is(err, ErrCorrupt) {
		i.report.Problems = append(i.report.Problems, Problem{Kind: "file", Detail: err.Error()})
		return true, nil
	}
	return false, err
}

func (i *inspection) roles() error {
	missing := true
	err := i.each(keys.Role, func(key, value []byte) error {
		id := string(key[1:])
		missing = missing && id != defaultRole
		if _, err := decodeRole(id, value); err != nil {
			return i.problem("role", "", "role "+id+" is not readable", restoreRole(id, value))
		}
		return nil
	})
	if err == nil && missing {
		err = i.problem("role", "", "the default role is missing", restoreRole(defaultRole, nil))
	}
	return err
}

// restoreRole makes a role anew, with nothing but its id known, unless its value is another one by now.
func restoreRole(id string, value []byte) mend {
	return func(c *change) error {
		now, err := c.Get(keys.Of(keys.Role, id))
		if err != nil || !bytes.Equal(now, value) {
			return err
		}
		return c.putRole(&Role{ID: id, Name: id, CreatedAt: c.store.now()})
	}
}

func (i *inspection) records() error {
	return i.each(keys.User, func(key, value []byte) error {
		uid := string(key[1:])
		if bytes.Equal(value, clearing) {
			going := keys.Of(keys.Clearing, uid)
			if listed, err := i.has(going); err != nil || listed {
				return err
			}
			return i.problem("record", uid, "is being deleted, but not listed as such", unless(key, value, func(c *change) { c.Set(going, present) }))
		}
		i.report.Users++
		r, err := decodeRecord(uid, value, i.run)
		if err == nil {
			checked := r.User
			err = normalize(&checked)
		}
		if err != nil || !validID(uid) {
			i.aside[uid] = true
			return i.problem("record", uid, "cannot be read, or breaks a rule", unless(key, value, func(c *change) {
				c.Set(keys.Of(keys.Aside, uid), value)
				c.Delete(key)
			}))
		}
		if ok, err := i.has(keys.Of(keys.Role, r.Role)); err != nil {
			return err
		} else if !ok {
			if err := i.problem("role", uid, "role "+r.Role+" does not exist", restoreRole(r.Role, nil)); err != nil {
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

// user reads a record, nil if it is not there or no good.
func (i *inspection) user(uid string) (*record, error) {
	if i.aside[uid] {
		return nil, nil
	}
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
		var guard []byte // of the user whose relations come now
		guarded := false
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
			if err != nil {
				return err
			}
			if guard == nil || !bytes.Equal(guard[1:], from) {
				guard = keys.Of(keys.Guard, string(from))
				if guarded, err = i.has(guard); err != nil {
					return err
				}
			}
			switch {
			case !ok || a || b || !readable:
				return i.problem("relation", string(from), kindName[kind]+" of nobody, or not readable", remove(key, value))
			case !mirrored:
				return i.problem("relation", string(from), kindName[kind]+" is one-sided", unless(key, value, func(c *change) { c.Set(back, value) }))
			case !guarded:
				missing := guard
				return i.problem("relation", string(from), kindName[kind]+" would outlive the user", unless(key, value, func(c *change) { c.Set(missing, present) }))
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
				if !nobody && err == nil && len(rest) == 8 && strings.HasPrefix(t.Token, uid+"_") {
					return i.guard(uid, binary.BigEndian.Uint64(rest))
				}
			} else if !nobody {
				if _, err := number(value); err == nil {
					return nil
				}
				return i.problem("token", uid, "not readable", unless(key, value, func(c *change) { c.Set(key, present) }))
			}
			return i.problem("token", uid, "of nobody, or not readable", remove(key, value))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// guard checks that the next token of a user gets a number behind this one.
func (i *inspection) guard(uid string, number uint64) error {
	key := keys.Of(keys.Guard, uid)
	value, _, err := i.v.Get(key)
	if n, read := binary.Uvarint(value); err != nil || read > 0 && n > number {
		return err
	}
	return i.problem("token", uid, "the next one would not be the newest", func(c *change) error {
		n, err := c.counter(key)
		if errors.Is(err, ErrCorrupt) || err == nil && uint64(n) <= number {
			c.Set(key, binary.AppendUvarint(nil, number+1))
			return nil
		}
		return err
	})
}

// clearings checks that the users being deleted are those that are listed as such, so that Open can go on with them.
func (i *inspection) clearings() error {
	return i.each(keys.Clearing, func(key, value []byte) error {
		user, _, err := i.v.Get(keys.Of(keys.User, string(key[1:])))
		if err != nil || bytes.Equal(user, clearing) {
			return err
		}
		return i.problem("key", string(key[1:]), "of a user who is not being deleted", remove(key, value))
	})
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
		value, err := it.Value()
		if err == nil {
			err = i.problem("key", "", fmt.Sprintf("of unknown kind %q", kind), remove(key, bytes.Clone(value)))
		}
		if err != nil {
			return err
		}
		it.Next()
	}
	return nil
}
