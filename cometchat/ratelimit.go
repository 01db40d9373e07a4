package cometchat

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// rateClass says which of the limits a route counts towards.
type rateClass uint8

const (
	rateOther rateClass = iota
	rateCore
	rateImport
)

// limiter counts requests in windows of one minute.
type limiter struct {
	limit [3]int
	mu    sync.Mutex
	since [3]time.Time
	used  [3]int
}

func newLimiter(r RateLimit) *limiter {
	return &limiter{limit: [3]int{rateOther: r.Other, rateCore: r.Core, rateImport: r.Import}}
}

// take counts a request and writes the documented headers; what is over the limit is an error.
func (l *limiter) take(class rateClass, now time.Time, header http.Header) error {
	limit := l.limit[class]
	if limit <= 0 {
		return nil
	}
	l.mu.Lock()
	if d := now.Sub(l.since[class]); d < 0 || d >= time.Minute {
		l.since[class], l.used[class] = now, 0
	}
	over := l.used[class] >= limit
	if !over {
		l.used[class]++
	}
	left, reset := limit-l.used[class], l.since[class].Add(time.Minute)
	l.mu.Unlock()

	header.Set("X-Rate-Limit", strconv.Itoa(limit))
	header.Set("X-Rate-Limit-Remaining", strconv.Itoa(left))
	if !over {
		return nil
	}
	wait := (reset.Sub(now) + time.Second - 1) / time.Second
	header.Set("Retry-After", strconv.Itoa(int(wait)))
	header.Set("X-Rate-Limit-Reset", strconv.FormatInt(now.Unix()+int64(wait), 10))
	return fail(http.StatusTooManyRequests, "ERR_TOO_MANY_REQUESTS", "Too many requests. Please try again in %d seconds.", wait)
}
