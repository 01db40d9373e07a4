package main

import (
	"errors"
	"iter"
	"strings"

	"github.com/dgraph-io/badger/v4"
	"github.com/vmihailenco/msgpack/v5"
)

// badgerPeer is the straightforward way to keep users in Badger: its default options, a transaction per call, records in
// msgpack by reflection, an index key per entry, and pages by tag and role that read the records of the tag.
type badgerPeer struct{ db *badger.DB }

func openBadger(dir string, durable bool) (Peer, error) {
	db, err := badger.Open(badger.DefaultOptions(dir).WithSyncWrites(durable).WithLogger(nil))
	if err != nil {
		return nil, err
	}
	return &badgerPeer{db}, nil
}

func (p *badgerPeer) update(fn func(*badger.Txn) error) error {
	for {
		if err := p.db.Update(fn); !errors.Is(err, badger.ErrConflict) {
			return err
		}
	}
}

func badgerGet(txn *badger.Txn, uid string) (User, error) {
	var u User
	item, err := txn.Get([]byte(kindUser + uid))
	if errors.Is(err, badger.ErrKeyNotFound) {
		return u, errNotFound
	}
	if err != nil {
		return u, err
	}
	err = item.Value(func(value []byte) error { return msgpack.Unmarshal(value, &u) })
	return u, err
}

// badgerWriter is a transaction of Badger's, or a script for one.
type badgerWriter interface {
	Set(key, value []byte) error
	Delete(key []byte) error
}

// badgerPut writes a user with its index entries, given those it had.
func badgerPut(to badgerWriter, had []string, u *User) error {
	stamp(u)
	value, err := msgpack.Marshal(u)
	if err != nil {
		return err
	}
	if err := to.Set([]byte(kindUser+u.UID), value); err != nil {
		return err
	}
	gone, added := difference(had, entries(u, false))
	for _, key := range gone {
		if err := to.Delete([]byte(key)); err != nil {
			return err
		}
	}
	for _, key := range added {
		if err := to.Set([]byte(key), nil); err != nil {
			return err
		}
	}
	return nil
}

func badgerCreate(txn *badger.Txn, u User) error {
	switch _, err := txn.Get([]byte(kindUser + u.UID)); {
	case err == nil:
		return errExists
	case !errors.Is(err, badger.ErrKeyNotFound):
		return err
	}
	return badgerPut(txn, nil, &u)
}

func (p *badgerPeer) Create(u User) error {
	return p.update(func(txn *badger.Txn) error { return badgerCreate(txn, u) })
}

func (p *badgerPeer) Get(uid string) (u User, err error) {
	err = p.db.View(func(txn *badger.Txn) error {
		u, err = badgerGet(txn, uid)
		return err
	})
	return u, err
}

func (p *badgerPeer) Update(uid string, edit func(*User)) error {
	return p.update(func(txn *badger.Txn) error { return badgerUpdate(txn, uid, edit) })
}

func badgerUpdate(txn *badger.Txn, uid string, edit func(*User)) error {
	u, err := badgerGet(txn, uid)
	if err != nil {
		return err
	}
	had := entries(&u, false)
	edit(&u)
	return badgerPut(txn, had, &u)
}

func (p *badgerPeer) Delete(uid string) error {
	return p.update(func(txn *badger.Txn) error {
		u, err := badgerGet(txn, uid)
		if err != nil {
			return err
		}
		for _, key := range append(entries(&u, false), kindUser+uid) {
			if err := txn.Delete([]byte(key)); err != nil {
				return err
			}
		}
		return nil
	})
}

// badgerScan calls fn with the keys of a span until it returns false.
func badgerScan(txn *badger.Txn, s span, fn func(key string) (bool, error)) error {
	opts := badger.DefaultIteratorOptions
	opts.PrefetchValues = false
	opts.Prefix = []byte(s.prefix)
	it := txn.NewIterator(opts)
	defer it.Close()
	for it.Seek([]byte(s.start())); it.Valid(); it.Next() {
		key := string(it.Item().Key())
		if key == s.from {
			continue
		}
		if more, err := fn(key); !more || err != nil {
			return err
		}
	}
	return nil
}

func (p *badgerPeer) Page(q Query) (users []User, next string, err error) {
	err = p.db.View(func(txn *badger.Txn) error {
		return badgerScan(txn, spanOf(q, false), func(key string) (bool, error) {
			u, err := badgerGet(txn, key[strings.LastIndexByte(key, 0)+1:])
			if err != nil || q.Role != "" && u.Role != q.Role {
				return true, err
			}
			if len(users) == q.Limit {
				next = position(&users[len(users)-1])
				return false, nil
			}
			users = append(users, u)
			return true, nil
		})
	})
	return users, next, err
}

func (p *badgerPeer) Count(tag, role string) (n int, err error) {
	err = p.db.View(func(txn *badger.Txn) error {
		return badgerScan(txn, spanOf(Query{Tag: tag, Role: role}, false), func(string) (bool, error) {
			n++
			return true, nil
		})
	})
	return n, err
}

func (p *badgerPeer) Load(users iter.Seq[User]) error {
	for chunk := range chunks(users, 1000) {
		err := p.update(func(txn *badger.Txn) error {
			for _, u := range chunk {
				if err := badgerCreate(txn, u); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return p.db.Sync()
}

// badgerScript is what a change writes, made ready ahead of its transaction.
type badgerScript []badgerWrite

type badgerWrite struct {
	key, value []byte
	gone       bool
}

func (s *badgerScript) Set(key, value []byte) error {
	*s = append(*s, badgerWrite{key: key, value: value})
	return nil
}

func (s *badgerScript) Delete(key []byte) error {
	*s = append(*s, badgerWrite{key: key, gone: true})
	return nil
}

// WriteTogether does some scripts in one transaction: the least that is left of changes to Badger.
func (p *badgerPeer) WriteTogether(scripts []badgerScript) error {
	return p.update(func(txn *badger.Txn) error {
		for _, script := range scripts {
			for _, w := range script {
				var err error
				if w.gone {
					err = txn.Delete(w.key)
				} else {
					err = txn.Set(w.key, w.value)
				}
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// UpdateTogether is Update for some users in one transaction: what updates come to that share a commit at no cost.
func (p *badgerPeer) UpdateTogether(uids []string, edits []func(*User)) error {
	return p.update(func(txn *badger.Txn) error {
		for i, uid := range uids {
			if err := badgerUpdate(txn, uid, edits[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func (p *badgerPeer) Close() error { return p.db.Close() }
