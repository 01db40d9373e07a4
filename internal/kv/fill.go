package kv

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/ristretto/v2/z"

	"github.com/seed-3546c6b2/userstore/internal/sorter"
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
	case e.unread() && e.build(was.version, was.size(), was.each) == nil && dropKeepsake(e.cfg.Dir) == nil:
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

// syncLogs brings to the disk what was written without sync.
func (e *badgerEngine) syncLogs() error {
	files, err := listFiles(e.cfg.Dir)
	for _, f := range logFiles(files) {
		if err == nil {
			err = syncFile(filepath.Join(e.cfg.Dir, f.Name))
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

// syncFile syncs what was written to a file, through a mapping as well.
func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
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

var errPrepare = errors.New("userstore: load: Badger does not get ready")

// build drops all that is there and makes tables of what each gives, about size bytes.
func (e *badgerEngine) build(version uint64, size int64, each func(emit func(key, value []byte) error) error) error {
	w := e.db.NewStreamWriter()
	if err := w.Prepare(); err != nil {
		w.Cancel()
		return fmt.Errorf("%w: %w", errPrepare, diskError("load", err))
	}
	b := &builder{engine: e, stream: w, size: size, full: make(chan *z.Buffer, 1), empty: make(chan *z.Buffer, 3), failed: make(chan error, 1)}
	for range cap(b.empty) {
		b.empty <- z.NewBuffer(chunk+chunk/4, "userstore")
	}
	b.buf = <-b.empty
	b.kv = pb.KV{Version: version, StreamId: 1}
	go b.write()
	err := b.emit(stamp.Key, stamp.Value)
	if err == nil {
		err = each(b.emit)
	}
	b.endTable()
	b.full <- b.buf
	close(b.full)
	if failed := <-b.failed; err == nil {
		err = failed
	}
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
	size   int64 // bytes that will come, about

	kv    pb.KV
	buf   *z.Buffer
	table estimate

	full, empty chan *z.Buffer
	failed      chan error
}

func (b *builder) emit(key, value []byte) error {
	b.kv.Key, b.kv.Value = key, value
	badger.KVToBuffer(&b.kv, b.buf)
	b.table.add(key, value)
	if b.table.most() >= b.engine.cfg.tableSize()*9/10 {
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
	if b.table.bytes > 0 {
		badger.KVToBuffer(&pb.KV{StreamId: b.kv.StreamId, StreamDone: true}, b.buf)
		b.kv.StreamId++
		b.table = estimate{}
	}
}

// estimate reckons how large a table is at most. Badger would cut one itself where it comes to 95 % of its size; but
// where that fails, it ends the process. A table has blocks of 4 KiB, and an index that names the first key of each.
type estimate struct{ bytes, block, blocks, longest int64 }

func (t *estimate) add(key, value []byte) {
	const beside = 24 // more than Badger puts beside a key and its value
	n := int64(len(key)+len(value)) + beside
	t.bytes += n
	if t.block += n; t.block > blockSize-beside || t.blocks == 0 {
		t.block = n
		t.blocks++
	}
	t.longest = max(t.longest, int64(len(key)))
}

func (t *estimate) most() int64 {
	const beside = 80 // the same of a block
	return t.bytes + t.blocks*(t.longest+beside)
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

const tablesAtOnce = 16 // that Badger writes side by side

// room is what has to be free while tables are being made of so many bytes.
func (c Config) room(size int64) uint64 {
	const manifest = 1 << 20
	return uint64(min(size, tablesAtOnce*c.tableSize())*5/4 + manifest)
}

func (b *builder) writeOne(buf *z.Buffer) error {
	h := b.engine.home
	h.trim(b.engine.db)
	if err := h.checkSpace(h.room(b.size)); err != nil {
		return err
	}
	if err := h.checkFiles(int(min(b.size/h.tableSize(), tablesAtOnce)) + 2); err != nil {
		return err
	}
	if err := b.stream.Write(buf); err != nil {
		return diskError("load", err)
	}
	return nil
}
