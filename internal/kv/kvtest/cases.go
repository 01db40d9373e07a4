package kvtest

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore/internal/kv"
)

func testEmpty(t *testing.T, m Maker) {
	s := m.open(t)
	s.check(t)
	v := s.View()
	defer v.Release()
	value, _, err := v.Get([]byte("nobody"))
	require.NoError(t, err)
	require.Nil(t, value)
	for _, reverse := range []bool{false, true} {
		it := v.Iterate([]byte("u"), reverse)
		require.False(t, it.Valid(), "it stands nowhere until Seek")
		for _, key := range []string{"", "u", "ux"} {
			it.Seek([]byte(key))
			require.False(t, it.Valid())
		}
		it.Close()
	}
}

func testWrites(t *testing.T, m Maker) {
	s := m.open(t)
	s.apply(t, "a", "1", "b", "2", "c", "3")
	s.apply(t, "b", "", "c", "33", "d", "4", "never", "")
	s.check(t)
	s.apply(t, "b", "back", "a", "", "c", "", "d", "")
	s.check(t)
	v := s.View()
	value, _, err := v.Get([]byte("a"))
	require.NoError(t, err)
	require.Nil(t, value)
	v.Release()
	s.apply(t, "b", "")
	s.check(t)
}

func testVersions(t *testing.T, m Maker) {
	s := m.open(t)
	seen := map[string]uint64{}
	last := uint64(0)
	for i := range 50 {
		key := fmt.Sprint("k", i%7)
		version := s.apply(t, key, fmt.Sprint(i))
		require.Greater(t, version, last)
		seen[key], last = version, version
		v := s.View()
		require.Equal(t, version, v.Version())
		for key, want := range seen {
			_, got, err := v.Get([]byte(key))
			require.NoError(t, err)
			require.Equal(t, want, got, key)
		}
		v.Release()
	}
	v := s.View()
	defer v.Release()
	require.Greater(t, s.apply(t, "k0", ""), v.Version(), "a version that only deletes is one too")
}

func testSnapshots(t *testing.T, m Maker) {
	s := m.open(t)
	type shot struct {
		view kv.View
		want map[string]string
	}
	var shots []shot
	for i := range 30 {
		shots = append(shots, shot{s.View(), maps.Clone(s.model)})
		s.apply(t, fmt.Sprint("new", i), "x", "same", fmt.Sprint(i), fmt.Sprint("new", i-5), "")
	}
	require.NoError(t, s.Compact())
	rand.Shuffle(len(shots), func(i, j int) { shots[i], shots[j] = shots[j], shots[i] })
	for i, shot := range shots {
		CheckView(t, shot.view, shot.want)
		shot.view.Release()
		s.apply(t, "after", fmt.Sprint(i))
	}
	v := s.View()
	defer v.Release()
	it := v.Iterate(nil, false)
	defer it.Close()
	it.Seek(nil)
	want := maps.Clone(s.model)
	for key := range want {
		s.apply(t, key, "")
	}
	found := 0
	for ; it.Valid(); it.Next() {
		value, err := it.Value()
		require.NoError(t, err)
		require.Equal(t, want[string(it.Key())], string(value))
		found++
	}
	require.Equal(t, len(want), found, "a walk under way is not disturbed")
}

func testOrder(t *testing.T, m Maker) {
	s := m.open(t)
	for i := range 300 {
		s.apply(t, fmt.Sprintf("p%03d", i*2), "v", fmt.Sprintf("q%03d", i), "v")
	}
	s.apply(t, "o", "v", "p", "v", "q", "v", "r", "v")
	v := s.View()
	defer v.Release()
	seeks(t, v, s.model, "p", []string{"", "p", "p0", "p000", "p001", "p002", "p2", "p299", "p300", "p598", "p599", "p6", "pz", "p\xff"})
}

