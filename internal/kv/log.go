package kv

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"strconv"
	"strings"

	"github.com/dgraph-io/badger/v4/y"
)

const logHeader = 20 // bytes: the number of the key that it is encrypted with, and a vector

// readLog reads a log of changes as far as Badger would replay it, and calls fn, if there is one, with the entries of
// each whole change. It gives the versions of the first and the last change, 0 if there is none, and where the last ends.
func readLog(data []byte, keyOf func(id uint64) ([]byte, error), fn func(entry) error) (first, last uint64, end int, err error) {
	if len(data) < logHeader {
		return 0, 0, 0, nil
	}
	key, err := keyOf(binary.BigEndian.Uint64(data))
	if err != nil {
		return 0, 0, 0, err
	}
	var change []entry
	end = logHeader
	for at := end; ; {
		e, meta, size := readLogEntry(data, at, key)
		if size == 0 {
			return first, last, end, nil
		}
		at += size
		switch {
		case meta&metaTxn != 0:
			change = append(change, e)
			continue
		case meta&metaTxnEnd != 0:
			version, err := strconv.ParseUint(string(e.value), 10, 64)
			if err != nil || len(change) == 0 {
				return first, last, end, nil
			}
			for i := range change {
				if change[i].version != version {
					return first, last, end, nil
				}
			}
		default:
			return first, last, end, nil // not written by this engine
		}
		for _, e := range change {
			if fn != nil {
				if err := fn(e); err != nil {
					return first, last, end, err
				}
			}
		}
		if last = change[0].version; first == 0 {
			first = last
		}
		end, change = at, change[:0]
	}
}

// readLogEntry reads the entry at a place; its size is 0 if there is none, or not a whole one.
func readLogEntry(data []byte, at int, key []byte) (e entry, meta byte, size int) {
	from := data[at:]
	if len(from) < 2 {
		return e, 0, 0
	}
	meta = from[0]
	n := 2
	var parts [3]uint64 // lengths of key and value, and when it expires
	for i := range parts {
		part, read := binary.Uvarint(from[n:])
		if read <= 0 {
			return e, 0, 0
		}
		parts[i] = part
		n += read
	}
	keyLen, valueLen := parts[0], parts[1]
	if keyLen == 0 || keyLen > 1<<16 || valueLen > uint64(len(from)) || uint64(n)+keyLen+valueLen+crc32.Size > uint64(len(from)) {
		return e, 0, 0
	}
	end := n + int(keyLen+valueLen)
	if crc32.Checksum(from[:end], castagnoli) != binary.BigEndian.Uint32(from[end:]) {
		return e, 0, 0
	}
	both := from[n:end]
	if key != nil {
		vector := binary.BigEndian.AppendUint32(bytes.Clone(data[8:logHeader]), uint32(at))
		var err error
		if both, err = y.XORBlockAllocate(both, key, vector); err != nil {
			return e, 0, 0
		}
	}
	var ok bool
	if e.key, e.version, ok = splitVersion(both[:keyLen]); !ok {
		return e, 0, 0
	}
	e.value, e.deleted = both[keyLen:], meta&metaDelete != 0
	return e, meta, end + crc32.Size
}

// appendLogChange appends a change as Badger writes it, for the place at of a log with this head.
func appendLogChange(b, head []byte, at int64, key []byte, version uint64, writes []Write) (_ []byte, err error) {
	at -= int64(len(b))
	for i := range writes {
		meta := byte(metaTxn)
		if writes[i].Value == nil {
			meta |= metaDelete
		}
		if b, err = appendLogEntry(b, head, at, key, meta, version, writes[i].Key, writes[i].Value); err != nil {
			return nil, err
		}
	}
	return appendLogEntry(b, head, at, key, metaTxnEnd, version, []byte("!badger!txn"), strconv.AppendUint(nil, version, 10))
}

// appendLogEntry appends an entry to b, which begins at a place of the log.
func appendLogEntry(b, head []byte, at int64, key []byte, meta byte, version uint64, name, value []byte) ([]byte, error) {
	from := len(b)
	b = append(b, meta, 0)
	b = binary.AppendUvarint(b, uint64(len(name)+8))
	b = binary.AppendUvarint(b, uint64(len(value)))
	b = append(b, 0) // it never expires
	both := len(b)
	b = append(b, name...)
	b = binary.BigEndian.AppendUint64(b, math.MaxUint64-version)
	b = append(b, value...)
	if key != nil {
		vector := binary.BigEndian.AppendUint32(bytes.Clone(head[8:logHeader]), uint32(at)+uint32(from))
		if err := y.XORBlock(b[both:], b[both:], key, vector); err != nil {
			return nil, err
		}
	}
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b[from:], castagnoli)), nil
}

func logNumber(name string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSuffix(name, logSuffix))
	if err != nil {
		return 0, fmt.Errorf("%w: the file %s, which is no log", ErrCorrupt, name)
	}
	return n, nil
}
