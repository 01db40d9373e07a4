package main

import (
	"errors"
	"iter"
	"path/filepath"
	"strings"

	"github.com/tidwall/buntdb"
)

// buntPeer keeps records and index entries side by side in buntdb's ordered keys: all in memory, with a log on disk.
type buntPeer struct{ db *buntdb.DB }

func openBunt(dir string, durable bool) (Peer, error) {
	db, err := buntdb.Open(filepath.Join(dir, "users.aof"))
	if err != nil {
		return nil, err
	}
	var config buntdb.Config
	if err := db.ReadConfig(&config); err != nil {
		return nil, err
	}
	config.SyncPolicy = buntdb.Never
	if durable {
		config.SyncPolicy = buntdb.Always
	}
	return &buntPeer{db}, db.SetConfig(config)
}

func buntGet(tx *buntdb.Tx, uid string) (User, error) {
	value, err := tx.Get(kindUser + uid)
	if errors.Is(err, buntdb.ErrNotFound) {
		return User{}, errNotFound
	}
	if err != nil {
		return User{}, err
	}
	return decodeUser(value)
}

// buntPut writes a user with its index entries, given those it had.
func buntPut(tx *buntdb.Tx, had []string, u *User) error {
	stamp(u)
	if _, _, err := tx.Set(kindUser+u.UID, string(encodeUser(u)), nil); err != nil {
		return err
	}
	gone, added := difference(had, entries(u, true))
	for _, key := range gone {
		if _, err := tx.Delete(key); err != nil {
			return err
		}
	}
	for _, key := range added {
		if _, _, err := tx.Set(key, "", nil); err != nil {
			return err
		}
	}
	return nil
}

func buntCreate(tx *buntdb.Tx, u User) error {
	switch _, err := tx.Get(kindUser + u.UID); {
	case err == nil:
		return errExists
	case !errors.Is(err, buntdb.ErrNotFound):
		return err
	}
	return buntPut(tx, nil, &u)
}

func (p *buntPeer) Create(u User) error {
	return p.db.Update(func(tx *buntdb.Tx) error { return buntCreate(tx, u) })
}

func (p *buntPeer) Get(uid string) (u User, err error) {
	err = p.db.View(func(tx *buntdb.Tx) error {
		u, err = buntGet(tx, uid)
		return err
	})
	return u, err
}

func (p *buntPeer) Update(uid string, edit func(*User)) error {
	return p.db.Update(func(tx *buntdb.Tx) error {
		u, err := buntGet(tx, uid)
		if err != nil {
			return err
		}
		had := entries(&u, true)
		edit(&u)
		return buntPut(tx, had, &u)
	})
}

func (p *buntPeer) Delete(uid string) error {
	return p.db.Update(func(tx *buntdb.Tx) error {
		u, err := buntGet(tx, uid)
		if err != nil {
			return err
		}
		for _, key := range append(entries(&u, true), kindUser+uid) {
			if _, err := tx.Delete(key); err != nil {
				return err
			}
		}
		return nil
	})
}

// buntScan calls fn with the keys of a span until it returns false.
func buntScan(tx *buntdb.Tx, s span, fn func(key string) bool) error {
	return tx.AscendGreaterOrEqual("", s.start(), func(key, _ string) bool {
		if !strings.HasPrefix(key, s.prefix) {
			return false
		}
		return key == s.from || fn(key)
	})
}

func (p *buntPeer) Page(q Query) (users []User, next string, err error) {
	users = make([]User, 0, q.Limit)
	err = p.db.View(func(tx *buntdb.Tx) error {
		var failed error
		err := buntScan(tx, spanOf(q, true), func(key string) bool {
			if len(users) == q.Limit {
				next = position(&users[len(users)-1])
				return false
			}
			u, err := buntGet(tx, key[strings.LastIndexByte(key, 0)+1:])
			users, failed = append(users, u), err
			return err == nil
		})
		return errors.Join(failed, err)
	})
	return users, next, err
}

func (p *buntPeer) Count(tag, role string) (n int, err error) {
	err = p.db.View(func(tx *buntdb.Tx) error {
		return buntScan(tx, spanOf(Query{Tag: tag, Role: role}, true), func(string) bool {
			n++
			return true
		})
	})
	return n, err
}

func (p *buntPeer) Load(users iter.Seq[User]) error {
	for chunk := range chunks(users, 1000) {
		err := p.db.Update(func(tx *buntdb.Tx) error {
			for _, u := range chunk {
				if err := buntCreate(tx, u); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *buntPeer) Close() error { return p.db.Close() }
