package kv

import (
	"bytes"
	"slices"
	"strings"
)

// overlay is a set of writes that are not yet in the engine.
type overlay struct {
	writes []Write
	index  map[string]int // key to place in writes
	bytes  int
	undo   []undo // how to take back the change that is running
}

// undo restores what writes[at] was.
type undo struct {
	at  int
	was Write
}

// mark is a point to roll back to: how many writes there were.
func (o *overlay) mark() int { return len(o.writes) }

func (o *overlay) rollback(mark int) {
	for _, u := range slices.Backward(o.undo) {
		o.bytes += len(u.was.Value) - len(o.writes[u.at].Value)
		o.writes[u.at] = u.was
	}
	for _, w := range o.writes[mark:] {
		o.bytes -= len(w.Key) + len(w.Value)
		delete(o.index, string(w.Key))
	}
	o.writes = o.writes[:mark]
	o.undo = o.undo[:0]
}

func (o *overlay) get(key []byte) (w Write, ok bool) {
	i, ok := o.index[string(key)]
	if !ok {
		return w, false
	}
	return o.writes[i], true
}

func (o *overlay) set(w Write) {
	o.bytes += len(w.Value)
	if i, ok := o.index[string(w.Key)]; ok {
		o.undo = append(o.undo, undo{i, o.writes[i]})
		o.bytes -= len(o.writes[i].Value)
		o.writes[i] = w
		return
	}
	o.bytes += len(w.Key)
	o.index[Text(w.Key)] = len(o.writes)
	o.writes = append(o.writes, w)
}

// Tx is what a change sees and writes: the engine's state, what earlier changes wrote, and its own.
type Tx struct {
	db    *DB
	batch *batch
}

// Get gives the value of key, nil if there is none. It must not be changed.
func (tx *Tx) Get(key []byte) ([]byte, error) {
	if w, ok := tx.Pending(key); ok {
		return w.Value, nil
	}
	if tx.batch.load != nil { // all that was there is pending
		return nil, nil
	}
	hot := tx.db.isHot(key)
	if hot {
		if value, ok := tx.db.hot[string(key)]; ok {
			return value, nil
		}
	}
	value, _, err := tx.batch.view.Get(key)
	if hot && err == nil {
		tx.db.keepHot(key, value)
	}
	return value, err
}

// Pending gives the last write of key that is not yet in the engine, if there is one.
func (tx *Tx) Pending(key []byte) (w Write, ok bool) {
	if w, ok = tx.batch.get(key); !ok && tx.batch.base != nil {
		w, ok = tx.batch.base.get(key)
	}
	return w, ok
}

// Unchanged tells whether a key surely is what it was in the engine's state of a version, where it was there or not. It
// looks the key up only where something has been committed since.
func (tx *Tx) Unchanged(key []byte, since uint64, there bool) bool {
	if _, pending := tx.Pending(key); pending || tx.batch.load != nil {
		return false
	}
	if since >= tx.Version() {
		return true
	}
	value, version, err := tx.batch.view.Get(key)
	return err == nil && version <= since && there == (value != nil)
}

// Version is that of the engine's state; what is pending is newer.
func (tx *Tx) Version() uint64 { return tx.batch.view.Version() }

// Set writes a value, which must not be empty. Both slices are the transaction's from then on.
func (tx *Tx) Set(key, value []byte) { tx.SetKnown(key, value, nil) }

// SetKnown is Set with what the value says: Pending and the cache's side of the commit give it back.
func (tx *Tx) SetKnown(key, value []byte, known any) {
	w := Write{key, value, known}
	if l := tx.batch.load; l == nil || !l.take(w) {
		tx.batch.set(w)
	}
}

// Delete removes a key. That it is not there is no error.
func (tx *Tx) Delete(key []byte) { tx.batch.set(Write{Key: key}) }

// Scan gives the keys and values under prefix, in order, up to limit of them (0 = all).
func (tx *Tx) Scan(prefix []byte, limit int) (found []Write, err error) {
	err = tx.Walk(prefix, func(w Write) bool {
		found = append(found, Write{Key: bytes.Clone(w.Key), Value: bytes.Clone(w.Value)})
		return len(found) != limit
	})
	return found, err
}

// Walk calls fn with each key and value under prefix, in order, until it returns false. Both hold until fn returns.
func (tx *Tx) Walk(prefix []byte, fn func(Write) bool) error {
	pending := tx.pendingUnder(prefix)
	it := tx.batch.view.Iterate(prefix, false)
	defer it.Close()
	it.Seek(nil)
	for it.Valid() || len(pending) > 0 {
		var w Write
		if len(pending) > 0 && (!it.Valid() || bytes.Compare(pending[0].Key, it.Key()) <= 0) {
			w, pending = pending[0], pending[1:]
			if it.Valid() && bytes.Equal(w.Key, it.Key()) {
				it.Next()
			}
			if w.Value != nil && !fn(w) {
				return nil
			}
			continue
		}
		value, err := it.Value()
		if err != nil {
			return err
		}
		if !fn(Write{Key: it.Key(), Value: value}) {
			return nil
		}
		it.Next()
	}
	return nil
}

func (tx *Tx) pendingUnder(prefix []byte) []Write {
	var list []Write
	under := string(prefix)
	if tx.batch.base != nil {
		for key, i := range tx.batch.base.index {
			if _, newer := tx.batch.index[key]; !newer && strings.HasPrefix(key, under) {
				list = append(list, tx.batch.base.writes[i])
			}
		}
	}
	for key, i := range tx.batch.index {
		if strings.HasPrefix(key, under) {
			list = append(list, tx.batch.writes[i])
		}
	}
	slices.SortFunc(list, func(a, b Write) int { return bytes.Compare(a.Key, b.Key) })
	return list
}
