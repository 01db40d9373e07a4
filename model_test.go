package userstore_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

var (
	modelSeed = flag.Uint64("model.seed", 0, "seed of TestModel; 0 makes one up")
	modelOps  = flag.Int("model.ops", 10_000, "operations of TestModel, all profiles together; -short does a tenth")
)

// TestModel does the same random operations to a store and to a plain map, and holds every answer of the one against the
// other's. A failure prints the seed that repeats it.
func TestModel(t *testing.T) {
	seed, ops := *modelSeed, *modelOps
	if seed == 0 {
		seed = rand.Uint64()
	}
	if testing.Short() {
		ops /= 10
	}
	key := userstore.WithEncryptionKey([]byte("0123456789abcdef"))
	profiles := []struct {
		name string
		open func(testing.TB, ...userstore.Option) *world
		opts []userstore.Option
	}{
		{"memory", memory, nil},
		{"disk", disk, nil},
		{"disk, encrypted, edge", disk, []userstore.Option{key, userstore.WithProfile(userstore.ProfileEdge)}},
		{"disk, small cache", disk, []userstore.Option{userstore.WithCache(4 << 10)}},
		{"disk, no cache", disk, []userstore.Option{userstore.WithCache(0)}},
	}
	for i, p := range profiles {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			d := &driver{t: t, gen: newGen(seed + uint64(i)), world: p.open(t, p.opts...)}
			d.model = newModel(d.clock.Now)
			d.run(ops/len(profiles), seed)
		})
	}
}

// driver does to both what it makes up.
type driver struct {
	gen
	*world
	t      *testing.T
	model  *model
	logins []*visitor
	log    []string
	faults *faults // of the engine; nil if it has none
}

// visitor is a session in both worlds.
type visitor struct {
	real  insistent
	who   *person
	token string // empty: logged in by uid
	out   bool
}

func (d *driver) run(ops int, seed uint64) {
	defer func() {
		if d.t.Failed() {
			d.t.Logf("repeat with -run %s -model.seed %d -model.ops %d; the last operations were %q", d.t.Name(), seed, *modelOps, d.log)
		}
	}()
	total := 0
	for _, op := range operations {
		total += op.weight
	}
	for range ops {
		d.clock.tick(time.Duration(d.IntN(3)) * 700 * time.Millisecond)
		n := d.IntN(total)
		for _, op := range operations {
			if n -= op.weight; n < 0 {
				d.note("%s", op.name)
				op.run(d)
				break
			}
		}
	}
	d.audit()
}

// note keeps what was done last, for a failure to tell.
func (d *driver) note(format string, args ...any) {
	d.log = append(d.log, fmt.Sprintf(format, args...))
	d.log = d.log[max(0, len(d.log)-12):]
}

var errOops = errors.New("oops")

// agree demands that both failed alike or not at all, and tells whether they succeeded. The model may name several
// errors of which any is right.
func (d *driver) agree(want, got error) bool {
	d.t.Helper()
	if want == nil {
		require.NoError(d.t, got)
		return true
	}
	for _, kind := range []error{errOops, userstore.ErrNotFound, userstore.ErrExists, userstore.ErrInvalid, userstore.ErrNotEditable, userstore.ErrInUse,
		userstore.ErrVersion, userstore.ErrLoggedOut} {
		if errors.Is(want, kind) && errors.Is(got, kind) {
			return false
		}
	}
	require.Failf(d.t, "another error", "want %v, got %v", want, got)
	return false
}

// sameUser compares a user and an error of both.
func (d *driver) sameUser(want userstore.User, wantErr error, got userstore.User, gotErr error) {
	d.t.Helper()
	if d.agree(wantErr, gotErr) {
		require.Equal(d.t, plain(want), plain(got))
	}
}

// sameUsers compares lists by what they hold.
func (d *driver) sameUsers(want, got []userstore.User) {
	d.t.Helper()
	require.Equal(d.t, uids(want), uids(got))
	for i := range want {
		require.Equal(d.t, plain(want[i]), plain(got[i]))
	}
}

// sameAnswer compares what List, All and Count make of a query.
func (d *driver) sameAnswer(l lister, q userstore.Query, want []userstore.User, wantErr error) {
	d.t.Helper()
	d.note("%+v", q)
	got, err := collect(l.All(bg, q))
	n, countErr := l.Count(bg, q)
	page, listErr := l.List(bg, q)
	if d.agree(wantErr, err) {
		require.NoError(d.t, errors.Join(countErr, listErr))
		d.sameUsers(want, got)
		require.Equal(d.t, len(want), n, "Count")
		d.sameUsers(want[:min(len(want), len(page.Users))], page.Users)
		if page.Next != "" {
			require.Equal(d.t, uids(want), uids(paged(d.t, q, l.List)))
		}
	} else {
		d.agree(wantErr, countErr)
		d.agree(wantErr, listErr)
	}
}

// audit compares everything there is.
func (d *driver) audit() {
	defer d.calm()() // it reads so much that a fault would always come
	t, everybody := d.t, userstore.Query{Deactivated: userstore.DeactivatedInclude, Sort: userstore.SortUID}
	want, err := d.model.find(everybody, nil, nil)
	d.sameAnswer(d, everybody, want, err)
	for _, u := range want {
		p := d.model.users[u.UID]
		if !u.DeactivatedAt.IsZero() {
			continue
		}
		friends, _ := d.model.find(userstore.Query{}, nil, p)
		d.sameUsers(friends, must(d.Friends(bg, u.UID, userstore.Query{}))(t).Users)
		var tokens []string
		for _, token := range must(d.Tokens(bg, u.UID))(t) {
			tokens = append(tokens, token.Token)
		}
		require.Equal(t, p.tokens, tokens)
		d.sameUsers(d.model.blocked(p, userstore.BlockQuery{}), must(must(d.Login(bg, u.UID))(t).Blocked(bg, userstore.BlockQuery{}))(t).Users)
	}
	var roles []string
	for role := range d.model.roles {
		roles = append(roles, role)
	}
	slices.Sort(roles)
	require.Equal(t, roles, roleIDs(must(d.Roles(bg))(t)))
	report := must(d.Verify(bg))(t)
	require.True(t, report.OK(), "%+v", report.Problems)
	require.Equal(t, len(d.model.users), report.Users)
}
