package cometchattest

import (
	"context"
	"errors"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/seed-3546c6b2/userstore"
	"github.com/seed-3546c6b2/userstore/cometchat"
)

// T is what the double needs of a test; *testing.T, *testing.B and *testing.F have it. Fatalf must not return.
type T interface {
	Cleanup(func())
	Fatalf(format string, args ...any)
	Helper()
	Logf(format string, args ...any)
}

// Server is a running double of CometChat. Its methods may be called by many goroutines at once.
type Server struct {
	// URL is the base URL for any HTTP client and any process, without a version: "http://127.0.0.1:41234". In a
	// synctest bubble, where there can be no network, it is CometChat's own, which only Client reaches the double by.
	URL string

	AppID   string // "app", if not adjusted
	AuthKey string // key of the scope authOnly, "auth"
	APIKey  string // key of the scope fullAccess, "rest"

	// Store holds the users. What a test does here is there for the next request. Restore and Reset put another Store
	// in its place.
	Store *userstore.Store

	opts    cometchat.Options
	clock   *clock
	journal journal
	http    *http.Server
	client  *http.Transport
	bubbled bool
	pipes   sync.WaitGroup // connections of client that are being served

	mu     sync.Mutex
	api    *cometchat.Handler
	faults []*Injected
	tls    *TLS
	closed bool
}

// RunT starts a double for the duration of a test: an empty store in memory, strict about unknown parameters, on
// the real clock. adjust may change what the handler is told; a Clock given there runs the store and faults too.
// It fails the test if the double cannot start.
func RunT(t T, adjust ...func(*cometchat.Options)) *Server {
	t.Helper()
	lines := &logLines{t: t}
	s := &Server{bubbled: inBubble(), opts: cometchat.Options{
		AppID: "app", Region: "us", AuthKey: "auth", APIKey: "rest", Strict: true,
		Logger: slog.New(slog.NewTextHandler(lines, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}}
	for _, f := range adjust {
		f(&s.opts)
	}
	s.AppID, s.AuthKey, s.APIKey = s.opts.AppID, s.opts.AuthKey, s.opts.APIKey
	s.clock = newClock(s.opts.Clock)
	s.opts.Clock = s.clock.now

	ctx, cancel := context.WithCancel(context.Background())
	s.http = cometchat.Server(http.HandlerFunc(s.serve))
	s.http.ReadTimeout, s.http.WriteTimeout = 0, 0 // a fault may take any time
	s.http.ErrorLog = log.New(lines, "", 0)
	s.http.BaseContext = func(net.Listener) context.Context { return ctx }
	s.http.ConnState = pipeState
	s.client = &http.Transport{DialContext: s.dial, DialTLSContext: s.dial, DisableKeepAlives: true}

	store, err := userstore.OpenInMemory(s.storeOptions()...)
	if err != nil {
		t.Fatalf("cometchattest: %v", err)
	}
	if s.api, err = cometchat.New(store, s.opts); err != nil {
		t.Fatalf("cometchattest: %v", errors.Join(err, store.Close()))
	}
	s.Store = store
	t.Cleanup(func() {
		cancel()
		if err := s.close(); err != nil {
			t.Logf("cometchattest: close: %v", err)
		}
		lines.end()
	})
	if s.URL = "https://" + s.AppID + ".api-" + s.opts.Region + ".cometchat.io"; !s.bubbled {
		s.URL = "http://" + s.listen(t, func(l net.Listener) net.Listener { return l })
	}
	return s
}

func (s *Server) storeOptions() []userstore.Option {
	return []userstore.Option{userstore.WithClock(s.clock.now), userstore.WithLogger(s.opts.Logger)}
}

// listen serves on a free port of this machine, through wrap, and returns its address.
func (s *Server) listen(t T, wrap func(net.Listener) net.Listener) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		if l, err = net.Listen("tcp6", "[::1]:0"); err != nil {
			t.Fatalf("cometchattest: no port to listen on: %v", err)
		}
	}
	go func() { _ = s.http.Serve(wrap(l)) }() // ends with close
	return l.Addr().String()
}

// close ends all connections, waits for those of Client, and closes the store.
func (s *Server) close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	err := errors.Join(s.http.Close(), s.handler().Close())
	s.pipes.Wait()
	return errors.Join(err, s.Store.Close())
}

func (s *Server) handler() *cometchat.Handler {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.api
}

// serve stands before the handler: it keeps the journal and lets faults act.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if isPage(r) {
		s.handler().ServeHTTP(w, r)
		return
	}
	e := s.journal.open(r, s.Now())
	r = r.WithContext(r.Context()) // a copy: net/http looks at its own request's Body when it decides how to hang up
	r.Body = &bodyRecorder{r.Body, &s.journal, e}
	out := &recorder{w, &s.journal, e, s.clock}
	if faults := s.struck(r); len(faults) > 0 {
		s.suffer(out, r, faults)
	} else {
		s.handler().ServeHTTP(out, r)
	}
	out.note(http.StatusOK, nil) // what net/http answers for a handler that has written nothing
}

var started = time.Now()

// inBubble tells whether the caller is in a synctest bubble, where clocks start in the year 2000: before this process.
func inBubble() bool { return time.Now().Before(started.AddDate(-1, 0, 0)) }

// logLines writes log lines to the test until it ends; a line after that would make testing panic.
type logLines struct {
	mu sync.Mutex
	t  T // nil when the test has ended
}

func (l *logLines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.t != nil {
		l.t.Logf("%s", line)
	}
	return len(line), nil
}

func (l *logLines) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.t = nil
}
