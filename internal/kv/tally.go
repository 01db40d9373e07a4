package kv

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/dgraph-io/badger/v4"
)

// Counters are small, and a commit of many changes writes many of them, mostly those that the last one wrote. Written
// as keys of their own they would be a quarter of all that it writes. So what an Apply writes to keys of the tally kinds is
// put down as one entry, a sheet; after some sheets the newest values are written as keys of their own, of that later
// version, and the sheets deleted. Views look through the sheets first.
//
// A sheet's key is a zero byte and its number, from 1 on, which views do not show. Its value is each key and value, their
// lengths ahead of them; a value of no length says that the key was deleted.

// How many sheets there are at most, and how many writes are worth one where there is none.
const (
	maxSheets = 32
	minSheet  = 8
)

// tally is the sheets of a state, oldest first. It never changes.
type tally []sheet

// sheet is what one Apply wrote to keys of the tally kinds.
type sheet struct {
	version uint64
	writes  []Write // in the order of their keys
	bytes   int     // of keys and values
}

// tallied tells whether a key is of a tally kind.
func (c *Config) tallied(key []byte) bool {
	return len(key) > 0 && strings.IndexByte(c.Tally, key[0]) >= 0
}

// reserved is how many writes and bytes an Apply may need beside its own, to write out a tally.
func (e *badgerEngine) reserved() (writes, bytes int) {
	if e.cfg.Tally == "" {
		return 0, 0
	}
	writes, bytes = e.most()
	return writes / 8, bytes / 8
}

// putDown gives what to write in place of writes, and the tally there is then.
func (e *badgerEngine) putDown(t tally, version uint64, writes []Write) ([]Write, tally) {
	s := sheet{version: version}
	for i := range writes {
		if w := &writes[i]; e.cfg.tallied(w.Key) {
			s.writes = append(s.writes, Write{Key: w.Key, Value: w.Value})
			s.bytes += len(w.Key) + len(w.Value)
		}
	}
	if len(s.writes) == 0 || len(t) == 0 && len(s.writes) < minSheet {
		return writes, t
	}
	slices.SortFunc(s.writes, byKey)
	rest := make([]Write, 0, len(writes)+1)
	for _, w := range writes {
		if !e.cfg.tallied(w.Key) {
			rest = append(rest, w)
		}
	}
	after := append(slices.Clip(t), s)
	if e.fits(after) {
		return append(rest, Write{Key: sheetKey(len(after)), Value: s.encode()}), after
	}
	for n := range t {
		rest = append(rest, Write{Key: sheetKey(n + 1)})
	}
	return append(rest, after.under(nil)...), nil
}

// fits tells whether a tally can be kept as it is, and written out with any Apply to come.
func (e *badgerEngine) fits(t tally) bool {
	writes, bytes := len(t), 0
	for _, s := range t {
		writes += len(s.writes)
		bytes += s.bytes
	}
	mostWrites, mostBytes := e.reserved()
	return len(t) <= maxSheets && writes <= mostWrites && bytes <= mostBytes
}

// get gives the last write of a key, if there is one.
func (t tally) get(key []byte) (w Write, version uint64, ok bool) {
	for _, s := range slices.Backward(t) {
		if i, ok := slices.BinarySearchFunc(s.writes, Write{Key: key}, byKey); ok {
			return s.writes[i], s.version, true
		}
	}
	return w, 0, false
}

// under gives the last write of each key that starts with prefix, in order.
func (t tally) under(prefix []byte) []Write {
	var last []Write
	seen := map[string]bool{}
	for _, s := range slices.Backward(t) {
		from, _ := slices.BinarySearchFunc(s.writes, Write{Key: prefix}, byKey)
		for _, w := range s.writes[from:] {
			if !bytes.HasPrefix(w.Key, prefix) {
				break
			}
			if key := Text(w.Key); !seen[key] {
				seen[key] = true
				last = append(last, w)
			}
		}
	}
	slices.SortFunc(last, byKey)
	return last
}

func byKey(a, b Write) int { return bytes.Compare(a.Key, b.Key) }

