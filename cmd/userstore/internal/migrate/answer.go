package migrate

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Class says what an answer of the service means for the request.
type Class uint8

// The classes of answers.
const (
	Done  Class = iota // it is done
	Retry              // the service or the way to it failed: ask again, a little later each time
	Wait               // too many requests: ask again when the service says so
	Stop               // no request of this kind will succeed: end, and keep the place
	Skip               // this one cannot be done, the next one may: note why, and go on
)

// Refusal is an answer other than Done.
type Refusal struct {
	Class  Class
	Status int           // of HTTP; 0 if no answer came
	Code   string        // CometChat's; empty if the answer is not CometChat's
	Fields []string      // what the service did not like
	After  time.Duration // how long the service wants to be left alone; 0 = it did not say
	Err    error         // what went wrong on the way, if no answer came
}

// Error never holds the service's own text, which may repeat a user's data.
func (r *Refusal) Error() string {
	switch {
	case r.Err != nil:
		return "the service cannot be reached: " + r.Err.Error()
	case r.Code == "":
		return fmt.Sprintf("HTTP %d, not an answer of this API: is the address right?", r.Status)
	case len(r.Fields) > 0:
		return fmt.Sprintf("%s (HTTP %d): %s", r.Code, r.Status, strings.Join(r.Fields, ", "))
	}
	return fmt.Sprintf("%s (HTTP %d)", r.Code, r.Status)
}

func (r *Refusal) Unwrap() error { return r.Err }

// codes are those whose meaning the HTTP status does not tell, or not surely.
var codes = map[string]Class{
	"ERR_TOO_MANY_REQUESTS": Wait,

	"ERR_OPERATION_FAILED":   Retry,
	"ERR_MISSION_FAILED":     Retry,
	"ERR_EXCEPTION":          Retry,
	"ERR_BAD_ERROR_RESPONSE": Retry,

	"ERR_API_NOT_FOUND":          Stop,
	"ERR_INVALID_API_VERSION":    Stop,
	"ERR_PLAN_RESTRICTION":       Stop,
	"ERR_PLAN_QUOTA_RESTRICTION": Stop,
	"ERR_SUBSCRIPTION_EXPIRED":   Stop,

	"ERR_CANNOT_FORM_SELF_RELATION": Skip,
	"ERR_CANNOT_BLOCK_SELF":         Skip,
}

// classify reads an answer other than 200.
func classify(status int, header http.Header, body []byte, now time.Time) *Refusal {
	var in struct {
		Error struct {
			Code    string                     `json:"code"`
			Details map[string]json.RawMessage `json:"details"`
		} `json:"error"`
	}
	// An answer that is not JSON, or whose details are not an object, leaves what could be read.
	_ = json.Unmarshal(body, &in)
	r := &Refusal{Status: status, Code: in.Error.Code, After: after(header, now)}
	for field := range in.Error.Details {
		r.Fields = append(r.Fields, field)
	}
	slices.Sort(r.Fields)

	class, known := codes[r.Code]
	switch {
	case known:
		r.Class = class
	case strings.HasPrefix(r.Code, "AUTH_ERR_"):
		r.Class = Stop
	case status == http.StatusTooManyRequests:
		r.Class = Wait
	case status >= 500 || status == http.StatusRequestTimeout || status < 300:
		r.Class = Retry
	case r.Code != "" && status >= 400 && status != http.StatusUnauthorized && status != http.StatusForbidden:
		r.Class = Skip
	default: // keys, addresses, proxies: more of the same will not help
		r.Class = Stop
	}
	return r
}

// after gives how long the service wants to be left alone.
func after(h http.Header, now time.Time) time.Duration {
	if s := h.Get("Retry-After"); s != "" {
		if sec, err := strconv.Atoi(s); err == nil {
			return bound(time.Duration(min(sec, 1<<20)) * time.Second)
		}
		if at, err := http.ParseTime(s); err == nil {
			return bound(at.Sub(now))
		}
	}
	if sec, err := strconv.ParseInt(h.Get("X-Rate-Limit-Reset"), 10, 64); err == nil {
		return bound(time.Unix(sec, 0).Sub(now))
	}
	return 0
}

// bound keeps a mistaken header from putting the run to sleep for good.
func bound(d time.Duration) time.Duration { return min(max(d, 0), time.Hour) }
