package kv

import (
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/ristretto/v2/z"
)

var errPrepare = errors.New("userstore: load: Badger does not get ready")

// build drops all that is there and makes tables of what each gives, about size bytes.
func (e *badgerEngine) build(version uint64, size int64, each func(emit func(key, value []byte) error) error) error {
	w := e.db.NewStreamWriter()
	if err := w.Prepare(); err != nil {
		w.Cancel()
		return fmt.Errorf("%w: %w", errPrepare, diskError("load", err))
	}
	b := &builder{engine: e, stream: w, size: size, full: make(chan *z.Buffer, 1), back: make(chan written, 3)}
	for range cap(b.back) {
		b.back <- written{buf: z.NewBuffer(chunk+chunk/4, "userstore")}
	}
	b.buf = (<-b.back).buf
	b.kv = pb.KV{Version: version, StreamId: 1}
	go b.write()
	err := b.emit(stamp.Key, stamp.Value)
	if err == nil {
		err = each(b.emit)
	}
	b.endTable()
	b.full <- b.buf
	close(b.full)
	for range cap(b.back) {
		last := <-b.back
		if err == nil {
			err = last.err
		}
		_ = last.buf.Release() // memory only
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

// seal makes a last table of nothing but a version. Badger puts it a level above the others, where it must not stay: what
// is written later would gather there.
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
	if err == nil {
		err = e.db.Flatten(1)
	}
	if err != nil {
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

	full chan *z.Buffer
	back chan written
}

// written is a buffer that can be filled again, and whether Badger failed on it or one before.
type written struct {
	buf *z.Buffer
	err error
}

func (b *builder) emit(key, value []byte) error {
	b.kv.Key, b.kv.Value = key, value
	badger.KVToBuffer(&b.kv, b.buf)
	b.table.add(key, value)
	if b.table.most() >= b.engine.cfg.loadSize()*9/10 {
		b.endTable()
	}
	if b.buf.LenNoPadding() < chunk {
		return nil
	}
	b.full <- b.buf
	next := <-b.back
	b.buf = next.buf
	return next.err
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
			err = b.writeOne(buf)
		}
		buf.Reset()
		b.back <- written{buf, err}
	}
}

const tablesAtOnce = 16 // that Badger writes side by side

// room is what has to be free while tables are being made of so many bytes.
func (c Config) room(size int64) uint64 {
	const manifest = 1 << 20
	return uint64(min(size, tablesAtOnce*c.loadSize())*5/4 + manifest)
}

func (b *builder) writeOne(buf *z.Buffer) error {
	h := b.engine.home
	h.trim(b.engine.db, keepFill)
	if err := h.checkSpace(h.room(b.size)); err != nil {
		return err
	}
	if err := h.checkFiles(int(min(b.size/h.loadSize(), tablesAtOnce)) + 2); err != nil {
		return err
	}
	if err := b.stream.Write(buf); err != nil {
		return diskError("load", err)
	}
	return nil
}
