package sorter

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func file(t testing.TB) func() (File, error) {
	return func() (File, error) { return os.Create(filepath.Join(t.TempDir(), "runs")) }
}

// read gives what a sorter gives, and checks the order.
func read(t testing.TB, s *Sorter) map[string]string {
	got := map[string]string{}
	var last []byte
	require.NoError(t, s.Each(func(key, value []byte) error {
		require.Positive(t, bytes.Compare(key, last))
		last = bytes.Clone(key)
		got[string(key)] = string(value)
		return nil
	}))
	return got
}

func TestSorterGivesWhatItTookInOrder(t *testing.T) {
	for _, tc := range []struct {
		name        string
		keys, limit int
		runs        int // at least
	}{
		{"nothing", 0, 1000, 0},
		{"one", 1, 1000, 0},
		{"in memory", 100, 1 << 20, 0},
		{"a run for each key", 50, 1, 50},
		{"many runs", 20000, 10000, 50},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, uint64(tc.keys)))
			s := New(tc.limit, file(t))
			defer s.Close()
			want := map[string]string{}
			for len(want) < tc.keys {
				key := fmt.Sprintf("%s%x", bytes.Repeat([]byte("x"), r.IntN(40)), r.Uint32())
				if _, twice := want[key]; twice {
					continue
				}
				want[key] = string(bytes.Repeat([]byte{byte(r.Uint32())}, r.IntN(300)))
				require.NoError(t, s.Add([]byte(key), []byte(want[key])))
			}
			require.Equal(t, tc.keys, s.Len())
			size := 0
			for k, v := range want {
				size += len(k) + len(v)
			}
			require.Equal(t, size, s.Size())
			require.GreaterOrEqual(t, len(s.runs), tc.runs)
			require.True(t, maps.Equal(want, read(t, s)))
		})
	}
}

func TestSorterKeepsToItsMemory(t *testing.T) {
	s := New(1000, file(t))
	defer s.Close()
	for i := range 10000 {
		require.NoError(t, s.Add(fmt.Appendf(nil, "key %d", i*7919%10000), make([]byte, 50)))
	}
	require.NoError(t, s.settle())
	require.Less(t, cap(s.filling.data)+cap(s.spare.data), 4000)
}

// It need not hold on to what it was given.
func TestSorterTakesCopies(t *testing.T) {
	s := New(100, file(t))
	defer s.Close()
	key, value := make([]byte, 2), make([]byte, 2)
	var want []string
	for i := range 100 {
		key[1], value[1] = byte(i), byte(i)
		want = append(want, string(key)+string(value))
		require.NoError(t, s.Add(key, value))
	}
	var got []string
	require.NoError(t, s.Each(func(k, v []byte) error { got = append(got, string(k)+string(v)); return nil }))
	require.Equal(t, want, got)
}

func TestSorterTellsWhatGoesWrong(t *testing.T) {
	broken := errors.New("broken")
	t.Run("no file", func(t *testing.T) {
		s := New(10, func() (File, error) { return nil, broken })
		defer s.Close()
		require.ErrorIs(t, s.Add(make([]byte, 20), nil), broken)
		require.ErrorIs(t, s.Add([]byte("a"), nil), broken)
		require.ErrorIs(t, s.Each(func(_, _ []byte) error { return nil }), broken)
	})
	t.Run("cannot be written", func(t *testing.T) {
		s := New(10, func() (File, error) { return os.Open(os.DevNull) })
		defer s.Close()
		require.NoError(t, s.Add(make([]byte, 20), nil)) // is being written
		require.Error(t, s.Each(func(_, _ []byte) error { return nil }))
	})
	t.Run("cut", func(t *testing.T) {
		s := New(100, file(t))
		defer s.Close()
		for i := range 100 {
			require.NoError(t, s.Add([]byte{byte(i)}, make([]byte, 30)))
		}
		require.NoError(t, s.settle())
		require.NoError(t, s.file.(*os.File).Truncate(s.at/2))
		require.Error(t, s.Each(func(_, _ []byte) error { return nil }))
	})
	t.Run("fn fails", func(t *testing.T) {
		s := New(100, file(t))
		defer s.Close()
		require.NoError(t, s.Add([]byte("a"), nil))
		require.ErrorIs(t, s.Each(func(_, _ []byte) error { return broken }), broken)
	})
	t.Run("used up", func(t *testing.T) {
		s := New(100, file(t))
		require.NoError(t, s.Each(func(_, _ []byte) error { return nil }))
		require.Error(t, s.Add([]byte("a"), nil))
		require.NoError(t, s.Close())
		require.Error(t, s.Add([]byte("a"), nil))
	})
}

func FuzzSorter(f *testing.F) {
	f.Add([]byte("some keys of one letter and two"), uint16(20))
	f.Fuzz(func(t *testing.T, text []byte, limit uint16) {
		s := New(1+int(limit), file(t))
		defer s.Close()
		want := map[string]string{}
		for len(text) > 2 {
			n := min(int(text[0]%32), len(text)-1)
			key, value := text[1:1+n/2], text[1+n/2:1+n]
			text = text[1+n:]
			if _, twice := want[string(key)]; !twice {
				want[string(key)] = string(value)
				require.NoError(t, s.Add(key, value))
			}
		}
		keys := slices.Sorted(maps.Keys(want))
		require.NoError(t, s.Each(func(key, value []byte) error {
			require.NotEmpty(t, keys)
			require.Equal(t, keys[0], string(key))
			require.Equal(t, want[keys[0]], string(value))
			keys = keys[1:]
			return nil
		}))
		require.Empty(t, keys)
	})
}
