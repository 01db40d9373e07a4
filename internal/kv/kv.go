// Package kv is the small, ordered, transactional key-value seam that the store stands on. An Engine keeps the bytes;
// DB adds serial changes over it that share commits.
//
// A key is 1 to MaxKey bytes and does not start with a zero byte, a value is never empty. Everything a change relies on is a key that it reads and
// writes, so that an engine shared by several processes could tell conflicts from written keys alone.
package kv

import (
	"errors"
	"unsafe"

	"github.com/seed-3546c6b2/userstore/internal/sorter"
)

// MaxKey is the longest key, in bytes.
const MaxKey = 1024

// The errors of engines. A caller compares with errors.Is.
var (
	ErrConflict  = errors.New("userstore: conflicting change")
	ErrTooLarge  = errors.New("userstore: change is too large for one transaction")
	ErrUncertain = errors.New("userstore: it is not known whether the change happened")
	ErrClosed    = errors.New("userstore: store is closed")
	ErrLocked    = errors.New("userstore: directory is in use by another process or another Store")
	ErrReadOnly  = errors.New("userstore: store is open read-only")
	ErrCorrupt   = errors.New("userstore: data is damaged")
	ErrKey       = errors.New("userstore: encryption key is missing or wrong")
	ErrNewer     = errors.New("userstore: the store is of a newer format")
	ErrStranger  = errors.New("userstore: directory holds data of something else")
)

// Engine is an ordered map of bytes with snapshots. Its methods may be called by many goroutines, Apply by one at a time.
type Engine interface {
	// View gives the newest applied state, unchanging until released.
	View() View
	// Apply makes all writes durable and visible, or none, and gives the version that has them. It fails with
	// ErrConflict, ErrTooLarge or another error if none was made, and with ErrUncertain if that is not known.
	// meanwhile, if not nil, is for what can be done beside it: it has ended before anybody can see the writes. Where
	// they are refused it may not be called.
	Apply(writes []Write, meanwhile func()) (version uint64, err error)
	// Limits are the most writes, and the most bytes of keys and values, that one Apply takes.
	Limits() (writes, bytes int)
	// Stats describes files and memory.
	Stats() Stats
	// Compact gives back the space of what was deleted or replaced.
	Compact() error
	Close() error
}

// Filler is an Engine that can be filled at one go, much faster than by Apply.
type Filler interface {
	Engine
	// CanFill tells whether Fill may be tried now: there are few keys, or none.
	CanFill() bool
	// Fill makes what each emits, in the order of the keys, all that there is, durable and visible, and gives the version
	// that has it; or it fails, and what was there stays. size is about how many bytes will be emitted. It fails with
	// ErrTooLarge if more is there than Everything gives. Nobody may call Apply meanwhile.
	Fill(size int64, each func(emit func(key, value []byte) error) error) (version uint64, err error)
	// Scratch makes an empty file, whose maker closes it, to sort in what is to be filled in.
	Scratch() (sorter.File, error)
	// SortMemory is how many bytes to sort in memory.
	SortMemory() int
}

// Write is one key to set or, with a nil value, to delete.
type Write struct {
	Key, Value []byte
	Known      any // what Value says, for who wrote it; an engine passes it over
}

// Text is a key that was written, or a part of one, as a string without copying it: nobody changes it any more.
func Text(key []byte) string { return unsafe.String(unsafe.SliceData(key), len(key)) }

// View is a state of the engine, for one goroutine at a time. It costs little to hold; an Iterator must be closed before
// its View is released.
type View interface {
	// Version grows with every Apply.
	Version() uint64
	// Get gives the value, the caller's to keep, and the version that wrote it; a nil value if there is none.
	Get(key []byte) (value []byte, version uint64, err error)
	// Iterate walks the keys that start with prefix, in order or, reversed, against it. It stands nowhere until Seek.
	Iterate(prefix []byte, reverse bool) Iterator
	Release()
}

// Iterator walks keys. Key and Value hold until the next Seek or Next.
type Iterator interface {
	// Seek goes to the first key at or after key in the direction of the walk; a key shorter than the prefix stands for
	// the walk's start.
	Seek(key []byte)
	Next()
	Valid() bool
	Key() []byte
	Value() ([]byte, error)
	Close()
}

// Stats describes an engine's files and memory.
type Stats struct {
	DiskBytes int64   // all files together, as allocated
	Levels    []Level // of the LSM tree
}

// Level is one level of an LSM tree.
type Level struct {
	Tables int
	Bytes  int64
}
