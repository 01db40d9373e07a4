package cometchattest

import (
	"encoding/json"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fault says which requests go wrong, and how. The upper fields choose the requests; all that are set must agree, and
// none set is every request but a browser's preflight, which only a Route of OPTIONS meets. The lower fields say what
// happens; none set is an answer of 500.
type Fault struct {
	Route       string  // as for Requests: "POST /users/{uid}", "/users", "DELETE", or "" for any
	UID         string  // a user that the request names: as actor, or in its path, query or body
	Nth         int     // only the nth request that Route and UID choose, counted from 1; 0 = all of them
	Probability float64 // how likely each of them is hit, above 0 to 1; 0 = surely
	Seed        uint64  // of the dice for Probability: the same seed hits the same requests

	After   bool          // carry the request out first; only its answer suffers
	Latency time.Duration // wait on the double's clock, which a test that stopped it must advance; then go on
	Drop    bool          // close the connection without an answer

	Status     int           // answer with this HTTP status, 400 to 599; 0 = 429 with RetryAfter, else 500
	Code       string        // error code; "" = ERR_TOO_MANY_REQUESTS, ERR_BAD_REQUEST or ERR_OPERATION_FAILED
	Message    string        // error message
	RetryAfter time.Duration // in whole seconds, rounded up; a 429 has it anyway, 1 second
}

// Injected is a Fault at work.
type Injected struct {
	s     *Server
	fault Fault
	route route

	// Guarded by the server's mu.
	dice  *rand.Rand
	calls int
	hits  int
}

// Inject puts a fault to work, until Remove, Reset or the end of t, whichever comes first. A fault that makes no sense
// fails the test. Every fault counts the requests it chooses; where several would hit one request they act in the order
// they were injected, up to the first that ends it.
//
// A Go client on a real connection repeats a GET, PUT or DELETE by itself when a kept-alive connection was dropped;
// [Server.Client] never does.
//
// The page for people shows what a fault made of a request, with After beside what the handler had made of it. Its own
// requests meet no fault.
func (s *Server) Inject(t T, f Fault) *Injected {
	t.Helper()
	rt, ok := parseRoute(f.Route)
	switch {
	case !ok:
		t.Fatalf("cometchattest: fault with route %q; write it as %q", f.Route, "POST /users/{uid}")
	case f.Nth < 0, !(f.Probability >= 0 && f.Probability <= 1), f.Latency < 0, f.RetryAfter < 0,
		f.Status != 0 && (f.Status < 400 || f.Status > 599):
		t.Fatalf("cometchattest: fault with a value out of range: %+v", f)
	case f.Drop && (f.Status != 0 || f.Code != "" || f.Message != "" || f.RetryAfter != 0):
		t.Fatalf("cometchattest: a fault that drops the connection has no answer: %+v", f)
	}
	f.UID = strings.ToLower(f.UID)
	f.complete()
	in := &Injected{s: s, fault: f, route: rt, dice: rand.New(rand.NewPCG(f.Seed, 0))}
	s.mu.Lock()
	s.faults = append(s.faults, in)
	s.mu.Unlock()
	t.Cleanup(in.Remove)
	return in
}

// complete fills in the answer, where one is due.
func (f *Fault) complete() {
	answers := f.Status != 0 || f.Code != "" || f.Message != "" || f.RetryAfter != 0
	if f.Drop || f.Latency != 0 && !answers {
		return
	}
	if f.Status == 0 {
		f.Status = http.StatusInternalServerError
		if f.RetryAfter > 0 {
			f.Status = http.StatusTooManyRequests
		}
	}
	code := "ERR_OPERATION_FAILED"
	switch {
	case f.Status == http.StatusTooManyRequests:
		code, f.RetryAfter = "ERR_TOO_MANY_REQUESTS", max(f.RetryAfter, time.Second)
	case f.Status < 500:
		code = "ERR_BAD_REQUEST"
	}
	if f.Code == "" {
		f.Code = code
	}
	if f.Message == "" {
		f.Message = "This failure was injected by a test."
	}
}

// Hits is how many requests the fault has acted on.
func (in *Injected) Hits() int {
	in.s.mu.Lock()
	defer in.s.mu.Unlock()
	return in.hits
}

// Remove ends the fault; requests that it has hit already are not spared.
func (in *Injected) Remove() {
	in.s.mu.Lock()
	defer in.s.mu.Unlock()
	in.s.faults = slices.DeleteFunc(in.s.faults, func(other *Injected) bool { return other == in })
}

// struck returns the faults that act on a request.
func (s *Server) struck(r *http.Request) []Fault {
	var uids []string
	if s.needUIDs() {
		uids = named(r, peek(r))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var acting []Fault
	for _, in := range s.faults {
		over := len(acting) > 0 && acting[len(acting)-1].ends()
		if in.chooses(r, uids) && !over {
			in.hits++
			acting = append(acting, in.fault)
		}
	}
	return acting
}

// ends tells whether the fault leaves the request without its own answer.
func (f Fault) ends() bool { return f.Drop || f.Status != 0 }

func (s *Server) needUIDs() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.faults, func(in *Injected) bool { return in.fault.UID != "" })
}

