package cometchat

import (
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/seed-3546c6b2/userstore"
)

// Handler is CometChat's REST API over a store. It is made by New and safe for use by many requests at once.
type Handler struct {
	store    *userstore.Store
	opts     Options
	log      *slog.Logger
	now      func() time.Time
	jwtKey   []byte
	journal  *Journal
	presence *presence // who is connected
	keys     *keyring
	notes    *tokenNotes
	roles    *roleNotes
	limiter  *limiter
	quota    sync.Mutex // makes counting and adding one step where a quota is set

	// ended is told when a user's tokens die: one of them, or all when token is empty. Added to before serving.
	ended []func(uid, token string)
	// closers run once, in Close. Added to before serving.
	closers []func() error
	closing sync.Once
}

// New returns a Handler over store, which stays the caller's to close. It fails on a nil store and on keys that are
// equal.
func New(store *userstore.Store, o Options) (*Handler, error) {
	if store == nil {
		return nil, errors.New("cometchat: no store")
	}
	if o.AuthKey != "" && o.AuthKey == o.APIKey {
		return nil, errors.New("cometchat: AuthKey and APIKey are the same key")
	}
	if o.Region == "" {
		o.Region = "us"
	}
	if o.AuthOnly == 0 {
		o.AuthOnly = AuthOnlyCreateUser | AuthOnlyUpdateUser | AuthOnlyCreateToken
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	h := &Handler{
		store: store, opts: o, log: o.Logger, now: o.Clock, jwtKey: make([]byte, 32),
		journal: newJournal(), notes: newTokenNotes(), roles: newRoleNotes(), limiter: newLimiter(o.RateLimit),
	}
	if _, err := io.ReadFull(rand.Reader, h.jwtKey); err != nil {
		return nil, err
	}
	h.keys = newKeyring(o, h.now())
	h.recall(o.State)
	for _, start := range starters {
		start(h)
	}
	return h, nil
}

// starters prepare a new Handler for parts that keep state of their own, such as the socket; their files append to it
// in init.
var starters []func(*Handler)

// Close ends what the handler has running: open sockets and subscriptions to the journal. It does not close the store.
// Later calls do nothing and return nil.
func (h *Handler) Close() error {
	var errs []error
	h.closing.Do(func() {
		for _, c := range h.closers {
			errs = append(errs, c())
		}
		h.journal.close()
	})
	return errors.Join(errs...)
}

// Journal returns the record of the last requests and their answers.
func (h *Handler) Journal() *Journal { return h.journal }
