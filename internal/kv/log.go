package kv

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math/bits"
	"strconv"

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

// logChangeSize is how many bytes a change takes in a log at the most; it may take up to 20 less.
func logChangeSize(writes []Write) (n int64) {
	n = logEntrySize(len("!badger!txn"), 20) // its end names the version
	for i := range writes {
		n += logEntrySize(len(writes[i].Key), len(writes[i].Value))
	}
	return n
}

func logEntrySize(key, value int) int64 {
	key += 8 // the version
	length := func(n int) int { return (bits.Len(uint(n)|1) + 6) / 7 }
	return int64(2 + length(key) + length(value) + 1 + key + value + crc32.Size)
}
