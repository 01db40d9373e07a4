package kv_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore/internal/kv"
	"github.com/seed-3546c6b2/userstore/internal/kv/kvtest"
)

var bg = context.Background()

const hot = "h" // the first byte of keys that the DB keeps at hand

// memory gives a DB over an engine in memory, and the wrapper that makes the engine fail.
func memory(t testing.TB) (*kv.DB, *kvtest.Faulty) {
	e, err := kv.OpenBadger(kv.Config{})
	require.NoError(t, err)
	f := &kvtest.Faulty{Engine: e}
	db := kv.New(f, hot, nil)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db, f
}

// add is a change that adds to a counter; it relies on seeing every change before it.
func add(key string, by uint64) func(*kv.Tx) error {
	return func(tx *kv.Tx) error {
		n, err := read(tx.Get([]byte(key)))
		tx.Set([]byte(key), binary.BigEndian.AppendUint64(nil, n+by))
		return err
	}
}

func read(value []byte, err error) (uint64, error) {
	if value == nil || err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint64(value), nil
}

// count reads a counter from outside a change.
func count(t testing.TB, db *kv.DB, key string) (n uint64) {
	t.Helper()
	require.NoError(t, db.Read(func(v kv.View) error {
		value, _, err := v.Get([]byte(key))
		n, err = read(value, err)
		return err
	}))
	return n
}

func TestManyWriters(t *testing.T) {
	db, _ := memory(t)
	const writers, each = 300, 20
	var all sync.WaitGroup
	oops := errors.New("oops")
	for w := range writers {
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 0))
			for i := range each {
				key := fmt.Sprint(string("hc"[i%2]), r.IntN(4)) // some of them hot
				err := db.Update(bg, func(tx *kv.Tx) error {
					if err := add(key, 1)(tx); err != nil {
						return err
					}
					if i%5 == 4 {
						return oops
					}
					return add("all", 1)(tx)
				})
				if want := map[bool]error{true: oops}[i%5 == 4]; !errors.Is(err, want) {
					t.Errorf("%v, want %v", err, want)
				}
			}
		})
	}
	all.Wait()
	sum := uint64(0)
	for i := range 4 {
		sum += count(t, db, fmt.Sprint("h", i)) + count(t, db, fmt.Sprint("c", i))
	}
	require.EqualValues(t, writers*each*4/5, count(t, db, "all"))
	require.Equal(t, count(t, db, "all"), sum)
}

// held runs a change that stands still in its turn until release is called.
func held(t testing.TB, db *kv.DB) (release func()) {
	started, goOn, done := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		first := true
		done <- db.Update(bg, func(tx *kv.Tx) error {
			if first {
				first = false
				close(started)
				<-goOn
			}
			return add("held", 1)(tx)
		})
	}()
	<-started
	return func() {
		close(goOn)
		require.NoError(t, <-done)
	}
}

func TestFailingChangeTakesNoOtherDown(t *testing.T) {
	db, _ := memory(t)
	for name, fail := range map[string]func(){
		"error":  nil,
		"panic":  func() { panic("in a change") },
		"goexit": func() { runtime.Goexit() },
	} {
		t.Run(name, func(t *testing.T) {
			before := count(t, db, "n")
			var all sync.WaitGroup
			oops := errors.New("oops")
			for i := range 60 {
				all.Go(func() {
					if i%3 > 0 {
						if err := db.Update(bg, add("n", 1)); err != nil {
							t.Error(err)
						}
						return
					}
					ended := false
					defer func() {
						if got := recover(); (got != nil) != (name == "panic") {
							t.Errorf("recovered %v", got)
						}
						if ended != (fail == nil) {
							t.Error("the change went on")
						}
					}()
					err := db.Update(bg, func(tx *kv.Tx) error {
						tx.Delete([]byte("n"))
						tx.Set([]byte("half"), []byte("x"))
						if fail != nil {
							fail()
						}
						return oops
					})
					if ended = true; !errors.Is(err, oops) {
						t.Error(err)
					}
				})
			}
			all.Wait()
			require.EqualValues(t, before+40, count(t, db, "n"))
			require.NoError(t, db.Read(func(v kv.View) error {
				value, _, err := v.Get([]byte("half"))
				require.Nil(t, value)
				return err
			}))
		})
	}
}

