package roster

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore/internal/kv"
)

// walk is a stream with the places that it has to yield.
type walk struct {
	Stream
	want []string
	how  string
}

// builder makes random streams over random places; every leaf is a set of keys under a prefix of its own, or a list.
type builder struct {
	*rand.Rand
	view    kv.View
	sets    [][]string // sorted; set i lies under the prefix "i/"
	reverse bool
	open    int // leaves that are not closed
}

// closing counts the leaves that are closed.
type closing struct {
	Stream
	open *int
}

func (c closing) Close() {
	*c.open--
	c.Stream.Close()
}

func newBuilder(t testing.TB, seed uint64) *builder {
	b := &builder{Rand: rand.New(rand.NewPCG(seed, 0))}
	engine, err := kv.OpenBadger(kv.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, engine.Close()) })
	for i := range 6 {
		set := map[string]bool{}
		for range b.IntN(60) {
			set[b.place()] = true
		}
		var sorted []string
		for place := range set {
			sorted = append(sorted, place)
			_, err := engine.Apply([]kv.Write{{Key: fmt.Appendf(nil, "%d/%s", i, place), Value: []byte{1}}}, nil)
			require.NoError(t, err)
		}
		slices.Sort(sorted)
		b.sets = append(b.sets, sorted)
	}
	b.view = engine.View()
	t.Cleanup(b.view.Release)
	return b
}

// place makes a place of few letters, so that sets meet.
func (b *builder) place() string {
	part := func() string {
		var s string
		for range 1 + b.IntN(2) {
			s += []string{"a", "b", "é", "\x01", "z"}[b.IntN(5)]
		}
		return s
	}
	return part() + "\x00" + part()
}

func (b *builder) compare(x, y string) int {
	if b.reverse {
		x, y = y, x
	}
	return strings.Compare(x, y)
}

func (b *builder) leaf() walk {
	b.open++
	i := b.IntN(len(b.sets))
	want := slices.Clone(b.sets[i])
	slices.SortFunc(want, b.compare)
	if b.IntN(4) == 0 {
		var places [][]byte
		for _, place := range want {
			places = append(places, []byte(place))
		}
		return walk{closing{List(places, b.reverse), &b.open}, want, fmt.Sprint("list", i)}
	}
	if b.IntN(3) == 0 { // beside another, through the same iterator
		other := b.IntN(len(b.sets))
		parts := []Part{{fmt.Appendf(nil, "%d/", i), 1 + b.IntN(9)}, {fmt.Appendf(nil, "%d/", other), 1 + b.IntN(9)}}
		pair := Shared(b.view, nil, parts, b.reverse)
		want = append(want, b.sets[other]...)
		slices.SortFunc(want, b.compare)
		return walk{closing{Union(pair, b.reverse), &b.open}, slices.Compact(want), fmt.Sprint("shared", i, other)}
	}
	return walk{closing{Keys(b.view, fmt.Appendf(nil, "%d/", i), b.reverse), &b.open}, want, fmt.Sprint("keys", i)}
}

func (b *builder) some(depth int) (streams []Stream, wants [][]string, how string) {
	for range 1 + b.IntN(4) {
		w := b.build(depth - 1)
		streams, wants, how = append(streams, w.Stream), append(wants, w.want), how+" "+w.how
	}
	return streams, wants, how
}

// keep gives what is in a list and satisfies ok, in order and once.
func (b *builder) keep(list []string, ok func(string) bool) []string {
	kept := slices.DeleteFunc(slices.Clone(list), func(s string) bool { return !ok(s) })
	slices.SortFunc(kept, b.compare)
	return slices.Compact(kept)
}

