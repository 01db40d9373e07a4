package userstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
	"github.com/seed-3546c6b2/userstore/internal/kv"
	"github.com/seed-3546c6b2/userstore/internal/kv/kvtest"
)

// TestModelUnderFaults runs the whole model on an engine that fails now and then, in each of the ways it can. Nobody may
// notice a conflict. A call that was refused is made again, and has to answer as if it were the first: so nothing of what
// was refused is there. One that ended uncertain is made again if it did not happen; if it did, what it did has to be
// found.
func TestModelUnderFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		cfg   kv.Config
		cache int
	}{
		{"memory", kv.Config{}, 1 << 20},
		{"disk, no cache", kv.Config{Dir: t.TempDir(), Small: true}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			seed := *modelSeed
			if seed == 0 {
				seed = rand.Uint64()
			}
			shares := map[kvtest.Call]float64{kvtest.Apply: 0.3, kvtest.Get: 0.01, kvtest.Value: 0.002, kvtest.Compact: 0.3}
			f := &faults{random: kvtest.RandomShares(seed, shares), tally: map[string]int{}}
			w, engine := faulty(t, c.cfg, c.cache, f.fail)
			w.dir = "" // not to be opened anew halfway
			d := &driver{t: t, gen: newGen(seed), world: w, faults: f}
			d.model = newModel(d.clock.Now)
			d.run(700, seed)
			t.Log(f.tally)
			for _, way := range []string{"conflict", "too large", "it did)", "it did not)", "input/output", "space"} {
				require.Contains(t, fmt.Sprint(slices.Collect(maps.Keys(f.tally))), way)
			}
			engine.Fail = nil
			if w.dir = c.cfg.Dir; w.dir == "" {
				return
			}
			d.faults = nil
			d.reopen(t)
			for _, p := range d.model.users {
				p.Status = userstore.Offline
			}
			d.audit()
		})
	}
}

// faults are those of a driver's engine.
type faults struct {
	random func(kvtest.Call) error
	paused atomic.Bool
	sure   atomic.Bool // no commit ends uncertain
	tally  map[string]int
}

func (f *faults) fail(c kvtest.Call) error {
	if f.paused.Load() {
		return nil
	}
	err := f.random(c)
	if err != nil && f.sure.Load() && errors.Is(err, kv.ErrUncertain) {
		err = syscall.EIO
	}
	if errors.Is(err, kv.ErrConflict) {
		f.tally[err.Error()]++
	}
	return err
}

// is tells whether an error is a fault, and counts it.
func (f *faults) is(err error) bool {
	for _, kind := range []error{syscall.EIO, syscall.ENOSPC, kv.ErrTooLarge, kvtest.ErrUncertainDone, kvtest.ErrUncertainLost} {
		if errors.Is(err, kind) {
			f.tally[kind.Error()]++
			return true
		}
	}
	return false
}

// calm keeps the engine from failing until end is called.
func (d *driver) calm() (end func()) {
	if d.faults == nil || d.faults.paused.Load() {
		return func() {}
	}
	d.faults.paused.Store(true)
	return func() { d.faults.paused.Store(false) }
}

// insist makes a call until it meets no fault. did finds what a call did that ended uncertain.
func insist[T any](d *driver, call, did func() (T, error)) (T, error) {
	d.t.Helper()
	for {
		got, err := call()
		switch {
		case d.faults == nil || err == nil || !d.faults.is(err):
			return got, err
		case errors.Is(err, kvtest.ErrUncertainDone):
			require.ErrorIs(d.t, err, kv.ErrUncertain)
			defer d.calm()()
			return did()
		}
	}
}

// ask insists on the answer of a call that writes nothing.
func ask[T any](d *driver, call func() (T, error)) (T, error) {
	return insist(d, call, func() (none T, err error) {
		require.Fail(d.t, "it wrote")
		return none, nil
	})
}

// order insists on a call without an answer.
func (d *driver) order(call func() error) error {
	_, err := insist(d, func() (struct{}, error) { return struct{}{}, call() }, func() (struct{}, error) { return struct{}{}, nil })
	return err
}

// forEach insists on a call for each of several uids: one call for all would not tell, where it failed, which are done.
func (d *driver) forEach(uids []string, call func(...string) (userstore.Outcome, error)) (total userstore.Outcome, err error) {
	if d.faults == nil || len(uids) == 0 {
		return ask(d, func() (userstore.Outcome, error) { return call(uids...) })
	}
	seen := map[string]bool{}
	for _, uid := range uids {
		if seen[fold(uid)] {
			continue
		}
		seen[fold(uid)] = true
		out, err := insist(d, func() (userstore.Outcome, error) {
			out, err := call(uid)
			if d.faults != nil && err != nil {
				require.Empty(d.t, out.Done)
			}
			return out, err
		}, func() (userstore.Outcome, error) { return userstore.Outcome{Done: []string{uid}}, nil })
		if err != nil {
			return total, err
		}
		total.Done, total.Already = append(total.Done, out.Done...), append(total.Already, out.Already...)
		total.NotFound, total.Refused = append(total.NotFound, out.NotFound...), append(total.Refused, out.Refused...)
	}
	return total, nil
}

