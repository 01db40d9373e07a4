package cache

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// getAmong is Get by GetAll.
func getAmong[V comparable](c *Cache[V], key string, snapshot uint64) (value V, ok bool) {
	value = c.GetAll([]string{"nothing", key, ""}, snapshot)[1]
	var none V
	return value, value != none
}

func TestGetAndPut(t *testing.T) {
	c := New[string](64 << 10)
	_, ok := c.Get("k", 9)
	require.False(t, ok)
	c.Put("k", "v", 1, 5, 9)
	v, ok := c.Get("k", 9)
	require.True(t, ok)
	require.Equal(t, "v", v)
	v, ok = getAmong(c, "k", 9)
	require.True(t, ok)
	require.Equal(t, "v", v)
	_, ok = c.Get("k", 5)
	require.True(t, ok, "as old as the value")
	_, ok = c.Get("k", 4)
	require.False(t, ok, "older than the value")
	c.Put("k", "again", 1, 6, 9)
	v, _ = c.Get("k", 9)
	require.Equal(t, "v", v, "the first to come stays")
}

func TestReplace(t *testing.T) {
	for _, test := range []struct {
		what   string
		cached bool
		change func(c *Cache[string])
		want   string
	}{
		{"in its place", true, func(c *Cache[string]) { c.Replace("k", "new", 1, 2) }, "new"},
		{"nobody had asked for it", false, func(c *Cache[string]) { c.Replace("k", "new", 1, 2) }, ""},
		{"not to be kept", true, func(c *Cache[string]) { c.Forget("k", 2) }, ""},
		{"failed", true, func(c *Cache[string]) { c.Replace("k", "new", 1, 2); c.Forget("k", 2) }, ""},
		{"two of one key", true, func(c *Cache[string]) { c.Replace("k", "one", 1, 2); c.Replace("k", "new", 1, 2) }, "new"},
		{"then one not to be kept", true, func(c *Cache[string]) { c.Forget("k", 2); c.Replace("k", "new", 1, 2) }, ""},
	} {
		c := New[string](64 << 10)
		if test.cached {
			c.Put("k", "old", 1, 1, 1)
		}
		test.change(c)
		_, ok := c.Get("k", 1)
		require.False(t, ok, "a snapshot from before finds neither the old nor the new one")
		c.Put("k", "old", 1, 1, 1)
		v, _ := c.Get("k", 9)
		require.Equal(t, test.want, v, test.what)
	}
}

func TestForget(t *testing.T) {
	c := New[string](64 << 10)
	c.Put("k", "old", 1, 1, 1)
	c.Forget("k", 2)
	_, ok := c.Get("k", 1)
	require.False(t, ok, "forgotten before the commit")
	c.Put("k", "old", 1, 1, 1)
	_, ok = c.Get("k", 9)
	require.False(t, ok, "not taken from a snapshot before the commit")
	c.Put("k", "new", 1, 2, 2)
	v, ok := c.Get("k", 2)
	require.True(t, ok)
	require.Equal(t, "new", v)
	c.Forget("k", 3)
	c.Forget("k", 2) // as of an older commit that has failed
	c.Put("k", "new", 1, 2, 2)
	_, ok = c.Get("k", 9)
	require.False(t, ok, "the later one still counts")
}

// TestManyAtOnce demands that a commit of many keys costs few of them, and few of the others, their place.
func TestManyAtOnce(t *testing.T) {
	const batch = 64
	c := New[int](4 << 20)
	for i := range batch {
		c.Put(fmt.Sprint("changed", i), i, 100, 1, 1)
	}
	for i := range batch {
		c.Replace(fmt.Sprint("changed", i), i+batch, 100, 2)
	}
	for i := range batch {
		c.Put(fmt.Sprint("other", i), i, 100, 1, 1) // as a snapshot from before the commit saw it
	}
	kept := func(name string) (n int) {
		for i := range batch {
			if _, ok := c.Get(fmt.Sprint(name, i), 2); ok {
				n++
			}
		}
		return n
	}
	require.Equal(t, batch, kept("changed"))
	require.Greater(t, kept("other"), batch*9/10)
}

func TestNothing(t *testing.T) {
	for _, bytes := range []int{0, -1} {
		c := New[string](bytes)
		require.Nil(t, c)
		c.Put("k", "v", 1, 1, 1)
		_, ok := c.Get("k", 1)
		require.False(t, ok)
		_, ok = getAmong(c, "k", 1)
		require.False(t, ok)
		c.Replace("k", "v", 1, 1)
		c.Forget("k", 1)
	}
}

func TestBounded(t *testing.T) {
	const limit = 256 << 10
	c := New[int](limit)
	size := func() (bytes, entries int) {
		for i := range c.shards {
			s := &c.shards[i]
			bytes += s.size
			entries += len(s.entries)
			require.Len(t, s.places, len(s.entries))
			require.LessOrEqual(t, s.size, s.limit)
			sum := 0
			for at := range s.entries {
				require.EqualValues(t, at, s.places[s.entries[at].hash])
				sum += int(s.entries[at].size)
			}
			require.Equal(t, sum, s.size)
		}
		return bytes, entries
	}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 20000 {
		c.Put(fmt.Sprint("k", i), i, r.IntN(500), 1, 1)
		c.Get(fmt.Sprint("k", r.IntN(i+1)), 1)
		if i%100 == 0 {
			c.Forget(fmt.Sprint("k", i-3), 1)
		}
		if i%70 == 0 {
			c.Replace(fmt.Sprint("k", i-2), i, r.IntN(500), 1)
		}
	}
	bytes, entries := size()
	require.Greater(t, bytes, limit*3/4, "the room is used")
	require.Greater(t, entries, 400)
	c.Put("huge", 1, limit, 1, 1)
	_, ok := c.Get("huge", 1)
	require.False(t, ok, "nothing is thrown out for what has no room")
	after, _ := size()
	require.Equal(t, bytes, after)
}

