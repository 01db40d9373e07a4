package kv

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReturning has calls come and go while one waits for the last of them, among them some that only come when it seems over.
func TestReturning(t *testing.T) {
	for range 500 {
		r, left := newReturning(), atomic.Int32{}
		var calls sync.WaitGroup
		end := make(chan struct{})
		for range 8 {
			r.enter()
			calls.Go(func() {
				<-end
				left.Add(1)
				r.leave()
			})
		}
		calls.Go(func() {
			r.enter()
			r.leave()
		})
		close(end)
		r.wait()
		require.EqualValues(t, 8, left.Load())
		calls.Wait()
		r.wait() // nobody is there: it does not wait
	}
}
