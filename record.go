package userstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/seed-3546c6b2/userstore/internal/kv"
)

// record is a User as the store keeps it, with what is nobody else's business.
type record struct {
	User
	// born tells this user from an earlier one of the same uid: sessions remember it.
	born uint64
	// seen is the run of the store in which the user came online; in any other run the user is offline.
	seen uint64
	// rest holds fields written by a newer minor version, encoded, so that a rewrite does not lose them.
	rest       []byte
	restFields int
}

// The keys of a record's msgpack map. A number is never given a second meaning.
const (
	tagName = iota + 1
	tagAvatar
	tagLink
	tagRole
	tagStatusMessage
	tagMetadata
	tagTags
	tagLastActiveAt
	tagCreatedAt
	tagUpdatedAt
	tagDeactivatedAt
	tagVersion
	tagBorn
	tagSeen
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const sumLen = 4 // bytes of checksum that close a record

// codec is a pooled encoder and decoder of vmihailenco's, with the memory they work on.
type codec struct {
	enc *msgpack.Encoder
	dec *msgpack.Decoder
	buf bytes.Buffer
	in  bytes.Reader
}

var codecs = sync.Pool{New: func() any {
	c := new(codec)
	c.enc = msgpack.NewEncoder(&c.buf)
	c.dec = msgpack.NewDecoder(&c.in)
	return c
}}

// encode gives the stored bytes of r: a msgpack map with small integer keys, unset fields left out, then a checksum of
// uid and map, so that a record that is not what was written is noticed wherever it is read.
func (r *record) encode() ([]byte, error) {
	c := codecs.Get().(*codec)
	defer codecs.Put(c)
	c.buf.Reset()
	c.enc.Reset(&c.buf)
	if err := r.EncodeMsgpack(c.enc); err != nil {
		return nil, err
	}
	b := make([]byte, c.buf.Len(), c.buf.Len()+sumLen)
	copy(b, c.buf.Bytes())
	return binary.BigEndian.AppendUint32(b, checksum(r.UID, b)), nil
}

func checksum(uid string, b []byte) uint32 {
	return crc32.Update(crc32.Checksum([]byte(uid), castagnoli), castagnoli, b)
}

// EncodeMsgpack writes the map of set fields.
func (r *record) EncodeMsgpack(enc *msgpack.Encoder) error {
	w := fieldWriter{enc: enc, fields: r.restFields}
	w.each(r) // counts
	if err := enc.EncodeMapLen(w.fields); err != nil {
		return err
	}
	w.write = true
	w.each(r)
	if w.err == nil && len(r.rest) > 0 {
		_, w.err = enc.Writer().Write(r.rest)
	}
	return w.err
}

// fieldWriter runs over the fields twice: once to count the set ones, once to write them.
type fieldWriter struct {
	enc    *msgpack.Encoder
	write  bool
	fields int
	err    error
}

func (w *fieldWriter) each(r *record) {
	w.text(tagName, r.Name)
	w.text(tagAvatar, r.Avatar)
	w.text(tagLink, r.Link)
	w.text(tagRole, r.Role)
	w.text(tagStatusMessage, r.StatusMessage)
	if len(r.Metadata) > 0 && w.key(tagMetadata) {
		w.err = w.enc.EncodeBytes(r.Metadata)
	}
	if len(r.Tags) > 0 && w.key(tagTags) {
		w.err = w.enc.EncodeArrayLen(len(r.Tags))
		for i := 0; i < len(r.Tags) && w.err == nil; i++ {
			w.err = w.enc.EncodeString(r.Tags[i])
		}
	}
	w.time(tagLastActiveAt, r.LastActiveAt)
	w.time(tagCreatedAt, r.CreatedAt)
	w.time(tagUpdatedAt, r.UpdatedAt)
	w.time(tagDeactivatedAt, r.DeactivatedAt)
	w.uint(tagVersion, r.Version)
	w.uint(tagBorn, r.born)
	w.uint(tagSeen, r.seen)
}

// key counts a set field, or writes its key and says that the value is to follow.
func (w *fieldWriter) key(tag int64) bool {
	if !w.write {
		w.fields++
		return false
	}
	if w.err == nil {
		w.err = w.enc.EncodeInt(tag)
	}
	return w.err == nil
}

func (w *fieldWriter) text(tag int64, s string) {
	if s != "" && w.key(tag) {
		w.err = w.enc.EncodeString(s)
	}
}

func (w *fieldWriter) uint(tag int64, n uint64) {
	if n != 0 && w.key(tag) {
		w.err = w.enc.EncodeUint(n)
	}
}

// time writes seconds and nanoseconds apart, since an int64 of nanoseconds ends in 2262.
func (w *fieldWriter) time(tag int64, t time.Time) {
	if t.IsZero() || !w.key(tag) {
		return
	}
	if w.err = w.enc.EncodeArrayLen(2); w.err == nil {
		w.err = w.enc.EncodeInt(t.Unix())
	}
	if w.err == nil {
		w.err = w.enc.EncodeInt(int64(t.Nanosecond()))
	}
}

// decodeRecord reads stored bytes back; the record's texts are parts of them, so nobody may write to them. run is the store's present run: who was seen
// online in another is offline. What is not exactly what encode wrote is ErrCorrupt.
func decodeRecord(uid string, b []byte, run uint64) (*record, error) {
	r := new(record)
	if err := r.decode(uid, b, run); err != nil {
		return nil, err
	}
	return r, nil
}

// decode is decodeRecord into an empty record.
func (r *record) decode(uid string, b []byte, run uint64) error {
	if len(b) < sumLen {
		return fmt.Errorf("%w: record of %s is cut", ErrCorrupt, uid)
	}
	body := b[:len(b)-sumLen]
	if checksum(uid, body) != binary.BigEndian.Uint32(b[len(body):]) {
		return fmt.Errorf("%w: record of %s fails its checksum", ErrCorrupt, uid)
	}
	c := codecs.Get().(*codec)
	defer codecs.Put(c)
	c.in.Reset(body)
	c.dec.Reset(&c.in)
	d := fieldReader{codec: c, body: body}
	r.UID = uid
	if err := d.record(r); err != nil || c.in.Len() > 0 {
		return fmt.Errorf("%w: record of %s is not readable", ErrCorrupt, uid)
	}
	if r.seen != run {
		r.seen = 0
	}
	r.setOnline(r.seen)
	return nil
}

// fieldReader cuts every field of a record out of what is read.
type fieldReader struct {
	*codec
	body []byte
}

var errForm = errors.New("malformed")

func (d *fieldReader) record(r *record) error {
	n, err := d.dec.DecodeMapLen()
	if err != nil {
		return err
	}
	for range n {
		start := d.pos()
		tag, err := d.dec.DecodeInt64()
		if err != nil {
			return err
		}
		if err := d.field(r, tag, start); err != nil {
			return err
		}
	}
	return nil
}

func (d *fieldReader) field(r *record, tag int64, start int) (err error) {
	switch tag {
	case tagName:
		r.Name, err = d.str()
	case tagAvatar:
		r.Avatar, err = d.str()
	case tagLink:
		r.Link, err = d.str()
	case tagRole:
		r.Role, err = d.str()
	case tagStatusMessage:
		r.StatusMessage, err = d.str()
	case tagMetadata:
		r.Metadata, err = d.bytes()
	case tagTags:
		r.Tags, err = d.strs()
	case tagLastActiveAt:
		r.LastActiveAt, err = d.time()
	case tagCreatedAt:
		r.CreatedAt, err = d.time()
	case tagUpdatedAt:
		r.UpdatedAt, err = d.time()
	case tagDeactivatedAt:
		r.DeactivatedAt, err = d.time()
	case tagVersion:
		r.Version, err = d.dec.DecodeUint64()
	case tagBorn:
		r.born, err = d.dec.DecodeUint64()
	case tagSeen:
		r.seen, err = d.dec.DecodeUint64()
	default:
		if err = d.dec.Skip(); err == nil {
			r.rest = append(r.rest, d.body[start:d.pos()]...)
			r.restFields++
		}
	}
	return err
}

func (d *fieldReader) pos() int { return len(d.body) - d.in.Len() }

func (d *fieldReader) bytes() ([]byte, error) {
	n, err := d.dec.DecodeBytesLen()
	if err != nil || n < 0 || n > d.in.Len() {
		return nil, errForm
	}
	at := d.pos()
	_, err = d.in.Seek(int64(n), 1)
	return d.body[at : at+n : at+n], err
}

func (d *fieldReader) str() (string, error) {
	b, err := d.bytes()
	return kv.Text(b), err
}

func (d *fieldReader) strs() ([]string, error) {
	n, err := d.dec.DecodeArrayLen()
	if err != nil || n < 0 || n > d.in.Len() { // a string takes a byte at least
		return nil, errForm
	}
	list := make([]string, n)
	for i := range list {
		if list[i], err = d.str(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (d *fieldReader) time() (time.Time, error) {
	if n, err := d.dec.DecodeArrayLen(); err != nil || n != 2 {
		return time.Time{}, errForm
	}
	sec, err := d.dec.DecodeInt64()
	if err != nil {
		return time.Time{}, err
	}
	nsec, err := d.dec.DecodeInt64()
	return time.Unix(sec, nsec).UTC(), err
}