// TestUsedStays demands that what is read again and again outlives what is read once.
func TestUsedStays(t *testing.T) {
	c := New[int](1 << 20)
	for i := range 200 {
		c.Put(fmt.Sprint("hot", i), i, 100, 1, 1)
	}
	for i := range 50000 {
		c.Put(fmt.Sprint("once", i), i, 100, 1, 1)
		c.Get(fmt.Sprint("hot", i%200), 1)
	}
	kept := 0
	for i := range 200 {
		if _, ok := c.Get(fmt.Sprint("hot", i), 1); ok {
			kept++
		}
	}
	require.Greater(t, kept, 150)
}

// TestNewStays demands that what is read for the first time is still there when it is read for the second, if it all has
// room, whatever else was read once before.
func TestNewStays(t *testing.T) {
	c := New[int](1 << 20)
	for i := range 50000 {
		c.Put(fmt.Sprint("once", i), i, 100, 1, 1)
	}
	hits := 0
	for range 2 {
		hits = 0
		for i := range 1500 { // a third of the room
			key := fmt.Sprint("new", i)
			if _, ok := c.Get(key, 1); ok {
				hits++
			} else {
				c.Put(key, i, 100, 1, 1)
			}
		}
	}
	require.Greater(t, hits, 1400)
}

// TestOneHash has two keys of one hash.
func TestOneHash(t *testing.T) {
	c := New[string](64 << 10)
	c.Put("k", "v", 1, 1, 1)
	hash := c.hash("other")
	s := c.shard(hash)
	s.put("k2", hash, "v2", 1, 1)
	_, ok := c.Get("other", 1)
	require.False(t, ok, "another key's")
	stays := func() { require.Equal(t, "v2", s.entries[s.places[hash]].value) }
	c.Put("other", "v3", 1, 1, 1)
	stays()
	c.Replace("other", "v4", 1, 2)
	stays()
	c.Forget("other", 2)
	stays()
}

// history is a store of numbers with all of its versions: what the cache is held against.
type history struct {
	mu      sync.RWMutex
	newest  atomic.Uint64
	written map[string][]uint64 // versions in which the key was written; its value is the version
}

// at gives the version that a snapshot sees.
func (h *history) at(key string, snapshot uint64) (found uint64) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, v := range h.written[key] {
		if v <= snapshot {
			found = v
		}
	}
	return found
}

// TestNeverWrong has writers and readers at work, some of whom hold old snapshots for long: no reader may ever be shown
// what its snapshot does not hold. It shows, too, that the cache is of use.
func TestNeverWrong(t *testing.T) {
	const keys = 40
	h := &history{written: map[string][]uint64{}}
	c := New[uint64](20 << 10) // too small for all of them
	var turn sync.Mutex        // commits come one after the other
	var hits, reads atomic.Int64
	var stop atomic.Bool
	var writers, readers sync.WaitGroup
	for w := range 3 {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 1))
			for range 3000 {
				var batch []string
				for range 1 + r.IntN(4) {
					if key := fmt.Sprint("k", r.IntN(keys)); !slices.Contains(batch, key) {
						batch = append(batch, key)
					}
				}
				turn.Lock()
				version := h.newest.Load() + 1
				for _, key := range batch {
					if r.IntN(2) == 0 {
						c.Replace(key, version, 8, version)
					} else {
						c.Forget(key, version)
					}
				}
				failed := func() {
					for _, key := range batch {
						c.Forget(key, version)
					}
				}
				end := r.IntN(8)
				if end == 0 { // it fails
					failed()
					turn.Unlock()
					continue
				}
				h.mu.Lock()
				for _, key := range batch {
					if v := h.written[key]; len(v) == 0 || v[len(v)-1] != version {
						h.written[key] = append(v, version)
					}
				}
				h.mu.Unlock()
				h.newest.Store(version) // visible from here on
				if end == 1 {           // but that is not known
					failed()
				}
				turn.Unlock()
			}
		})
	}
	for i := range 6 {
		readers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 2))
			snapshot := h.newest.Load()
			for n := 0; !stop.Load(); n++ {
				if i%2 == 0 || n%500 == 0 { // the others keep theirs
					snapshot = h.newest.Load()
				}
				key := fmt.Sprint("k", r.IntN(keys))
				want := h.at(key, snapshot)
				reads.Add(1)
				look := (*Cache[uint64]).Get
				if n%2 == 0 {
					look = getAmong
				}
				if got, ok := look(c, key, snapshot); ok {
					hits.Add(1)
					if got != want {
						t.Errorf("%s in snapshot %d is %d, should be %d", key, snapshot, got, want)
						return
					}
				} else if want > 0 {
					c.Put(key, want, 8, want, snapshot)
				}
			}
		})
	}
	writers.Wait()
	stop.Store(true)
	readers.Wait()
	require.Positive(t, hits.Load())
	t.Logf("%d of %d reads came from the cache", hits.Load(), reads.Load())
}
