package kv

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/table"
)

// magic stands in the MANIFEST of our own, so that the files of something else are not taken for a store.
const magic = 'u'<<8 | 's'

// check reads everything that is in a directory and holds it against the mark, before Badger opens it: Badger deletes
// tables that it does not know, and cuts logs where they become unreadable. The mark comes with the newest change that is
// there.
func (c Config) check() (*checking, error) {
	m, err := readMark(c.Dir, c.Format)
	if err != nil {
		return nil, c.damage(err)
	}
	files, err := listFiles(c.Dir)
	if err != nil {
		return nil, err
	}
	switch {
	case m == nil && c.unfinished():
		return nil, fmt.Errorf("%w: what was to make a store in %s was broken off; empty the directory and do it again", ErrCorrupt, c.Dir)
	case m == nil && len(files) > 0:
		if own, err := c.isOwn(); err == nil && !own {
			return nil, ErrStranger
		}
		return nil, c.damage(fmt.Errorf("%w: the file %s, which says what has to be there, is missing", ErrCorrupt, MarkName))
	case m == nil && c.ReadOnly:
		return nil, fmt.Errorf("userstore: there is no store in %s: %w", c.Dir, os.ErrNotExist)
	case m == nil:
		return &checking{mark: &mark{format: c.Format}}, nil
	case c.ReadOnly && m.Open:
		return nil, fmt.Errorf("%w: %s was not closed; open it once for writing to recover", ErrReadOnly, c.Dir)
	}
	k := &checking{Config: c, mark: m, files: files}
	if err := k.run(); err != nil {
		return nil, c.damage(err)
	}
	m.last = k.last
	return k, nil
}

// damage says where it is and what can be done about it.
func (c Config) damage(err error) error {
	if errors.Is(err, ErrCorrupt) {
		return fmt.Errorf("%w, in %s; restore a backup, or see Salvage", err, c.Dir)
	}
	return err
}

// unfinished tells that a store was to be put here, and that the process ended before it was.
func (c Config) unfinished() bool {
	entries, _ := os.ReadDir(c.Dir)
	return slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.IsDir() && strings.HasPrefix(e.Name(), PartPrefix) })
}

func (c Config) isOwn() (bool, error) {
	f, err := os.Open(filepath.Join(c.Dir, manifestName))
	if err != nil {
		return false, err
	}
	defer f.Close()
	var head [6]byte
	if _, err := io.ReadFull(f, head[:]); err != nil {
		return false, err
	}
	return string(head[:4]) != "Bdgr" || binary.BigEndian.Uint16(head[4:]) == magic, nil
}

// checking is a check under way.
type checking struct {
	Config
	mark  *mark
	files []markedFile // that are there
	keys  func(id uint64) ([]byte, error)
	last  uint64 // the newest change that was found

	levels  []int64  // bytes in the tables of each level
	adopted []string // logs of ours that have what Badger's lack
}

func (k *checking) run() error {
	if err := k.marked(); err != nil {
		return err
	}
	if err := k.readKeys(); err != nil {
		return err
	}
	if len(k.files) == len(keep(k.files, registryName)) && k.mark.Open && k.mark.last == 0 { // crashed before there was anything
		return nil
	}
	if err := k.tables(); err != nil {
		return err
	}
	if err := k.logs(); err != nil {
		return err
	}
	if k.last < k.mark.last {
		return fmt.Errorf("%w: %s", ErrCorrupt, gap(k.last+1, k.mark.last))
	}
	return nil
}

// marked holds the files against the mark.
func (k *checking) marked() error {
	for _, want := range k.mark.Files {
		got := find(k.files, want.Name)
		switch {
		case got == nil:
			return fmt.Errorf("%w: the file %s is missing", ErrCorrupt, want.Name)
		case got.Size < want.Size:
			return fmt.Errorf("%w: the file %s is cut, it has %d bytes of %d", ErrCorrupt, want.Name, got.Size, want.Size)
		case got.Size > want.Size && !k.mark.Open:
			return fmt.Errorf("%w: the file %s has %d bytes, it had %d", ErrCorrupt, want.Name, got.Size, want.Size)
		case want.Sum == 0:
			continue
		}
		sum, err := sumFile(filepath.Join(k.Dir, want.Name), want.Size)
		if err == nil && sum != want.Sum {
			err = fmt.Errorf("%w: the file %s has changed", ErrCorrupt, want.Name)
		}
		if err != nil {
			return err
		}
	}
	for _, got := range k.files {
		if !k.mark.Open && find(k.mark.Files, got.Name) == nil {
			return fmt.Errorf("%w: the file %s was not there when the store was closed", ErrCorrupt, got.Name)
		}
	}
	return nil
}

