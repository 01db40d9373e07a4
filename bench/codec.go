package main

import (
	"encoding/binary"
	"errors"
)

// The hand-made peers, bbolt and buntdb, keep a record in the leanest form there is: its numbers, then its strings, each
// with its length ahead. Decoding takes one string for all of them.

func encodeUser(u *User) []byte {
	b := make([]byte, 0, 512)
	b = binary.AppendUvarint(b, u.Version)
	b = binary.AppendVarint(b, u.CreatedAt)
	b = binary.AppendVarint(b, u.UpdatedAt)
	for _, s := range []string{u.UID, u.Name, u.Avatar, u.Link, u.Role, u.StatusMessage, u.Status} {
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	b = append(binary.AppendUvarint(b, uint64(len(u.Metadata))), u.Metadata...)
	b = binary.AppendUvarint(b, uint64(len(u.Tags)))
	for _, s := range u.Tags {
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	return b
}

var errRecord = errors.New("a record cannot be read")

// decodeUser reads what encodeUser wrote. The user's strings are parts of s.
func decodeUser(s string) (User, error) {
	d := decoder{rest: s}
	u := User{Version: d.uvarint(), CreatedAt: d.varint(), UpdatedAt: d.varint()}
	for _, to := range []*string{&u.UID, &u.Name, &u.Avatar, &u.Link, &u.Role, &u.StatusMessage, &u.Status} {
		*to = d.string()
	}
	if metadata := d.string(); metadata != "" {
		u.Metadata = []byte(metadata)
	}
	n := d.uvarint()
	if n > uint64(len(d.rest)) {
		return User{}, errRecord
	}
	u.Tags = make([]string, n)
	for i := range u.Tags {
		u.Tags[i] = d.string()
	}
	if d.failed || d.rest != "" {
		return User{}, errRecord
	}
	return u, nil
}

type decoder struct {
	rest   string
	failed bool
}

func (d *decoder) uvarint() (x uint64) {
	for i := 0; i < len(d.rest) && i < binary.MaxVarintLen64; i++ {
		c := d.rest[i]
		x |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			d.rest = d.rest[i+1:]
			return x
		}
	}
	d.failed = true
	return 0
}

func (d *decoder) varint() int64 {
	x := d.uvarint()
	return int64(x>>1) ^ -int64(x&1)
}

func (d *decoder) string() string {
	n := d.uvarint()
	if n > uint64(len(d.rest)) {
		d.failed = true
		return ""
	}
	s := d.rest[:n]
	d.rest = d.rest[n:]
	return s
}
