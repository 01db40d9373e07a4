package kv

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/ristretto/v2/z"
)

// What comes in the order of its keys, and goes where there was next to nothing, can be made into tables right away:
// without a log, without memtables, and without a compaction afterwards. Badger's StreamWriter does that, but it drops
// all that was there first. So what was there is put down in a file of its own before (see keepsake), and readers get it
// from memory until all is done.

// most is how much may be there, for a fill: it is kept in memory.
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

// Scratch makes a file for what is to be sorted, which is gone with the process at the latest, and tells how many bytes
// to sort in memory.
func (e *badgerEngine) Scratch() (*os.File, error) {
	if err := e.home.checkSpace(e.home.reserve); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(e.cfg.Dir, scratchPrefix+"-*")
	if err != nil {
		return nil, fmt.Errorf("userstore: %w", err)
	}
	_ = os.Remove(f.Name()) // where a file that is open cannot be removed, the next Open does
	return f, nil
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
	e.exclusive.Lock() // against Compact
	defer e.exclusive.Unlock()
	e.home.reserve = e.home.reckon(levelSizes(e.db))
	if err := e.home.checkSpace(e.home.reserve + uint64(size)); err != nil {
		return 0, err
	}
	before := e.current.Load()
	there, err := e.everything()
	if err != nil {
		return 0, err
	}
	was := &keepsake{version: before.version, writes: there}
	if err := was.write(e.cfg.Dir); err != nil {
		return 0, err
	}
	e.succeed(&state{version: before.version, fixed: there})
	each = e.cfg.inOrder(each)
	// What comes last has a version of its own: if it is there, all is.
	version = before.version + 2
	if e.unread() {
		if err = e.build(version-1, size, each); err == nil {
			err = e.seal(version)
		}
		if err != nil && e.build(was.version, was.size(), was.each) == nil && dropKeepsake(e.cfg.Dir) == nil {
			e.succeed(&state{version: was.version})
			return 0, err
		}
	} else { // somebody is in the middle of reading, and who knows for how long
		err = e.add(version, each)
	}
	if err == nil {
		err = e.home.remark(version)
	}
	if err == nil {
		err = dropKeepsake(e.cfg.Dir)
	}
	if err != nil { // the next Open goes back to what was there
		e.broken = err
		return 0, err
	}
	e.succeed(&state{version: version})
	e.home.reserve, e.home.checked = e.home.reckon(levelSizes(e.db)), time.Time{}
	return version, nil
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
		txn := e.db.NewTransactionAt(version-1, true)
		defer txn.Discard()
		for _, w := range step {
			if err := e.set(txn, w); err != nil {
				return err
			}
		}
		step, size = nil, 0
		if err := txn.CommitAt(version, nil); err != nil {
			return diskError("load", err)
		}
		return nil
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
	if err := commit(version); err != nil || e.cfg.Sync {
		return err
	}
	return e.syncLogs()
}

