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

type shard[V any] struct {
	mu      sync.RWMutex
	entries map[string]*entry[V]
	ring    []*entry[V] // for the clock hand
	hand    int
	size    int
	limit   int
	writing int    // commits under way that touch the shard
	changed uint64 // the version of the last commit that touched it
}

type entry[V any] struct {
	key     string
	value   V
	size    int
	version uint64
	at      int // place in the ring
	used    atomic.Bool
}

// New makes a cache of about so many bytes, or nil for none.
func New[V any](bytes int) *Cache[V] {
	if bytes <= 0 {
		return nil
	}
	c := &Cache[V]{seed: maphash.MakeSeed()}
	for i := range c.shards {
		c.shards[i].limit = bytes / shards
		c.shards[i].entries = map[string]*entry[V]{}
	}
	return c
}

func (c *Cache[V]) shard(key string) *shard[V] {
	return &c.shards[maphash.String(c.seed, key)%shards]
}

// Get gives the value of key as a snapshot of that version sees it.
func (c *Cache[V]) Get(key string, snapshot uint64) (value V, ok bool) {
	if c == nil {
		return value, false
	}
	s := c.shard(key)
	s.mu.RLock()
	defer s.mu.RUnlock()
	e := s.entries[key]
	if e == nil || e.version > snapshot {
		return value, false
	}
	if !e.used.Load() {
		e.used.Store(true)
	}
	return e.value, true
}

// Put offers a value of about size bytes, written by version and read in a snapshot. It is taken only if nothing near it
// has changed since the snapshot, for then it is the newest there is.
func (c *Cache[V]) Put(key string, value V, size int, version, snapshot uint64) {
	if c == nil {
		return
	}
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if snapshot >= s.changed {
		s.put(key, value, size, version)
	}
}

func (s *shard[V]) put(key string, value V, size int, version uint64) {
	const overhead = 128 // of the entry, its key's share of the map, and the ring
	size += overhead + len(key)
	if s.writing > 0 || s.entries[key] != nil || size > s.limit {
		return
	}
	for s.size+size > s.limit {
		s.evict()
	}
	e := &entry[V]{key: key, value: value, size: size, version: version, at: len(s.ring)}
	s.entries[key] = e
	s.ring = append(s.ring, e)
	s.size += size
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

func (s *shard[V]) remove(e *entry[V]) {
	last := len(s.ring) - 1
	s.ring[e.at] = s.ring[last]
	s.ring[e.at].at = e.at
	s.ring[last] = nil
	s.ring = s.ring[:last]
	s.size -= e.size
	delete(s.entries, e.key)
}

// Change is a key that a commit is about to change. If it was in the cache and Keep is set, its new value comes to be
// there in place of the old one.
type Change[V any] struct {
	Key   string
	Value V
	Size  int // bytes, about
	Keep  bool
}

// Writing forgets the keys that a commit is about to change and takes none of their neighbours until the returned
// function is called: with the version from which on they may be seen changed, 0 if never, and whether they surely are.
func (c *Cache[V]) Writing(changes []Change[V]) (done func(version uint64, sure bool)) {
	if c == nil || len(changes) == 0 {
		return func(uint64, bool) {}
	}
	for i := range changes {
		s := c.shard(changes[i].Key)
		s.mu.Lock()
		s.writing++
		if e := s.entries[changes[i].Key]; e != nil {
			s.remove(e)
		} else {
			changes[i].Keep = false
		}
		s.mu.Unlock()
	}
	return func(version uint64, sure bool) {
		for i := range changes {
			s := c.shard(changes[i].Key)
			s.mu.Lock()
			s.writing--
			if s.changed = max(s.changed, version); sure && changes[i].Keep && s.changed == version {
				s.put(changes[i].Key, changes[i].Value, changes[i].Size, version)
			}
			s.mu.Unlock()
		}
	}
}
