package kv

import "sync/atomic"

// returning counts the calls that await a batch, each until it goes on with the answer.
type returning struct {
	n    atomic.Int32
	none chan struct{} // has a token when there were none
}

func newReturning() *returning { return &returning{none: make(chan struct{}, 1)} }

func (r *returning) enter() { r.n.Add(1) }

func (r *returning) leave() {
	if r.n.Add(-1) == 0 {
		select {
		case r.none <- struct{}{}:
		default:
		}
	}
}

// wait is for one goroutine at a time, when the batch has ended.
func (r *returning) wait() {
	for r.n.Load() > 0 {
		<-r.none
	}
}