// readKeys finds out what the files are encrypted with.
func (k *checking) readKeys() (err error) {
	if k.keys, err = k.readRegistry(); err != nil && k.mark.Open && k.mark.last == 0 && find(k.files, registryName) == nil {
		return nil // a crash came before anything was written
	}
	return err
}

// readRegistry reads the keys that files are encrypted with, each under a number.
func (c Config) readRegistry() (func(id uint64) ([]byte, error), error) {
	if _, err := os.Stat(filepath.Join(c.Dir, registryName)); err != nil && len(c.Key) > 0 {
		return nil, fmt.Errorf("%w: the file %s is missing", ErrCorrupt, registryName)
	}
	registry, err := badger.OpenKeyRegistry(badger.KeyRegistryOptions{Dir: c.Dir, ReadOnly: true, EncryptionKey: c.Key})
	switch {
	case errors.Is(err, badger.ErrEncryptionKeyMismatch):
		return nil, ErrKey
	case err != nil:
		return nil, fmt.Errorf("%w: the file %s is not readable", ErrCorrupt, registryName)
	}
	return func(id uint64) ([]byte, error) {
		key, err := registry.DataKey(id)
		if err != nil {
			return nil, fmt.Errorf("%w: the file %s lacks a key", ErrCorrupt, registryName)
		}
		return key.GetData(), nil
	}, nil
}

// dataKeys lists the keys by their numbers; the first is nil, for what is not encrypted.
func (c Config) dataKeys() ([][]byte, error) {
	keys := [][]byte{nil}
	keyOf, err := c.readRegistry()
	for err == nil {
		var key []byte
		if key, err = keyOf(uint64(len(keys))); err != nil {
			return keys, nil
		}
		keys = append(keys, key)
	}
	return keys, err
}

// tables reads the MANIFEST and every table that it names. Others are left from a change of tables that a crash
// interrupted, and hold nothing that is not elsewhere; if they do, the versions have a gap, which is found later.
func (k *checking) tables() error {
	if find(k.files, manifestName) == nil {
		return fmt.Errorf("%w: the file %s is missing", ErrCorrupt, manifestName)
	}
	manifest, _, err := k.readManifest()
	if err != nil {
		return fmt.Errorf("%w: the file %s is not readable", ErrCorrupt, manifestName)
	}
	for id, t := range manifest.Tables {
		for len(k.levels) <= int(t.Level) {
			k.levels = append(k.levels, 0)
		}
		if f := find(k.files, table.IDToFilename(id)); f != nil {
			k.levels[t.Level] += f.Size
		}
	}
	work := make(chan uint64)
	found := make(chan error)
	var mu sync.Mutex
	for range runtime.GOMAXPROCS(0) {
		go func() {
			var buf []byte
			var err error
			for id := range work {
				if err != nil {
					continue
				}
				var newest uint64
				newest, buf, err = k.table(id, manifest.Tables[id].KeyID, buf)
				mu.Lock()
				k.last = max(k.last, newest)
				mu.Unlock()
			}
			found <- err
		}()
	}
	for id := range manifest.Tables {
		work <- id
	}
	close(work)
	for range runtime.GOMAXPROCS(0) {
		err = errors.Join(err, <-found)
	}
	return err
}

// CheckFiles reads the tables of a store that is open against their checksums.
func (e *badgerEngine) CheckFiles() error {
	if e.cfg.Dir == "" {
		return nil
	}
	look := func() (err error) {
		k := &checking{Config: e.cfg, mark: &mark{}}
		if k.files, err = listFiles(e.cfg.Dir); err == nil {
			err = k.readKeys()
		}
		if err == nil {
			err = k.tables()
		}
		return err
	}
	if look() == nil {
		return nil
	}
	e.exclusive.Lock() // against a fill, after which other tables have the same names
	defer e.exclusive.Unlock()
	for {
		before, _, err := e.cfg.readManifest()
		if err != nil {
			return fmt.Errorf("%w: the file %s is not readable", ErrCorrupt, manifestName)
		}
		if err = look(); err == nil {
			return nil
		}
		after, _, _ := e.cfg.readManifest()
		if maps.Equal(before.Tables, after.Tables) { // and not a compaction that deleted what was to be read
			return err
		}
	}
}

