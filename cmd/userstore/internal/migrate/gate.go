package migrate

import (
	"context"
	"sync"
	"time"
)

// gate spaces out the requests of all workers, and closes for a while when the service says so.
type gate struct {
	every time.Duration
	now   func() time.Time
	sleep func(context.Context, time.Duration) error

	mu     sync.Mutex
	next   time.Time // when the next request may go
	closed time.Time // no request goes before
}

// wait returns when a request may be sent.
func (g *gate) wait(ctx context.Context) error {
	g.mu.Lock()
	at := latest(g.now(), g.next, g.closed)
	g.next = at.Add(g.every)
	g.mu.Unlock()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if pause := at.Sub(g.now()); pause > 0 {
			if err := g.sleep(ctx, pause); err != nil {
				return err
			}
		}
		// It may have been closed since.
		g.mu.Lock()
		closed := g.closed
		g.mu.Unlock()
		if !closed.After(g.now()) {
			return nil
		}
		at = closed
	}
}

// hold closes the gate for a while.
func (g *gate) hold(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = latest(g.closed, g.now().Add(d))
}

func latest(first time.Time, others ...time.Time) time.Time {
	for _, t := range others {
		if t.After(first) {
			first = t
		}
	}
	return first
}

// Sleep waits for d or for the end of ctx.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
