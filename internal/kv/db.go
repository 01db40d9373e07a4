package kv

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// DB runs changes over an Engine. Changes run one after the other, each seeing all before it; those that come while a
// commit is under way share the next one, which is filled while the first is being synced. A lone change waits for nobody.
type DB struct {
	engine Engine
	watch  func(writes []Write, version uint64, failed bool)
	*gate
	closing sync.Once
	closed  error

	maxWrites, maxBytes int

	turn   chan struct{}     // holds one token: who has it runs its change, or looks at the fields below
	open   *batch            // takes changes; nil if there is none
	flying *batch            // is being committed; nil if none is
	load   *Load             // is under way, and neither open nor flying is there; nil if none is
	hot    map[string][]byte // newest values of some keys of the hot kinds; nil for one that is not there
	kinds  string

	last  *returning   // members of the last batch
	usual int          // how many writes the last batch had
	crowd atomic.Int32 // how many changes it had, and had come by its end
}

// maxHot is how many keys are kept at hand, about 100 bytes each.
const maxHot = 8192

// New makes a DB of an engine and owns it from then on. watch, if not nil, is called with the writes of each commit before
// they can be seen, and with the version from which on they may be, so that a cache can forget what is about to change; and
// once more if the commit has failed. Keys that start with one of the bytes in hot are ones that many changes read, such as
// counters: the newest values of some are kept at hand, which holds as long as nobody else writes to the engine.
func New(engine Engine, hot string, watch func(writes []Write, version uint64, failed bool)) *DB {
	if watch == nil {
		watch = func([]Write, uint64, bool) {}
	}
	db := &DB{engine: engine, watch: watch, gate: newGate(), turn: make(chan struct{}, 1), last: newReturning(), hot: map[string][]byte{}, kinds: hot}
	db.maxWrites, db.maxBytes = engine.Limits()
	db.turn <- struct{}{}
	return db
}

// Close waits for the calls under way and closes the engine. Later calls fail with ErrClosed; a second Close does
// nothing.
func (db *DB) Close() error {
	db.closing.Do(func() {
		db.gate.close()
		if db.load != nil {
			db.load.drop()
		}
		db.closed = db.engine.Close()
	})
	return db.closed
}

// Read calls fn with the newest state, inside the gate.
func (db *DB) Read(fn func(View) error) (err error) {
	defer caught(&err)
	if err := db.enter(); err != nil {
		return err
	}
	defer db.leave()
	v := db.engine.View()
	defer v.Release()
	return fn(v)
}

// Pin takes hold of the newest state for a walk that is done in steps, each inside Step. Release it in the end.
func (db *DB) Pin() (View, error) {
	if err := db.enter(); err != nil {
		return nil, err
	}
	defer db.leave()
	return db.engine.View(), nil
}

// Step calls fn inside the gate; use a pinned View only in there.
func (db *DB) Step(fn func() error) (err error) {
	defer caught(&err)
	if err := db.enter(); err != nil {
		return err
	}
	defer db.leave()
	return fn()
}

// Engine gives the engine, for what is neither reading nor changing; use it in Step.
func (db *DB) Engine() Engine { return db.engine }

// Limits are the most writes and bytes of one change.
func (db *DB) Limits() (writes, bytes int) { return db.maxWrites, db.maxBytes }

// batch is a number of changes that are committed together.
type batch struct {
	overlay
	view    View
	base    *overlay      // what the batch being committed writes: newer than view
	load    *Load         // that the batch is for, or nil
	changes atomic.Int32  // how many have joined
	sealed  bool          // takes no more changes
	members *returning    // that have yet to go on with its end
	before  *returning    // those of the batch before
	lead    chan struct{} // a token for the member that is to commit it
	done    chan struct{} // closed when err says how it ended
	err     error
}

// errAgain is the end of a batch whose changes have to run again, on another state.
var errAgain = errors.New("run again")