// readManifest gives the tables that there have to be, and how far the MANIFEST could be read.
func (c Config) readManifest() (badger.Manifest, int64, error) {
	f, err := os.Open(filepath.Join(c.Dir, manifestName))
	if err != nil {
		return badger.Manifest{}, 0, err
	}
	defer f.Close()
	return badger.ReplayManifestFile(f, magic, badger.Options{})
}

// table checks every byte of a table and gives its newest version. buf is memory to read it into, and comes back.
func (k *checking) table(id, keyID uint64, buf []byte) (uint64, []byte, error) {
	name := table.IDToFilename(id)
	file := find(k.files, name)
	if file == nil {
		return 0, buf, fmt.Errorf("%w: the file %s is missing", ErrCorrupt, name)
	}
	key, err := k.keys(keyID)
	if err != nil {
		return 0, buf, err
	}
	if buf, err = readFile(filepath.Join(k.Dir, name), int(file.Size), buf); err != nil {
		return 0, buf, err
	}
	t, err := openTable(buf, key)
	if err == nil {
		err = t.verify()
	}
	if err != nil {
		return 0, buf, fmt.Errorf("%w: %s of the file %s", ErrCorrupt, err, name)
	}
	return t.maxVersion, buf, nil
}

func readFile(path string, size int, buf []byte) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return buf, fmt.Errorf("userstore: open: %w", err)
	}
	defer f.Close()
	buf = slices.Grow(buf[:0], size)[:size]
	if _, err := io.ReadFull(f, buf); err != nil {
		return buf, fmt.Errorf("userstore: open: %w", err)
	}
	return buf, nil
}

// logs reads the logs of changes, Badger's and ours. Together they have to go on where the tables end, since every change
// has a number and none is left out. A loss of power can have taken anything of Badger's from where they were last synced.
func (k *checking) logs() error {
	tables := k.last
	badgers, err := k.stretches(logSuffix)
	if err != nil {
		return err
	}
	ours, err := k.stretches(walSuffix)
	if err != nil {
		return err
	}
	if k.last, err = reach(tables, append(slices.Clone(badgers), ours...)); err != nil {
		return err
	}
	if last, _ := reach(tables, badgers); last == k.last {
		return nil
	}
	for _, s := range ours {
		if s.last > tables {
			k.adopted = append(k.adopted, s.log)
		}
	}
	return nil
}

// stretch is what changes a log has.
type stretch struct {
	log         string
	first, last uint64
}

func (k *checking) stretches(suffix string) (list []stretch, err error) {
	logs, err := logNames(k.Dir, suffix)
	if err != nil {
		return nil, err
	}
	for _, name := range logs {
		data, err := os.ReadFile(filepath.Join(k.Dir, name))
		if err != nil {
			return nil, fmt.Errorf("userstore: open: %w", err)
		}
		first, last, _, err := readLog(data, k.keys, nil)
		if err != nil {
			return nil, err
		}
		if last > 0 {
			list = append(list, stretch{name, first, last})
		}
	}
	return list, nil
}

// reach gives the newest change that the stretches lead to from one on, or an error if there is a gap between them.
func reach(last uint64, list []stretch) (uint64, error) {
	for _, s := range slices.SortedStableFunc(slices.Values(list), func(a, b stretch) int { return cmp.Compare(a.first, b.first) }) {
		if s.first > last+1 {
			return last, fmt.Errorf("%w: %s, ahead of the file %s", ErrCorrupt, gap(last+1, s.first-1), s.log)
		}
		last = max(last, s.last)
	}
	return last, nil
}

func gap(from, to uint64) string {
	if from == to {
		return fmt.Sprintf("change %d is missing", from)
	}
	return fmt.Sprintf("changes %d to %d are missing", from, to)
}
