package main

import (
	"cmp"
	"errors"
	"iter"
	"slices"
	"strings"

	"github.com/dgraph-io/badger/v4"
	"github.com/timshannon/badgerhold/v4"
	"github.com/vmihailenco/msgpack/v5"
)

// holdPeer uses badgerhold as its documentation has it, with msgpack in place of the slower gob. badgerhold keeps all
// uids of an index value in one list, so each write costs as much as the index holds: it takes part with few users. It
// cannot look into a list of tags by an index, so each tag of a user has a record of its own.
type holdPeer struct{ store *badgerhold.Store }

type holdUser struct {
	UID, Name, Avatar, Link, StatusMessage string
	Fold                                   string `badgerhold:"index"`
	Role                                   string `badgerhold:"index"`
	Status                                 string `badgerhold:"index"`
	Tags                                   []string
	Metadata                               []byte
	CreatedAt, UpdatedAt                   int64
	Version                                uint64
}

type holdTag struct {
	Tag             string `badgerhold:"index"`
	Fold, UID, Role string
}

func openBadgerhold(dir string, durable bool) (Peer, error) {
	opts := badgerhold.DefaultOptions
	opts.Options = badger.DefaultOptions(dir).WithSyncWrites(durable).WithLogger(nil)
	opts.Encoder, opts.Decoder = msgpack.Marshal, msgpack.Unmarshal
	store, err := badgerhold.Open(opts)
	if err != nil {
		return nil, err
	}
	return &holdPeer{store}, nil
}

func newHoldUser(u User) *holdUser {
	stamp(&u)
	return &holdUser{u.UID, u.Name, u.Avatar, u.Link, u.StatusMessage, fold(u.Name), u.Role, u.Status, u.Tags,
		u.Metadata, u.CreatedAt, u.UpdatedAt, u.Version}
}

func (h *holdUser) user() User {
	return User{UID: h.UID, Name: h.Name, Avatar: h.Avatar, Link: h.Link, Role: h.Role, StatusMessage: h.StatusMessage,
		Metadata: h.Metadata, Tags: h.Tags, Status: h.Status, CreatedAt: h.CreatedAt, UpdatedAt: h.UpdatedAt, Version: h.Version}
}

func (p *holdPeer) update(fn func(*badger.Txn) error) error {
	for {
		err := p.store.Badger().Update(fn)
		switch {
		case errors.Is(err, badger.ErrConflict):
			continue
		case errors.Is(err, badgerhold.ErrKeyExists):
			return errExists
		case errors.Is(err, badgerhold.ErrNotFound):
			return errNotFound
		}
		return err
	}
}

func (p *holdPeer) insert(txn *badger.Txn, u User) error {
	h := newHoldUser(u)
	if err := p.store.TxInsert(txn, u.UID, h); err != nil {
		return err
	}
	return p.insertTags(txn, h, h.Tags)
}

func (p *holdPeer) insertTags(txn *badger.Txn, h *holdUser, tags []string) error {
	for _, tag := range tags {
		if err := p.store.TxInsert(txn, h.UID+"\x00"+tag, &holdTag{tag, h.Fold, h.UID, h.Role}); err != nil {
			return err
		}
	}
	return nil
}

func (p *holdPeer) deleteTags(txn *badger.Txn, h *holdUser, tags []string) error {
	for _, tag := range tags {
		if err := p.store.TxDelete(txn, h.UID+"\x00"+tag, &holdTag{}); err != nil {
			return err
		}
	}
	return nil
}

func (p *holdPeer) Create(u User) error {
	return p.update(func(txn *badger.Txn) error { return p.insert(txn, u) })
}

func (p *holdPeer) Get(uid string) (User, error) {
	var h holdUser
	err := p.store.Get(uid, &h)
	if errors.Is(err, badgerhold.ErrNotFound) {
		return User{}, errNotFound
	}
	return h.user(), err
}

