package kv

import (
	"bytes"
	"slices"
)

// fixedView is a view of a few keys in memory.
type fixedView struct {
	engine *badgerEngine
	state  *state
}

func (v *fixedView) Version() uint64 { return v.state.version }
func (v *fixedView) Release()        { v.engine.release(v.state) }

func (v *fixedView) Get(key []byte) (value []byte, version uint64, err error) {
	if i, ok := v.find(key); ok {
		return bytes.Clone(v.state.fixed[i].Value), v.state.version, nil
	}
	return nil, 0, nil
}

// find gives the place of the first key at or after key.
func (v *fixedView) find(key []byte) (int, bool) {
	return slices.BinarySearchFunc(v.state.fixed, key, func(w Write, key []byte) int { return bytes.Compare(w.Key, key) })
}

func (v *fixedView) Iterate(prefix []byte, reverse bool) Iterator {
	return &fixedIterator{view: v, prefix: prefix, reverse: reverse, at: -1}
}

type fixedIterator struct {
	view    *fixedView
	prefix  []byte
	reverse bool
	at      int
}

func (i *fixedIterator) Seek(key []byte) {
	at, found := i.view.find(startOf(i.prefix, key, i.reverse))
	if i.at = at; i.reverse && !found {
		i.at--
	}
}

func (i *fixedIterator) Next() {
	if i.at++; i.reverse {
		i.at -= 2
	}
}

func (i *fixedIterator) Valid() bool {
	return i.at >= 0 && i.at < len(i.view.state.fixed) && bytes.HasPrefix(i.Key(), i.prefix)
}

func (i *fixedIterator) Key() []byte            { return i.view.state.fixed[i.at].Key }
func (i *fixedIterator) Value() ([]byte, error) { return i.view.state.fixed[i.at].Value, nil }
func (i *fixedIterator) Close()                 {}
