package kv

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// counters makes n writes of keys of a tally kind, and notes them in a model.
func counters(model map[string]string, n int) (writes []Write) {
	for i := range n {
		key := fmt.Sprint("c", i)
		model[key] = fmt.Sprint(len(model[key]), i)
		writes = append(writes, Write{Key: []byte(key), Value: []byte(model[key])})
	}
	return writes
}

// alone counts the keys of a tally kind that Badger has as keys of their own, and the sheets.
func alone(e *badgerEngine) (keys, sheets int) {
	txn := e.db.NewTransactionAt(e.current.Load().version, false)
	defer txn.Discard()
	for i := range 1000 {
		if _, err := txn.Get(fmt.Append(nil, "c", i)); err == nil {
			keys++
		}
	}
	for i := range 256 {
		if _, err := txn.Get(sheetKey(i)); err == nil && i > 0 {
			sheets++
		}
	}
	return keys, sheets
}

func openTally(t testing.TB, dir string) *badgerEngine {
	e, err := OpenBadger(Config{Dir: dir, Small: true, Tally: "c"})
	require.NoError(t, err)
	return e.(*badgerEngine)
}

// TestTally follows sheets from the first to the last: what is there stays the same for views of every age, and for whoever
// opens the store as it is then, while what Badger has changes.
func TestTally(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := openTally(t, dir)
	model := map[string]string{}
	apply := func(writes []Write, keys, sheets int) {
		t.Helper()
		before := slices.Clone(writes)
		_, err := e.Apply(writes)
		require.NoError(t, err)
		require.Equal(t, before, writes, "the caller's stay as they are")
		require.True(t, maps.Equal(model, contentsOf(t, e)))
		gotKeys, gotSheets := alone(e)
		require.Equal(t, []int{keys, sheets}, []int{gotKeys, gotSheets})
	}
	apply(counters(model, minSheet-1), minSheet-1, 0)
	apply(counters(model, minSheet), minSheet-1, 1)
	apply(counters(model, 1), minSheet-1, 2)
	delete(model, "c3")
	apply([]Write{{Key: []byte("c3")}}, minSheet-1, 3)
	model["x"] = "y"
	apply([]Write{{Key: []byte("x"), Value: []byte("y")}}, minSheet-1, 3)

	type shot struct {
		View
		want map[string]string
	}
	var shots []shot
	for sheets := 4; sheets <= maxSheets; sheets++ {
		shots = append(shots, shot{e.View(), maps.Clone(model)})
		apply(counters(model, 8+sheets%4), minSheet-1, sheets)
	}
	delete(model, "c5")
	apply(append(counters(model, 2), Write{Key: []byte("c5")}), 10, 0)
	apply(counters(model, 1), 10, 0)
	apply(counters(model, 20), 10, 1)

	for _, s := range shots {
		require.Equal(t, s.want, viewed(t, s))
		s.Release()
	}
	killed := copyLive(t, dir)
	require.NoError(t, e.Close())
	was := model
	for _, dir := range []string{killed, dir} {
		model = maps.Clone(was)
		e = openTally(t, dir)
		require.True(t, maps.Equal(model, contentsOf(t, e)))
		apply(counters(model, 20), 10, 2)
		require.NoError(t, e.Close())
		reader, err := OpenBadger(Config{Dir: dir, ReadOnly: true, Tally: "c"})
		require.NoError(t, err)
		require.True(t, maps.Equal(model, contentsOf(t, reader)))
		require.NoError(t, reader.Close())
	}
}

// TestTallyWithinLimits demands that an Apply of the most that an engine takes is taken whatever the sheets hold.
func TestTallyWithinLimits(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"", t.TempDir()} {
		e := openTally(t, dir)
		model := map[string]string{}
		most, mostBytes := e.Limits()
		full := func() {
			for n := 10; n < 200; n++ { // more and more keys, so that sheets come to their limit in every way
				_, err := e.Apply(counters(model, n))
				require.NoError(t, err)
			}
		}
		full()
		var writes []Write
		for i := range most {
			key := fmt.Sprintf("k%05d", i)
			model[key] = "x"
			writes = append(writes, Write{Key: []byte(key), Value: []byte("x")})
		}
		for i := range 10 {
			key := fmt.Sprint("c", i)
			model[key] = "now"
			writes[i] = Write{Key: []byte(key), Value: []byte("now")}
			delete(model, fmt.Sprintf("k%05d", i))
		}
		_, err := e.Apply(writes)
		require.NoError(t, err)
		full()
		for i := range 20 {
			key := fmt.Sprint("c", i)
			model[key] = string(bytes.Repeat([]byte("x"), mostBytes/20-10))
			writes[i] = Write{Key: []byte(key), Value: []byte(model[key])}
		}
		_, err = e.Apply(writes[:20])
		require.NoError(t, err)
		_, sheets := alone(e)
		require.Zero(t, sheets, "no sheet is so large")
		require.True(t, maps.Equal(model, contentsOf(t, e)))
		require.NoError(t, e.Close())
	}
}

// TestTallyIterator compares walks over Badger and sheets with a sorted list, from every place and in both directions.
func TestTallyIterator(t *testing.T) {
	t.Parallel()
	e := openTally(t, "")
	defer e.Close()
	model := map[string]string{"b": "x", "d": "y"}
	_, err := e.Apply([]Write{{Key: []byte("b"), Value: []byte("x")}, {Key: []byte("d"), Value: []byte("y")}})
	require.NoError(t, err)
	r := rand.New(rand.NewPCG(1, 0))
	for range 200 {
		var writes []Write
		for i := range 12 {
			key := fmt.Sprintf("c%02d", i*4+r.IntN(4))
			if r.IntN(2) == 0 {
				delete(model, key)
				writes = append(writes, Write{Key: []byte(key)})
				continue
			}
			model[key] = fmt.Sprint(r.Uint32())
			writes = append(writes, Write{Key: []byte(key), Value: []byte(model[key])})
		}
		_, err := e.Apply(writes)
		require.NoError(t, err)
		v := e.View()
		for _, prefix := range []string{"", "c", "c1", "c17"} {
			for _, reverse := range []bool{false, true} {
				it := v.Iterate([]byte(prefix), reverse)
				require.False(t, it.Valid(), "it stands nowhere until Seek")
				seek := prefix + fmt.Sprintf("c%02d", r.IntN(60))[len(prefix):]
				want := slices.DeleteFunc(slices.Sorted(maps.Keys(model)), func(key string) bool {
					return key[:min(len(key), len(prefix))] != prefix ||
						len(seek) > len(prefix) && (reverse && key > seek || !reverse && key < seek)
				})
				if reverse {
					slices.Reverse(want)
				}
				var got []string
				for it.Seek([]byte(seek)); it.Valid(); it.Next() {
					value, err := it.Value()
					require.NoError(t, err)
					require.Equal(t, model[string(it.Key())], string(value))
					got = append(got, string(it.Key()))
				}
				it.Close()
				require.True(t, slices.Equal(want, got), "%q from %q, reverse %v: %q, not %q", prefix, seek, reverse, got, want)
			}
		}
		v.Release()
	}
}

func FuzzSheet(f *testing.F) {
	s := sheet{writes: []Write{{Key: []byte("ca"), Value: []byte("1")}, {Key: []byte("cb")}}}
	f.Add(s.encode())
	f.Add(s.encode()[:5])
	f.Add([]byte("\x02ca\x80\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeSheet(b)
		if err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			return
		}
		again, err := decodeSheet(s.encode())
		require.NoError(t, err)
		require.Equal(t, s, again)
	})
}
