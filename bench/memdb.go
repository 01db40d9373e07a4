package main

import (
	"bytes"
	"fmt"
	"iter"
	"slices"

	"github.com/hashicorp/go-memdb"
)

// memPeer keeps users in go-memdb: in memory only, nothing is durable. go-memdb hands out what it holds; a copy is made
// of it, since what the other peers give may be changed, too.
type memPeer struct{ db *memdb.MemDB }

const memTable = "user"

// memUser is what go-memdb holds: a user, and its place in every list.
type memUser struct {
	User
	pos string
}

// memIndex is an index whose entries are the index keys of one kind that the key-value peers have, too. A place in it is
// asked for by its bytes.
type memIndex struct{ kind string }

func (m memIndex) FromArgs(args ...any) ([]byte, error) {
	if s, ok := args[0].(string); ok && len(args) == 1 {
		return []byte(s), nil
	}
	return nil, fmt.Errorf("an index takes one string")
}

func (m memIndex) PrefixFromArgs(args ...any) ([]byte, error) { return m.FromArgs(args...) }

func (m memIndex) FromObject(obj any) (bool, [][]byte, error) {
	u := obj.(*memUser)
	keys := make([][]byte, 0, 3)
	for _, key := range appendEntries(make([]string, 0, 3), m.kind, &u.User, u.pos) {
		keys = append(keys, []byte(key))
	}
	return true, keys, nil
}

func openMemdb(string, bool) (Peer, error) {
	indexes := map[string]*memdb.IndexSchema{
		"id": {Name: "id", Unique: true, Indexer: &memdb.StringFieldIndex{Field: "UID"}},
	}
	for _, kind := range []string{kindName, kindRole, kindTag, kindStatus, kindTagRole} {
		// Unique, because its keys end with the uid already.
		indexes[kind] = &memdb.IndexSchema{Name: kind, Unique: true, Indexer: memIndex{kind}}
	}
	db, err := memdb.NewMemDB(&memdb.DBSchema{Tables: map[string]*memdb.TableSchema{memTable: {Name: memTable, Indexes: indexes}}})
	if err != nil {
		return nil, err
	}
	return &memPeer{db}, nil
}

func memGet(txn *memdb.Txn, uid string) (User, error) {
	obj, err := txn.First(memTable, "id", uid)
	if err != nil {
		return User{}, err
	}
	if obj == nil {
		return User{}, errNotFound
	}
	return memClone(obj), nil
}

func memClone(obj any) User {
	u := obj.(*memUser).User
	u.Metadata, u.Tags = bytes.Clone(u.Metadata), slices.Clone(u.Tags)
	return u
}

// memPut stores a copy of a user.
func memPut(txn *memdb.Txn, u User) error {
	stamp(&u)
	m := &memUser{User: u, pos: position(&u)}
	m.User = memClone(m)
	return txn.Insert(memTable, m)
}

func memCreate(txn *memdb.Txn, u User) error {
	obj, err := txn.First(memTable, "id", u.UID)
	if err != nil {
		return err
	}
	if obj != nil {
		return errExists
	}
	return memPut(txn, u)
}

func (p *memPeer) update(fn func(*memdb.Txn) error) error {
	txn := p.db.Txn(true)
	defer txn.Abort() // does nothing after a commit
	if err := fn(txn); err != nil {
		return err
	}
	txn.Commit()
	return nil
}

func (p *memPeer) Create(u User) error {
	return p.update(func(txn *memdb.Txn) error { return memCreate(txn, u) })
}

func (p *memPeer) Get(uid string) (User, error) { return memGet(p.db.Txn(false), uid) }

func (p *memPeer) Update(uid string, edit func(*User)) error {
	return p.update(func(txn *memdb.Txn) error {
		u, err := memGet(txn, uid)
		if err != nil {
			return err
		}
		edit(&u)
		return memPut(txn, u)
	})
}

func (p *memPeer) Delete(uid string) error {
	return p.update(func(txn *memdb.Txn) error {
		obj, err := txn.First(memTable, "id", uid)
		if err != nil {
			return err
		}
		if obj == nil {
			return errNotFound
		}
		return txn.Delete(memTable, obj)
	})
}

// scan calls fn with the users of a span, which go-memdb gives without their keys, until it returns false.
func (p *memPeer) scan(q Query, fn func(u *memUser) bool) error {
	s := spanOf(q, true)
	txn := p.db.Txn(false)
	if s.from == "" {
		it, err := txn.Get(memTable, s.prefix[:1]+"_prefix", s.prefix)
		if err != nil {
			return err
		}
		for obj := it.Next(); obj != nil && fn(obj.(*memUser)); obj = it.Next() {
		}
		return nil
	}
	it, err := txn.LowerBound(memTable, s.prefix[:1], s.from)
	if err != nil {
		return err
	}
	// The index goes on with other spans, where the same users may be. Those in this one come in rising order.
	last := q.After
	for obj := it.Next(); obj != nil; obj = it.Next() {
		u := obj.(*memUser)
		if u.pos == q.After {
			continue
		}
		if u.pos < last || !q.matches(&u.User) || !fn(u) {
			return nil
		}
		last = u.pos
	}
	return nil
}

func (p *memPeer) Page(q Query) (users []User, next string, err error) {
	users = make([]User, 0, q.Limit)
	err = p.scan(q, func(u *memUser) bool {
		if len(users) == q.Limit {
			next = position(&users[len(users)-1])
			return false
		}
		users = append(users, memClone(u))
		return true
	})
	return users, next, err
}

func (p *memPeer) Count(tag, role string) (n int, err error) {
	err = p.scan(Query{Tag: tag, Role: role}, func(*memUser) bool {
		n++
		return true
	})
	return n, err
}

// Load keeps its transactions small: after a large one, go-memdb compares whole trees to find whom to notify.
func (p *memPeer) Load(users iter.Seq[User]) error {
	for chunk := range chunks(users, 100) {
		err := p.update(func(txn *memdb.Txn) error {
			for _, u := range chunk {
				if err := memCreate(txn, u); err != nil {
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

func (p *memPeer) Close() error { return nil }
