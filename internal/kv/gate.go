package kv

import "sync/atomic"

// gate lets calls in until it is shut, and shuts only when all have left. A call inside may enter again; once the gate
// is closing it is turned away, so no nesting can deadlock with the closing.
type gate struct {
	inside atomic.Int64 // how many are inside; far below zero once shut
	empty  chan struct{}
}

const shut = -1 << 40

func newGate() *gate { return &gate{empty: make(chan struct{}, 1)} }

func (g *gate) enter() error {
	if g.inside.Add(1) < 0 {
		g.leave()
		return ErrClosed
	}
	return nil
}

func (g *gate) leave() {
	if g.inside.Add(-1) == shut {
		select {
		case g.empty <- struct{}{}:
		default:
		}
	}
}

// close shuts the gate and waits until nobody is inside. It is called once.
func (g *gate) close() {
	if g.inside.Add(shut) == shut {
		return
	}
	<-g.empty
}
