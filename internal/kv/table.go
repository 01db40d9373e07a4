package kv

import (
	"crypto/aes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/dgraph-io/badger/v4/fb"
	"github.com/dgraph-io/badger/v4/y"
)

// Badger opens a damaged table in a goroutine of its own, where a panic cannot be caught, and a damaged log as a shorter
// one. So both are read here first, with every length checked.

// entry is one version of a key, as a table or log has it.
type entry struct {
	key, value []byte
	version    uint64
	deleted    bool
}

const (
	metaDelete  = 1 << 0
	metaPointer = 1 << 1 // the value is in the value log, where this engine puts none
	metaTxn     = 1 << 6
	metaTxnEnd  = 1 << 7
)

// splitVersion parts a stored key from the version at its end.
func splitVersion(stored []byte) (key []byte, version uint64, ok bool) {
	if len(stored) < 8 {
		return nil, 0, false
	}
	n := len(stored) - 8
	return stored[:n:n], math.MaxUint64 - binary.BigEndian.Uint64(stored[n:]), true
}

// span is where a block lies in a table.
type span struct{ from, to int }

// tableFile is a table in memory.
type tableFile struct {
	data       []byte
	key        []byte // or nil if it is not encrypted
	blocks     []span
	maxVersion uint64
}

var errDamaged = errors.New("is damaged")

// openTable reads a table's index. Where that fails its checksum, the blocks it still names come with the error.
func openTable(data, key []byte) (t *tableFile, err error) {
	t = &tableFile{data: data, key: key}
	defer func() {
		if recover() != nil { // the index is a tree of offsets
			err = fmt.Errorf("index %w", errDamaged)
		}
	}()
	end, sum, err := cutChecksum(data)
	if err != nil {
		return t, fmt.Errorf("end %w", err)
	}
	size := 0
	if end >= 4 {
		size = int(binary.BigEndian.Uint32(data[end-4:]))
	}
	start := end - 4 - size
	if start < 0 || size == 0 {
		return t, fmt.Errorf("end %w", errDamaged)
	}
	index := data[start : end-4]
	if crc32.Checksum(index, castagnoli) != sum {
		err = fmt.Errorf("index %w", errDamaged)
	}
	if index, failed := t.decrypt(index); failed == nil {
		t.readIndex(fb.GetRootAsTableIndex(index, 0), start)
	} else if err == nil {
		err = failed
	}
	if err == nil && (len(t.blocks) == 0 || t.blocks[len(t.blocks)-1].to != start) {
		err = fmt.Errorf("index %w", errDamaged)
	}
	return t, err
}

func (t *tableFile) readIndex(index *fb.TableIndex, end int) {
	t.maxVersion = index.MaxVersion()
	var at fb.BlockOffset
	for i := 0; i < index.OffsetsLength() && index.Offsets(&at, i); i++ {
		if s := (span{int(at.Offset()), int(at.Offset()) + int(at.Len())}); s.to <= end {
			t.blocks = append(t.blocks, s)
		}
	}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// cutChecksum finds the checksum at the end of a block or table and where what it sums up ends.
func cutChecksum(data []byte) (end int, sum uint32, err error) {
	if len(data) < 4 {
		return 0, 0, errDamaged
	}
	end = len(data) - 4
	size := binary.BigEndian.Uint32(data[end:])
	if size > 16 || int(size) > end {
		return 0, 0, errDamaged
	}
	end -= int(size)
	if size == 0 { // protobuf leaves out a zero
		return end, 0, nil
	}
	field := data[end : end+int(size)]
	n, read := binary.Uvarint(field[1:])
	if field[0] != 2<<3 || read != len(field)-1 || n > math.MaxUint32 {
		return 0, 0, errDamaged
	}
	return end, uint32(n), nil
}

// decrypt gives the plain bytes of a block or index, whose initialization vector follows it.
func (t *tableFile) decrypt(data []byte) ([]byte, error) {
	if t.key == nil {
		return data, nil
	}
	n := len(data) - aes.BlockSize
	if n < 0 {
		return nil, errDamaged
	}
	return y.XORBlockAllocate(data[:n], t.key, data[n:])
}

// block gives the bytes of a block that passes its checksum, and where its entries start.
func (t *tableFile) block(s span) (data []byte, starts []uint32, err error) {
	if s.from < 0 || s.from > s.to || s.to > len(t.data) {
		return nil, nil, errDamaged
	}
	if data, err = t.decrypt(t.data[s.from:s.to]); err != nil {
		return nil, nil, err
	}
	end, sum, err := cutChecksum(data)
	if err != nil {
		return nil, nil, err
	}
	if end < 4 || crc32.Checksum(data[:end], castagnoli) != sum {
		return nil, nil, errDamaged
	}
	n := int64(binary.BigEndian.Uint32(data[end-4:]))
	first := int64(end) - 4 - 4*n
	if n == 0 || first < 0 {
		return nil, nil, errDamaged
	}
	starts = make([]uint32, n, n+1)
	for i := range starts {
		starts[i] = binary.NativeEndian.Uint32(data[int(first)+4*i:])
	}
	return data[:first], append(starts, uint32(first)), nil
}

// verify checks every block.
func (t *tableFile) verify() error {
	next := 0
	for _, s := range t.blocks {
		if _, _, err := t.block(s); err != nil || s.from != next {
			return fmt.Errorf("block at %d %w", s.from, errDamaged)
		}
		next = s.to
	}
	return nil
}

// each calls fn with the entries of a block, which hold as long as the table does.
func (t *tableFile) each(s span, fn func(entry) error) error {
	data, starts, err := t.block(s)
	if err != nil {
		return err
	}
	const header = 4 // how much of the first key comes first, and how long the rest of the key is
	var base []byte
	for i, from := range starts[:len(starts)-1] {
		to := starts[i+1]
		if from > to || int(to) > len(data) || to-from < header+3 {
			return errDamaged
		}
		e := data[from:to]
		overlap, diff := int(binary.NativeEndian.Uint16(e)), int(binary.NativeEndian.Uint16(e[2:]))
		if overlap > len(base) || header+diff+3 > len(e) {
			return errDamaged
		}
		rest, value := e[header:header+diff], e[header+diff:]
		stored := append(append(make([]byte, 0, overlap+diff), base[:overlap]...), rest...)
		if i == 0 {
			base = stored
		}
		_, read := binary.Uvarint(value[2:]) // when it expires: never
		key, version, ok := splitVersion(stored)
		if !ok || read <= 0 {
			return errDamaged
		}
		if value[0]&metaPointer != 0 {
			continue
		}
		if err := fn(entry{key, value[2+read:], version, value[0]&metaDelete != 0}); err != nil {
			return err
		}
	}
	return nil
}