func sheetKey(number int) []byte { return []byte{0, byte(number)} }

func (s *sheet) encode() []byte {
	b := make([]byte, 0, s.bytes+4*len(s.writes))
	for _, w := range s.writes {
		b = appendWrite(b, w)
	}
	return b
}

func decodeSheet(b []byte) (s sheet, err error) {
	var last []byte // below every key: none is empty
	for len(b) > 0 {
		w, rest, ok := cutWrite(b)
		if !ok || bytes.Compare(w.Key, last) <= 0 {
			return sheet{}, fmt.Errorf("%w: counters that were put down together", ErrCorrupt)
		}
		s.writes = append(s.writes, w)
		s.bytes += len(w.Key) + len(w.Value)
		b, last = rest, w.Key
	}
	return s, nil
}

// appendWrite puts a key and its value behind b, their lengths ahead of them.
func appendWrite(b []byte, w Write) []byte {
	b = append(binary.AppendUvarint(b, uint64(len(w.Key))), w.Key...)
	return append(binary.AppendUvarint(b, uint64(len(w.Value))), w.Value...)
}

// cutWrite takes off the front of b what appendWrite put there; an empty value is nil.
func cutWrite(b []byte) (w Write, rest []byte, ok bool) {
	part := func() (p []byte) {
		n, read := binary.Uvarint(b)
		if ok = read > 0 && n <= uint64(len(b)-read); ok && n > 0 {
			p = b[read : read+int(n) : read+int(n)]
		}
		if ok {
			b = b[read+int(n):]
		}
		return p
	}
	if w.Key = part(); ok {
		w.Value = part()
	}
	return w, b, ok
}

// readTally reads the sheets that are there in a version.
func readTally(db *badger.DB, version uint64) (t tally, err error) {
	defer caught(&err)
	txn := db.NewTransactionAt(version, false)
	defer txn.Discard()
	for {
		item, err := txn.Get(sheetKey(len(t) + 1))
		if err != nil {
			if err == badger.ErrKeyNotFound {
				return t, nil
			}
			return nil, readError(err)
		}
		value, err := item.ValueCopy(nil)
		if err != nil {
			return nil, readError(err)
		}
		s, err := decodeSheet(value)
		if err != nil {
			return nil, err
		}
		s.version = item.Version()
		t = append(t, s)
	}
}

// tallyIterator walks what is in Badger and what a tally has of it, which is newer.
type tallyIterator struct {
	*badgerIterator
	tally []Write // what it has under the prefix, in the direction of the walk
	at    int
	here  bool // the walk stands at tally[at]
}

func (i *tallyIterator) before(a, b []byte) int {
	if i.reverse {
		a, b = b, a
	}
	return bytes.Compare(a, b)
}

func (i *tallyIterator) Seek(key []byte) {
	i.badgerIterator.Seek(key)
	i.at, _ = slices.BinarySearchFunc(i.tally, startOf(i.prefix, key, i.reverse), func(w Write, key []byte) int { return i.before(w.Key, key) })
	i.settle()
}

// settle goes on to the next key that is there.
func (i *tallyIterator) settle() {
	for i.here = false; i.at < len(i.tally); i.at++ {
		order := -1
		if i.badgerIterator.Valid() {
			order = i.before(i.tally[i.at].Key, i.badgerIterator.Key())
		}
		if order > 0 {
			return
		}
		if order == 0 { // it was replaced or deleted
			i.badgerIterator.Next()
		}
		if i.tally[i.at].Value != nil {
			i.here = true
			return
		}
	}
}

func (i *tallyIterator) Next() {
	if i.here {
		i.at++
	} else {
		i.badgerIterator.Next()
	}
	i.settle()
}

func (i *tallyIterator) Valid() bool { return i.here || i.badgerIterator.Valid() }

func (i *tallyIterator) Key() []byte {
	if i.here {
		return i.tally[i.at].Key
	}
	return i.badgerIterator.Key()
}

func (i *tallyIterator) Value() ([]byte, error) {
	if i.here {
		return i.tally[i.at].Value, nil
	}
	return i.badgerIterator.Value()
}
