package kvtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"

	"github.com/seed-3546c6b2/userstore/internal/kv"
)

// Call names the calls of an engine that can fail.
type Call string

// The calls.
const (
	Apply   Call = "apply"
	Get     Call = "get"
	Value   Call = "value"
	Compact Call = "compact"
	Close   Call = "close"
)

// The two things that an uncertain Apply can have come to: both look the same to the caller.
var (
	ErrUncertainDone = fmt.Errorf("%w (it did)", kv.ErrUncertain)
	ErrUncertainLost = fmt.Errorf("%w (it did not)", kv.ErrUncertain)
)

// Faulty is an engine whose calls fail when Fail says so. A failed call leaves the engine as it was, except for an Apply
// that fails with ErrUncertainDone.
type Faulty struct {
	kv.Engine
	Fail func(Call) error // asked by many goroutines; nil: never
}

func (f *Faulty) fail(c Call) error {
	if f.Fail == nil {
		return nil
	}
	return f.Fail(c)
}

// Apply implements kv.Engine.
func (f *Faulty) Apply(writes []kv.Write, meanwhile func()) (uint64, error) {
	err := f.fail(Apply)
	if errors.Is(err, ErrUncertainDone) {
		if _, failed := f.Engine.Apply(writes, meanwhile); failed != nil {
			return 0, failed
		}
	}
	if err != nil {
		return 0, err
	}
	return f.Engine.Apply(writes, meanwhile)
}

// Compact implements kv.Engine.
func (f *Faulty) Compact() error { return errors.Join(f.fail(Compact), f.Engine.Compact()) }

// Close implements kv.Engine. The engine is closed in any case.
func (f *Faulty) Close() error { return errors.Join(f.fail(Close), f.Engine.Close()) }

// View implements kv.Engine.
func (f *Faulty) View() kv.View { return faultyView{f.Engine.View(), f} }

type faultyView struct {
	kv.View
	engine *Faulty
}

func (v faultyView) Get(key []byte) ([]byte, uint64, error) {
	if err := v.engine.fail(Get); err != nil {
		return nil, 0, err
	}
	return v.View.Get(key)
}

func (v faultyView) Iterate(prefix []byte, reverse bool) kv.Iterator {
	return faultyIterator{v.View.Iterate(prefix, reverse), v.engine}
}

type faultyIterator struct {
	kv.Iterator
	engine *Faulty
}

func (i faultyIterator) Value() ([]byte, error) {
	if err := i.engine.fail(Value); err != nil {
		return nil, err
	}
	return i.Iterator.Value()
}

// Random fails a share of all calls, each in one of the ways it can fail, always the same for a seed if the calls are.
func Random(seed uint64, share float64) func(Call) error {
	return RandomShares(seed, map[Call]float64{Apply: share, Get: share, Value: share, Compact: share, Close: share})
}

// RandomShares is Random with a share for each call; one without a share never fails.
func RandomShares(seed uint64, shares map[Call]float64) func(Call) error {
	r := rand.New(rand.NewPCG(seed, 1))
	var mu sync.Mutex
	return func(c Call) error {
		mu.Lock()
		defer mu.Unlock()
		if r.Float64() >= shares[c] {
			return nil
		}
		ways := []error{syscall.EIO}
		if c == Apply {
			ways = []error{kv.ErrConflict, kv.ErrTooLarge, ErrUncertainDone, ErrUncertainLost, syscall.EIO, syscall.ENOSPC}
		}
		return ways[r.IntN(len(ways))]
	}
}
