package kv

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Badger opens what it finds: a directory that has lost a file comes up smaller, or empty, without a word. So a store
// keeps a mark beside Badger's files that says what has to be there: after Close the files, while it is open the last
// change that was acknowledged. The mark is
//
//	"userstore\n"  format (2 bytes)  last change (8)  checksum of that (4)  checksum of format and body (4)  body (JSON)
//
// The last change is rewritten in place after each commit; the rest only by Open and Close, and at the end of a fill.
const (
	MarkName   = "USERSTORE" // the file's
	markMagic  = "userstore\n"
	markFormat = len(markMagic)
	markLast   = markFormat + 2
	markSum    = markLast + 12
	markBody   = markSum + 4
)

// PartPrefix starts the name of a directory in which a store is made that is to be moved up when it is whole.
const PartPrefix = MarkName + "."

// mark says what has to be there.
type mark struct {
	format int
	last   uint64 // change
	markedFiles
}

type markedFiles struct {
	Open     bool         `json:"open"`               // the store is open, or was not closed
	Memtable int64        `json:"memtable,omitempty"` // of an open one
	Files    []markedFile `json:"files"`              // when it was closed; of an open one what only ever grows
}

type markedFile struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
	Sum  uint32 `json:"sum,omitempty"` // CRC-32C of so many bytes, where the file has no checksums of its own
}

// readMark gives nil if there is no mark.
func readMark(dir string, format int) (*mark, error) {
	b, err := readIfThere(dir, MarkName)
	switch {
	case b == nil:
		return nil, err
	case len(b) < markBody || string(b[:markFormat]) != markMagic:
		return nil, errMark
	}
	m := &mark{format: int(binary.BigEndian.Uint16(b[markFormat:]))}
	if m.format > format { // the rest may look different there
		return nil, ErrNewer
	}
	sum := crc32.Update(crc32.Checksum(b[markFormat:markLast], castagnoli), castagnoli, b[markBody:])
	if sum != binary.BigEndian.Uint32(b[markSum:]) || json.Unmarshal(b[markBody:], &m.markedFiles) != nil {
		return nil, errMark
	}
	last := b[markLast:markSum]
	if crc32.Checksum(last[:8], castagnoli) != binary.BigEndian.Uint32(last[8:]) {
		return nil, errMark
	}
	m.last = binary.BigEndian.Uint64(last)
	return m, nil
}

var errMark = fmt.Errorf("%w: the file %s, which says what has to be there", errCut, MarkName)

var errCut = fmt.Errorf("%w: cut or changed", ErrCorrupt)

func appendLast(b []byte, last uint64) []byte {
	b = binary.BigEndian.AppendUint64(b, last)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b[len(b)-8:], castagnoli))
}

// write puts the mark in place of the one that is there, whole or not at all.
func (m *mark) write(dir string) (err error) {
	body, err := json.Marshal(m.markedFiles)
	if err != nil {
		return err
	}
	b := binary.BigEndian.AppendUint16([]byte(markMagic), uint16(m.format))
	sum := crc32.Update(crc32.Checksum(b[markFormat:], castagnoli), castagnoli, body)
	b = appendLast(b, m.last)
	b = append(binary.BigEndian.AppendUint32(b, sum), body...)
	return writeFile(dir, MarkName, b)
}

// writeFile puts a file in place of the one that is there, whole or not at all.
func writeFile(dir, name string, b []byte) error {
	path := filepath.Join(dir, name)
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("userstore: %w", err)
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("userstore: %w", err)
	}
	return nil
}

// readIfThere gives nil for a file that is not there.
func readIfThere(dir, name string) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(dir, name))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("userstore: open: %w", err)
	}
	return b, nil
}

func syncDir(dir string) error { return syncFile(dir, os.O_RDONLY) }

func syncFile(path string, flag int) error {
	f, err := os.OpenFile(path, flag, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// openMark opens the mark for what is rewritten in place.
func openMark(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, MarkName), os.O_WRONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("userstore: %w", err)
	}
	return f, nil
}

// note marks a change as acknowledged. It is not synced, so it may come late to the disk but never before the change.
func note(f *os.File, last uint64) error {
	var b [12]byte
	_, err := f.WriteAt(appendLast(b[:0], last), int64(markLast))
	return err
}

// Badger's files. The value log and DISCARD hold nothing here.
const (
	discardName  = "DISCARD"
	manifestName = "MANIFEST"
	registryName = "KEYREGISTRY"
	tableSuffix  = ".sst"
	logSuffix    = ".mem"
	walSuffix    = ".wal" // our own, see wal
	valuesSuffix = ".vlog"
)

// listFiles gives the files that matter and their sizes, in the order of their names.
func listFiles(dir string) ([]markedFile, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("userstore: open: %w", err)
	}
	var files []markedFile
	for _, e := range entries {
		name := e.Name()
		switch filepath.Ext(name) {
		case tableSuffix, logSuffix, walSuffix:
		default:
			if name != manifestName && name != registryName {
				continue
			}
		}
		info, err := e.Info()
		if errors.Is(err, os.ErrNotExist) { // Badger has just deleted it
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("userstore: open: %w", err)
		}
		files = append(files, markedFile{Name: name, Size: info.Size()})
	}
	return files, nil
}

// sumFiles fills in the checksums of the files that have none of their own.
func sumFiles(dir string, files []markedFile) (err error) {
	for i := range files {
		if f := &files[i]; f.Name == manifestName || f.Name == registryName {
			if f.Sum, err = sumFile(filepath.Join(dir, f.Name), f.Size); err != nil {
				return err
			}
		}
	}
	return nil
}

// sumFile sums up the first bytes of a file.
func sumFile(path string, size int64) (uint32, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("userstore: open: %w", err)
	}
	defer f.Close()
	h := crc32.New(castagnoli)
	if _, err := io.CopyN(h, f, size); err != nil && err != io.EOF {
		return 0, fmt.Errorf("userstore: open: %w", err)
	}
	return h.Sum32(), nil
}

// keep gives the files of that name.
func keep(files []markedFile, name string) []markedFile {
	if f := find(files, name); f != nil {
		return []markedFile{*f}
	}
	return nil
}

// find looks among files that are in the order of their names, as listFiles gives them.
func find(files []markedFile, name string) *markedFile {
	i, ok := slices.BinarySearchFunc(files, name, func(f markedFile, name string) int { return strings.Compare(f.Name, name) })
	if !ok {
		return nil
	}
	return &files[i]
}