// insistAll insists on all users of a sequence.
func insistAll(ctx context.Context, d *driver, l lister, q userstore.Query) iter.Seq2[userstore.User, error] {
	return func(yield func(userstore.User, error) bool) {
		users, err := ask(d, func() ([]userstore.User, error) { return collect(l.All(ctx, q)) })
		for _, u := range users {
			if !yield(u, nil) {
				return
			}
		}
		if err != nil {
			yield(userstore.User{}, err)
		}
	}
}

// The calls of a store, insisted on.

func (d *driver) Create(ctx context.Context, u userstore.User) (userstore.User, error) {
	return insist(d, func() (userstore.User, error) { return d.Store.Create(ctx, u) }, func() (userstore.User, error) { return d.Store.Get(ctx, u.UID) })
}

func (d *driver) Get(ctx context.Context, uid string) (userstore.User, error) {
	return ask(d, func() (userstore.User, error) { return d.Store.Get(ctx, uid) })
}

func (d *driver) Update(ctx context.Context, uid string, edit func(*userstore.User) error) (userstore.User, error) {
	return insist(d, func() (userstore.User, error) { return d.Store.Update(ctx, uid, edit) }, func() (userstore.User, error) { return d.Store.Get(ctx, uid) })
}

func (d *driver) Upsert(ctx context.Context, u userstore.User) (userstore.User, error) {
	return insist(d, func() (userstore.User, error) { return d.Store.Upsert(ctx, u) }, func() (userstore.User, error) { return d.Store.Get(ctx, u.UID) })
}

func (d *driver) Deactivate(ctx context.Context, uids ...string) (userstore.Outcome, error) {
	return d.forEach(uids, func(uids ...string) (userstore.Outcome, error) { return d.Store.Deactivate(ctx, uids...) })
}

func (d *driver) Reactivate(ctx context.Context, uids ...string) (userstore.Outcome, error) {
	return d.forEach(uids, func(uids ...string) (userstore.Outcome, error) { return d.Store.Reactivate(ctx, uids...) })
}

func (d *driver) AddFriends(ctx context.Context, uid string, uids ...string) (userstore.Outcome, error) {
	return d.forEach(uids, func(uids ...string) (userstore.Outcome, error) { return d.Store.AddFriends(ctx, uid, uids...) })
}

func (d *driver) RemoveFriends(ctx context.Context, uid string, uids ...string) (userstore.Outcome, error) {
	return d.forEach(uids, func(uids ...string) (userstore.Outcome, error) { return d.Store.RemoveFriends(ctx, uid, uids...) })
}

func (d *driver) Delete(ctx context.Context, uid string) error {
	return d.order(func() error { return d.Store.Delete(ctx, uid) })
}

func (d *driver) SetStatus(ctx context.Context, uid string, status userstore.Status) error {
	return d.order(func() error { return d.Store.SetStatus(ctx, uid, status) })
}

func (d *driver) CreateRole(ctx context.Context, r userstore.Role) (userstore.Role, error) {
	return insist(d, func() (userstore.Role, error) { return d.Store.CreateRole(ctx, r) }, func() (userstore.Role, error) { return d.Store.Role(ctx, r.ID) })
}

func (d *driver) DeleteRole(ctx context.Context, id string) error {
	return d.order(func() error { return d.Store.DeleteRole(ctx, id) })
}

func (d *driver) Roles(ctx context.Context) ([]userstore.Role, error) {
	return ask(d, func() ([]userstore.Role, error) { return d.Store.Roles(ctx) })
}

func (d *driver) Friends(ctx context.Context, uid string, q userstore.Query) (userstore.Page, error) {
	return ask(d, func() (userstore.Page, error) { return d.Store.Friends(ctx, uid, q) })
}

func (d *driver) List(ctx context.Context, q userstore.Query) (userstore.Page, error) {
	return ask(d, func() (userstore.Page, error) { return d.Store.List(ctx, q) })
}

func (d *driver) All(ctx context.Context, q userstore.Query) iter.Seq2[userstore.User, error] {
	return insistAll(ctx, d, d.Store, q)
}

func (d *driver) Count(ctx context.Context, q userstore.Query) (int, error) {
	return ask(d, func() (int, error) { return d.Store.Count(ctx, q) })
}

func (d *driver) IssueToken(ctx context.Context, uid string) (userstore.Token, error) {
	return insist(d, func() (userstore.Token, error) { return d.Store.IssueToken(ctx, uid) }, func() (userstore.Token, error) {
		tokens, err := d.Store.Tokens(ctx, uid)
		require.NotEmpty(d.t, tokens)
		return tokens[len(tokens)-1], err
	})
}

