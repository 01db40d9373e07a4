package kv

import (
	"bytes"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"
)

// state is a version of the data, and how many hold it; the engine itself holds the newest.
type state struct {
	version uint64
	refs    atomic.Int64
	fixed   []Write // all that is there, in order, while Badger is being filled; else nil
}

// hold takes a hold on the newest state.
func (e *badgerEngine) hold() *state {
	for {
		s := e.current.Load()
		for n := s.refs.Load(); n > 0; n = s.refs.Load() {
			if s.refs.CompareAndSwap(n, n+1) {
				return s
			}
		}
	}
}

func (e *badgerEngine) View() View {
	s := e.hold()
	if s.fixed != nil {
		return &fixedView{engine: e, state: s}
	}
	return &badgerView{engine: e, state: s}
}

type badgerView struct {
	engine *badgerEngine
	state  *state
	opened *badger.Txn // see txn
}

// txn is opened when something is read: what is asked for is often in the store's cache.
func (v *badgerView) txn() *badger.Txn {
	v.engine.home.sawRead(v.engine.db)
	if v.opened == nil {
		v.opened = v.engine.db.NewTransactionAt(v.state.version, false)
	}
	return v.opened
}

func (v *badgerView) Version() uint64 { return v.state.version }

func (v *badgerView) Release() {
	if v.opened != nil {
		v.opened.Discard()
	}
	v.engine.release(v.state)
}

func (v *badgerView) Get(key []byte) (value []byte, version uint64, err error) {
	item, err := v.txn().Get(key)
	if err != nil {
		if errors.Is(err, badger.ErrKeyNotFound) {
			return nil, 0, nil
		}
		return nil, 0, readError(err)
	}
	err = item.Value(func(b []byte) error { value = b; return nil }) // the item is ours alone, and so are its bytes
	return value, item.Version(), readError(err)
}

func readError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, badger.ErrDBClosed):
		return ErrClosed
	}
	return ErrCorrupt // Badger's own text holds the key
}

func (v *badgerView) Iterate(prefix []byte, reverse bool) Iterator {
	return &badgerIterator{engine: v.engine, prefix: prefix, reverse: reverse, it: v.txn().NewIterator(badger.IteratorOptions{
		Prefix:  prefix,
		Reverse: reverse,
	})}
}

// readsSeen is how many steps of an iterator count as a read, and how many reads go by between two looks at the memory.
const readsSeen = 32

type badgerIterator struct {
	engine  *badgerEngine
	steps   int
	it      *badger.Iterator
	prefix  []byte
	reverse bool
}

var (
	first   = []byte{1} // see stamp
	highest = bytes.Repeat([]byte{0xff}, MaxKey)
)

// startOf gives where a walk under prefix begins that is to go to key.
func startOf(prefix, key []byte, reverse bool) []byte {
	switch {
	case len(key) > len(prefix):
		return key
	case reverse: // no key with the prefix lies behind this
		return slices.Concat(prefix, highest)
	case len(prefix) == 0:
		return first
	}
	return prefix
}

func (i *badgerIterator) Seek(key []byte) { i.it.Seek(startOf(i.prefix, key, i.reverse)) }

func (i *badgerIterator) Next() {
	i.it.Next()
	if i.steps++; i.steps%readsSeen == 0 {
		i.engine.home.sawRead(i.engine.db)
	}
}

func (i *badgerIterator) Valid() bool { return i.it.Valid() && i.Key()[0] >= first[0] }
func (i *badgerIterator) Key() []byte { return i.it.Item().Key() }
func (i *badgerIterator) Close()      { i.it.Close() }

func (i *badgerIterator) Value() (value []byte, err error) {
	err = i.it.Item().Value(func(b []byte) error { value = b; return nil })
	return value, readError(err)
}