func TestContext(t *testing.T) {
	db, _ := memory(t)
	cancelled, cancel := context.WithCancel(bg)
	cancel()
	ran := false
	require.ErrorIs(t, db.Update(cancelled, func(*kv.Tx) error { ran = true; return nil }), context.Canceled)
	require.False(t, ran)

	release := held(t, db)
	queued, cancel := context.WithCancel(bg)
	result := make(chan error)
	go func() { result <- db.Update(queued, func(tx *kv.Tx) error { ran = true; return nil }) }()
	cancel()
	require.ErrorIs(t, <-result, context.Canceled, "it leaves the queue at once")
	release()
	require.False(t, ran)

	late, cancel := context.WithCancel(bg)
	require.NoError(t, db.Update(late, func(tx *kv.Tx) error {
		cancel()
		return add("late", 1)(tx)
	}), "a change that has run is on its way")
	require.EqualValues(t, 1, count(t, db, "late"))
}

func TestNested(t *testing.T) {
	db, _ := memory(t)
	require.NoError(t, db.Update(bg, func(tx *kv.Tx) error {
		require.Zero(t, count(t, db, "n"), "a read inside a change sees what is committed")
		return add("n", 1)(tx)
	}))
	require.NoError(t, db.Read(func(outer kv.View) error {
		require.NoError(t, db.Update(bg, add("n", 1)), "a change inside a read")
		n, err := func() (uint64, error) { value, _, err := outer.Get([]byte("n")); return read(value, err) }()
		require.EqualValues(t, 1, n, "the outer view stays")
		require.EqualValues(t, 2, count(t, db, "n"))
		return err
	}))
	v, err := db.Pin()
	require.NoError(t, err)
	require.NoError(t, db.Update(bg, add("n", 1)))
	require.NoError(t, db.Step(func() error {
		value, _, err := v.Get([]byte("n"))
		n, err := read(value, err)
		require.EqualValues(t, 2, n)
		return err
	}))
	v.Release()
}

func TestCloseWhileBusy(t *testing.T) {
	dir := t.TempDir()
	open := func() *kv.DB {
		e, err := kv.OpenBadger(kv.Config{Dir: dir, Small: true})
		require.NoError(t, err)
		return kv.New(e, hot, nil)
	}
	db := open()
	v, err := db.Pin()
	require.NoError(t, err)
	var acknowledged atomic.Uint64
	var all sync.WaitGroup
	var started sync.WaitGroup
	for range 50 {
		started.Add(1)
		all.Go(func() {
			err := db.Update(bg, add("n", 1))
			started.Done()
			for ; err == nil; err = db.Update(bg, add("n", 1)) {
				acknowledged.Add(1)
				err = db.Read(func(v kv.View) error { _, _, err := v.Get([]byte("n")); return err })
				if err != nil {
					break
				}
			}
			if !errors.Is(err, kv.ErrClosed) {
				t.Error(err)
			}
		})
	}
	started.Wait()
	require.NoError(t, db.Close())
	require.NoError(t, db.Close())
	all.Wait()
	require.ErrorIs(t, db.Step(func() error { return nil }), kv.ErrClosed)
	v.Release() // after the end
	_, err = db.Pin()
	require.ErrorIs(t, err, kv.ErrClosed)
	db = open()
	require.Equal(t, acknowledged.Load(), count(t, db, "n"))
	require.NoError(t, db.Close())
}

