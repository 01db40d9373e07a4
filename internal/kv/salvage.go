package kv

import (
	"bytes"
	"crypto/aes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/badger/v4/y"
)

// Unread is something in a file that cannot be read.
type Unread struct{ File, What string }

// Salvage reads whatever can be read in a directory that may be damaged, and changes nothing there. It calls emit, in no
// order, with the newest value that it finds of each key that want wants. Where the newest was lost, that is an older
// one, and of a deletion that was lost it is what was deleted.
func Salvage(c Config, want func(key []byte) bool, emit func(Write) error) ([]Unread, error) {
	lock, err := lockDir(c.Dir, true)
	if err != nil {
		return nil, err
	}
	if lock != nil {
		defer lock.Close()
	}
	s := &salvage{Config: c, opened: map[string]tableFile{}, newest: map[string]uint64{}}
	if s.files, err = listFiles(c.Dir); err != nil {
		return nil, err
	}
	if err := s.prepare(); err != nil {
		return nil, err
	}
	err = s.each(func(e entry) error {
		s.last = max(s.last, e.version)
		if want(e.key) {
			s.newest[string(e.key)] = max(s.newest[string(e.key)], e.version)
		}
		return nil
	})
	s.missing()
	unread := s.unread
	if err == nil {
		err = s.each(func(e entry) error {
			if e.deleted || e.version == 0 || s.newest[string(e.key)] != e.version {
				return nil
			}
			s.newest[string(e.key)] = 0 // a log and a table may both have it
			return emit(Write{Key: bytes.Clone(e.key), Value: bytes.Clone(e.value)})
		})
	}
	return unread, err
}

type salvage struct {
	Config
	files    []markedFile
	manifest badger.Manifest
	keys     [][]byte             // that files may be encrypted with; the first is nil
	opened   map[string]tableFile // without their data
	newest   map[string]uint64
	last     uint64 // change that was found
	unread   []Unread
}

func (s *salvage) problem(file, what string) { s.unread = append(s.unread, Unread{file, what}) }

// prepare reads what says how the files are to be read. Without it they are tried.
func (s *salvage) prepare() (err error) {
	var read int64
	if s.manifest, read, err = s.readManifest(); err != nil {
		s.problem(manifestName, "cannot be read; every table is taken")
	} else if f := find(s.files, manifestName); f != nil && read < f.Size {
		s.problem(manifestName, "is cut; every table is taken")
	}
	if s.keys, err = s.dataKeys(); err != nil {
		if err == ErrKey {
			if found := find(s.files, registryName); found != nil && s.marked(found) {
				return err // the file is sound, the key is not
			}
		}
		s.problem(registryName, "cannot be read, and nothing that is encrypted")
	}
	return nil
}

// marked tells whether a file is as its mark says, or there is no mark to tell.
func (s *salvage) marked(f *markedFile) bool {
	m, err := readMark(s.Dir, 1<<16)
	if m == nil || err != nil {
		return true
	}
	want := find(m.Files, f.Name)
	if want == nil {
		return true
	}
	sum, err := sumFile(filepath.Join(s.Dir, f.Name), want.Size)
	return err == nil && sum == want.Sum
}

