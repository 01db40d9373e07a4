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

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore/internal/kv"
	"github.com/seed-3546c6b2/userstore/internal/kv/kvtest"
)

var bg = context.Background()

const hot = 'h' // the first byte of keys that the DB keeps at hand

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

// TestEngineFails says what a change comes to when its commit fails.
func TestEngineFails(t *testing.T) {
	for _, c := range []struct {
		name  string
		err   error
		wants error
		after uint64
	}{
		{"conflict: it runs again", kv.ErrConflict, nil, 1},
		{"too large alone", kv.ErrTooLarge, kv.ErrTooLarge, 0},
		{"uncertain, and it is there", kvtest.ErrUncertainDone, kv.ErrUncertain, 1},
		{"uncertain, and it is not", kvtest.ErrUncertainLost, kv.ErrUncertain, 0},
		{"disk", syscall.ENOSPC, syscall.ENOSPC, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			db, f := memory(t)
			left := 1
			f.Fail = func(call kvtest.Call) error {
				if call == kvtest.Apply && left > 0 {
					left--
					return c.err
				}
				return nil
			}
			require.ErrorIs(t, db.Update(bg, add("h", 1)), c.wants)
			require.EqualValues(t, c.after, count(t, db, "h"))
			require.NoError(t, db.Update(bg, add("h", 1)), "it goes on")
			require.EqualValues(t, c.after+1, count(t, db, "h"))
		})
	}
	t.Run("a read that fails is the change's failure", func(t *testing.T) {
		db, f := memory(t)
		require.NoError(t, db.Update(bg, add("n", 1)))
		f.Fail = func(kvtest.Call) error { return syscall.EIO }
		require.ErrorIs(t, db.Update(bg, func(tx *kv.Tx) error { _, err := tx.Get([]byte("n")); return err }), syscall.EIO)
		require.ErrorIs(t, db.Update(bg, func(tx *kv.Tx) error { _, err := tx.Scan(nil, 0); return err }), syscall.EIO)
		f.Fail = nil
		require.EqualValues(t, 1, count(t, db, "n"))
	})
	t.Run("changes built on what failed run again", func(t *testing.T) {
		db, f := memory(t)
		var ran atomic.Int32
		others, first := crowd(t, db, f, syscall.EIO, 10, func(int) func(*kv.Tx) error {
			return func(tx *kv.Tx) error { ran.Add(1); return add("n", 1)(tx) }
		})
		require.ErrorIs(t, first, syscall.EIO)
		require.NoError(t, errors.Join(others...))
		require.EqualValues(t, 10, count(t, db, "n"))
		require.EqualValues(t, 20, ran.Load())
	})
	t.Run("all in a batch are told that it is uncertain", func(t *testing.T) {
		_, f := memory(t)
		applied := 0
		s := &sized{Faulty: f, judge: func(int) error {
			if applied++; applied == 2 {
				return kvtest.ErrUncertainLost
			}
			return nil
		}}
		db := kv.New(s, hot, nil)
		others, first := crowd(t, db, f, nil, 10, func(int) func(*kv.Tx) error { return add("n", 1) })
		require.NoError(t, first)
		for _, err := range others {
			require.ErrorIs(t, err, kv.ErrUncertain)
		}
		require.EqualValues(t, 100, count(t, db, "n"))
	})
	t.Run("a batch that is too large for the engine is taken apart", func(t *testing.T) {
		_, f := memory(t)
		var sizes []int
		s := &sized{Faulty: f, judge: func(n int) error {
			if sizes = append(sizes, n); n > 1 {
				return kv.ErrTooLarge
			}
			return nil
		}}
		db := kv.New(s, hot, nil)
		others, first := crowd(t, db, f, nil, 10, func(i int) func(*kv.Tx) error { return add(fmt.Sprint("n", i), 1) })
		require.NoError(t, errors.Join(append(others, first)...))
		require.Equal(t, []int{1, 10, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, sizes)
		for i := range 10 {
			require.EqualValues(t, 1, count(t, db, fmt.Sprint("n", i)))
		}
	})
}

// crowd commits one change, which adds 100 to n, and lets n others run while that commit is under way; then the commit
// ends as it is to.
func crowd(t *testing.T, db *kv.DB, f *kvtest.Faulty, end error, n int, change func(i int) func(*kv.Tx) error) (others []error, first error) {
	flying, land := make(chan struct{}), make(chan struct{})
	var once sync.Once
	f.Fail = func(c kvtest.Call) (failed error) {
		if c == kvtest.Apply {
			once.Do(func() {
				close(flying)
				<-land
				failed = end
			})
		}
		return failed
	}
	done := make(chan error)
	go func() { done <- db.Update(bg, add("n", 100)) }()
	<-flying
	others = make([]error, n)
	var all, ran sync.WaitGroup
	ran.Add(n)
	for i := range n {
		all.Go(func() {
			told := false
			others[i] = db.Update(bg, func(tx *kv.Tx) error {
				if !told {
					told = true
					defer ran.Done()
				}
				return change(i)(tx)
			})
		})
	}
	ran.Wait()
	close(land)
	first = <-done
	all.Wait()
	return others, first
}

