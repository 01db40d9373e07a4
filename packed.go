package userstore

import (
	"encoding/binary"
	"time"
	"unsafe"

	"github.com/seed-3546c6b2/userstore/internal/kv"
)

// packed is a record as it is kept in memory: one text, and where in it each field ends. A record has some twenty
// pointers, and the garbage collector would follow those of every user in the cache again and again; this has one, is
// smaller, and is in fewer places.
type packed struct {
	text string // uid, tags, other fields; a tag is led by its length
	ends [texts]uint32

	tags, restFields                          uint32
	lastActive, created, updated, deactivated time.Time
	version, born, seen                       uint64
}

// The parts of a packed text, in their order.
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

const tagLen = 4 // bytes that say how long a tag is

// pack keeps a record, with a text of its own.
func (p *packed) pack(r *record) {
	*p = packed{
		tags: uint32(len(r.Tags)), restFields: uint32(r.restFields),
		lastActive: r.LastActiveAt, created: r.CreatedAt, updated: r.UpdatedAt, deactivated: r.DeactivatedAt,
		version: r.Version, born: r.born, seen: r.seen,
	}
	size := len(r.UID) + len(r.Name) + len(r.Avatar) + len(r.Link) + len(r.Role) + len(r.StatusMessage) + len(r.Metadata) + len(r.rest)
	for _, tag := range r.Tags {
		size += tagLen + len(tag)
	}
	text := make([]byte, 0, size)
	end := func(part int) { p.ends[part] = uint32(len(text)) }
	text = append(text, r.UID...)
	end(textUID)
	for _, tag := range r.Tags {
		text = append(binary.BigEndian.AppendUint32(text, uint32(len(tag))), tag...)
	}
	end(textTags)
	text = append(text, r.Name...)
	end(textName)
	text = append(text, r.Avatar...)
	end(textAvatar)
	text = append(text, r.Link...)
	end(textLink)
	text = append(text, r.Role...)
	end(textRole)
	text = append(text, r.StatusMessage...)
	end(textStatusMessage)
	text = append(text, r.Metadata...)
	end(textMetadata)
	text = append(text, r.rest...)
	end(textRest)
	p.text = kv.Text(text)
}

// unpack gives the record back, with tags of its own and all else out of p's text.
func (p *packed) unpack(r *record) {
	p.fields(&r.User)
	if p.tags > 0 {
		r.Tags = p.appendTags(make([]string, 0, p.tags))
	}
	r.Metadata, r.rest = p.bytes(textMetadata), p.bytes(textRest)
	r.restFields, r.born, r.seen = int(p.restFields), p.born, p.seen
}

func (p *packed) record() *record {
	r := new(record)
	p.unpack(r)
	return r
}

// user gives the user, with tags and metadata of its own, out of room.
func (p *packed) user(u *User, room *room) {
	p.fields(u)
	if metadata := p.bytes(textMetadata); metadata != nil {
		u.Metadata = append(room.forText(len(metadata)), metadata...)
	}
	if p.tags > 0 {
		u.Tags = p.appendTags(room.forTags(int(p.tags)))
	}
}

// fields sets all fields of a user but tags and metadata.
func (p *packed) fields(u *User) {
	u.UID, u.Name, u.Avatar, u.Link = p.uid(), p.part(textName), p.part(textAvatar), p.part(textLink)
	u.Role, u.StatusMessage, u.Status, u.Version = p.part(textRole), p.part(textStatusMessage), statusOf(p.seen), p.version
	u.LastActiveAt, u.CreatedAt, u.UpdatedAt, u.DeactivatedAt = p.lastActive, p.created, p.updated, p.deactivated
}

func (p *packed) uid() string { return p.text[:p.ends[textUID]] }

// part gives one of the texts after the uid.
func (p *packed) part(part int) string {
	return p.text[p.ends[part-1]:p.ends[part]]
}

// bytes is part for a field of bytes, which nobody may write to; nil if it is empty.
func (p *packed) bytes(part int) []byte {
	s := p.part(part)
	if s == "" {
		return nil
	}
	return unsafe.Slice(unsafe.StringData(s), len(s))
}

func (p *packed) appendTags(list []string) []string {
	for rest := p.bytes(textTags); len(rest) > 0; {
		end := tagLen + binary.BigEndian.Uint32(rest)
		list = append(list, kv.Text(rest[tagLen:end]))
		rest = rest[end:]
	}
	return list
}

// weight is about how many bytes p takes in memory.
func (p *packed) weight() int { return int(unsafe.Sizeof(*p)) + len(p.text) }

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