// missing names what is not there at all.
func (s *salvage) missing() {
	absent := map[string]bool{}
	for id := range s.manifest.Tables {
		absent[table.IDToFilename(id)] = true
	}
	m, err := readMark(s.Dir, 1<<16)
	if err == nil && m != nil {
		for _, f := range m.Files {
			absent[f.Name] = true
		}
		if s.last < m.last {
			s.problem(MarkName, "knows of more: "+gap(s.last+1, m.last))
		}
	} else {
		s.problem(MarkName, "cannot be read, so nothing tells whether more is missing")
	}
	for _, f := range s.files {
		delete(absent, f.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(absent)) {
		s.problem(name, "is missing")
	}
}

// each calls fn with all entries that can be read.
func (s *salvage) each(fn func(entry) error) error {
	s.unread = slices.Clip(s.unread)
	for _, f := range s.files {
		isTable := strings.HasSuffix(f.Name, tableSuffix)
		if !isTable && !strings.HasSuffix(f.Name, logSuffix) && !strings.HasSuffix(f.Name, walSuffix) {
			continue
		}
		data, err := os.ReadFile(filepath.Join(s.Dir, f.Name))
		if err != nil {
			s.problem(f.Name, "cannot be read at all")
			continue
		}
		if isTable {
			err = s.table(f.Name, data, fn)
		} else {
			err = s.log(f.Name, data, fn)
		}
		if err != nil {
			return err
		}
	}
	before, err := readKeepsake(s.Dir)
	if err != nil {
		s.problem(keepsakeName, "cannot be read")
	}
	if before == nil {
		return nil
	}
	for _, w := range before.writes {
		if err := fn(entry{key: w.Key, value: w.Value, version: before.version}); err != nil {
			return err
		}
	}
	return nil
}

func (s *salvage) table(name string, data []byte, fn func(entry) error) error {
	t, known := s.opened[name]
	if !known {
		var err error
		if t, err = s.openTable(name, data); err != nil {
			s.problem(name, err.Error())
		}
		t.data = nil
		s.opened[name] = t
	}
	t.data = data
	lost := 0
	for _, at := range t.blocks {
		var failed error
		if err := t.each(at, func(e entry) error {
			failed = fn(e)
			return failed
		}); failed != nil {
			return failed
		} else if err != nil {
			lost += at.to - at.from
		}
	}
	if lost > 0 {
		s.problem(name, fmt.Sprintf("%d bytes of %d cannot be read", lost, len(data)))
	}
	return nil
}

// openTable finds the blocks of a table: by its index, or, if that is damaged, by what looks like a block.
func (s *salvage) openTable(name string, data []byte) (tableFile, error) {
	keys := s.keys
	if id, ok := table.ParseFileID(name); ok {
		if m, ok := s.manifest.Tables[id]; ok && m.KeyID < uint64(len(keys)) {
			keys = keys[m.KeyID : m.KeyID+1]
		}
	}
	best, most, bestErr := tableFile{data: data}, -1, errDamaged
	for _, key := range keys {
		t, err := openTable(data, key)
		n := t.countSound(t.blocks)
		if err != nil {
			if looked := t.look(); len(looked) > n {
				t.blocks, n = looked, len(looked)
			}
		}
		if n > most {
			best, most, bestErr = *t, n, err
		}
	}
	return best, bestErr
}

func (t *tableFile) countSound(blocks []span) (n int) {
	for _, s := range blocks {
		if t.sound(s) {
			n++
		}
	}
	return n
}

func (t *tableFile) sound(s span) bool {
	_, _, err := t.block(s)
	return err == nil
}

// look finds blocks from the start of a table on until one is damaged. It tries the usual sizes first.
func (t *tableFile) look() (found []span) {
	const usual, most = 4200, 1 << 20
	for from := 0; ; {
		next := 0
		for size := usual; size > 16 && next == 0; size-- {
			if at := (span{from, from + size}); t.endsLikeBlock(at) && t.sound(at) {
				next = at.to
			}
		}
		for size := usual + 1; size < most && from+size <= len(t.data) && next == 0; size++ {
			if at := (span{from, from + size}); t.endsLikeBlock(at) && t.sound(at) {
				next = at.to
			}
		}
		if next == 0 {
			return found
		}
		found = append(found, span{from, next})
		from = next
	}
}

// endsLikeBlock looks at the last bytes only, for most tries end there. In counter mode they can be decrypted alone.
func (t *tableFile) endsLikeBlock(s span) bool {
	if s.to > len(t.data) {
		return false
	}
	tail := t.data[s.from:s.to]
	if t.key != nil {
		n := len(tail) - aes.BlockSize
		skip := max(0, n-20) / aes.BlockSize
		if n < 4 {
			return false
		}
		vector := bytes.Clone(tail[n:])
		carry := uint64(skip)
		for i := len(vector) - 1; i >= 0 && carry > 0; i-- {
			carry += uint64(vector[i])
			vector[i] = byte(carry)
			carry >>= 8
		}
		var err error
		if tail, err = y.XORBlockAllocate(tail[skip*aes.BlockSize:n], t.key, vector); err != nil {
			return false
		}
	}
	_, _, err := cutChecksum(tail)
	return err == nil
}

// log reads a log past what is damaged in it, up to the last change that is whole.
func (s *salvage) log(name string, data []byte, fn func(entry) error) error {
	if len(data) < logHeader {
		return nil
	}
	id := binary.BigEndian.Uint64(data)
	if id == 0 && len(s.Key) > 0 { // or it would be taken for plain
		s.problem(name, "has lost what says how it is encrypted")
		return nil
	}
	if id >= uint64(len(s.keys)) {
		s.problem(name, "is encrypted with a key that is lost")
		return nil
	}
	end := len(bytes.TrimRight(data, "\x00"))
	data = data[:min(len(data), end+crc32.Size)] // the last checksum may end in zeros
	var change []entry
	lost := 0
	for at := logHeader; at < end; {
		e, meta, size := entry{}, byte(0), 0
		if looksLikeEntry(data[at:]) {
			e, meta, size = readLogEntry(data, at, s.keys[id])
		}
		if size == 0 {
			lost++
			at++
			continue
		}
		at += size
		if meta&metaTxnEnd == 0 {
			change = append(change, e)
			continue
		}
		for _, e := range change {
			if err := fn(e); err != nil {
				return err
			}
		}
		change = change[:0]
	}
	if lost > 0 {
		s.problem(name, fmt.Sprintf("%d bytes of %d cannot be read", lost, end))
	}
	if len(change) > 0 {
		s.problem(name, "ends within a change, which is left out")
	}
	return nil
}

// looksLikeEntry spares trying for a checksum at every byte.
func looksLikeEntry(b []byte) bool {
	if len(b) < 2 || b[1] != 0 {
		return false
	}
	switch b[0] {
	case metaTxn, metaTxn | metaDelete, metaTxnEnd:
		return true
	}
	return false
}