func (p *holdPeer) Update(uid string, edit func(*User)) error {
	return p.update(func(txn *badger.Txn) error {
		var old holdUser
		if err := p.store.TxGet(txn, uid, &old); err != nil {
			return err
		}
		u := old.user()
		edit(&u)
		h := newHoldUser(u)
		gone, added := difference(old.Tags, h.Tags)
		if h.Fold != old.Fold || h.Role != old.Role {
			gone, added = old.Tags, h.Tags
		}
		return errors.Join(p.store.TxUpdate(txn, uid, h), p.deleteTags(txn, &old, gone), p.insertTags(txn, h, added))
	})
}

func (p *holdPeer) Delete(uid string) error {
	return p.update(func(txn *badger.Txn) error {
		var h holdUser
		if err := p.store.TxGet(txn, uid, &h); err != nil {
			return err
		}
		return errors.Join(p.store.TxDelete(txn, uid, &holdUser{}), p.deleteTags(txn, &h, h.Tags))
	})
}

// holdPlace is what a page is sorted by.
type holdPlace struct{ fold, uid string }

func (a holdPlace) compare(b holdPlace) int {
	return cmp.Or(strings.Compare(a.fold, b.fold), strings.Compare(a.uid, b.uid))
}

// Page sorts all that match, which is quicker than badgerhold's own SortBy.
func (p *holdPeer) Page(q Query) (users []User, next string, err error) {
	err = p.store.Badger().View(func(txn *badger.Txn) error {
		found, err := p.find(txn, q)
		if err != nil {
			return err
		}
		slices.SortFunc(found, holdPlace.compare)
		if q.After != "" {
			folded, uid := cutPosition(q.After)
			found = slices.DeleteFunc(found, func(a holdPlace) bool { return a.compare(holdPlace{folded, uid}) <= 0 })
		}
		for i, place := range found {
			if i == q.Limit {
				next = position(&users[i-1])
				break
			}
			var h holdUser
			if err := p.store.TxGet(txn, place.uid, &h); err != nil {
				return err
			}
			users = append(users, h.user())
		}
		return nil
	})
	return users, next, err
}

// find gives the places of all that match, wherever the query goes on.
func (p *holdPeer) find(txn *badger.Txn, q Query) (found []holdPlace, err error) {
	if q.Tag != "" {
		var tags []holdTag
		err = p.store.TxFind(txn, &tags, holdQuery(q))
		for _, t := range tags {
			found = append(found, holdPlace{t.Fold, t.UID})
		}
		return found, err
	}
	var users []holdUser
	err = p.store.TxFind(txn, &users, holdQuery(q))
	for _, h := range users {
		found = append(found, holdPlace{h.Fold, h.UID})
	}
	return found, err
}

// holdQuery says the query in badgerhold's words, but for its order and its place.
func holdQuery(q Query) *badgerhold.Query {
	switch {
	case q.Tag != "" && q.Role != "":
		return badgerhold.Where("Tag").Eq(q.Tag).Index("Tag").And("Role").Eq(q.Role)
	case q.Tag != "":
		return badgerhold.Where("Tag").Eq(q.Tag).Index("Tag")
	case q.Role != "":
		return badgerhold.Where("Role").Eq(q.Role).Index("Role")
	case q.Prefix != "":
		return badgerhold.Where("Fold").Ge(fold(q.Prefix)).And("Fold").Lt(after(fold(q.Prefix))).Index("Fold")
	}
	return nil
}

func (p *holdPeer) Count(tag, role string) (int, error) {
	var of any = &holdUser{}
	if tag != "" {
		of = &holdTag{}
	}
	n, err := p.store.Count(of, holdQuery(Query{Tag: tag, Role: role}))
	return int(n), err
}

// Load keeps its transactions small: each user rewrites whole index lists, and Badger has a limit.
func (p *holdPeer) Load(users iter.Seq[User]) error {
	for chunk := range chunks(users, 10) {
		err := p.update(func(txn *badger.Txn) error {
			for _, u := range chunk {
				if err := p.insert(txn, u); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return p.store.Badger().Sync()
}

func (p *holdPeer) Close() error { return p.store.Close() }
