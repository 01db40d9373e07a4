// Package roster combines sorted lists of users. A Stream walks places in a roster (name, zero byte, uid; see keys), in
// order or against it; streams over index entries are put together by union, intersection, difference and filters, so
// that a query is answered from keys alone.
package roster

import (
	"bytes"

	"github.com/seed-3546c6b2/userstore/internal/kv"
)

// Stream is a walk over places. It stands nowhere until Seek. What At gives holds until the next Seek or Next.
type Stream interface {
	// Seek goes to the first place at or after pos in the direction of the walk; nil is its start.
	Seek(pos []byte)
	Next()
	Valid() bool
	At() []byte
	Close()
}

// Keys walks the places that follow prefix in the keys of a view.
func Keys(v kv.View, prefix []byte, reverse bool) Stream {
	return &keyStream{prefix: prefix, it: v.Iterate(prefix, reverse)}
}

// keyStream asks the iterator once for each place; who combines streams asks more often.
type keyStream struct {
	it     kv.Iterator
	prefix []byte
	key    []byte
	at     []byte
	valid  bool
}

func (s *keyStream) Seek(pos []byte) {
	s.key = append(append(s.key[:0], s.prefix...), pos...)
	s.it.Seek(s.key)
	s.look()
}

func (s *keyStream) Next() {
	s.it.Next()
	s.look()
}

func (s *keyStream) look() {
	if s.valid = s.it.Valid(); s.valid {
		s.at = s.it.Key()[len(s.prefix):]
	}
}

func (s *keyStream) Valid() bool { return s.valid }
func (s *keyStream) At() []byte  { return s.at }
func (s *keyStream) Close()      { s.it.Close() }

// List walks places that are given, sorted in the direction of the walk.
func List(places [][]byte, reverse bool) Stream {
	return &listStream{all: places, compare: direction(reverse)}
}

type listStream struct {
	all     [][]byte
	at      int
	compare func(a, b []byte) int
}

func (s *listStream) Seek(pos []byte) {
	for s.at = 0; pos != nil && s.Valid() && s.compare(s.At(), pos) < 0; s.at++ {
	}
}

func (s *listStream) Next()       { s.at++ }
func (s *listStream) Valid() bool { return s.at < len(s.all) }
func (s *listStream) At() []byte  { return s.all[s.at] }
func (s *listStream) Close()      {}

func direction(reverse bool) func(a, b []byte) int {
	if reverse {
		return func(a, b []byte) int { return bytes.Compare(b, a) }
	}
	return bytes.Compare
}

// Union walks what is in any of the streams, each place once. It owns the streams.
func Union(streams []Stream, reverse bool) Stream {
	if len(streams) == 1 {
		return streams[0]
	}
	return &union{all: streams, compare: direction(reverse)}
}

// union keeps the streams that are not at their end in a heap, the one that stands first on top.
type union struct {
	all     []Stream
	heap    []head
	last    []byte
	compare func(a, b []byte) int
}

// head is a stream and where it stands.
type head struct {
	Stream
	at []byte
}

func (u *union) Seek(pos []byte) {
	u.heap = u.heap[:0]
	for _, s := range u.all {
		if s.Seek(pos); s.Valid() {
			u.heap = append(u.heap, head{s, s.At()})
		}
	}
	for i := len(u.heap)/2 - 1; i >= 0; i-- {
		u.sink(i)
	}
}

func (u *union) Next() {
	u.last = append(u.last[:0], u.heap[0].at...)
	for len(u.heap) > 0 && bytes.Equal(u.heap[0].at, u.last) {
		top := &u.heap[0]
		if top.Next(); top.Valid() {
			top.at = top.At()
		} else {
			end := len(u.heap) - 1
			*top = u.heap[end]
			u.heap = u.heap[:end]
		}
		u.sink(0)
	}
}

func (u *union) sink(i int) {
	for {
		first := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(u.heap); child++ {
			if u.compare(u.heap[child].at, u.heap[first].at) < 0 {
				first = child
			}
		}
		if first == i {
			return
		}
		u.heap[i], u.heap[first] = u.heap[first], u.heap[i]
		i = first
	}
}

func (u *union) Valid() bool { return len(u.heap) > 0 }
func (u *union) At() []byte  { return u.heap[0].at }
func (u *union) Close()      { closeAll(u.all) }

func closeAll(streams []Stream) {
	for _, s := range streams {
		s.Close()
	}
}

// Intersect walks what is in all of the streams, which come smallest first: the first one leads. It owns the streams.
func Intersect(streams []Stream, reverse bool) Stream {
	if len(streams) == 1 {
		return streams[0]
	}
	return &intersection{all: streams, compare: direction(reverse)}
}

