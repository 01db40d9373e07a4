// Package cache keeps recently read values in memory, bounded in bytes, and never shows a reader a value that its
// snapshot does not hold.
package cache

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

const (
	shards  = 64
	stripes = 64 // of each shard
)

// Cache maps keys to values that nobody changes. A nil Cache holds nothing. The zero Cache is not ready; see New. To the
// garbage collector it is one dense list of keys and values, so it costs what they cost.
type Cache[V any] struct {
	seed   maphash.Seed
	shards [shards]shard[V]
}

type shard[V any] struct {
	mu      sync.RWMutex
	places  map[uint64]uint32 // of entries, by the hash of their keys; of two keys with one hash the first to come is kept
	entries []entry[V]        // in no order; the clock hand goes round them
	hand    int
	size    int
	limit   int
	changed [stripes]uint64 // the version of the last commit that touched one of some keys: too few for one of many to hold up the others
}

type entry[V any] struct {
	key     string
	hash    uint64
	version uint64
	size    uint32
	used    atomic.Bool
	value   V
}

// New makes a cache of about so many bytes, or nil for none.
func New[V any](bytes int) *Cache[V] {
	if bytes <= 0 {
		return nil
	}
	c := &Cache[V]{seed: maphash.MakeSeed()}
	for i := range c.shards {
		c.shards[i].limit = bytes / shards
		c.shards[i].places = map[uint64]uint32{}
	}
	return c
}

func (c *Cache[V]) hash(key string) uint64 { return maphash.String(c.seed, key) }

func (c *Cache[V]) shard(hash uint64) *shard[V] { return &c.shards[hash%shards] }

func (s *shard[V]) changedAt(hash uint64) *uint64 { return &s.changed[hash/shards%stripes] }

// lock gives the shard of a key, locked, and the key's hash.
func (c *Cache[V]) lock(key string) (s *shard[V], hash uint64) {
	hash = c.hash(key)
	s = c.shard(hash)
	s.mu.Lock()
	return s, hash
}

// Get gives the value of key as a snapshot of that version sees it; ok tells whether there is one.
func (c *Cache[V]) Get(key string, snapshot uint64) (value V, ok bool) {
	if c == nil {
		return value, false
	}
	hash := c.hash(key)
	s := c.shard(hash)
	s.mu.RLock()
	defer s.mu.RUnlock()
	e := s.find(hash)
	e.use()
	if !e.is(key, snapshot) {
		return value, false
	}
	return e.value, true
}

// GetAll is Get for many keys, with the zero value where there is none. Most of the time goes into waiting for memory,
// so it goes over the keys again and again, each time for what can be waited for together.
func (c *Cache[V]) GetAll(keys []string, snapshot uint64) []V {
	values := make([]V, len(keys))
	if c == nil {
		return values
	}
	hashes, all := make([]uint64, len(keys)), make([]*entry[V], len(keys))
	var touched [shards]bool
	for i, key := range keys {
		hashes[i] = c.hash(key)
		touched[hashes[i]%shards] = true
	}
	for i := range c.shards { // always in this order, so nobody waits in a circle
		if touched[i] {
			c.shards[i].mu.RLock()
		}
	}
	for i, hash := range hashes {
		all[i] = c.shard(hash).find(hash)
	}
	for _, e := range all {
		e.use()
	}
	for i, e := range all {
		if e.is(keys[i], snapshot) {
			values[i] = e.value
		}
	}
	for i := range c.shards {
		if touched[i] {
			c.shards[i].mu.RUnlock()
		}
	}
	return values
}

// find gives what has a hash, nil if nothing has.
func (s *shard[V]) find(hash uint64) *entry[V] {
	place, ok := s.places[hash]
	if !ok {
		return nil
	}
	return &s.entries[place]
}

func (e *entry[V]) use() {
	if e != nil && !e.used.Load() {
		e.used.Store(true)
	}
}

// is tells whether this is of a key, and seen by a snapshot.
func (e *entry[V]) is(key string, snapshot uint64) bool {
	return e != nil && e.version <= snapshot && e.key == key
}

// Put offers a value of about size bytes, its key among them, written by version and read in a snapshot. It is taken only
// if nothing near it has changed since the snapshot, for then it is the newest there is.
func (c *Cache[V]) Put(key string, value V, size int, version, snapshot uint64) {
	if c == nil {
		return
	}
	s, hash := c.lock(key)
	defer s.mu.Unlock()
	if snapshot >= *s.changedAt(hash) {
		s.put(key, hash, value, size, version)
	}
}

func (s *shard[V]) put(key string, hash uint64, value V, size int, version uint64) {
	const overhead = 96 // of the entry and its share of the map
	size += overhead
	if _, there := s.places[hash]; there || size > s.limit {
		return
	}
	for s.size+size > s.limit {
		s.evict()
	}
	s.places[hash] = uint32(len(s.entries))
	s.entries = append(s.entries, entry[V]{key: key, hash: hash, version: version, size: uint32(size), value: value})
	s.size += size
}

// evict moves the clock hand on to an entry that nobody has used since it last passed.
func (s *shard[V]) evict() {
	for ; ; s.hand++ {
		if s.hand >= len(s.entries) {
			s.hand = 0
		}
		if !s.entries[s.hand].used.Swap(false) {
			s.remove(s.hand)
			s.hand++ // past what takes its place: that may have just come
			return
		}
	}
}

// remove takes an entry away, and puts the last one in its place.
func (s *shard[V]) remove(place int) {
	last := len(s.entries) - 1
	gone, moved := &s.entries[place], &s.entries[last]
	s.size -= int(gone.size)
	delete(s.places, gone.hash)
	if place != last {
		gone.key, gone.hash, gone.version, gone.size, gone.value = moved.key, moved.hash, moved.version, moved.size, moved.value
		gone.used.Store(moved.used.Load())
		s.places[gone.hash] = uint32(place)
	}
	clear(s.entries[last:])
	s.entries = s.entries[:last]
}

// Forget drops a key that a commit is about to change, or has failed to. From version on, at the earliest, it may be seen
// changed; until then nobody can put it back.
func (c *Cache[V]) Forget(key string, version uint64) {
	if c == nil {
		return
	}
	s, hash := c.lock(key)
	defer s.mu.Unlock()
	s.forget(key, hash, version)
}

// Replace is Forget where the new value is known: if the old one was there, it comes in its place.
func (c *Cache[V]) Replace(key string, value V, size int, version uint64) {
	if c == nil {
		return
	}
	s, hash := c.lock(key)
	defer s.mu.Unlock()
	if s.forget(key, hash, version) {
		s.put(key, hash, value, size, version)
	}
}

// forget tells whether the key was there.
func (s *shard[V]) forget(key string, hash uint64, version uint64) bool {
	changed := s.changedAt(hash)
	*changed = max(*changed, version)
	place, there := s.places[hash]
	if there = there && s.entries[place].key == key; there {
		s.remove(int(place))
	}
	return there
}
