package cometchattest

import (
	"context"
	"sync"
	"time"
)

// Now is the time on the double's clock.
func (s *Server) Now() time.Time { return s.clock.now() }

// SetTime stops the clock at t; from then on it moves only when told to. The zero time lets it run again, at the right
// time.
func (s *Server) SetTime(t time.Time) { s.clock.set(t) }

// Advance moves the clock by d, be it running or stopped.
func (s *Server) Advance(d time.Duration) { s.clock.advance(d) }

// clock runs with base until it is stopped.
type clock struct {
	base func() time.Time

	mu      sync.Mutex
	ahead   time.Duration // of base, while it runs
	stopped time.Time     // where it stands; zero = it runs
	moved   chan struct{} // closed and replaced whenever somebody moves the clock
}

func newClock(base func() time.Time) *clock {
	if base == nil {
		base = time.Now
	}
	return &clock{base: base, moved: make(chan struct{})}
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read()
}

func (c *clock) read() time.Time {
	if c.stopped.IsZero() {
		return c.base().Add(c.ahead)
	}
	return c.stopped
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped, c.ahead = t, 0
	c.announce()
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped.IsZero() {
		c.ahead += d
	} else {
		c.stopped = c.stopped.Add(d)
	}
	c.announce()
}

func (c *clock) announce() {
	close(c.moved)
	c.moved = make(chan struct{})
}

// wait returns when d has passed on the clock, or with an error when ctx has ended before.
func (c *clock) wait(ctx context.Context, d time.Duration) error {
	until := c.now().Add(d)
	for {
		c.mu.Lock()
		left, running, moved := until.Sub(c.read()), c.stopped.IsZero(), c.moved
		c.mu.Unlock()
		if left <= 0 {
			return nil
		}
		timer := time.NewTimer(left)
		passed := timer.C
		if !running {
			passed = nil // a clock that stands never gets there by itself
		}
		select {
		case <-passed:
		case <-moved:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}
