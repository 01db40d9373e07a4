package kv_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore/internal/kv"
	"github.com/seed-3546c6b2/userstore/internal/kv/kvtest"
)

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

func (s *sized) Apply(writes []kv.Write, meanwhile func()) (uint64, error) {
	if err := s.judge(len(writes)); err != nil {
		return 0, err
	}
	return s.Faulty.Apply(writes, meanwhile)
}
