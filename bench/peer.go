package main

import (
	"errors"
	"iter"
	"slices"
	"strings"
)

// Peer is a store of users. All peers give the same answers; a test holds them to it. They are safe for use by many
// goroutines, change a user and its indexes together or not at all, and hand out users that the caller may change.
type Peer interface {
	Create(u User) error                       // errExists if the uid is taken
	Get(uid string) (User, error)              // errNotFound
	Update(uid string, edit func(*User)) error // read, edit, write in one step; errNotFound. edit may run again
	Delete(uid string) error                   // errNotFound
	Page(q Query) ([]User, string, error)      // users in the order of name and uid; After of the next page, "" at the end
	Count(tag, role string) (int, error)       // one of the two is empty
	Load(users iter.Seq[User]) error           // many new users at once, on disk when it returns; errExists
	Close() error
}

// Query says which users; at most one of Prefix and of Tag and Role is given. None is everybody.
type Query struct {
	Tag, Role string // users with the tag, with the role, or with both
	Prefix    string // users whose name starts so, letter case ignored
	After     string // where to go on: what the page before gave
	Limit     int
}

var (
	errExists   = errors.New("the uid is taken")
	errNotFound = errors.New("no such user")
)

// Contender is a peer as it takes part.
type Contender struct {
	Key      string // for flags
	Title    string // for tables
	Module   string // whose version is reported
	Open     func(dir string, durable bool) (Peer, error)
	InMemory bool     // nothing outlives Close, and nothing is durable
	Most     int      // users it can be loaded with in bearable time; 0 = any number
	Phases   []string // a variant's, beside loading; empty: all
}

// Us is the key of the contender that all others are compared with.
const us = "userstore"

var contenders = []Contender{
	{Key: us, Title: "this library", Module: "github.com/seed-3546c6b2/userstore", Open: openOurs},
	{Key: "memory", Title: "this library, in memory", Open: openOursInMemory, InMemory: true},
	{Key: "edge", Title: "this library, edge", Open: openOursEdge, Phases: []string{phaseServe}},
	{Key: "uncached", Title: "this library, no cache", Open: openOursUncached, Phases: []string{phaseRead}},
	{Key: "badger", Title: "plain Badger", Module: "github.com/dgraph-io/badger/v4", Open: openBadger},
	{Key: "badgerhold", Title: "badgerhold", Module: "github.com/timshannon/badgerhold/v4", Open: openBadgerhold, Most: 5000},
	{Key: "bbolt", Title: "bbolt, by hand", Module: "go.etcd.io/bbolt", Open: openBolt},
	{Key: "buntdb", Title: "buntdb", Module: "github.com/tidwall/buntdb", Open: openBunt},
	{Key: "memdb", Title: "go-memdb", Module: "github.com/hashicorp/go-memdb", Open: openMemdb, InMemory: true},
	{Key: "mattn", Title: "SQLite, mattn", Module: "github.com/mattn/go-sqlite3", Open: openMattn},
	{Key: "modernc", Title: "SQLite, modernc", Module: "modernc.org/sqlite", Open: openModernc},
}

func contender(key string) (Contender, bool) {
	for _, c := range contenders {
		if c.Key == key {
			return c, true
		}
	}
	return Contender{}, false
}

// users is how many of n users the contender is loaded with.
func (c Contender) users(n int) int {
	if c.Most > 0 {
		return min(n, c.Most)
	}
	return n
}

// fold is the form of a name that lists are sorted and searched by.
func fold(name string) string { return strings.ToLower(name) }

// position is the place of a user in every list.
func position(u *User) string { return fold(u.Name) + "\x00" + u.UID }

// cutPosition takes a position apart.
func cutPosition(pos string) (folded, uid string) {
	i := strings.LastIndexByte(pos, 0)
	return pos[:max(i, 0)], pos[i+1:]
}

// after is the least string above all that start with prefix, of any that can be stored.
func after(prefix string) string {
	b := []byte(prefix)
	b[len(b)-1]++
	return string(b)
}

// chunks cuts a sequence into slices of up to n; each is valid until the next is asked for.
func chunks(users iter.Seq[User], n int) iter.Seq[[]User] {
	return func(yield func([]User) bool) {
		chunk := make([]User, 0, n)
		for u := range users {
			if chunk = append(chunk, u); len(chunk) < n {
				continue
			}
			if !yield(chunk) {
				return
			}
			chunk = chunk[:0]
		}
		if len(chunk) > 0 {
			yield(chunk)
		}
	}
}

// matches tells whether a user is one that the query asks for, wherever it goes on.
func (q Query) matches(u *User) bool {
	return (q.Tag == "" || slices.Contains(u.Tags, q.Tag)) && (q.Role == "" || u.Role == q.Role) &&
		(q.Prefix == "" || strings.HasPrefix(fold(u.Name), fold(q.Prefix)))
}
