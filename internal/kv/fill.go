package kv

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/seed-3546c6b2/userstore/internal/sorter"
)

// What comes in the order of its keys, and goes where there was next to nothing, can be made into tables right away:
// without a log, without memtables, and without a compaction afterwards. Badger's StreamWriter does that, but it drops
// all that was there first. So what was there is put down in a file of its own before (see keepsake), and readers get it
// from memory until all is done.

// How much may be there, for a fill: it is kept in memory.
const (
	mostKeys  = 1024
	mostBytes = 1 << 20
)

// CanFill tells whether there is a file system to fill, and little on it.
func (e *badgerEngine) CanFill() bool {
	if e.cfg.Dir == "" || e.cfg.ReadOnly || len(e.cfg.Key) > 0 || e.broken != nil {
		return false
	}
	size := int64(0)
	for _, level := range levelSizes(e.db) {
		size += level
	}
	return size <= mostBytes
}

const (
	scratchPrefix = MarkName + ".sort"
	sortDisk      = 4 << 20
	sortSmall     = 2 << 20
)

// Scratch makes a file for what is to be sorted, which is gone with the process at the latest.
func (e *badgerEngine) Scratch() (sorter.File, error) {
	f, err := os.CreateTemp(e.cfg.Dir, scratchPrefix+"-*")
	if err != nil {
		return nil, fmt.Errorf("userstore: %w", err)
	}
	_ = os.Remove(f.Name()) // where a file that is open cannot be removed, the next Open does
	return scratch{f, e.cfg, e.home.reserve}, nil
}

// scratch is a file that leaves the room that is kept in reserve.
type scratch struct {
	*os.File
	cfg     Config
	reserve uint64
}

func (s scratch) WriteAt(b []byte, at int64) (int, error) {
	if err := s.cfg.checkSpace(s.reserve + uint64(len(b))); err != nil {
		return 0, err
	}
	return s.File.WriteAt(b, at)
}

func (e *badgerEngine) SortMemory() int {
	if e.cfg.Small {
		return sortSmall
	}
	return sortDisk
}

// Fill makes tables of what each gives.
func (e *badgerEngine) Fill(size int64, each func(emit func(key, value []byte) error) error) (version uint64, err error) {
	if e.cfg.ReadOnly {
		return 0, ErrReadOnly
	}
	if e.broken != nil {
		return 0, e.stopped()
	}
	e.exclusive.Lock()
	defer e.exclusive.Unlock()
	if err := e.canBuild(size); err != nil {
		return 0, err
	}
	there, err := e.everything()
	if err != nil {
		return 0, err
	}
	was := &keepsake{version: e.current.Load().version, writes: there}
	err = was.write(e.cfg.Dir)
	e.broken = ErrUncertain // should Badger panic
	if err != nil {         // it may be there all the same
		e.broken = dropKeepsake(e.cfg.Dir)
		return 0, err
	}
	e.succeed(&state{version: was.version, fixed: there})
	version = was.version + 2 // what comes last has a version of its own: if it is there, all is
	if err = e.fill(version, size, e.cfg.inOrder(each)); err == nil {
		err = dropKeepsake(e.cfg.Dir)
	}
	switch {
	case err == nil:
		e.succeed(&state{version: version})
	case errors.Is(err, ErrUncertain), errors.Is(err, errPrepare):
		e.broken = err
		return 0, err
	case e.unread() && e.goBack(was) == nil:
		e.succeed(&state{version: was.version})
	default: // the next Open goes back to what was there
		e.broken = err
		return 0, err
	}
	e.broken = nil
	e.home.reserve, e.home.checked = e.home.reckon(levelSizes(e.db)), time.Time{}
	return version, err
}

// canBuild refuses while it costs nothing.
func (e *badgerEngine) canBuild(size int64) error {
	e.home.reserve = e.home.reckon(levelSizes(e.db))
	if err := e.home.checkSpace(uint64(size) + max(e.home.reserve, e.cfg.room(size))); err != nil {
		return err
	}
	return e.home.checkFiles(tablesAtOnce + badgersFiles)
}

