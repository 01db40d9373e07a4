// Package kvtest holds what every kv.Engine must do, as tests, and an engine that fails on purpose.
package kvtest

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore/internal/kv"
)

// Maker makes empty engines. Reopen closes an engine and opens what it has kept; nil if it keeps nothing.
type Maker struct {
	Open   func(t testing.TB) kv.Engine
	Reopen func(t testing.TB, e kv.Engine) kv.Engine
}

// Run holds engines to everything that kv.Engine promises.
func Run(t *testing.T, m Maker) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Maker)
	}{
		{"an empty engine", testEmpty},
		{"set, replace, delete", testWrites},
		{"versions grow and name their write", testVersions},
		{"a view does not change", testSnapshots},
		{"walks in order and against it", testOrder},
		{"walks under awkward prefixes", testPrefixes},
		{"values stay the caller's", testValuesKept},
		{"what is done beside a write", testBeside},
		{"limits", testLimits},
		{"many readers and a writer", testConcurrency},
		{"random work", testRandom},
		{"what was applied is there when it is opened again", testReopen},
		{"compaction changes nothing", testCompact},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, m) })
	}
}

func (m Maker) open(t testing.TB) *subject {
	s := &subject{Engine: m.Open(t), model: map[string]string{}}
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// subject is an engine under test beside a map that is always right.
type subject struct {
	kv.Engine
	model map[string]string
}

// apply writes to both; an empty value deletes.
func (s *subject) apply(t testing.TB, pairs ...string) uint64 {
	t.Helper()
	version, err := s.Apply(writes(pairs...), nil)
	require.NoError(t, err)
	for i := 0; i < len(pairs); i += 2 {
		if s.model[pairs[i]] = pairs[i+1]; pairs[i+1] == "" {
			delete(s.model, pairs[i])
		}
	}
	return version
}

func writes(pairs ...string) []kv.Write {
	var list []kv.Write
	for i := 0; i < len(pairs); i += 2 {
		w := kv.Write{Key: []byte(pairs[i])}
		if pairs[i+1] != "" {
			w.Value = []byte(pairs[i+1])
		}
		list = append(list, w)
	}
	return list
}

func (s *subject) version() uint64 {
	v := s.View()
	defer v.Release()
	return v.Version()
}

// check holds everything in the newest view against the model.
func (s *subject) check(t testing.TB) {
	t.Helper()
	v := s.View()
	defer v.Release()
	CheckView(t, v, s.model)
}

// CheckView demands that a view holds these keys and values, whichever way one looks.
func CheckView(t testing.TB, v kv.View, want map[string]string) {
	t.Helper()
	for _, reverse := range []bool{false, true} {
		got := dump(t, v, reverse)
		require.Len(t, slices.Collect(maps.Keys(got)), len(want), "reverse %t", reverse)
		for key, value := range want {
			if got[key] != value {
				t.Fatalf("walk, reverse %t: %.20q is %.20q, should be %.20q", reverse, key, got[key], value)
			}
		}
	}
	for key, value := range want {
		got, version, err := v.Get([]byte(key))
		if err != nil || string(got) != value || version == 0 || version > v.Version() {
			t.Fatalf("get: %.20q is %.20q of version %d, should be %.20q; error %v", key, got, version, value, err)
		}
	}
}

// dump walks everything and checks that it comes in order.
func dump(t testing.TB, v kv.View, reverse bool) map[string]string {
	t.Helper()
	found := map[string]string{}
	it := v.Iterate(nil, reverse)
	defer it.Close()
	last := ""
	for it.Seek(nil); it.Valid(); it.Next() {
		key := string(it.Key())
		if len(found) > 0 && (key == last || reverse != (key < last)) {
			t.Fatalf("%.20q after %.20q, reverse %t", key, last, reverse)
		}
		value, err := it.Value()
		if err != nil {
			t.Fatalf("%.20q: %v", key, err)
		}
		found[key], last = string(value), key
	}
	return found
}