func TestLimits(t *testing.T) {
	_, f := memory(t)
	var largest atomic.Int64
	db := kv.New(&sized{Faulty: f, limit: 10, bytes: 1000, judge: func(n int) error {
		largest.Store(max(largest.Load(), int64(n)))
		return nil
	}}, hot, nil)
	many := func(from, n, size int) func(*kv.Tx) error {
		return func(tx *kv.Tx) error {
			for i := range n {
				tx.Set(fmt.Appendf(nil, "k%d", from+i), make([]byte, size))
			}
			return nil
		}
	}
	for _, fn := range []func(*kv.Tx) error{many(0, 11, 1), many(0, 1, 1000), many(0, 9, 200)} {
		require.ErrorIs(t, db.Update(bg, fn), kv.ErrTooLarge)
	}
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			if err := db.Update(bg, many(100*i, 1+i%10, 50)); err != nil {
				t.Error(err)
			}
			if err := db.Update(bg, many(100*i, 1+i%11, 1000)); !errors.Is(err, kv.ErrTooLarge) {
				t.Error(err)
			}
			if err := db.Update(bg, add("all", 1)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.LessOrEqual(t, largest.Load(), int64(10))
	require.EqualValues(t, 200, count(t, db, "all"))
	require.NoError(t, db.Read(func(v kv.View) error {
		it := v.Iterate([]byte("k"), false)
		defer it.Close()
		n := 0
		for it.Seek(nil); it.Valid(); it.Next() {
			value, err := it.Value()
			require.NoError(t, err)
			require.Len(t, value, 50)
			n++
		}
		require.Equal(t, 1100, n)
		return nil
	}))
}

// TestWatch demands that whoever keeps copies is told of every write while nobody can see it, and again if it failed.
func TestWatch(t *testing.T) {
	e, err := kv.OpenBadger(kv.Config{})
	require.NoError(t, err)
	var failure error
	f := &kvtest.Faulty{Engine: e, Fail: func(c kvtest.Call) error {
		if c == kvtest.Apply {
			return failure
		}
		return nil
	}}
	var told []string
	db := kv.New(f, hot, func(writes []kv.Write, version uint64, failed bool) {
		now := f.View()
		defer now.Release()
		told = append(told, fmt.Sprint(len(writes), " from ", version, " at ", now.Version(), " failed ", failed))
	})
	defer db.Close()
	require.NoError(t, db.Update(bg, add("a", 1)))
	require.NoError(t, db.Update(bg, func(*kv.Tx) error { return nil }))
	failure = syscall.EIO
	require.Error(t, db.Update(bg, add("a", 1)))
	failure = kvtest.ErrUncertainDone
	require.Error(t, db.Update(bg, add("a", 1)))
	require.Equal(t, []string{
		"1 from 1 at 0 failed false",
		"1 from 2 at 1 failed false", "1 from 2 at 1 failed true",
		"1 from 2 at 1 failed false", "1 from 2 at 2 failed true",
	}, told, "an uncertain one may be there")
}

// TestMemoryIsBounded runs many changes over an engine that keeps nothing: what grows is the DB's.
func TestMemoryIsBounded(t *testing.T) {
	db, f := memory(t)
	applied := 0
	small := &sized{Faulty: f, limit: 100, bytes: 1 << 16, judge: func(int) error { applied++; return nil }}
	db = kv.New(dropping{small}, hot, nil)
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	change := func(i int) {
		require.NoError(t, db.Update(bg, func(tx *kv.Tx) error {
			tx.Set(fmt.Appendf(nil, "h%d", i), make([]byte, 100))
			tx.Set(fmt.Appendf(nil, "k%d", i), make([]byte, 1000))
			return nil
		}))
	}
	for i := range 20000 {
		change(i)
	}
	before := heap()
	for i := range 20000 {
		change(20000 + i)
	}
	require.Less(t, int64(heap())-int64(before), int64(4<<20))
	require.Equal(t, 40000, applied)
}

type dropping struct{ *sized }

func (d dropping) Apply(writes []kv.Write, _ func()) (uint64, error) {
	return 1, d.judge(len(writes))
}

// TestStandingClock demands that changes come to an end where time goes on only when everybody waits.
func TestStandingClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, err := kv.OpenBadger(kv.Config{})
		require.NoError(t, err)
		db := kv.New(e, hot, nil)
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				for range 200 {
					if err := db.Update(bg, add("n", 1)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 16*200, count(t, db, "n"))
		require.NoError(t, db.Close())
	})
}
