// Package migrate moves users, roles, friends and blocks between a store and a service that speaks CometChat's REST API:
// an app at CometChat, or the double. Either way it goes page by page, keeps its place in a file, asks no faster than
// told, and can be run again: what is there already is brought up to date.
//
// Nobody is brought back: who is deactivated at the target and active at the source is skipped. Auth tokens do not
// move; both sides make their own.
package migrate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/seed-3546c6b2/userstore"
)

const (
	pageSize  = 100 // rows asked for at once
	userPage  = 40  // users with requests of their own between two saves of the state
	batchSize = 25  // uids in one request: the service's own limit
)

// Options says with whom and how. URL and Key are required.
type Options struct {
	URL   string // of the API, version included: https://APPID.api-us.cometchat.io/v3
	AppID string // sent along if not empty; a host name with the app id in it needs none
	Key   string // with full access

	PerMinute int    // requests a minute at most; 0 = 6000, below every limit that CometChat documents
	Workers   int    // requests under way at once; 0 = 4
	Attempts  int    // how often a failed request is tried; 0 = 8
	UsersOnly bool   // leave out friends and blocks, which take one or two requests a user
	State     string // file that keeps the place; empty = none
	Store     string // names the store in the state file

	Skipped  func(Skipped) // is told of everything that could not be moved; never called by two at once
	Progress func(Report)  // is told after every page

	HTTP  *http.Client                               // nil = one with a timeout of a minute
	Now   func() time.Time                           // nil = time.Now
	Sleep func(context.Context, time.Duration) error // nil = Sleep
}

// Skipped is something that could not be moved.
type Skipped struct {
	Phase  string // roles, users, deactivated, friends or blocks
	ID     string // uid or role id
	Reason string
}

// Report counts what was done, earlier runs of the same migration included.
type Report struct {
	Phase   string `json:"phase"` // the one under way, or "done"
	Roles   int    `json:"roles"`
	Users   int    `json:"users"`
	Friends int    `json:"friends"` // pairs
	Blocks  int    `json:"blocks"`
	Skipped int    `json:"skipped"`

	Requests int `json:"requests"` // sent in this run
	Again    int `json:"again"`    // of these, sent again after a failure or a wait
}

func (r *Report) add(d Report) {
	r.Roles += d.Roles
	r.Users += d.Users
	r.Friends += d.Friends
	r.Blocks += d.Blocks
	r.Skipped += d.Skipped
}

// Pull takes everything from the service into the store.
func Pull(ctx context.Context, s *userstore.Store, o Options) (Report, error) {
	r, err := newRun(s, &o, "pull")
	if err != nil {
		return Report{}, err
	}
	phases := []phase{
		{"roles", r.pullRoles},
		{"users", func(ctx context.Context, at string) (string, error) { return r.pullUsers(ctx, at, false) }},
		{"deactivated", func(ctx context.Context, at string) (string, error) { return r.pullUsers(ctx, at, true) }},
		{"friends", r.eachUser(r.pullFriends)},
		{"blocks", r.eachUser(r.pullBlocks)},
	}
	return r.all(ctx, phases)
}

// Push brings everything from the store to the service. The service gives its own times of creation and change.
func Push(ctx context.Context, s *userstore.Store, o Options) (Report, error) {
	r, err := newRun(s, &o, "push")
	if err != nil {
		return Report{}, err
	}
	phases := []phase{
		{"roles", r.pushRoles},
		{"users", r.pushUsers},
		{"friends", r.eachUser(r.pushFriends)},
		{"blocks", r.eachUser(r.pushBlocks)},
	}
	return r.all(ctx, phases)
}

// phase is a list to go through. A step does the page at a position and gives the next position, or "" at the end. The
// phase without a step is the end of all.
type phase struct {
	name string
	step func(ctx context.Context, at string) (next string, err error)
}

// run is one run of a migration.
type run struct {
	store *userstore.Store
	c     *client
	o     *Options
	state state

	mu      sync.Mutex
	page    Report // what the page under way has brought; lost if it fails, as it will be done again
	lastRow string // first row of the page before
}

func newRun(s *userstore.Store, o *Options, direction string) (*run, error) {
	if o.Key == "" {
		return nil, errors.New("a key of the service is needed")
	}
	if o.PerMinute <= 0 {
		o.PerMinute = 6000
	}
	if o.Workers <= 0 {
		o.Workers = 4
	}
	if o.Attempts <= 0 {
		o.Attempts = 8
	}
	if o.HTTP == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = o.Workers
		o.HTTP = &http.Client{Transport: transport, Timeout: time.Minute}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = Sleep
	}
	c, err := newClient(o)
	if err != nil {
		return nil, err
	}
	r := &run{store: s, c: c, o: o, state: state{Version: 1, Direction: direction, URL: o.URL, Store: o.Store}}
	return r, r.state.load(o.State)
}

// all goes through the phases, from where the state says on.
func (r *run) all(ctx context.Context, phases []phase) (Report, error) {
	if r.o.UsersOnly {
		phases = slices.DeleteFunc(phases, func(p phase) bool { return p.name == "friends" || p.name == "blocks" })
	}
	phases = append(phases, phase{name: "done"})
	at := 0
	if r.state.Phase != "" {
		at = slices.IndexFunc(phases, func(p phase) bool { return p.name == r.state.Phase })
	}
	if at < 0 {
		return r.report(), ErrState
	}
	for phases[at].step != nil {
		r.state.Phase, r.page = phases[at].name, Report{}
		next, err := phases[at].step(ctx, r.state.Position)
		if err != nil {
			return r.report(), fmt.Errorf("%s: %w", r.state.Phase, err)
		}
		if next == "" {
			at++
			r.lastRow = ""
		}
		r.state.Phase, r.state.Position = phases[at].name, next
		r.state.Report.add(r.page)
		if err := r.state.save(r.o.State); err != nil {
			return r.report(), err
		}
		if r.o.Progress != nil {
			r.o.Progress(r.report())
		}
	}
	if r.o.State == "" {
		return r.report(), nil
	}
	return r.report(), os.Remove(r.o.State)
}

func (r *run) report() Report {
	rep := r.state.Report
	rep.Phase = r.state.Phase
	rep.Requests, rep.Again = int(r.c.requests.Load()), int(r.c.again.Load())
	return rep
}

// count adds to what the page under way has brought.
func (r *run) count(d Report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.page.add(d)
}

// skip notes why something could not be moved, if that is what err says. Any other error is given back.
func (r *run) skip(id string, err error) error {
	var refusal *Refusal
	if errors.As(err, &refusal) && refusal.Class == Skip {
		r.skipped(id, err.Error())
		return nil
	}
	return err
}

func (r *run) skipped(id, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.page.Skipped++
	if r.o.Skipped != nil {
		r.o.Skipped(Skipped{Phase: r.state.Phase, ID: id, Reason: reason})
	}
}

// refused tells whether err is the service's refusal with this code.
func refused(err error, code string) bool {
	var refusal *Refusal
	return errors.As(err, &refusal) && refusal.Code == code
}

// parallel calls do for every item, some at a time, until one fails.
func parallel[T any](ctx context.Context, workers int, items []T, do func(context.Context, T) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan T)
	var wg sync.WaitGroup
	for range min(workers, len(items)) {
		wg.Go(func() {
			for item := range queue {
				if ctx.Err() != nil {
					continue // empty the queue
				}
				if err := do(ctx, item); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, item := range items {
		queue <- item
	}
	close(queue)
	wg.Wait()
	return context.Cause(ctx)
}