func (b *builder) build(depth int) walk {
	if depth == 0 {
		return b.leaf()
	}
	switch b.IntN(6) {
	case 0:
		streams, wants, how := b.some(depth)
		return walk{Union(streams, b.reverse), b.keep(slices.Concat(wants...), func(string) bool { return true }), "union(" + how + ")"}
	case 1:
		streams, wants, how := b.some(depth)
		return walk{Intersect(streams, b.reverse), b.keep(wants[0], func(s string) bool {
			return !slices.ContainsFunc(wants, func(w []string) bool { return !slices.Contains(w, s) })
		}), "intersect(" + how + ")"}
	case 2:
		from := b.build(depth - 1)
		streams, wants, how := b.some(depth)
		if b.IntN(5) == 0 {
			closeAll(streams)
			streams, wants, how = nil, nil, ""
		}
		return walk{Subtract(from.Stream, streams, b.reverse), b.keep(from.want, func(s string) bool {
			return !slices.ContainsFunc(wants, func(w []string) bool { return slices.Contains(w, s) })
		}), "subtract(" + from.how + " -" + how + ")"}
	case 3:
		w := b.build(depth - 1)
		odd := func(pos []byte) bool { return len(pos)%2 == 1 }
		return walk{Filter(w.Stream, odd), b.keep(w.want, func(s string) bool { return odd([]byte(s)) }), "filter(" + w.how + ")"}
	case 4:
		w := b.build(depth - 1)
		prefix := []string{"", "a", "ab", "é", "z", "zz", "\x01", "a\x00"}[b.IntN(8)]
		return walk{Within(w.Stream, []byte(prefix), b.reverse), b.keep(w.want, func(s string) bool { return strings.HasPrefix(s, prefix) }), fmt.Sprintf("within(%q %s)", prefix, w.how)}
	default:
		w := b.build(depth - 1)
		for i := range w.want {
			w.want = slices.Clone(w.want)
			w.want[i] = "5" + w.want[i]
		}
		return walk{Under('5', w.Stream, b.reverse), w.want, "under(" + w.how + ")"}
	}
}

// rest walks to the end.
func rest(s Stream) (found []string) {
	for ; s.Valid() && len(found) < 10000; s.Next() {
		found = append(found, string(s.At()))
	}
	return found
}

// TestStreams compares random combinations of streams with the same done to plain lists, from the start and from any
// place, in both directions.
func TestStreams(t *testing.T) {
	for seed := range uint64(60) {
		b := newBuilder(t, seed)
		for n := range 40 {
			b.reverse = n%2 == 1
			w := b.build(1 + b.IntN(3))
			require.False(t, w.Valid() && strings.HasPrefix(w.how, "keys"), "it stands nowhere until Seek")
			w.Seek(nil)
			require.Equal(t, strings.Join(w.want, "|"), strings.Join(rest(w), "|"), "seed %d reverse %t: %s", seed, b.reverse, w.how)
			for range 6 {
				from := b.place()
				if b.IntN(2) == 0 {
					from = "5" + from
				}
				if len(w.want) > 0 && b.IntN(2) == 0 {
					from = w.want[b.IntN(len(w.want))]
				}
				want := b.keep(w.want, func(s string) bool { return b.compare(s, from) >= 0 })
				w.Seek([]byte(from))
				require.Equal(t, strings.Join(want, "|"), strings.Join(rest(w), "|"), "seed %d reverse %t from %q: %s", seed, b.reverse, from, w.how)
			}
			w.Close()
			require.Zero(t, b.open, "all is closed: %s", w.how)
		}
	}
}

// TestUnderJoins demands that streams under different bytes follow one another whole.
func TestUnderJoins(t *testing.T) {
	for _, reverse := range []bool{false, true} {
		part := func(first byte, places ...string) Stream {
			var list [][]byte
			for _, p := range places {
				list = append(list, []byte(p))
			}
			if reverse {
				slices.Reverse(list)
			}
			return Under(first, List(list, reverse), reverse)
		}
		u := Union([]Stream{part('1', "a", "b"), part('0', "b", "c"), part('2')}, reverse)
		want := []string{"0b", "0c", "1a", "1b"}
		if reverse {
			slices.Reverse(want)
		}
		u.Seek(nil)
		require.Equal(t, want, rest(u))
		u.Seek([]byte(want[1]))
		require.Equal(t, want[1:], rest(u))
		u.Seek([]byte("1"))
		require.Equal(t, want[2:], rest(u), "between the two")
		u.Close()
	}
}

// TestAdvance demands that leaving many places behind costs a seek, not a walk over all of them.
func TestAdvance(t *testing.T) {
	var places [][]byte
	for i := range 1000 {
		places = append(places, fmt.Appendf(nil, "%04d", i))
	}
	c := &counting{Stream: List(places, false)}
	s := Intersect([]Stream{List([][]byte{[]byte("0000"), []byte("0500"), []byte("0999"), []byte("2000")}, false), c}, false)
	s.Seek(nil)
	require.Equal(t, []string{"0000", "0500", "0999"}, rest(s))
	require.Less(t, c.steps, 40)
}

type counting struct {
	Stream
	steps int
}

func (c *counting) Next() {
	c.steps++
	c.Stream.Next()
}