// sized is an engine that judges how much comes at once.
type sized struct {
	*kvtest.Faulty
	limit, bytes int
	judge        func(n int) error
}

func (s *sized) Limits() (int, int) {
	if s.limit == 0 {
		return s.Faulty.Limits()
	}
	return s.limit, s.bytes
}

func (s *sized) Apply(writes []kv.Write) (uint64, error) {
	if err := s.judge(len(writes)); err != nil {
		return 0, err
	}
	return s.Faulty.Apply(writes)
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

// TestAround demands that whoever keeps copies is told before every write, and after it with the right version.
func TestAround(t *testing.T) {
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
	db := kv.New(f, hot, func(writes []kv.Write) func(uint64) {
		before := f.View()
		defer before.Release()
		told = append(told, fmt.Sprint(len(writes), " at ", before.Version()))
		return func(version uint64) { told = append(told, fmt.Sprint(version)) }
	})
	defer db.Close()
	require.NoError(t, db.Update(bg, add("a", 1)))
	require.NoError(t, db.Update(bg, func(*kv.Tx) error { return nil }))
	failure = syscall.EIO
	require.Error(t, db.Update(bg, add("a", 1)))
	failure = kvtest.ErrUncertainDone
	require.Error(t, db.Update(bg, add("a", 1)))
	require.Equal(t, []string{"1 at 0", "1", "1 at 1", "0", "1 at 1", "2"}, told, "an uncertain one may be there")
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

func (d dropping) Apply(writes []kv.Write) (uint64, error) {
	return 1, d.judge(len(writes))
}

// TestOverlay compares what a change sees, over what is committed, being committed, and written by it and those before
// it, with a map.
func TestOverlay(t *testing.T) {
	db, f := memory(t)
	require.NoError(t, db.Update(bg, func(tx *kv.Tx) error {
		for _, k := range []string{"a", "c", "e", "g", "pa", "pc"} {
			tx.Set([]byte(k), []byte("old "+k))
		}
		return nil
	}))
	flying, land := make(chan struct{}), make(chan struct{})
	var taken, landed sync.Once
	f.Fail = func(c kvtest.Call) error {
		if c == kvtest.Apply {
			taken.Do(func() { close(flying); <-land })
		}
		return nil
	}
	done := make(chan error, 2)
	go func() {
		done <- db.Update(bg, func(tx *kv.Tx) error {
			tx.Set([]byte("b"), []byte("flying b"))
			tx.Set([]byte("c"), []byte("flying c"))
			tx.Delete([]byte("e"))
			tx.Set([]byte("pb"), []byte("flying pb"))
			return nil
		})
	}()
	<-flying
	go func() {
		done <- db.Update(bg, func(tx *kv.Tx) error {
			defer landed.Do(func() { close(land) })
			tx.Delete([]byte("b"))
			tx.Set([]byte("d"), []byte("mine d"))
			tx.Set([]byte("e"), []byte("mine e"))
			tx.Set([]byte("g"), []byte("first g"))
			tx.Set([]byte("g"), []byte("mine g"))
			tx.Delete([]byte("pa"))
			want := map[string]string{"a": "old a", "c": "flying c", "d": "mine d", "e": "mine e", "g": "mine g", "pb": "flying pb", "pc": "old pc"}
			found, err := tx.Scan(nil, 0)
			if err != nil || len(found) != len(want) {
				return fmt.Errorf("%d keys, %w", len(found), err)
			}
			for i, w := range found {
				if i > 0 && string(found[i-1].Key) >= string(w.Key) || want[string(w.Key)] != string(w.Value) {
					return fmt.Errorf("%s = %s", w.Key, w.Value)
				}
				if value, err := tx.Get(w.Key); err != nil || string(value) != string(w.Value) {
					return fmt.Errorf("get %s = %s, %w", w.Key, value, err)
				}
			}
			for _, gone := range []string{"b", "pa", "none"} {
				if value, err := tx.Get([]byte(gone)); value != nil || err != nil {
					return fmt.Errorf("%s = %s, %w", gone, value, err)
				}
			}
			if found, err = tx.Scan([]byte("p"), 1); err != nil || len(found) != 1 || string(found[0].Key) != "pb" {
				return fmt.Errorf("under p: %d, %w", len(found), err)
			}
			return nil
		})
	}()
	require.NoError(t, <-done)
	require.NoError(t, <-done)
}
