package kv

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
)

// keepsake is what was in a store before it was filled. While it lies in the directory, what is there beside it is half
// a fill, and Open goes back to the keepsake. Its file is
//
//	"userstore before a load 1\n"  version (8 bytes)  each key and value, their lengths ahead of them  0  checksum (4)
type keepsake struct {
	version uint64
	writes  []Write // in the order of their keys
}

const (
	keepsakeName = MarkName + ".before"
	keepsakeHead = "userstore before a load 1\n"
)

func (k *keepsake) each(emit func(key, value []byte) error) error {
	for _, w := range k.writes {
		if err := emit(w.Key, w.Value); err != nil {
			return err
		}
	}
	return nil
}

func (k *keepsake) size() (n int64) {
	for _, w := range k.writes {
		n += int64(len(w.Key) + len(w.Value))
	}
	return n
}

func (k *keepsake) write(dir string) error {
	return writeFile(dir, keepsakeName, k.encode())
}

func (k *keepsake) encode() []byte {
	b := binary.BigEndian.AppendUint64([]byte(keepsakeHead), k.version)
	for _, w := range k.writes {
		b = append(binary.AppendUvarint(b, uint64(len(w.Key))), w.Key...)
		b = append(binary.AppendUvarint(b, uint64(len(w.Value))), w.Value...)
	}
	return appendSum(append(b, 0))
}

func appendSum(b []byte) []byte {
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// readKeepsake gives nil if there is none.
func readKeepsake(dir string) (*keepsake, error) {
	b, err := readIfThere(dir, keepsakeName)
	if b == nil {
		return nil, err
	}
	return decodeKeepsake(b)
}

func decodeKeepsake(b []byte) (*keepsake, error) {
	damaged := fmt.Errorf("%w: the file %s, which says what was there before a load", errCut, keepsakeName)
	end := len(b) - 4
	if end < len(keepsakeHead)+9 || string(b[:len(keepsakeHead)]) != keepsakeHead ||
		crc32.Checksum(b[:end], castagnoli) != binary.BigEndian.Uint32(b[end:]) {
		return nil, damaged
	}
	b = b[len(keepsakeHead):end]
	k := &keepsake{version: binary.BigEndian.Uint64(b)}
	b = b[8:]
	part := func() []byte {
		n, read := binary.Uvarint(b)
		if read <= 0 || n > uint64(len(b)-read) {
			return nil
		}
		p := b[read : read+int(n)]
		b = b[read+int(n):]
		return p
	}
	var last []byte // below every key: none is empty
	for b[0] != 0 {
		key, value := part(), []byte(nil)
		if len(b) > 0 {
			value = part()
		}
		if bytes.Compare(key, last) <= 0 || len(value) == 0 || len(b) == 0 {
			return nil, damaged
		}
		k.writes = append(k.writes, Write{Key: key, Value: value})
		last = key
	}
	if len(b) > 1 {
		return nil, damaged
	}
	return k, nil
}

// dropKeepsake removes it for good, if it is there. After ErrUncertain it may be there again, once the machine has gone down.
func dropKeepsake(dir string) error {
	err := os.Remove(filepath.Join(dir, keepsakeName))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("userstore: load: %w", err)
	}
	if err := syncDir(dir); err != nil {
		return fmt.Errorf("%w: load: %w", ErrUncertain, err)
	}
	return nil
}

// clearAway empties the directory of half a fill; the keepsake stays until what it keeps is back in its place.
func (h *home) clearAway() error {
	m, err := readMark(h.Dir, h.Format)
	if err != nil {
		return h.damage(err)
	}
	if m == nil {
		m = &mark{format: h.Format}
	}
	m.last, m.Open, m.Files = 0, true, keep(m.Files, registryName)
	if err := m.write(h.Dir); err != nil {
		return err
	}
	files, err := listFiles(h.Dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err == nil && f.Name != registryName {
			err = os.Remove(filepath.Join(h.Dir, f.Name))
		}
	}
	if err == nil {
		err = syncDir(h.Dir)
	}
	if err != nil {
		return fmt.Errorf("userstore: open: %w", err)
	}
	return nil
}

// goBack puts back what was there before half a fill.
func (e *badgerEngine) goBack(k *keepsake) error {
	err := e.build(k.version, k.size(), k.each)
	if err == nil {
		err = e.wal.forget()
	}
	if err == nil {
		err = e.home.remark(k.version)
	}
	if err == nil {
		err = dropKeepsake(e.cfg.Dir)
	}
	return err
}
