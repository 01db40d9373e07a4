package kv

import (
	"bytes"
	"context"
	"errors"

	"github.com/seed-3546c6b2/userstore/internal/sorter"
)

// Load puts many changes into an engine in which there is little, at one go. Its changes run like others, but what they
// write is only sorted; it becomes durable and visible when the load ends, whole or not at all. Any other change ends the
// load first, so that it sees what was loaded, and nobody waits for whoever loads.
//
// A change of a load sees what was there before, and what the load wrote to it and to keys of the hot kinds. Everything
// else that the load wrote it does not see, and must write only once.
//
// A Load is for one goroutine, which has to call Drop in the end.
type Load struct {
	db    *DB
	state loadState
	err   error // of its end

	batch  *batch // all that was there, and the keys that are written more than once
	there  []Write
	sorter *sorter.Sorter
	wrote  error // of the sorter
}

type loadState uint8

const (
	loadNew loadState = iota
	loadOpen
	loadOver
)

// maxLoadKeys is how many keys of a load are kept in memory, because they may be written again.
const maxLoadKeys = 1 << 16

// NewLoad makes a load that begins with its first change.
func (db *DB) NewLoad() *Load { return &Load{db: db} }

// Run runs fn as a change of the load. taken is false if there can be no load, or none any more: then fn did not run, all
// that was loaded is there, and the change has to be made by Start. An error ends the load, and nothing of it is there.
func (l *Load) Run(ctx context.Context, fn func(*Tx) error) (taken bool, err error) {
	err = l.inTurn(ctx, func() error {
		if l.state == loadNew {
			if err := l.begin(); err != nil {
				return err
			}
		}
		if l.state == loadOver {
			return l.err
		}
		taken = true
		finished := false
		defer func() {
			if !finished { // fn panicked or ended its goroutine
				l.drop()
			}
		}()
		err := fn(&Tx{db: l.db, batch: l.batch})
		finished = true
		l.batch.undo = l.batch.undo[:0]
		if err = errors.Join(err, l.wrote); err != nil {
			l.drop()
			l.err = err
			return err
		}
		if len(l.batch.writes) > maxLoadKeys {
			l.end()
			return l.err
		}
		return nil
	})
	return taken, err
}

// End makes durable and visible what was loaded.
func (l *Load) End(ctx context.Context) error {
	return l.inTurn(ctx, func() error {
		l.end()
		return l.err
	})
}

// Drop forgets a load that has not ended.
func (l *Load) Drop() {
	_ = l.inTurn(context.Background(), func() error { // a DB that is closing drops it itself
		l.drop()
		return nil
	})
}

func (l *Load) inTurn(ctx context.Context, fn func() error) (err error) {
	defer caught(&err)
	if err := l.db.enter(); err != nil {
		return err
	}
	defer l.db.leave()
	if err := l.db.takeTurn(ctx); err != nil {
		return err
	}
	defer func() { l.db.turn <- struct{}{} }()
	return fn()
}

// begin begins the load, if that can be.
func (l *Load) begin() error {
	l.state = loadOver
	db := l.db
	if db.load != nil {
		db.load.end()
	}
	engine, ok := db.engine.(Filler)
	if !ok || db.open != nil || db.flying != nil || !engine.CanFill() {
		return nil
	}
	view := db.engine.View()
	defer func() {
		if l.state != loadOpen { // also when Badger panics
			view.Release()
		}
	}()
	there, err := Everything(view)
	if errors.Is(err, ErrTooLarge) {
		return nil
	}
	if err != nil {
		return err
	}
	l.batch = &batch{view: view, load: l}
	l.batch.index = make(map[string]int, len(there))
	for _, w := range there {
		l.batch.set(w)
	}
	l.there = there
	l.sorter = sorter.New(engine.SortMemory(), engine.Scratch)
	l.state, db.load = loadOpen, l
	return nil
}

// take takes a write that need not be kept in memory.
func (l *Load) take(w Write) bool {
	if _, again := l.batch.get(w.Key); again || w.Value == nil || l.db.isHot(w.Key) {
		return false
	}
	l.wrote = l.sorter.Add(w.Key, w.Value) // after one that failed, all do
	return true
}

// leave makes the load one that is over, and tells whether it was open.
func (l *Load) leave() bool {
	open := l.state == loadOpen
	if l.state = loadOver; open {
		l.db.load = nil
		l.batch.view.Release() // or Fill would wait for it
	}
	return open
}

// drop ends the load with nothing.
func (l *Load) drop() {
	if l.leave() {
		_ = l.sorter.Close() // it only had what is not wanted
	}
}

// end has the turn and puts what was loaded into the engine.
func (l *Load) end() {
	if !l.leave() {
		return
	}
	defer l.sorter.Close()
	l.err = ErrUncertain // if Badger panics
	clear(l.db.hot)
	at := l.db.next()
	l.db.watch(l.batch.writes, at, false)
	if l.err = l.fill(); l.err != nil {
		l.db.watch(l.batch.writes, at, true)
		return
	}
	l.db.remember(l.batch.writes)
}

// fill puts everything in order into the engine, or, if it is little, just writes it.
func (l *Load) fill() error {
	maxWrites, maxBytes := l.db.Limits()
	if l.sorter.Len()+len(l.batch.writes) <= maxWrites && l.sorter.Size()+l.batch.bytes <= maxBytes {
		var writes []Write
		for i, w := range l.batch.writes {
			if i >= len(l.there) || !bytes.Equal(w.Value, l.there[i].Value) {
				writes = append(writes, w)
			}
		}
		err := l.sorter.Each(func(key, value []byte) error {
			writes = append(writes, Write{Key: bytes.Clone(key), Value: bytes.Clone(value)})
			return nil
		})
		if err != nil || len(writes) == 0 {
			return err
		}
		_, err = l.db.engine.Apply(writes, nil)
		return err
	}
	for _, w := range l.batch.writes {
		if w.Value == nil {
			continue
		}
		if err := l.sorter.Add(w.Key, w.Value); err != nil {
			return err
		}
	}
	_, err := l.db.engine.(Filler).Fill(int64(l.sorter.Size()), l.sorter.Each)
	return err
}