// chooses counts a request and throws the dice for it.
func (in *Injected) chooses(r *http.Request, uids []string) bool {
	f := in.fault
	if r.Method == http.MethodOptions && in.route.method != http.MethodOptions ||
		!in.route.matches(r.Method, r.URL.EscapedPath()) || f.UID != "" && !slices.Contains(uids, f.UID) {
		return false
	}
	in.calls++
	unlucky := f.Probability == 0 || in.dice.Float64() < f.Probability
	return unlucky && (f.Nth == 0 || f.Nth == in.calls)
}

// suffer lets faults act on a request.
func (s *Server) suffer(w *recorder, r *http.Request, faults []Fault) {
	peek(r) // only when it has read all of the body does net/http notice that the client has gone
	var done *heldAnswer
	for _, f := range faults {
		if f.After && done == nil {
			done = &heldAnswer{header: http.Header{}}
			s.handler().ServeHTTP(done, r)
		}
		if f.Latency > 0 && s.clock.wait(r.Context(), f.Latency) != nil || f.Drop {
			s.show(w.e, 0, "")
			panic(http.ErrAbortHandler) // net/http's way to close the connection
		}
		if f.ends() {
			answer := f.answer(w.Header(), s.Now())
			s.show(w.e, f.Status, answer)
			w.WriteHeader(f.Status)
			_, _ = io.WriteString(w, answer)
			return
		}
	}
	if done != nil {
		done.send(w)
		return
	}
	s.handler().ServeHTTP(w, r)
}

// show lets the page for people have a request that the handler has not answered.
func (s *Server) show(e *entry, status int, answer string) {
	x := s.journal.read(e)
	x.Status, x.Answer, x.Duration = status, answer, s.Now().Sub(x.Time)
	s.handler().Journal().Add(x)
}

// answer is CometChat's error, readable for pages of any origin like all the double's answers.
func (f Fault) answer(header http.Header, now time.Time) string {
	header.Set("Access-Control-Allow-Origin", "*")
	header.Set("Access-Control-Expose-Headers", "Retry-After, X-Rate-Limit-Reset")
	header.Set("Content-Type", "application/json")
	if f.RetryAfter > 0 {
		wait := int64((f.RetryAfter + time.Second - 1) / time.Second)
		header.Set("Retry-After", strconv.FormatInt(wait, 10))
		header.Set("X-Rate-Limit-Reset", strconv.FormatInt(now.Unix()+wait, 10))
	}
	body, _ := json.Marshal(map[string]any{"error": map[string]string{"code": f.Code, "message": f.Message}})
	return string(body) + "\n"
}

// heldAnswer is an answer kept back.
type heldAnswer struct {
	header http.Header
	status int
	body   []byte
}

func (h *heldAnswer) Header() http.Header { return h.header }

func (h *heldAnswer) WriteHeader(status int) {
	if h.status == 0 {
		h.status = status
	}
}

func (h *heldAnswer) Write(b []byte) (int, error) {
	h.WriteHeader(http.StatusOK)
	h.body = append(h.body, b...)
	return len(b), nil
}

func (h *heldAnswer) send(w http.ResponseWriter) {
	maps.Copy(w.Header(), h.header)
	if h.status != 0 {
		w.WriteHeader(h.status)
	}
	_, _ = w.Write(h.body)
}