// seeks compares, for each place, what a walk from there yields with what is in the model.
func seeks(t testing.TB, v kv.View, model map[string]string, prefix string, places []string) {
	t.Helper()
	var under []string
	for key := range model {
		if strings.HasPrefix(key, prefix) {
			under = append(under, key)
		}
	}
	for _, reverse := range []bool{false, true} {
		slices.Sort(under)
		if reverse {
			slices.Reverse(under)
		}
		it := v.Iterate([]byte(prefix), reverse)
		for _, place := range places {
			want := slices.DeleteFunc(slices.Clone(under), func(key string) bool {
				return len(place) > len(prefix) && (!reverse && key < place || reverse && key > place)
			})
			var got []string
			for it.Seek([]byte(place)); it.Valid() && len(got) <= len(want); it.Next() {
				got = append(got, string(it.Key()))
			}
			require.Equal(t, len(want), len(got), "prefix %.20q seek %.20q reverse %t", prefix, place, reverse)
			require.True(t, slices.Equal(want, got), "prefix %.20q seek %.20q reverse %t", prefix, place, reverse)
		}
		it.Close()
	}
}

func testPrefixes(t *testing.T, m Maker) {
	s := m.open(t)
	long := strings.Repeat("\xff", kv.MaxKey-1)
	awkward := []string{
		"\x01", "\x01\x00", "a", "a\x00", "a\x00\x00", "a\x00b", "a\x01", "a\xfe", "a\xff", "a\xff\x00", "a\xff\xff", "a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
		"a" + long, "b", "b\x00", "\xfe\xff", "\xff", "\xff\x00", "\xff\xff", "\xff\xffz", "\xff" + long, "ü", "a!badger!", "!badger", "!badger~",
	}
	for _, key := range awkward {
		s.apply(t, key, "v"+key)
	}
	s.check(t)
	v := s.View()
	defer v.Release()
	for _, prefix := range append(awkward, "", "none", "a\xff\xff\xff", "\xff\xff\xff") {
		places := []string{"", prefix}
		for _, key := range awkward {
			if strings.HasPrefix(key, prefix) {
				places = append(places, key, key+"\x00")
			}
		}
		seeks(t, v, s.model, prefix, places)
	}
}

func testValuesKept(t *testing.T, m Maker) {
	s := m.open(t)
	s.apply(t, "k", strings.Repeat("first", 100))
	v := s.View()
	value, _, err := v.Get([]byte("k"))
	require.NoError(t, err)
	v.Release()
	for i := range 50 {
		s.apply(t, "k", strings.Repeat("later", 100+i))
	}
	require.NoError(t, s.Compact())
	require.Equal(t, strings.Repeat("first", 100), string(value))
}

// testBeside demands that what is done beside a write has ended when anybody sees the write.
func testBeside(t *testing.T, m Maker) {
	s := m.open(t)
	var ended, early atomic.Int64
	var stop atomic.Bool
	var reader sync.WaitGroup
	reader.Go(func() {
		for !stop.Load() {
			v := s.View()
			value, _, err := v.Get([]byte("k"))
			if n := int64(len(value)); err != nil || n > ended.Load() {
				early.Add(1)
			}
			v.Release()
		}
	})
	for n := range 200 {
		calls := 0
		_, err := s.Apply([]kv.Write{{Key: []byte("k"), Value: make([]byte, n+1)}}, func() {
			for range 10 {
				runtime.Gosched()
			}
			calls++
			ended.Store(int64(n + 1))
		})
		require.NoError(t, err)
		require.Equal(t, 1, calls)
	}
	stop.Store(true)
	reader.Wait()
	require.Zero(t, early.Load())
}

func testLimits(t *testing.T, m Maker) {
	s := m.open(t)
	most, bytes := s.Limits()
	require.Greater(t, most, 100, "a change touches about a hundred keys")
	require.Greater(t, bytes, 64<<10)
	batch := func(n, valueLen int) (pairs []string) {
		value := strings.Repeat("x", valueLen)
		for i := range n {
			pairs = append(pairs, fmt.Sprintf("k%09d", i), value)
		}
		return pairs
	}
	s.apply(t, batch(most, 1)...)
	size := bytes/100 - 10
	s.apply(t, batch(100, size)...)
	s.apply(t, strings.Repeat("k", kv.MaxKey), "v")
	s.check(t)
	before := s.version()
	for _, pairs := range [][]string{batch(10*most, 1), batch(1000, size), {"k", strings.Repeat("x", 10*bytes)}} {
		_, err := s.Apply(writes(pairs...), nil)
		require.ErrorIs(t, err, kv.ErrTooLarge)
		require.NotContains(t, err.Error(), "xxx", "the error holds no data")
		require.Equal(t, before, s.version())
	}
	s.apply(t, "still", "working")
	s.check(t)
}

