package cometchattest

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/seed-3546c6b2/userstore/cometchat"
)

// Requests returns what the double was asked on a route, oldest first. The route is "POST /users/{uid}" or "/users" or
// "DELETE", without the version; {uid} stands for any one segment; "" is every request. A request is there as soon as
// it has arrived, its answer as soon as the caller can read it: Status is 0 until then, and for good if a fault dropped
// the connection.
//
// Header holds every header and Body all of the body that was read. UID is who acted, by the request's own word.
// Nothing is redacted and nothing left out but what the page for people asks for itself, and all is kept until Reset.
func (s *Server) Requests(route string) []cometchat.Exchange {
	rt, ok := parseRoute(route)
	if !ok {
		return nil
	}
	return s.journal.list(rt)
}

// AssertCalled fails the test unless the route was asked exactly n times. It says what was asked instead.
func (s *Server) AssertCalled(t T, route string, n int) {
	t.Helper()
	rt, ok := parseRoute(route)
	if !ok {
		t.Fatalf("cometchattest: %q is no route; write it as %q", route, "POST /users/{uid}")
	}
	if got := len(s.journal.list(rt)); got != n {
		t.Fatalf("cometchattest: %s was called %d times, want %d; calls:%s", route, got, n, &s.journal)
	}
}

// journal keeps every request with its answer.
type journal struct {
	mu      sync.Mutex
	entries []*entry
}

// entry is a request under way or done. Its fields are guarded by the journal's mutex.
type entry struct {
	cometchat.Exchange
	body, answer []byte
}

func (j *journal) open(r *http.Request, at time.Time) *entry {
	e := &entry{Exchange: cometchat.Exchange{
		Time: at, Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Header: r.Header.Clone(), UID: actor(r),
	}}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, e)
	return e
}

func (j *journal) list(rt route) []cometchat.Exchange {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []cometchat.Exchange
	for _, e := range j.entries {
		if rt.matches(e.Method, e.Path) {
			out = append(out, e.copy())
		}
	}
	return out
}

func (j *journal) read(e *entry) cometchat.Exchange {
	j.mu.Lock()
	defer j.mu.Unlock()
	return e.copy()
}

func (e *entry) copy() cometchat.Exchange {
	x := e.Exchange
	x.Header, x.Body, x.Answer = x.Header.Clone(), string(e.body), string(e.answer)
	return x
}

func (j *journal) clear() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = nil
}

// String lists the newest requests, one a line.
func (j *journal) String() string {
	all := j.list(route{})
	var b strings.Builder
	if len(all) == 0 {
		b.WriteString(" none")
	}
	for _, e := range all[max(0, len(all)-20):] {
		fmt.Fprintf(&b, "\n\t%s %s: %d", e.Method, e.Path, e.Status)
	}
	return b.String()
}

// recorder notes an answer before it goes out, so that who has read an answer finds it in the journal.
type recorder struct {
	http.ResponseWriter
	j     *journal
	e     *entry
	clock *clock
}

func (w *recorder) WriteHeader(status int) {
	w.note(status, nil)
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	w.note(http.StatusOK, b)
	return w.ResponseWriter.Write(b)
}

func (w *recorder) note(status int, b []byte) {
	now := w.clock.now()
	w.j.mu.Lock()
	defer w.j.mu.Unlock()
	if w.e.Status == 0 {
		w.e.Status, w.e.Duration = status, now.Sub(w.e.Time)
	}
	w.e.answer = append(w.e.answer, b...)
}

// Unwrap lets http.ResponseController and the WebSocket library reach what is beneath.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush serves those who look for an http.Flusher.
func (w *recorder) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// bodyRecorder notes a request's body while it is read.
type bodyRecorder struct {
	io.ReadCloser
	j *journal
	e *entry
}

func (b *bodyRecorder) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.j.mu.Lock()
	defer b.j.mu.Unlock()
	b.e.body = append(b.e.body, p[:n]...)
	return n, err
}
