package userstore

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/seed-3546c6b2/userstore/internal/kv"
)

// packed is a record as it is kept in memory, and never changed: numbers in fixed places, among them where each text
// ends, then the texts. A record has some twenty pointers, and the garbage collector would follow those of every user in
// the cache again and again; here it finds none, and whoever reads it finds all in one place.
type packed []byte

// Where the numbers lie. A time takes timeSize bytes, all others wordSize.
const (
	packedVersion = wordSize * iota
	packedBorn
	packedSeen
	packedTags // how many there are
	packedRestFields
	packedTimes

	wordSize = 8
	timeSize = 12
	endSize  = 4
	tagSize  = 4 // the length that leads each tag

	packedEnds  = packedTimes + times*timeSize
	packedTexts = packedEnds + texts*endSize
)

// The texts, in their order.
const (
	textUID = iota
	textTags
	textName
	textAvatar
	textLink
	textRole
	textStatusMessage
	textMetadata
	textRest
	texts
)

// The times, in their order.
const (
	timeLastActive = iota
	timeCreated
	timeUpdated
	timeDeactivated
	times
)

// pack makes a packed copy of a record.
func pack(r *record) packed {
	size := packedTexts + len(r.UID) + len(r.Name) + len(r.Avatar) + len(r.Link) + len(r.Role) + len(r.StatusMessage) + len(r.Metadata) + len(r.rest)
	for _, tag := range r.Tags {
		size += tagSize + len(tag)
	}
	p := make(packed, packedTexts, size)
	n := p.numbers() // stays in place: there is room for all that is appended
	n.setWord(packedVersion, r.Version)
	n.setWord(packedBorn, r.born)
	n.setWord(packedSeen, r.seen)
	n.setWord(packedTags, uint64(len(r.Tags)))
	n.setWord(packedRestFields, uint64(r.restFields))
	for i, t := range [times]time.Time{r.LastActiveAt, r.CreatedAt, r.UpdatedAt, r.DeactivatedAt} {
		n.setTime(i, t)
	}
	end := func(text int) { n.setEnd(text, len(p)-packedTexts) }
	p = append(p, r.UID...)
	end(textUID)
	for _, tag := range r.Tags {
		p = append(binary.LittleEndian.AppendUint32(p, uint32(len(tag))), tag...)
	}
	end(textTags)
	for i, s := range [...]string{r.Name, r.Avatar, r.Link, r.Role, r.StatusMessage} {
		p = append(p, s...)
		end(textName + i)
	}
	p = append(p, r.Metadata...)
	end(textMetadata)
	p = append(p, r.rest...)
	end(textRest)
	return p
}

// numbers is the part of a packed record that is always there.
type numbers [packedTexts]byte

func (p packed) numbers() *numbers { return (*numbers)(p) }

func (n *numbers) word(at int) uint64 { return binary.LittleEndian.Uint64(n[at:]) }

func (n *numbers) setWord(at int, to uint64) { binary.LittleEndian.PutUint64(n[at:], to) }

func (n *numbers) time(i int) time.Time {
	at := packedTimes + i*timeSize
	return time.Unix(int64(n.word(at)), int64(binary.LittleEndian.Uint32(n[at+wordSize:]))).UTC()
}

func (n *numbers) setTime(i int, t time.Time) {
	at := packedTimes + i*timeSize
	n.setWord(at, uint64(t.Unix()))
	binary.LittleEndian.PutUint32(n[at+wordSize:], uint32(t.Nanosecond()))
}

// end is where a text ends, counted from the first.
func (n *numbers) end(text int) int {
	return int(binary.LittleEndian.Uint32(n[packedEnds+text*endSize:]))
}

func (n *numbers) setEnd(text, to int) {
	binary.LittleEndian.PutUint32(n[packedEnds+text*endSize:], uint32(to))
}

func (p packed) uid() string { return kv.Text(p[packedTexts:])[:p.numbers().end(textUID)] }

func (p packed) born() uint64 { return p.numbers().word(packedBorn) }

func (p packed) active() bool { return p.numbers().time(timeDeactivated).IsZero() }

// bytes gives a text after the uid, which nobody may write to; nil if it is empty.
func (p packed) bytes(text int) []byte {
	n, texts := p.numbers(), p[packedTexts:]
	if start, end := n.end(text-1), n.end(text); start < end {
		return texts[start:end:end]
	}
	return nil
}

// record gives the record back, with tags of its own and all else out of p.
func (p packed) record() *record {
	r := new(record)
	p.unpack(r)
	return r
}

// unpack is record into one that is there, whose tags it overwrites.
func (p packed) unpack(r *record) {
	n, tags := p.numbers(), r.Tags[:0]
	*r = record{
		born: n.word(packedBorn), seen: n.word(packedSeen),
		rest: p.bytes(textRest), restFields: int(n.word(packedRestFields)),
	}
	p.fields(&r.User)
	r.Metadata = p.bytes(textMetadata)
	if count := int(n.word(packedTags)); count > 0 {
		r.Tags = p.appendTags(slices.Grow(tags, count))
	}
}

// user gives the user, with tags and metadata of its own, out of room.
func (p packed) user(u *User, room *room) {
	p.fields(u)
	if metadata := p.bytes(textMetadata); metadata != nil {
		u.Metadata = append(room.forText(len(metadata)), metadata...)
	}
	if count := int(p.numbers().word(packedTags)); count > 0 {
		u.Tags = p.appendTags(room.forTags(count))
	}
}

// fields sets all fields of a user but tags and metadata.
func (p packed) fields(u *User) {
	n, all := p.numbers(), kv.Text(p[packedTexts:])
	uid, tags, name, avatar, link := n.end(textUID), n.end(textTags), n.end(textName), n.end(textAvatar), n.end(textLink)
	role, statusMessage := n.end(textRole), n.end(textStatusMessage)
	u.UID, u.Name, u.Avatar, u.Link = all[:uid], all[tags:name], all[name:avatar], all[avatar:link]
	u.Role, u.StatusMessage = all[link:role], all[role:statusMessage]
	u.Status, u.Version = statusOf(n.word(packedSeen)), n.word(packedVersion)
	u.LastActiveAt, u.CreatedAt = n.time(timeLastActive), n.time(timeCreated)
	u.UpdatedAt, u.DeactivatedAt = n.time(timeUpdated), n.time(timeDeactivated)
}

func (p packed) appendTags(list []string) []string {
	for rest := p.bytes(textTags); len(rest) > 0; {
		end := tagSize + binary.LittleEndian.Uint32(rest)
		list = append(list, kv.Text(rest[tagSize:end]))
		rest = rest[end:]
	}
	return list
}

// room is memory for the tags and metadata of users: of its own for each, or, where they are many, shared by some, so that
// there are few pieces of it.
type room struct {
	many bool
	text []byte
	tags []string
}

// forText gives an empty slice with room for n bytes and no more.
func (r *room) forText(n int) []byte { return carve(&r.text, n, r.many, 4096) }

// forTags gives an empty slice with room for n tags and no more.
func (r *room) forTags(n int) []string { return carve(&r.tags, n, r.many, 64) }

func carve[E any](room *[]E, n int, many bool, piece int) []E {
	if len(*room) < n {
		if !many {
			piece = n
		}
		*room = make([]E, max(n, piece))
	}
	part := (*room)[:0:n]
	*room = (*room)[n:]
	return part
}