// syncLogs brings to the disk what was written without sync. Badger syncs the log that is being written; those that are
// full it makes tables of, in a while.
func (e *badgerEngine) syncLogs() error {
	for range 1000 {
		files, err := listFiles(e.cfg.Dir)
		if err != nil {
			return err
		}
		if len(logFiles(files)) <= 1 {
			if err := e.db.Sync(); err != nil {
				return diskError("load", err)
			}
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errors.New("userstore: load: Badger does not come to an end with its logs")
}

// seal makes a last table of nothing but a version.
func (e *badgerEngine) seal(version uint64) error {
	w := e.db.NewStreamWriter()
	err := w.PrepareIncremental()
	if err == nil {
		buf := z.NewBuffer(0, "userstore")
		badger.KVToBuffer(&pb.KV{Key: stamp.Key, Value: stamp.Value, Version: version, StreamId: 1}, buf)
		err = errors.Join(w.Write(buf), buf.Release())
	}
	if err == nil {
		err = w.Flush()
	} else {
		w.Cancel()
	}
	if err != nil {
		return diskError("load", err)
	}
	return nil
}

// cut is where tables are cut, in bytes of keys and values with entryBytes for each. Badger would cut them itself a little
// later; but where it fails to, it ends the process.
func (c Config) cut() int64 { return c.tableSize() * 3 / 4 } // the index of a table is a quarter of it where keys are long

const entryBytes = 24 // more than Badger adds to a key and its value

// build drops all that is there and makes tables of what each gives, about size bytes.
func (e *badgerEngine) build(version uint64, size int64, each func(emit func(key, value []byte) error) error) error {
	w := e.db.NewStreamWriter()
	if err := w.Prepare(); err != nil {
		w.Cancel()
		return diskError("load", err)
	}
	b := &builder{engine: e, stream: w, cut: e.cfg.cut(), left: size, full: make(chan *z.Buffer, 1), empty: make(chan *z.Buffer, 3), failed: make(chan error, 1)}
	for range cap(b.empty) {
		b.empty <- z.NewBuffer(chunk+chunk/4, "userstore")
	}
	b.buf = <-b.empty
	b.kv = pb.KV{Version: version, StreamId: 1}
	badger.KVToBuffer(&pb.KV{Key: stamp.Key, Value: stamp.Value, Version: version, StreamId: b.kv.StreamId}, b.buf)
	b.table = 1
	go b.write()
	err := each(b.emit)
	if err == nil {
		b.endTable()
	}
	b.full <- b.buf
	close(b.full)
	err = errors.Join(err, <-b.failed)
	for range cap(b.empty) {
		_ = (<-b.empty).Release() // memory only
	}
	if err != nil {
		w.Cancel()
		return err
	}
	if err := w.Flush(); err != nil {
		return diskError("load", err)
	}
	return nil
}

const chunk = 512 << 10 // bytes that go to Badger at once

// builder makes tables: one goroutine puts keys into buffers, another gives them to Badger.
type builder struct {
	engine *badgerEngine
	stream *badger.StreamWriter
	cut    int64

	kv    pb.KV
	buf   *z.Buffer
	table int64 // bytes of it so far
	left  int64 // bytes that are still to come, about

	full, empty chan *z.Buffer
	failed      chan error
}

func (b *builder) emit(key, value []byte) error {
	b.kv.Key, b.kv.Value = key, value
	badger.KVToBuffer(&b.kv, b.buf)
	if b.table += int64(len(key) + len(value) + entryBytes); b.table >= b.cut {
		b.endTable()
	}
	if b.buf.LenNoPadding() < chunk {
		return nil
	}
	b.full <- b.buf
	b.buf = <-b.empty
	select {
	case err := <-b.failed:
		b.failed <- err
		return err
	default:
		return nil
	}
}

// endTable has Badger make a table of what it has got.
func (b *builder) endTable() {
	if b.table == 0 {
		return
	}
	badger.KVToBuffer(&pb.KV{StreamId: b.kv.StreamId, StreamDone: true}, b.buf)
	b.kv.StreamId++
	b.table = 0
}

func (b *builder) write() {
	var err error
	for buf := range b.full {
		if err == nil {
			if err = b.writeOne(buf); err != nil {
				b.failed <- err
			}
		}
		buf.Reset()
		b.empty <- buf
	}
	if err == nil {
		b.failed <- nil
	}
}

const (
	tablesAtOnce = 16      // that Badger writes side by side
	spare        = 1 << 20 // bytes, for the last of them and for the MANIFEST
)

func (b *builder) writeOne(buf *z.Buffer) error {
	h := b.engine.home
	h.trim(b.engine.db)
	if err := h.checkSpace(uint64(min(b.left, tablesAtOnce*b.cut)*5/4 + spare)); err != nil {
		return err
	}
	b.left = max(0, b.left-int64(buf.LenNoPadding()))
	if err := h.checkFiles(tablesAtOnce + 2); err != nil {
		return err
	}
	if err := b.stream.Write(buf); err != nil {
		return diskError("load", err)
	}
	return nil
}
