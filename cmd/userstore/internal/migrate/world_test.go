package migrate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
	"github.com/seed-3546c6b2/userstore/cometchat"
)

// trouble is what befalls a request.
type trouble int

const (
	none    trouble = iota
	dropped         // never arrives
	lost            // is carried out, but the answer does not arrive
	cut             // is carried out, but the answer is cut
	webPage         // a proxy answers with a web page
	fault           // the service fails
	tooMany         // the service is asked too much
)

// world is a double, the way to it, and a clock that only sleeping moves.
type world struct {
	t       testing.TB
	store   *userstore.Store // of the double
	handler http.Handler
	trouble func(n int, r *http.Request) trouble // of the nth request, from 1; nil = none ever

	mu  sync.Mutex
	now time.Time
	n   int
}

var begin = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

func newWorld(t testing.TB, o cometchat.Options) *world {
	w := &world{t: t, now: begin}
	w.store = newStore(t, w)
	o.APIKey, o.AuthKey, o.Clock = "rest", "auth", w.Now
	h, err := cometchat.New(w.store, o)
	require.NoError(t, err)
	t.Cleanup(func() { h.Close() })
	w.handler = h
	return w
}

func newStore(t testing.TB, w *world) *userstore.Store {
	s, err := userstore.OpenInMemory(userstore.WithClock(w.Now))
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func (w *world) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) Sleep(ctx context.Context, d time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
	return ctx.Err()
}

// options are those of a migration with this world; requests go straight into the handler.
func (w *world) options(t testing.TB) Options {
	return Options{
		URL: "http://double/v3", Key: "rest", Store: "here", State: filepath.Join(t.TempDir(), "state.json"),
		HTTP: &http.Client{Transport: w}, Now: w.Now, Sleep: w.Sleep,
	}
}

// RoundTrip is the way to the double.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.n++
	what := none
	if w.trouble != nil {
		what = w.trouble(w.n, r)
	}
	w.mu.Unlock()
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	answer := httptest.NewRecorder()
	switch what {
	case dropped:
		return nil, errors.New("connection refused")
	case webPage:
		answer.WriteString("<html>hello</html>")
	case fault:
		answer.WriteHeader(http.StatusBadGateway)
	case tooMany:
		answer.Header().Set("Retry-After", "7")
		answer.WriteHeader(http.StatusTooManyRequests)
		answer.WriteString(`{"error":{"code":"ERR_TOO_MANY_REQUESTS"}}`)
	default:
		in := httptest.NewRequest(r.Method, r.URL.String(), r.Body).WithContext(r.Context())
		in.Header = r.Header
		w.handler.ServeHTTP(answer, in)
		if what == lost {
			return nil, io.ErrUnexpectedEOF
		}
		if what == cut {
			resp := answer.Result()
			resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(answer.Body.Bytes()[:answer.Body.Len()/2]), iotest.ErrReader(io.ErrUnexpectedEOF)))
			return resp, nil
		}
	}
	return answer.Result(), nil
}

// populate fills a store with users of every kind.
func populate(t testing.TB, s *userstore.Store, users int) {
	ctx := t.Context()
	for _, r := range []userstore.Role{
		{ID: "manager", Name: "Manager", Description: "Runs a branch", Metadata: json.RawMessage(`{"level":2}`)}, {ID: "bare", Name: "Bare"},
	} {
		_, err := s.CreateRole(ctx, r)
		require.NoError(t, err)
	}
	uid := func(i int) string { return fmt.Sprintf("u%03d", i) }
	for i := range users {
		u := userstore.User{UID: uid(i), Name: fmt.Sprintf("User <%d> Å", users-i), Role: []string{"", "manager", "bare"}[i%3]}
		if i%2 == 0 {
			u.Avatar, u.Link = "https://example.com/a.png?x=1&y=2", "https://example.com/"
			u.Tags = []string{"even", "tag, with comma", fmt.Sprintf("t%d", i%7)}
		}
		if i%5 == 0 {
			u.StatusMessage, u.Metadata = "on two\nlines", json.RawMessage(`{"@private":{"email":"a@example.com"},"n":1.50}`)
		}
		_, err := s.Create(ctx, u)
		require.NoError(t, err)
	}
	for i := range min(users, 50) {
		_, err := s.AddFriends(ctx, uid(i), uid((i+1)%users), uid((i+30)%users))
		require.NoError(t, err)
		session, err := s.Login(ctx, uid(i))
		require.NoError(t, err)
		_, err = session.Block(ctx, uid((i+2)%users), uid((i+31)%users))
		require.NoError(t, err)
	}
	for i := 3; i < users; i += 10 {
		_, err := s.Deactivate(ctx, uid(i))
		require.NoError(t, err)
	}
}

// snapshot is all that a migration moves, as text. Times are part of it only if asked for: the service gives its own.
func snapshot(t testing.TB, s *userstore.Store, times bool) string {
	ctx := t.Context()
	var b bytes.Buffer
	roles, err := s.Roles(ctx)
	require.NoError(t, err)
	for _, r := range roles {
		fmt.Fprintf(&b, "role %s %s %s %s\n", r.ID, r.Name, r.Description, r.Metadata)
	}
	for u, err := range s.All(ctx, userstore.Query{Sort: userstore.SortUID, Deactivated: userstore.DeactivatedInclude}) {
		require.NoError(t, err)
		active := u.DeactivatedAt.IsZero()
		if !times {
			u.CreatedAt, u.UpdatedAt, u.LastActiveAt, u.DeactivatedAt = time.Time{}, time.Time{}, time.Time{}, time.Time{}
		}
		line, err := json.Marshal(u)
		require.NoError(t, err)
		fmt.Fprintf(&b, "user %s active=%t\n", line, active)
		if !active {
			continue
		}
		friends, err := s.Friends(ctx, u.UID, userstore.Query{Sort: userstore.SortUID, Limit: 1000})
		require.NoError(t, err)
		session, err := s.Login(ctx, u.UID)
		require.NoError(t, err)
		blocked, err := session.Blocked(ctx, userstore.BlockQuery{Direction: userstore.BlockedByMe, Limit: 1000})
		require.NoError(t, err)
		fmt.Fprintf(&b, "  friends %v\n  blocks %v\n", uidsOf(friends), uidsOf(blocked))
	}
	return b.String()
}

func uidsOf(p userstore.Page) []string {
	uids := []string{}
	for _, u := range p.Users {
		uids = append(uids, u.UID)
	}
	return uids
}

// lines is a snapshot's, for a diff that can be read.
func lines(s string) []string { return strings.Split(s, "\n") }

func ptr[T any](v T) *T { return &v }
