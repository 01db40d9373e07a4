package keys

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// parts are awkward, but such as names, tags and uids can be: none holds a zero byte.
var parts = []string{"", "a", "aa", "b", "A", "\x01", "\x01\x01", "\xff", "\xff\xff", "a\xff", "é", "日本", "-", "_", "z", strings.Repeat("x", 100)}

// TestRosterOrder demands that entries sort by name and then uid, whatever their names.
func TestRosterOrder(t *testing.T) {
	type user struct{ name, uid string }
	var users []user
	for _, name := range parts {
		for _, uid := range parts {
			users = append(users, user{name, uid})
		}
	}
	byKey := slices.Clone(users)
	slices.SortFunc(byKey, func(a, b user) int {
		return bytes.Compare(RosterEntry(Active, "t", "r", a.name, a.uid), RosterEntry(Active, "t", "r", b.name, b.uid))
	})
	slices.SortFunc(users, func(a, b user) int { return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.uid, b.uid)) })
	require.Equal(t, users, byKey)
}

// TestPrefixes demands that what lies under a prefix is what has just these parts, and nothing else.
func TestPrefixes(t *testing.T) {
	for _, tag := range parts {
		for _, role := range parts {
			entry := RosterEntry(Active, tag, role, "name", "uid")
			require.True(t, bytes.HasPrefix(entry, RosterUnder(Active, tag, role)))
			require.True(t, bytes.HasPrefix(CounterOf(Active, tag, role), CountersUnder(Active, tag)))
			require.Equal(t, CounterOf(Active, tag, role)[1:], RosterUnder(Active, tag, role)[1:len(RosterUnder(Active, tag, role))-1])
			s, gotTag, gotRole := SplitCounter(CounterOf(Active, tag, role))
			require.Equal(t, []any{Active, tag, role}, []any{s, gotTag, gotRole})
			for _, other := range parts {
				require.Equal(t, tag == other, bytes.HasPrefix(entry, RosterUnder(Active, other, role)), "%q %q", tag, other)
				require.Equal(t, role == other, bytes.HasPrefix(entry, RosterUnder(Active, tag, other)), "%q %q", role, other)
				require.Equal(t, tag == other, bytes.HasPrefix(CounterOf(Active, tag, role), CountersUnder(Active, other)))
				require.Equal(t, role == other, bytes.HasPrefix(OnlineEntry(7, role, "n", "u"), OnlineUnder(7, other)))
				require.Equal(t, tag == other, bytes.HasPrefix(Pair(Friend, tag, "x"), PairsOf(Friend, other)))
				require.Equal(t, tag == other, bytes.HasPrefix(TokenOf(tag, 1), PairsOf(Token, other)))
			}
			require.False(t, bytes.HasPrefix(entry, RosterUnder(Deactivated, tag, role)))
		}
	}
	require.False(t, bytes.HasPrefix(OnlineEntry(7, "r", "n", "u"), OnlineIn(nil, 8)))
	require.True(t, bytes.HasPrefix(OnlineEntry(7, "r", "n", "u"), OnlineIn(nil, 7)))
}

func TestTimesSort(t *testing.T) {
	times := []time.Time{
		time.Unix(math.MinInt64, 0), time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(-1, 0), time.Unix(-1, 999999999), time.Unix(0, 0),
		time.Unix(0, 1), time.Unix(1, 0), time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), time.Date(2262, 5, 1, 0, 0, 0, 0, time.UTC), time.Unix(1<<55, 5),
	}
	var last []byte
	for _, at := range times {
		key := CreatedEntry(Active, at, "uid")
		require.Negative(t, bytes.Compare(last, key), at)
		got, rest, ok := CutTime(key[2:])
		require.True(t, ok)
		require.True(t, at.Equal(got))
		require.Equal(t, "uid", string(rest))
		last = key
	}
	_, _, ok := CutTime(make([]byte, TimeLen-1))
	require.False(t, ok)
}

func TestTokensInOrderOfIssue(t *testing.T) {
	var last []byte
	for _, n := range []uint64{0, 1, 255, 256, 1 << 32, math.MaxUint64} {
		require.Negative(t, bytes.Compare(last, TokenOf("u", n)))
		last = TokenOf("u", n)
	}
}

// TestKindsAreApart demands that no two kinds share a first byte, nor any the engine's own.
func TestKindsAreApart(t *testing.T) {
	kinds := []byte{Meta, User, Roster, Counter, Created, Online, Role, Friend, Block, BlockRev, Token, Guard, Clearing, Aside}
	seen := map[byte]bool{0: true}
	for _, kind := range kinds {
		require.False(t, seen[kind], "%q", kind)
		seen[kind] = true
		require.Equal(t, string(kind)+"part", string(Of(kind, "part")))
	}
}

// FuzzKeys demands of any two lists of parts without zero bytes that their keys are the same only if the parts are, and
// that taking a key apart gives back its parts; and of any bytes that taking them apart does not panic.
func FuzzKeys(f *testing.F) {
	f.Add("t", "r", "n", "u", "t2", "r", "n", "u")
	f.Add("", "", "", "", "a", "\xff", "\x01", "b")
	f.Add("a", "", "b", "c", "", "a", "b", "c")
	f.Add("t\x00r", "", "n", "u", "t", "r", "\x00n", "u")
	f.Fuzz(func(t *testing.T, tag, role, name, uid, tag2, role2, name2, uid2 string) {
		_, _, _ = SplitCounter([]byte(tag))
		_, _ = SplitPosition([]byte(tag))
		_, _, _ = CutTime([]byte(tag))
		for _, part := range []string{tag, role, name, uid, tag2, role2, name2, uid2} {
			if strings.ContainsRune(part, 0) {
				return
			}
		}
		same := tag == tag2 && role == role2 && name == name2 && uid == uid2
		if bytes.Equal(RosterEntry(Active, tag, role, name, uid), RosterEntry(Active, tag2, role2, name2, uid2)) != same {
			t.Error("roster entries")
		}
		if bytes.Equal(Pair(Friend, tag, role), Pair(Friend, tag2, role2)) != (tag == tag2 && role == role2) {
			t.Error("pairs")
		}
		if bytes.Equal(CounterOf(Active, tag, role), CounterOf(Active, tag2, role2)) != (tag == tag2 && role == role2) {
			t.Error("counters")
		}
		gotName, gotUID := SplitPosition(AppendPosition(nil, name, uid))
		if string(gotName) != name || string(gotUID) != uid {
			t.Errorf("position: %q %q", gotName, gotUID)
		}
		if _, gotTag, gotRole := SplitCounter(CounterOf(Active, tag, role)); gotTag != tag || gotRole != role {
			t.Errorf("counter: %q %q", gotTag, gotRole)
		}
		if bytes.HasPrefix(RosterEntry(Active, tag, role, name, uid), RosterUnder(Active, tag2, role2)) != (tag == tag2 && role == role2) {
			t.Error("prefixes")
		}
	})
}