type intersection struct {
	all     []Stream
	compare func(a, b []byte) int
}

func (s *intersection) Seek(pos []byte) {
	for _, each := range s.all {
		each.Seek(pos)
	}
	s.settle()
}

func (s *intersection) Next() {
	s.all[0].Next()
	s.settle()
}

// settle moves on until all stand at one place.
func (s *intersection) settle() {
	for i := 1; i < len(s.all) && s.Valid(); {
		advance(s.all[i], s.all[0].At(), s.compare)
		if s.Valid() && s.compare(s.all[i].At(), s.all[0].At()) > 0 {
			advance(s.all[0], s.all[i].At(), s.compare)
			i = 1
			continue
		}
		i++
	}
}

func (s *intersection) Valid() bool {
	for _, each := range s.all {
		if !each.Valid() {
			return false
		}
	}
	return true
}

func (s *intersection) At() []byte { return s.all[0].At() }
func (s *intersection) Close()     { closeAll(s.all) }

// advance brings s to pos or past it. A few steps come before a seek, since a step costs a tenth of one.
func advance(s Stream, pos []byte, compare func(a, b []byte) int) {
	for range 8 {
		if !s.Valid() || compare(s.At(), pos) >= 0 {
			return
		}
		s.Next()
	}
	if s.Valid() && compare(s.At(), pos) < 0 {
		s.Seek(pos)
	}
}

// Subtract walks what is in from and in none of the others. It owns the streams.
func Subtract(from Stream, others []Stream, reverse bool) Stream {
	if len(others) == 0 {
		return from
	}
	return &difference{from: from, others: Union(others, reverse), compare: direction(reverse)}
}

type difference struct {
	from, others Stream
	compare      func(a, b []byte) int
}

func (d *difference) Seek(pos []byte) {
	d.from.Seek(pos)
	d.others.Seek(pos)
	d.settle()
}

func (d *difference) Next() {
	d.from.Next()
	d.settle()
}

func (d *difference) settle() {
	for ; d.from.Valid(); d.from.Next() {
		advance(d.others, d.from.At(), d.compare)
		if !d.others.Valid() || !bytes.Equal(d.others.At(), d.from.At()) {
			return
		}
	}
}

func (d *difference) Valid() bool { return d.from.Valid() }
func (d *difference) At() []byte  { return d.from.At() }
func (d *difference) Close()      { d.from.Close(); d.others.Close() }

// Filter walks what keep accepts. It owns the stream.
func Filter(s Stream, keep func(pos []byte) bool) Stream { return &filter{s, keep} }

type filter struct {
	Stream
	keep func(pos []byte) bool
}

func (f *filter) Seek(pos []byte) {
	f.Stream.Seek(pos)
	f.settle()
}

func (f *filter) Next() {
	f.Stream.Next()
	f.settle()
}

func (f *filter) settle() {
	for f.Stream.Valid() && !f.keep(f.Stream.At()) {
		f.Stream.Next()
	}
}

// Within walks the places that start with prefix, and touches no others. It owns the stream.
func Within(s Stream, prefix []byte, reverse bool) Stream {
	w := &within{Stream: s, prefix: prefix, first: prefix, compare: direction(reverse)}
	if reverse { // no place is in UTF-8 and holds 0xff
		w.first = append(bytes.Clone(prefix), 0xff)
	}
	return w
}

type within struct {
	Stream
	prefix, first []byte
	compare       func(a, b []byte) int
}

func (w *within) Seek(pos []byte) {
	if pos == nil || w.compare(pos, w.first) < 0 {
		pos = w.first
	}
	w.Stream.Seek(pos)
}

func (w *within) Valid() bool { return w.Stream.Valid() && bytes.HasPrefix(w.Stream.At(), w.prefix) }

// Under puts a byte in front of every place, so that whole streams can be walked one after the other by their union. It
// owns the stream.
func Under(first byte, s Stream, reverse bool) Stream {
	return &under{s: s, first: []byte{first}, compare: direction(reverse)}
}

type under struct {
	s       Stream
	first   []byte
	at      []byte
	past    bool
	compare func(a, b []byte) int
}

func (u *under) Seek(pos []byte) {
	order := -1
	if len(pos) > 0 {
		order = u.compare(pos[:1], u.first)
	}
	switch u.past = order > 0; {
	case order == 0:
		u.s.Seek(pos[1:])
	case order < 0:
		u.s.Seek(nil)
	}
}

func (u *under) Next()       { u.s.Next() }
func (u *under) Valid() bool { return !u.past && u.s.Valid() }
func (u *under) Close()      { u.s.Close() }

func (u *under) At() []byte {
	u.at = append(append(u.at[:0], u.first...), u.s.At()...)
	return u.at
}