// Update runs fn as one change: all that it writes becomes durable and visible together, or nothing. fn runs in the
// caller's goroutine while no other change runs, maybe more than once, and must not call Update. If fn fails, nothing is
// written and Update gives its error. ctx is heard until fn has run; after that the change is on its way, and Update
// waits for its end and tells it.
func (db *DB) Update(ctx context.Context, fn func(*Tx) error) error {
	wait, err := db.Start(ctx, fn)
	if err != nil {
		return err
	}
	return wait()
}

// Start is the first half of Update: it returns when fn has run, so that the next change can run while this one is being
// committed. wait, which must be called, is the other half. An error of Start means that nothing will be written.
func (db *DB) Start(ctx context.Context, fn func(*Tx) error) (wait func() error, err error) {
	if err := db.enter(); err != nil {
		return nil, err
	}
	defer func() {
		if wait == nil { // also when fn panics or ends its goroutine
			db.leave()
		}
	}()
	b, fnErr, err := db.join(ctx, fn, false)
	if err != nil {
		return nil, err
	}
	return func() error {
		defer db.leave()
		for {
			if b == nil { // nothing to wait for
				return fnErr
			}
			err := db.await(b)
			switch alone := errors.Is(err, ErrTooLarge) && b.changes.Load() > 1; {
			case err == nil:
				return fnErr
			case alone, errors.Is(err, errAgain), errors.Is(err, ErrConflict):
				if b, fnErr, err = db.join(ctx, fn, alone); err != nil {
					return err
				}
			default:
				return err
			}
		}
	}, nil
}

