// Package cache keeps recently read values in memory, bounded in bytes, and never shows a reader a value that its
// snapshot does not hold.
package cache

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

const shards = 64

// Cache maps keys to values that nobody changes. A nil Cache holds nothing. The zero Cache is not ready; see New.
type Cache[V any] struct {
	seed   maphash.Seed
	shards [shards]shard[V]
}

// Entry is where a value is kept: beside what the cache has to know of it, so that finding it touches little memory. Once
// it is in a cache only used and at change.
type Entry[V any] struct {
	key     string
	hash    uint64
	version uint64
	used    atomic.Bool
	size    int
	at      int // place in the ring; guarded by the lock
	Value   V
}

type shard[V any] struct {
	mu      sync.RWMutex
	entries map[uint64]*Entry[V] // by the hash of their keys; of two keys with one hash the first to come is kept
	ring    []*Entry[V]          // for the clock hand
	hand    int
	size    int
	limit   int
	writing int    // commits under way that touch the shard
	changed uint64 // the version of the last commit that touched it
}

// New makes a cache of about so many bytes, or nil for none.
func New[V any](bytes int) *Cache[V] {
	if bytes <= 0 {
		return nil
	}
	c := &Cache[V]{seed: maphash.MakeSeed()}
	for i := range c.shards {
		c.shards[i].limit = bytes / shards
		c.shards[i].entries = map[uint64]*Entry[V]{}
	}
	return c
}

func (c *Cache[V]) hash(key string) uint64 { return maphash.String(c.seed, key) }

func (c *Cache[V]) shard(hash uint64) *shard[V] { return &c.shards[hash%shards] }

// Get gives the value of key as a snapshot of that version sees it, or nil.
func (c *Cache[V]) Get(key string, snapshot uint64) *V {
	if c == nil {
		return nil
	}
	if e := c.find(key); e.seen(key, snapshot) {
		return &e.Value
	}
	return nil
}

// GetAll is Get for many keys. Most of the time goes into waiting for memory, so it waits for all of them at once.
func (c *Cache[V]) GetAll(keys []string, snapshot uint64) []*V {
	values := make([]*V, len(keys))
	if c == nil {
		return values
	}
	entries := make([]*Entry[V], len(keys))
	for i, key := range keys {
		entries[i] = c.find(key)
	}
	for i, e := range entries {
		if e.seen(keys[i], snapshot) {
			values[i] = &e.Value
		}
	}
	return values
}

// find gives the entry with the hash of a key, or nil.
func (c *Cache[V]) find(key string) *Entry[V] {
	hash := c.hash(key)
	s := c.shard(hash)
	s.mu.RLock()
	e := s.entries[hash]
	s.mu.RUnlock()
	return e
}

// seen tells whether this is the entry of a key, and seen by a snapshot. If so, it has been used.
func (e *Entry[V]) seen(key string, snapshot uint64) bool {
	if e == nil || e.version > snapshot || e.key != key {
		return false
	}
	if !e.used.Load() {
		e.used.Store(true)
	}
	return true
}

// Put offers a new entry with a value of about size bytes, written by version and read in a snapshot. It is taken only if
// nothing near it has changed since the snapshot, for then it is the newest there is.
func (c *Cache[V]) Put(key string, e *Entry[V], size int, version, snapshot uint64) {
	if c == nil {
		return
	}
	e.key, e.hash, e.version, e.size = key, c.hash(key), version, size
	s := c.shard(e.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if snapshot >= s.changed {
		s.put(e)
	}
}

func (s *shard[V]) put(e *Entry[V]) {
	const overhead = 96 // of the entry without the value, its share of the map, and the ring
	e.size += overhead + len(e.key)
	if s.writing > 0 || s.entries[e.hash] != nil || e.size > s.limit {
		return
	}
	for s.size+e.size > s.limit {
		s.evict()
	}
	e.at = len(s.ring)
	s.entries[e.hash] = e
	s.ring = append(s.ring, e)
	s.size += e.size
}

// evict moves the clock hand on to an entry that nobody has used since it last passed.
func (s *shard[V]) evict() {
	for ; ; s.hand++ {
		if s.hand >= len(s.ring) {
			s.hand = 0
		}
		if e := s.ring[s.hand]; !e.used.Swap(false) {
			s.remove(e)
			s.hand++ // past what takes its place: that may have just come
			return
		}
	}
}

func (s *shard[V]) remove(e *Entry[V]) {
	last := len(s.ring) - 1
	s.ring[e.at] = s.ring[last]
	s.ring[e.at].at = e.at
	s.ring[last] = nil
	s.ring = s.ring[:last]
	s.size -= e.size
	delete(s.entries, e.hash)
}

// Change is a key that a commit is about to change. If it was in the cache and there is a new value, that comes to be
// there in place of the old one.
type Change[V any] struct {
	Key   string
	Value *V
	Size  int // bytes, about
	hash  uint64
}

// Writing forgets the keys that a commit is about to change and takes none of their neighbours until the returned
// function is called: with the version from which on they may be seen changed, 0 if never, and whether they surely are.
func (c *Cache[V]) Writing(changes []Change[V]) (done func(version uint64, sure bool)) {
	if c == nil || len(changes) == 0 {
		return func(uint64, bool) {}
	}
	for i := range changes {
		change := &changes[i]
		change.hash = c.hash(change.Key)
		s := c.shard(change.hash)
		s.mu.Lock()
		s.writing++
		if e := s.entries[change.hash]; e != nil && e.key == change.Key {
			s.remove(e)
		} else {
			change.Value = nil
		}
		s.mu.Unlock()
	}
	return func(version uint64, sure bool) {
		for i := range changes {
			change := &changes[i]
			s := c.shard(change.hash)
			s.mu.Lock()
			s.writing--
			if s.changed = max(s.changed, version); sure && change.Value != nil && s.changed == version {
				s.put(&Entry[V]{key: change.Key, hash: change.hash, version: version, size: change.Size, Value: *change.Value})
			}
			s.mu.Unlock()
		}
	}
}