// testConcurrency moves units about between accounts: every view must hold the same total.
func testConcurrency(t *testing.T, m Maker) {
	s := m.open(t)
	const accounts, total = 20, 200
	var pairs []string
	balance := make([]int, accounts)
	for i := range balance {
		balance[i] = total / accounts
		pairs = append(pairs, fmt.Sprintf("a%02d", i), strings.Repeat("x", balance[i]))
	}
	s.apply(t, pairs...)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for reverse, last := false, uint64(0); ; reverse = !reverse {
				select {
				case <-done:
					return
				default:
				}
				v := s.View()
				if v.Version() < last {
					t.Errorf("version %d after %d", v.Version(), last)
				}
				last = v.Version()
				sum := 0
				it := v.Iterate([]byte("a"), reverse)
				for it.Seek(nil); it.Valid(); it.Next() {
					value, err := it.Value()
					if err != nil {
						t.Error(err)
					}
					again, _, err := v.Get(it.Key())
					if err != nil || !bytes.Equal(value, again) {
						t.Errorf("walk and get differ: %d and %d bytes, %v", len(value), len(again), err)
					}
					sum += len(value)
				}
				it.Close()
				v.Release()
				if sum != total {
					t.Errorf("the view holds %d units", sum)
				}
			}
		})
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		from, to := r.IntN(accounts), r.IntN(accounts)
		if from == to || balance[from] == 0 {
			continue
		}
		balance[from]--
		balance[to]++
		s.apply(t, fmt.Sprintf("a%02d", from), strings.Repeat("x", balance[from]), fmt.Sprintf("a%02d", to), strings.Repeat("x", balance[to]))
	}
	close(done)
	readers.Wait()
	s.check(t)
}

func testRandom(t *testing.T, m Maker) {
	for seed := range uint64(3) {
		s := m.open(t)
		work(t, s, seed, 300)
		s.check(t)
	}
}

// work applies random writes to few keys, so that they meet.
func work(t testing.TB, s *subject, seed uint64, rounds int) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 0))
	for range rounds {
		var pairs []string
		used := map[string]bool{}
		for range 1 + r.IntN(20) {
			key := make([]byte, 1+r.IntN(3))
			for i := range key {
				key[i] = "\x01ab\xff"[r.IntN(4)]
			}
			if used[string(key)] {
				continue
			}
			used[string(key)] = true
			value := ""
			if r.IntN(3) > 0 {
				value = strings.Repeat("v", 1+r.IntN(200)) + fmt.Sprint(r.Uint64())
			}
			pairs = append(pairs, string(key), value)
		}
		s.apply(t, pairs...)
		if r.IntN(20) == 0 {
			v := s.View()
			prefix := []string{"", "a", "\xff", "a\xff", "b\x01"}[r.IntN(5)]
			seeks(t, v, s.model, prefix, []string{"", prefix + "a", prefix + "\xff", prefix + "b\x01"})
			v.Release()
		}
	}
}

func testReopen(t *testing.T, m Maker) {
	if m.Reopen == nil { // keeps nothing: a new one is empty
		m.open(t).apply(t, "k", "v")
		m.open(t).check(t)
		return
	}
	s := m.open(t)
	for seed := range uint64(3) {
		work(t, s, seed, 50)
		before := s.version()
		s.Engine = m.Reopen(t, s.Engine)
		s.check(t)
		require.GreaterOrEqual(t, s.version(), before, "versions do not fall")
	}
	var gone []string
	for key := range s.model {
		gone = append(gone, key, "")
	}
	for i := 0; i < len(gone); i += 2 { // ends with writes that only delete
		s.apply(t, gone[i:i+2]...)
	}
	last := s.apply(t, "never there", "")
	for range 2 {
		s.Engine = m.Reopen(t, s.Engine)
		s.check(t)
		require.GreaterOrEqual(t, s.version(), last)
		require.NoError(t, s.Compact())
	}
	require.Greater(t, s.apply(t, "k", "v"), last)
}

func testCompact(t *testing.T, m Maker) {
	s := m.open(t)
	for seed := range uint64(4) {
		work(t, s, seed, 100)
		require.NoError(t, s.Compact())
		s.check(t)
		stats := s.Stats()
		require.GreaterOrEqual(t, stats.DiskBytes, int64(0))
		for _, l := range stats.Levels {
			require.GreaterOrEqual(t, l.Bytes, int64(0))
		}
	}
}