// join runs fn when its turn comes and makes it a member of the open batch. What fn found is as good as the batches it
// was found in, so a change that failed or wrote nothing awaits them like the others; b is nil if there is nothing to await.
func (db *DB) join(ctx context.Context, fn func(*Tx) error, alone bool) (b *batch, fnErr, err error) {
	for {
		if err := db.takeTurn(ctx); err != nil {
			return nil, nil, err
		}
		if b, fnErr, err = db.run(fn, alone); err != errFull {
			return b, fnErr, err
		}
		// The open batch had no room. Let it go first.
		select {
		case <-b.done:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

// takeTurn waits for the turn, which whoever has it gives back.
func (db *DB) takeTurn(ctx context.Context) error {
	select {
	case <-db.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	err := ctx.Err()
	if err != nil { // both were ready
		db.turn <- struct{}{}
	}
	return err
}

var errFull = errors.New("batch is full")

// run has the turn and gives it back.
func (db *DB) run(fn func(*Tx) error, alone bool) (b *batch, fnErr, err error) {
	defer caught(&err)
	defer func() { db.turn <- struct{}{} }() // also when fn panics or ends its goroutine
	if db.load != nil {
		db.load.end()
	}
	b = db.open
	if b == nil {
		b = &batch{view: db.engine.View(), members: newReturning(), before: db.last, lead: make(chan struct{}, 1), done: make(chan struct{})}
		b.index, b.writes = make(map[string]int, db.usual), make([]Write, 0, db.usual)
		if db.flying != nil {
			b.base = &db.flying.overlay
		}
		db.open = b
	} else if b.sealed || alone {
		return b, nil, errFull
	}
	mark := b.mark()
	finished := false
	defer func() {
		if !finished {
			b.rollback(mark)
			db.drop(b)
		}
	}()
	fnErr = fn(&Tx{db: db, batch: b})
	finished = true
	if fnErr != nil {
		b.rollback(mark)
	}
	if len(b.writes) > db.maxWrites || b.bytes > db.maxBytes {
		b.rollback(mark)
		if b.changes.Load() == 0 {
			db.drop(b)
			return nil, nil, ErrTooLarge
		}
		b.sealed = true
		return b, nil, errFull
	}
	b.undo = b.undo[:0]
	if len(b.writes) == 0 && db.flying == nil && b.changes.Load() == 0 {
		db.drop(b)
		return nil, fnErr, nil
	}
	b.changes.Add(1)
	b.sealed = b.sealed || alone
	if db.flying == nil && b.changes.Load() == 1 {
		b.lead <- struct{}{}
	}
	return b, fnErr, nil
}

// drop forgets an open batch that has no member.
func (db *DB) drop(b *batch) {
	if b.changes.Load() == 0 && db.open == b {
		db.open = nil
		b.view.Release()
		close(b.done)
	}
}

// await waits for the end of the batch; the member that gets the lead commits it.
func (db *DB) await(b *batch) error {
	b.members.enter()
	defer b.members.leave()
	select {
	case <-b.done:
	case <-b.lead:
		db.gather(b)
		db.commit(b)
	}
	return b.err
}

// gather lets others join first where changes come in crowds: whoever has just had an answer tends to come back with the
// next change, and a commit of many costs little more than one of few. It waits until they all have got a processor to go
// on, without taking one of them away, and then ends when as many have come as were there last, or when giving way has
// brought nobody for a while; a lone change waits for nobody.
func (db *DB) gather(b *batch) {
	b.before.wait()
	crowd, seen := db.crowd.Load(), int32(0)
	if crowd <= 1 {
		return
	}
	last := time.Now()
	for idle := 0; seen < crowd && idle < maxIdle; idle++ {
		runtime.Gosched()
		now := time.Now()
		if n := b.changes.Load(); n > seen {
			seen, last, idle = n, now, 0
		} else if now.Sub(last) > patience {
			return
		}
	}
}

// How long, and how often in a row, gather gives way for nothing: longer than a change takes that runs on another
// processor, not for long where others keep the processors busy, and not for ever where the clock stands, as in a test.
const (
	patience = 20 * time.Microsecond
	maxIdle  = 100
)

func (db *DB) commit(b *batch) {
	<-db.turn
	db.open, db.flying = nil, b
	db.usual = len(b.writes)
	b.base = nil
	db.turn <- struct{}{}

	if len(b.writes) > 0 {
		at := db.next()
		meanwhile := func() {
			db.watch(b.writes, at, false)
			<-db.turn
			db.remember(b.writes) // until they are there, changes find them in flying
			db.turn <- struct{}{}
		}
		if b.changes.Load() == 1 { // another goroutine would take longer
			meanwhile()
			meanwhile = nil
		}
		_, b.err = db.engine.Apply(b.writes, meanwhile)
		if b.err != nil {
			db.watch(b.writes, at, true)
		}
	}

	<-db.turn
	db.flying = nil
	next, crowd := db.open, b.changes.Load()
	if next != nil {
		crowd += next.changes.Load()
	}
	db.crowd.Store(crowd)
	if b.err != nil {
		clear(db.hot)
	}
	if b.err != nil && next != nil { // it was built on what did not come to be
		db.open = nil
		next.view.Release()
		next.err = errAgain
		close(next.done)
		next = nil
	}
	if db.last = b.members; next != nil {
		next.before = b.members
	}
	b.view.Release()
	close(b.done)
	db.turn <- struct{}{}
	if next != nil {
		next.lead <- struct{}{}
	}
}

// next is the version from which on what is applied now may be seen.
func (db *DB) next() uint64 {
	v := db.engine.View()
	defer v.Release()
	return v.Version() + 1
}

// remember keeps at hand what is written to hot keys.
func (db *DB) remember(writes []Write) {
	for i := range writes {
		if w := &writes[i]; db.isHot(w.Key) {
			db.keepHot(w.Key, w.Value)
		}
	}
}

func (db *DB) isHot(key []byte) bool { return strings.IndexByte(db.kinds, key[0]) >= 0 }

func (db *DB) keepHot(key, value []byte) {
	if len(db.hot) >= maxHot {
		clear(db.hot)
	}
	db.hot[string(key)] = value
}