func (d *driver) Tokens(ctx context.Context, uid string) ([]userstore.Token, error) {
	return ask(d, func() ([]userstore.Token, error) { return d.Store.Tokens(ctx, uid) })
}

func (d *driver) RevokeToken(ctx context.Context, uid, token string) error {
	return d.order(func() error { return d.Store.RevokeToken(ctx, uid, token) })
}

func (d *driver) RevokeTokens(ctx context.Context, uid string) (int, error) {
	before, _ := d.Tokens(ctx, uid)
	return insist(d, func() (int, error) { return d.Store.RevokeTokens(ctx, uid) }, func() (int, error) { return len(before), nil })
}

func (d *driver) Verify(ctx context.Context) (userstore.VerifyReport, error) {
	return ask(d, func() (userstore.VerifyReport, error) { return d.Store.Verify(ctx) })
}

func (d *driver) Compact(ctx context.Context) error {
	return d.order(func() error { return d.Store.Compact(ctx) })
}

func (d *driver) Backup(ctx context.Context, w io.Writer) error {
	var b bytes.Buffer
	if err := d.order(func() error { b.Reset(); return d.Store.Backup(ctx, &b) }); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

// Import goes on where the report says that it broke off.
func (d *driver) Import(ctx context.Context, r io.Reader, opts userstore.ImportOptions) (total userstore.ImportReport, err error) {
	if d.faults == nil {
		return d.Store.Import(ctx, r, opts)
	}
	d.faults.sure.Store(true)
	defer d.faults.sure.Store(false)
	lines := slices.Collect(strings.Lines(string(must(io.ReadAll(r))(d.t))))
	for {
		report, err := d.Store.Import(ctx, strings.NewReader(strings.Join(lines[total.Read:], "")), opts)
		total.Read, total.Created, total.Updated = total.Read+report.Read, total.Created+report.Created, total.Updated+report.Updated
		total.Skipped, total.Failed, total.Errors = total.Skipped+report.Skipped, total.Failed+report.Failed, append(total.Errors, report.Errors...)
		if err == nil || !d.faults.is(err) {
			return total, err
		}
	}
}

func (d *driver) Login(ctx context.Context, uid string) (*userstore.Session, error) {
	return ask(d, func() (*userstore.Session, error) { return d.Store.Login(ctx, uid) })
}

func (d *driver) LoginWithToken(ctx context.Context, token string) (*userstore.Session, error) {
	return ask(d, func() (*userstore.Session, error) { return d.Store.LoginWithToken(ctx, token) })
}

// insistent is a session whose calls are insisted on.
type insistent struct {
	*userstore.Session
	d *driver
}

func (in insistent) User(ctx context.Context) (userstore.User, error) {
	return ask(in.d, func() (userstore.User, error) { return in.Session.User(ctx) })
}

func (in insistent) Update(ctx context.Context, edit func(*userstore.User) error) (userstore.User, error) {
	return insist(in.d, func() (userstore.User, error) { return in.Session.Update(ctx, edit) }, func() (userstore.User, error) { return in.Session.User(ctx) })
}

func (in insistent) Get(ctx context.Context, uid string) (userstore.User, error) {
	return ask(in.d, func() (userstore.User, error) { return in.Session.Get(ctx, uid) })
}

func (in insistent) List(ctx context.Context, q userstore.Query) (userstore.Page, error) {
	return ask(in.d, func() (userstore.Page, error) { return in.Session.List(ctx, q) })
}

func (in insistent) All(ctx context.Context, q userstore.Query) iter.Seq2[userstore.User, error] {
	return insistAll(ctx, in.d, in.Session, q)
}

func (in insistent) Count(ctx context.Context, q userstore.Query) (int, error) {
	return ask(in.d, func() (int, error) { return in.Session.Count(ctx, q) })
}

func (in insistent) Block(ctx context.Context, uids ...string) (userstore.Outcome, error) {
	return in.d.forEach(uids, func(uids ...string) (userstore.Outcome, error) { return in.Session.Block(ctx, uids...) })
}

func (in insistent) Unblock(ctx context.Context, uids ...string) (userstore.Outcome, error) {
	return in.d.forEach(uids, func(uids ...string) (userstore.Outcome, error) { return in.Session.Unblock(ctx, uids...) })
}

func (in insistent) Blocked(ctx context.Context, q userstore.BlockQuery) (userstore.Page, error) {
	return ask(in.d, func() (userstore.Page, error) { return in.Session.Blocked(ctx, q) })
}

func (in insistent) BlockedAt(ctx context.Context, uid string) (time.Time, error) {
	return ask(in.d, func() (time.Time, error) { return in.Session.BlockedAt(ctx, uid) })
}

// Logout that ended uncertain has taken the token away, so the session is over in any case.
func (in insistent) Logout(ctx context.Context) error {
	return in.d.order(func() error { return in.Session.Logout(ctx) })
}
