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

// undo restores the value that writes[at] had.
type undo struct {
	at    int
	value []byte
}

// mark is a point to roll back to: how many writes there were.
func (o *overlay) mark() int { return len(o.writes) }

func (o *overlay) rollback(mark int) {
	for _, u := range slices.Backward(o.undo) {
		o.bytes += len(u.value) - len(o.writes[u.at].Value)
		o.writes[u.at].Value = u.value
	}
	for _, w := range o.writes[mark:] {
		o.bytes -= len(w.Key) + len(w.Value)
		delete(o.index, string(w.Key))
	}
	o.writes = o.writes[:mark]
	o.undo = o.undo[:0]
}

func (o *overlay) get(key []byte) (value []byte, ok bool) {
	i, ok := o.index[string(key)]
	if !ok {
		return nil, false
	}
	return o.writes[i].Value, true
}

func (o *overlay) set(key, value []byte) {
	o.bytes += len(value)
	if i, ok := o.index[string(key)]; ok {
		o.undo = append(o.undo, undo{i, o.writes[i].Value})
		o.bytes -= len(o.writes[i].Value)
		o.writes[i].Value = value
		return
	}
	if o.index == nil {
		o.index = make(map[string]int)
	}
	o.bytes += len(key)
	o.index[string(key)] = len(o.writes)
	o.writes = append(o.writes, Write{key, value})
}

// Tx is what a change sees and writes: the engine's state, what earlier changes wrote, and its own.
type Tx struct {
	db    *DB
	batch *batch
}

// Get gives the value of key, nil if there is none. It must not be changed.
func (tx *Tx) Get(key []byte) ([]byte, error) {
	if value, ok := tx.pending(key); ok {
		return value, nil
	}
	if value, ok := tx.db.hot[string(key)]; ok {
		return value, nil
	}
	value, _, err := tx.batch.view.Get(key)
	return value, err
}

// pending looks among what is not yet in the engine; nil means deleted.
func (tx *Tx) pending(key []byte) (value []byte, ok bool) {
	if value, ok = tx.batch.get(key); !ok && tx.batch.base != nil {
		value, ok = tx.batch.base.get(key)
	}
	return value, ok
}

// Set writes a value, which must not be empty. Both slices are the transaction's from then on.
func (tx *Tx) Set(key, value []byte) { tx.batch.set(key, value) }

// Delete removes a key. That it is not there is no error.
func (tx *Tx) Delete(key []byte) { tx.batch.set(key, nil) }

// Scan gives the keys and values under prefix, in order, up to limit of them (0 = all).
func (tx *Tx) Scan(prefix []byte, limit int) (found []Write, err error) {
	err = tx.Walk(prefix, func(w Write) bool {
		found = append(found, Write{bytes.Clone(w.Key), bytes.Clone(w.Value)})
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
		if !fn(Write{it.Key(), value}) {
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
