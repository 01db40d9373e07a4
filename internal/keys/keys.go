// Package keys is the one place that knows how the store's keys look. The first byte of a key is its kind; a part that
// is followed by another ends with a zero byte, which no uid, role, tag or name holds.
//
//	M what                               the store itself: "format", "run"
//	u uid                                a user's record
//	i state tag 0 role 0 name 0 uid      the roster: an entry with the empty tag, and one with each of the user's tags
//	k state tag 0 role                   how many entries i has under that state, tag and role
//	c state created uid                  users by time of creation
//	o run role 0 name 0 uid              who is online in this run of the store
//	r role                               a role
//	f uid 0 uid                          friends, once each way
//	b uid 0 uid                          whom a user has blocked
//	B uid 0 uid                          who has blocked a user
//	t uid 0 number                       a user's tokens, in the order of issue
//	g uid                                read and written by each change of a user's friends, blocks or tokens
//	d uid                                a deleted user whose relations are still being cleared away
//	x uid                                a record that Repair could not read and put aside
//
// state is a for active users and d for deactivated ones; name is in lower case; numbers are big-endian, so they sort.
// Every roster lies in the order of name and uid within one role, so that a role's share of any list is one walk.
package keys

import (
	"bytes"
	"encoding/binary"
	"time"
)

// The kinds of keys.
const (
	Meta     = 'M'
	User     = 'u'
	Roster   = 'i'
	Counter  = 'k'
	Created  = 'c'
	Online   = 'o'
	Role     = 'r'
	Friend   = 'f'
	Block    = 'b'
	BlockRev = 'B'
	Token    = 't'
	Guard    = 'g'
	Clearing = 'd'
	Aside    = 'x'
)

// State parts the rosters of active and of deactivated users.
type State byte

// The two states.
const (
	Active      State = 'a'
	Deactivated State = 'd'
)

// Of gives the key of a kind that is followed by one part: a record, a role, a guard, the store itself.
func Of(kind byte, part string) []byte {
	b := make([]byte, 0, 1+len(part))
	return append(append(b, kind), part...)
}

// RosterOf is what all roster entries of a state and tag start with; a role follows, a zero byte, and a position.
func RosterOf(s State, tag string) []byte {
	b := make([]byte, 0, 3+len(tag))
	return counter(append(b, Roster), s, tag, "")
}

// RosterUnder is what all roster entries of a state, tag and role start with; a position follows.
func RosterUnder(s State, tag, role string) []byte {
	b := make([]byte, 0, 4+len(tag)+len(role))
	return append(counter(append(b, Roster), s, tag, role), 0)
}

// RosterEntry is the roster entry of one user.
func RosterEntry(s State, tag, role, name, uid string) []byte {
	b := make([]byte, 0, 5+len(tag)+len(role)+len(name)+len(uid))
	b = append(counter(append(b, Roster), s, tag, role), 0)
	return AppendPosition(b, name, uid)
}

// CounterOf counts the roster entries of a state, tag and role.
func CounterOf(s State, tag, role string) []byte {
	b := make([]byte, 0, 3+len(tag)+len(role))
	return counter(append(b, Counter), s, tag, role)
}

// SplitCounter takes the key of a counter apart.
func SplitCounter(key []byte) (s State, tag, role string) {
	if len(key) < 3 {
		return 0, "", ""
	}
	t, r, _ := bytes.Cut(key[2:], []byte{0})
	return State(key[1]), string(t), string(r)
}

// CountersUnder is what the counters of a state and tag start with; the role follows.
func CountersUnder(s State, tag string) []byte { return CounterOf(s, tag, "") }

// CountersBeside is what a counter and those of its state and tag start with.
func CountersBeside(key []byte) []byte { return key[:bytes.LastIndexByte(key, 0)+1] }

func counter(b []byte, s State, tag, role string) []byte {
	b = append(append(b, byte(s)), tag...)
	return append(append(b, 0), role...)
}

// AppendPosition appends a place in a roster: name, then uid.
func AppendPosition(b []byte, name, uid string) []byte {
	return append(append(append(b, name...), 0), uid...)
}

// SplitPosition takes a place in a roster apart.
func SplitPosition(pos []byte) (name, uid []byte) {
	i := bytes.LastIndexByte(pos, 0)
	if i < 0 {
		return nil, nil
	}
	return pos[:i], pos[i+1:]
}

// OnlineUnder is what the entries of a run and role start with; a position follows.
func OnlineUnder(run uint64, role string) []byte {
	b := make([]byte, 0, 10+len(role))
	return append(append(OnlineIn(b, run), role...), 0)
}

// OnlineIn appends what all online entries of a run start with.
func OnlineIn(b []byte, run uint64) []byte {
	return binary.BigEndian.AppendUint64(append(b, Online), run)
}

// OnlineEntry is the entry of one user who is online.
func OnlineEntry(run uint64, role, name, uid string) []byte {
	return AppendPosition(OnlineUnder(run, role), name, uid)
}

// CreatedUnder is what all entries of a state start with; a time and a uid follow.
func CreatedUnder(s State) []byte { return []byte{Created, byte(s)} }

// CreatedEntry is the entry of one user.
func CreatedEntry(s State, at time.Time, uid string) []byte {
	b := make([]byte, 0, 14+len(uid))
	return append(AppendTime(append(b, Created, byte(s)), at), uid...)
}

// TimeLen is how many bytes AppendTime appends.
const TimeLen = 12

// AppendTime appends a time so that times sort as bytes.
func AppendTime(b []byte, t time.Time) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(t.Unix())^1<<63)
	return binary.BigEndian.AppendUint32(b, uint32(t.Nanosecond()))
}

// CutTime takes a time off the front; ok is false if there is none.
func CutTime(b []byte) (t time.Time, rest []byte, ok bool) {
	if len(b) < TimeLen {
		return time.Time{}, nil, false
	}
	sec, nsec := binary.BigEndian.Uint64(b)^1<<63, binary.BigEndian.Uint32(b[8:])
	return time.Unix(int64(sec), int64(nsec)).UTC(), b[TimeLen:], true
}

// Pair is the key of a relation from one user to another.
func Pair(kind byte, from, to string) []byte {
	return append(PairsOf(kind, from), to...)
}

// PairsOf is what all relations of a user start with.
func PairsOf(kind byte, from string) []byte {
	b := make([]byte, 0, 2+2*len(from))
	return append(append(append(b, kind), from...), 0)
}

// TokenOf is the key of a user's token.
func TokenOf(uid string, number uint64) []byte {
	return binary.BigEndian.AppendUint64(PairsOf(Token, uid), number)
}
