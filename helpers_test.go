package userstore_test

import (
	"context"
	"errors"
	"iter"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

var bg = context.Background()

// clock stands still until it is told to go on.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock {
	return &clock{now: time.Date(2026, 3, 14, 15, 9, 26, 535897932, time.UTC)}
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// tick moves the clock by d, which may be negative, and gives the time it then shows.
func (c *clock) tick(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return c.now
}

// world is a store under test with its clock and, on disk, its directory.
type world struct {
	*userstore.Store
	clock *clock
	dir   string // empty in memory
	opts  []userstore.Option
}

// memory opens a store in memory that is closed when the test ends.
func memory(t testing.TB, opts ...userstore.Option) *world {
	w := &world{clock: newClock(), opts: opts}
	w.open(t)
	return w
}

// disk opens a store in a directory of its own. It does not wait for the disk: no test here cuts the power.
func disk(t testing.TB, opts ...userstore.Option) *world {
	w := &world{clock: newClock(), dir: t.TempDir(), opts: opts}
	w.open(t)
	return w
}

func (w *world) open(t testing.TB) {
	t.Helper()
	opts := append([]userstore.Option{userstore.WithClock(w.clock.Now), userstore.WithSync(false)}, w.opts...)
	var err error
	if w.dir == "" {
		w.Store, err = userstore.OpenInMemory(opts...)
	} else {
		w.Store, err = userstore.Open(w.dir, opts...)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Close()) })
}

// reopen closes a store on disk and opens it again.
func (w *world) reopen(t testing.TB) {
	t.Helper()
	require.NoError(t, w.Close())
	w.open(t)
}

// wipe deletes every user and every role but the default one.
func (w *world) wipe(t testing.TB) {
	t.Helper()
	for u, err := range w.All(bg, userstore.Query{Deactivated: userstore.DeactivatedInclude}) {
		require.NoError(t, err)
		require.NoError(t, w.Delete(bg, u.UID))
	}
	for _, role := range must(w.Roles(bg))(t) {
		if role.ID != "default" {
			require.NoError(t, w.DeleteRole(bg, role.ID))
		}
	}
}

// add creates users named by their uid.
func (w *world) add(t testing.TB, uids ...string) {
	t.Helper()
	for _, uid := range uids {
		must(w.Create(bg, userstore.User{UID: uid, Name: uid}))(t)
	}
}

// roles creates roles named by their id.
func (w *world) roles(t testing.TB, ids ...string) {
	t.Helper()
	for _, id := range ids {
		must(w.CreateRole(bg, userstore.Role{ID: id, Name: id}))(t)
	}
}

// sentence is one sentence of the rules, with the test of it.
type sentence struct {
	rule string
	test func(t *testing.T, w *world)
}

// hold tests sentences on a store in memory and on one on disk; each begins with no users.
func hold(t *testing.T, sentences []sentence) {
	for _, engine := range []struct {
		name string
		open func(testing.TB, ...userstore.Option) *world
	}{{"memory", memory}, {"disk", disk}} {
		t.Run(engine.name, func(t *testing.T) {
			t.Parallel()
			w := engine.open(t)
			for _, s := range sentences {
				t.Run(s.rule, func(t *testing.T) {
					w.wipe(t)
					s.test(t, w)
				})
			}
			sound(t, w.Store)
		})
	}
}

// sound demands that every index entry of the store agrees with its record.
func sound(t testing.TB, s *userstore.Store) {
	t.Helper()
	report := must(s.Verify(bg))(t)
	require.True(t, report.OK(), "%+v", report.Problems)
}

// must lets a call that has to succeed stand in an expression: must(s.Get(bg, "ada"))(t).
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		require.NoError(t, err)
		return v
	}
}

// fails gives the error of a call whose value is of no interest.
func fails[T any](_ T, err error) error { return err }

// refused demands a *FieldError of this field that matches this sentinel and not the other one.
func refused(t testing.TB, err error, field userstore.Field, sentinel error) *userstore.FieldError {
	t.Helper()
	var refusal *userstore.FieldError
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, field, refusal.Field)
	require.NotEmpty(t, refusal.Rule)
	require.ErrorIs(t, err, sentinel)
	other := userstore.ErrInvalid
	if errors.Is(sentinel, userstore.ErrInvalid) {
		other = userstore.ErrNotEditable
	}
	require.NotErrorIs(t, err, other)
	return refusal
}

// lister is what a Store and a Session have in common.
type lister interface {
	List(context.Context, userstore.Query) (userstore.Page, error)
	All(context.Context, userstore.Query) iter.Seq2[userstore.User, error]
	Count(context.Context, userstore.Query) (int, error)
}

// collect drains a sequence, and ends at its first error.
func collect(seq iter.Seq2[userstore.User, error]) (users []userstore.User, err error) {
	for u, err := range seq {
		if err != nil {
			return users, err
		}
		users = append(users, u)
	}
	return users, nil
}

// all is every user a query yields.
func all(t testing.TB, l lister, q userstore.Query) []userstore.User {
	t.Helper()
	return must(collect(l.All(bg, q)))(t)
}

// found is the uids a query yields, in its order.
func found(t testing.TB, l lister, q userstore.Query) []string {
	t.Helper()
	return uids(all(t, l, q))
}

// paged is every user a query yields, fetched page by page.
func paged(t testing.TB, q userstore.Query, list func(context.Context, userstore.Query) (userstore.Page, error)) []userstore.User {
	t.Helper()
	var users []userstore.User
	for {
		page := must(list(bg, q))(t)
		users = append(users, page.Users...)
		if page.Next == "" {
			return users
		}
		require.NotEqual(t, q.Cursor, page.Next, "the cursor does not move")
		q.Cursor = page.Next
	}
}

func uids(users []userstore.User) []string {
	list := make([]string, len(users))
	for i := range users {
		list[i] = users[i].UID
	}
	return list
}

// plain makes two users comparable: no tags is nil.
func plain(u userstore.User) userstore.User {
	if len(u.Tags) == 0 {
		u.Tags = nil
	}
	if len(u.Metadata) == 0 {
		u.Metadata = nil
	}
	return u
}

// ptr is the address of a value, for a Patch.
func ptr[T any](v T) *T { return &v }

// nothing is an edit that leaves the user as it is.
func nothing(*userstore.User) error { return nil }

// rename is an edit that sets the name.
func rename(name string) func(*userstore.User) error {
	return func(u *userstore.User) error {
		u.Name = name
		return nil
	}
}

// atRest tells whether Badger has nothing to do that makes files or takes them away: one log, too few tables to be merged,
// and no files of other tables.
func atRest(s *userstore.Store, dir string) (bool, error) {
	stats, err := s.Stats(bg)
	if err != nil {
		return false, err
	}
	tables := 0
	for _, level := range stats.Levels {
		tables += level.Tables
	}
	logs, err := filepath.Glob(filepath.Join(dir, "*.mem"))
	if err != nil {
		return false, err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	return len(logs) == 1 && len(files) == tables && stats.Levels[0].Tables < 4, err
}
