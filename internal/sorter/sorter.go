// Package sorter brings keys and their values into the order of the keys, many more of them than fit into memory: what
// has filled its memory is sorted and put into a file, run by run, and in the end the runs are merged.
package sorter

import (
	"bufio"
	"bytes"
	"container/heap"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"slices"
)

// File is what a sorter puts its runs into.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
}

// Sorter takes keys with Add and gives them in order with Each. Use it from one goroutine, and Close it in the end.
type Sorter struct {
	limit  int                  // bytes of a run
	create func() (File, error) // makes the file, when there is need of one
	file   File
	at     int64 // the end of the file
	runs   []span

	filling *run
	spare   *run       // to be filled next
	writing chan error // how the writing of a run ended; nil if none is being written
	err     error      // what went wrong; nothing is taken after it

	count, bytes int
}

// span is where a run lies in the file, and how many keys it has.
type span struct {
	from, to int64
	keys     int
}

// New makes a sorter that holds two runs of so many bytes in memory, and a little more for every key. create gives it an
// empty file if it needs one; removing the file is its maker's business.
func New(limit int, create func() (File, error)) *Sorter {
	return &Sorter{limit: limit, create: create, filling: &run{}, spare: &run{}}
}

// Add takes a copy of a key that was not added before, and of its value.
func (s *Sorter) Add(key, value []byte) error {
	if s.err != nil {
		return s.err
	}
	s.count++
	s.bytes += len(key) + len(value)
	s.filling.add(key, value)
	if len(s.filling.data) >= s.limit {
		s.err = s.spill()
	}
	return s.err
}

// Len is how many keys were added.
func (s *Sorter) Len() int { return s.count }

// Size is how many bytes the keys and values have.
func (s *Sorter) Size() int { return s.bytes }

// spill lets the run that is full be sorted and written, while the next one is filled.
func (s *Sorter) spill() error {
	if err := s.settle(); err != nil {
		return err
	}
	if s.file == nil {
		file, err := s.create()
		if err != nil {
			return err
		}
		s.file = file
	}
	full := s.filling
	s.filling, s.spare = s.spare, full
	s.runs = append(s.runs, span{s.at, s.at + int64(len(full.data)), len(full.items)})
	from := s.at
	s.at += int64(len(full.data))
	writing := make(chan error, 1)
	s.writing = writing
	go func() {
		full.sort()
		writing <- full.write(io.NewOffsetWriter(s.file, from))
	}()
	return nil
}

// settle waits until the run that is being written is in the file, and its memory free.
func (s *Sorter) settle() error {
	if s.writing == nil {
		return nil
	}
	err := <-s.writing
	s.writing = nil
	s.spare.reset()
	return err
}

// Each calls fn with every key and value, in the order of the keys. Both hold until fn returns. Nothing can be added
// afterwards.
func (s *Sorter) Each(fn func(key, value []byte) error) error {
	err := s.err
	s.err = errors.New("sorter: has been read")
	if err = errors.Join(err, s.settle()); err != nil {
		return err
	}
	s.filling.sort()
	m := make(merge, 0, len(s.runs)+1)
	add := func(c cursor) error {
		ok, err := c.next()
		if ok {
			m = append(m, c)
		}
		return err
	}
	if err := add(&inMemory{run: s.filling}); err != nil {
		return err
	}
	for _, r := range s.runs {
		from := io.NewSectionReader(s.file, r.from, r.to-r.from)
		if err := add(&inFile{in: bufio.NewReaderSize(from, readSize), left: r.keys}); err != nil {
			return err
		}
	}
	heap.Init(&m)
	for len(m) > 0 {
		if err := fn(m[0].entry()); err != nil {
			return err
		}
		ok, err := m[0].next()
		if err != nil {
			return err
		}
		if ok {
			heap.Fix(&m, 0)
		} else {
			heap.Pop(&m)
		}
	}
	return nil
}

const readSize = 32 << 10 // bytes of a run that are read at once

// Close waits for what is under way and closes the file.
func (s *Sorter) Close() error {
	if s.writing != nil {
		<-s.writing
		s.writing = nil
	}
	s.filling, s.spare = &run{}, &run{}
	s.err = os.ErrClosed
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}

// run is keys and values in memory, each behind its lengths.
type run struct {
	data  []byte
	items []item
}

// item is where an entry lies in the data.
type item struct {
	at    uint32 // of the key
	key   uint32 // its length
	value uint32
}

func (r *run) add(key, value []byte) {
	r.data = binary.AppendUvarint(r.data, uint64(len(key)))
	r.data = binary.AppendUvarint(r.data, uint64(len(value)))
	r.items = append(r.items, item{uint32(len(r.data)), uint32(len(key)), uint32(len(value))})
	r.data = append(append(r.data, key...), value...)
}

func (r *run) reset() { r.data, r.items = r.data[:0], r.items[:0] }

func (r *run) keyOf(i item) []byte { return r.data[i.at : i.at+i.key] }

func (r *run) sort() {
	slices.SortFunc(r.items, func(a, b item) int { return bytes.Compare(r.keyOf(a), r.keyOf(b)) })
}

func (r *run) write(to io.Writer) error {
	out := bufio.NewWriterSize(to, 256<<10)
	var head [2 * binary.MaxVarintLen32]byte
	for _, i := range r.items {
		lengths := binary.AppendUvarint(binary.AppendUvarint(head[:0], uint64(i.key)), uint64(i.value))
		if _, err := out.Write(lengths); err != nil {
			return err
		}
		if _, err := out.Write(r.data[i.at : i.at+i.key+i.value]); err != nil {
			return err
		}
	}
	return out.Flush()
}

// cursor goes through a sorted run.
type cursor interface {
	next() (ok bool, err error)
	entry() (key, value []byte) // after next
}

type inMemory struct {
	*run
	read int
}

func (c *inMemory) next() (bool, error) {
	c.read++
	return c.read <= len(c.items), nil
}

func (c *inMemory) entry() (key, value []byte) {
	i := c.items[c.read-1]
	return c.keyOf(i), c.data[i.at+i.key : i.at+i.key+i.value]
}

type inFile struct {
	in   *bufio.Reader
	left int // keys
	buf  []byte
	key  int // bytes of buf that are the key
}

func (c *inFile) next() (bool, error) {
	if c.left == 0 {
		return false, nil
	}
	c.left--
	key, err := binary.ReadUvarint(c.in)
	value, err2 := binary.ReadUvarint(c.in)
	if err = errors.Join(err, err2); err != nil {
		return false, err
	}
	c.buf, c.key = slices.Grow(c.buf[:0], int(key+value))[:key+value], int(key)
	_, err = io.ReadFull(c.in, c.buf)
	return err == nil, err
}

func (c *inFile) entry() (key, value []byte) { return c.buf[:c.key], c.buf[c.key:] }

// merge is a heap of cursors, the one with the least key first.
type merge []cursor

func (m merge) Len() int { return len(m) }
func (m merge) Less(i, j int) bool {
	a, _ := m[i].entry()
	b, _ := m[j].entry()
	return bytes.Compare(a, b) < 0
}
func (m merge) Swap(i, j int) { m[i], m[j] = m[j], m[i] }
func (m *merge) Push(c any)   { *m = append(*m, c.(cursor)) }
func (m *merge) Pop() any {
	last := (*m)[len(*m)-1]
	*m = (*m)[:len(*m)-1]
	return last
}
