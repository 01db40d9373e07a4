package roster

import (
	"bytes"

	"github.com/seed-3546c6b2/userstore/internal/kv"
)

// Part is a run of keys that lies beside others, and how many of its places are likely to be asked for.
type Part struct {
	Prefix []byte
	Ahead  int
}

// Shared walks parts that lie under one prefix, each as a stream of its own, for a union of them. They share an iterator,
// since opening one costs more than what is read of a small part: each reads some places ahead when its turn comes. The
// streams are to be closed together.
func Shared(v kv.View, prefix []byte, parts []Part, reverse bool) []Stream {
	it := v.Iterate(prefix, reverse)
	streams := make([]Stream, len(parts))
	for i, p := range parts {
		s := &sharedStream{it: it, prefix: p.Prefix, ahead: max(p.Ahead, 1), reverse: reverse}
		if i == 0 {
			s.close = it.Close
		}
		streams[i] = s
	}
	return streams
}

// maxAhead bounds how many places are read ahead.
const maxAhead = 1024

type sharedStream struct {
	it      kv.Iterator
	prefix  []byte
	ahead   int
	reverse bool
	close   func()

	key    []byte
	places []byte // those read ahead, one behind the other
	ends   []int  // of each
	at     int
	last   bool // there are no more behind those
}

func (s *sharedStream) Seek(pos []byte) {
	s.key = append(append(s.key[:0], s.prefix...), pos...)
	if pos == nil && s.reverse { // no place is in UTF-8 and holds 0xff
		s.key = append(s.key, 0xff)
	}
	s.fill(false)
}

// fill reads on from the key, or behind it.
func (s *sharedStream) fill(behind bool) {
	if s.ends == nil {
		const likely = 48 // bytes of a place
		s.places, s.ends = make([]byte, 0, s.ahead*likely), make([]int, 0, s.ahead)
	}
	s.places, s.ends, s.at = s.places[:0], s.ends[:0], 0
	s.it.Seek(s.key)
	if behind && s.it.Valid() && bytes.Equal(s.it.Key(), s.key) {
		s.it.Next()
	}
	for ; s.it.Valid() && len(s.ends) < s.ahead; s.it.Next() {
		key := s.it.Key()
		if !bytes.HasPrefix(key, s.prefix) {
			break
		}
		s.places = append(s.places, key[len(s.prefix):]...)
		s.ends = append(s.ends, len(s.places))
	}
	s.last = len(s.ends) < s.ahead
	s.ahead = min(2*s.ahead, maxAhead)
}

func (s *sharedStream) Next() {
	if s.at++; s.at < len(s.ends) || s.last {
		return
	}
	s.at--
	s.key = append(append(s.key[:0], s.prefix...), s.At()...)
	s.fill(true)
}

func (s *sharedStream) Valid() bool { return s.at < len(s.ends) }

func (s *sharedStream) At() []byte {
	start := 0
	if s.at > 0 {
		start = s.ends[s.at-1]
	}
	return s.places[start:s.ends[s.at]]
}

func (s *sharedStream) Close() {
	if s.close != nil {
		s.close()
	}
}