// fill puts what each gives in place of what is there, the last of it as a version of its own.
func (e *badgerEngine) fill(version uint64, size int64, each func(emit func(key, value []byte) error) error) (err error) {
	if e.unread() {
		if err = e.build(version-1, size, each); err == nil {
			err = e.seal(version)
		}
	} else { // somebody is in the middle of reading, and who knows for how long
		err = e.add(version, each)
	}
	if err == nil {
		err = e.wal.forget()
	}
	if err == nil {
		e.home.tidy(true)
		err = e.home.remark(version)
	}
	return err
}

// inOrder sees to it that nothing is emitted that Badger would not take. It could end the process.
func (c Config) inOrder(each func(emit func(key, value []byte) error) error) func(emit func(key, value []byte) error) error {
	return func(emit func(key, value []byte) error) error {
		last, kept := stamp.Key, []byte(nil)
		return each(func(key, value []byte) error {
			if len(key) == 0 || len(key) > MaxKey || key[0] == 0 || bytes.Compare(key, last) <= 0 || len(value) == 0 || int64(len(value)) >= c.maxValue() {
				return fmt.Errorf("%w: what is to be loaded", ErrCorrupt)
			}
			kept = append(kept[:0], key...)
			last = kept
			return emit(key, value)
		})
	}
}

// everything gives all that is there, if it is little.
func (e *badgerEngine) everything() ([]Write, error) {
	v := e.View()
	defer v.Release()
	return Everything(v)
}

// Everything gives all keys and values of a view, or ErrTooLarge if they are more than a fill can replace.
func Everything(v View) ([]Write, error) {
	it := v.Iterate(nil, false)
	defer it.Close()
	all, size := []Write{}, 0
	for it.Seek(nil); it.Valid(); it.Next() {
		value, err := it.Value()
		if err != nil {
			return nil, err
		}
		if size += len(it.Key()) + len(value); len(all) >= mostKeys || size > mostBytes {
			return nil, ErrTooLarge
		}
		all = append(all, Write{Key: bytes.Clone(it.Key()), Value: bytes.Clone(value)})
	}
	return all, nil
}

// unread waits a little for those who read older states than the current one, and tells whether they are all gone.
func (e *badgerEngine) unread() bool {
	for range 100 {
		e.mu.Lock()
		n := len(e.old)
		e.mu.Unlock()
		if n == 0 {
			return true
		}
		time.Sleep(time.Millisecond)
	}
	return false
}

// add writes what each gives over what is there, in steps that nobody sees before the last.
func (e *badgerEngine) add(version uint64, each func(emit func(key, value []byte) error) error) error {
	maxWrites, maxBytes := e.Limits()
	gone := map[string]bool{}
	for _, w := range e.current.Load().fixed {
		gone[string(w.Key)] = true
	}
	var step []Write
	size := 0
	commit := func(version uint64) error {
		if err := e.home.prepareWrite(e.db, step); err != nil {
			return err
		}
		err := e.commit(version, step, false) // after a crash Open goes back to what was there
		if step, size = nil, 0; err == nil || errors.Is(err, ErrTooLarge) {
			return err
		}
		return diskError("load", err)
	}
	err := each(func(key, value []byte) error {
		delete(gone, string(key))
		step = append(step, Write{Key: bytes.Clone(key), Value: bytes.Clone(value)})
		if size += len(key) + len(value); len(step) < maxWrites/2 && size < maxBytes/2 {
			return nil
		}
		return commit(version - 1)
	})
	if err != nil {
		return err
	}
	for key := range gone {
		step = append(step, Write{Key: []byte(key)})
	}
	if err := commit(version - 1); err != nil {
		return err
	}
	step = []Write{stamp}
	if err := commit(version); err != nil {
		return err
	}
	return e.syncLogs()
}

// syncLogs brings to the disk what Badger's logs have.
func (e *badgerEngine) syncLogs() error {
	logs, err := logNames(e.cfg.Dir, logSuffix)
	for _, name := range logs {
		if err == nil {
			err = syncFile(filepath.Join(e.cfg.Dir, name), os.O_RDWR) // what was written through a mapping as well
		}
		if errors.Is(err, os.ErrNotExist) { // it has just become a table
			err = nil
		}
	}
	if err != nil {
		return fmt.Errorf("userstore: load: %w", err)
	}
	return nil
}
