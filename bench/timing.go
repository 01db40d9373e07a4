package main

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const forever = int(^uint(0) >> 1)

// time runs op from so many goroutines for the length of a measurement and notes the time for each operation. Each call
// of op has a number of its own, below most. To warm up, it runs for a fifth of the length; or, where calls come in rounds,
// for the length, so that the heap has its size, too, and, where that takes not too much more, for a whole round.
func (b *bench) time(row string, workers, round, most int, op func(n int) error) error {
	if !b.want(row) {
		return nil
	}
	runtime.GC()
	warm := b.length
	if round == 0 {
		warm /= 5
	}
	next, _, err := spread(warm, workers, 0, most/3, op)
	if err == nil && next < round {
		next, _, err = spread(3*b.length, workers, next, round, op)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", row, err)
	}
	start := b.clock()
	_, done, err := spread(b.length, workers, next, most, op)
	if err == nil && done == 0 {
		err = errors.New("nothing was left to do after the warming up")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", row, err)
	}
	b.out[row] = float64(b.clock()-start) / float64(done)
	return nil
}

// settle waits until what the measurement before left to be done in the background is done, or for ten seconds.
func settle() {
	const glance, idle = 30 * time.Millisecond, 2 * time.Millisecond
	for range 10 * time.Second / glance {
		before := processorTime()
		time.Sleep(glance)
		if processorTime()-before < idle {
			return
		}
	}
}

// spread calls op with the numbers from first on, below most, from so many goroutines, for about so long or until one
// fails. next is above all numbers that were used.
func spread(length time.Duration, workers, first, most int, op func(n int) error) (next, done int, err error) {
	var mu sync.Mutex
	var all sync.WaitGroup
	var stop atomic.Bool
	next = first
	start := time.Now()
	for worker := range workers {
		all.Go(func() {
			n, count, failed := first+worker, 0, error(nil)
			// The clock is looked at about every 100 µs, so that looking does not show in what takes a fraction of one.
			for burst := 1; n < most && !stop.Load(); {
				began := time.Now()
				for i := 0; i < burst && n < most && failed == nil; i++ {
					failed = op(n)
					n += workers
					count++
				}
				if failed != nil {
					stop.Store(true)
				}
				now := time.Now()
				if now.Sub(start) >= length {
					break
				}
				if now.Sub(began) < 50*time.Microsecond {
					burst *= 2
				}
			}
			mu.Lock()
			defer mu.Unlock()
			next, done = max(next, n), done+count
			if err == nil {
				err = failed
			}
		})
	}
	all.Wait()
	return next, done, err
}
