package main

import (
	"bytes"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
)

// boltPeer keeps a bucket of records and one for each index, pages by tag and role included. Writers that come together
// share a transaction by bbolt's own Batch; a lone one does not wait for others.
type boltPeer struct {
	db      *bolt.DB
	writers atomic.Int32
}

var boltBuckets = []string{kindUser, kindName, kindRole, kindTag, kindStatus, kindTagRole}

func openBolt(dir string, durable bool) (Peer, error) {
	db, err := bolt.Open(filepath.Join(dir, "users.db"), 0o600, &bolt.Options{
		NoSync: !durable, NoGrowSync: !durable, NoFreelistSync: true, FreelistType: bolt.FreelistMapType,
	})
	if err != nil {
		return nil, err
	}
	db.MaxBatchDelay = boltDelay
	err = db.Update(func(tx *bolt.Tx) error {
		for _, name := range boltBuckets {
			if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &boltPeer{db: db}, nil
}

// boltDelay is how long a batch waits for more writers. bbolt's own 10 ms is far longer than a sync takes here.
const boltDelay = time.Millisecond

func (p *boltPeer) update(fn func(*bolt.Tx) error) error {
	defer p.writers.Add(-1)
	if p.writers.Add(1) > 1 {
		return p.db.Batch(fn)
	}
	return p.db.Update(fn)
}

// boltAt gives the bucket of a key, and what is left of the key in there.
func boltAt(tx *bolt.Tx, key string) (*bolt.Bucket, []byte) {
	return tx.Bucket([]byte(key[:1])), []byte(key[1:])
}

func boltGet(users *bolt.Bucket, uid string) (User, error) {
	value := users.Get([]byte(uid))
	if value == nil {
		return User{}, errNotFound
	}
	return decodeUser(string(value))
}

// boltPut writes a user with its index entries, given those it had.
func boltPut(tx *bolt.Tx, had []string, u *User) error {
	stamp(u)
	if err := tx.Bucket([]byte(kindUser)).Put([]byte(u.UID), encodeUser(u)); err != nil {
		return err
	}
	gone, added := difference(had, entries(u, true))
	for _, key := range gone {
		b, rest := boltAt(tx, key)
		if err := b.Delete(rest); err != nil {
			return err
		}
	}
	for _, key := range added {
		b, rest := boltAt(tx, key)
		if err := b.Put(rest, nil); err != nil {
			return err
		}
	}
	return nil
}

func (p *boltPeer) Create(u User) error {
	return p.update(func(tx *bolt.Tx) error {
		if tx.Bucket([]byte(kindUser)).Get([]byte(u.UID)) != nil {
			return errExists
		}
		u := u // the transaction may run again
		return boltPut(tx, nil, &u)
	})
}

func (p *boltPeer) Get(uid string) (u User, err error) {
	err = p.db.View(func(tx *bolt.Tx) error {
		u, err = boltGet(tx.Bucket([]byte(kindUser)), uid)
		return err
	})
	return u, err
}

func (p *boltPeer) Update(uid string, edit func(*User)) error {
	return p.update(func(tx *bolt.Tx) error {
		u, err := boltGet(tx.Bucket([]byte(kindUser)), uid)
		if err != nil {
			return err
		}
		had := entries(&u, true)
		edit(&u)
		return boltPut(tx, had, &u)
	})
}

func (p *boltPeer) Delete(uid string) error {
	return p.update(func(tx *bolt.Tx) error {
		u, err := boltGet(tx.Bucket([]byte(kindUser)), uid)
		if err != nil {
			return err
		}
		for _, key := range append(entries(&u, true), kindUser+uid) {
			b, rest := boltAt(tx, key)
			if err := b.Delete(rest); err != nil {
				return err
			}
		}
		return nil
	})
}

// boltScan calls fn with the keys of a span, as they are in its bucket, until it returns false.
func boltScan(tx *bolt.Tx, s span, fn func(key []byte) (bool, error)) error {
	b, start := boltAt(tx, s.start())
	prefix, from := []byte(s.prefix[1:]), strings.TrimPrefix(s.from, s.prefix[:1])
	c := b.Cursor()
	for key, _ := c.Seek(start); key != nil && bytes.HasPrefix(key, prefix); key, _ = c.Next() {
		if from != "" && string(key) == from {
			continue
		}
		if more, err := fn(key); !more || err != nil {
			return err
		}
	}
	return nil
}

func (p *boltPeer) Page(q Query) (users []User, next string, err error) {
	users = make([]User, 0, q.Limit)
	err = p.db.View(func(tx *bolt.Tx) error {
		records := tx.Bucket([]byte(kindUser))
		return boltScan(tx, spanOf(q, true), func(key []byte) (bool, error) {
			if len(users) == q.Limit {
				next = position(&users[len(users)-1])
				return false, nil
			}
			u, err := boltGet(records, string(key[bytes.LastIndexByte(key, 0)+1:]))
			users = append(users, u)
			return true, err
		})
	})
	return users, next, err
}

func (p *boltPeer) Count(tag, role string) (n int, err error) {
	err = p.db.View(func(tx *bolt.Tx) error {
		return boltScan(tx, spanOf(Query{Tag: tag, Role: role}, true), func([]byte) (bool, error) {
			n++
			return true, nil
		})
	})
	return n, err
}

// Load puts the keys of many users in order before it writes them, so that it touches each page of a bucket once.
func (p *boltPeer) Load(users iter.Seq[User]) error {
	for chunk := range chunks(users, 50_000) {
		slices.SortFunc(chunk, func(a, b User) int { return strings.Compare(a.UID, b.UID) })
		err := p.db.Update(func(tx *bolt.Tx) error {
			records := tx.Bucket([]byte(kindUser))
			keys := make([]string, 0, len(chunk)*9)
			for i := range chunk {
				u := &chunk[i]
				if records.Get([]byte(u.UID)) != nil {
					return errExists
				}
				stamp(u)
				if err := records.Put([]byte(u.UID), encodeUser(u)); err != nil {
					return err
				}
				keys = append(keys, entries(u, true)...)
			}
			slices.Sort(keys)
			for _, key := range keys {
				b, rest := boltAt(tx, key)
				if err := b.Put(rest, nil); err != nil {
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

func (p *boltPeer) Close() error { return p.db.Close() }
