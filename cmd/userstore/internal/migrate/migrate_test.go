package migrate

import (
	"context"
	"math/rand/v2"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
	"github.com/seed-3546c6b2/userstore/cometchat"
)

// direction is a way to migrate, with the source filled and the target empty.
type direction struct {
	name  string
	move  func(context.Context, *userstore.Store, Options) (Report, error)
	times bool // of the source are kept
}

var directions = []direction{{"pull", Pull, true}, {"push", Push, false}}

// sides gives the store at the tool's side, and source and target.
func (d direction) sides(t testing.TB, w *world, users int) (here, from, to *userstore.Store) {
	here = newStore(t, w)
	if from, to = w.store, here; d.name == "push" {
		from, to = here, w.store
	}
	populate(t, from, users)
	return here, from, to
}

func (d direction) equal(t testing.TB, from, to *userstore.Store) {
	t.Helper()
	require.Equal(t, lines(snapshot(t, from, d.times)), lines(snapshot(t, to, d.times)))
}

func TestBothSidesAreEqual(t *testing.T) {
	for _, d := range directions {
		t.Run(d.name, func(t *testing.T) {
			w := newWorld(t, cometchat.Options{})
			here, from, to := d.sides(t, w, 110)
			o := w.options(t)
			var last Report
			o.Progress = func(r Report) { last = r }
			o.Skipped = func(s Skipped) { t.Errorf("skipped %+v", s) }
			got, err := d.move(t.Context(), here, o)
			require.NoError(t, err)
			d.equal(t, from, to)
			require.Equal(t, last, got)
			require.Equal(t, "done", got.Phase)
			require.Equal(t, 110, got.Users)
			require.Equal(t, 3, got.Roles)
			require.NoFileExists(t, o.State)

			// Once more changes nothing, and what changes at the source is brought over.
			_, err = from.Update(t.Context(), "u001", func(u *userstore.User) error {
				u.Name, u.Tags, u.Metadata, u.Avatar = "Changed", nil, nil, ""
				return nil
			})
			require.NoError(t, err)
			_, err = from.Deactivate(t.Context(), "u004")
			require.NoError(t, err)
			_, err = from.UpdateRole(t.Context(), "manager", func(r *userstore.Role) error {
				r.Description, r.Metadata = "", nil
				return nil
			})
			require.NoError(t, err)
			o.Skipped = nil
			_, err = d.move(t.Context(), here, o)
			require.NoError(t, err)
			d.equal(t, from, to)
		})
	}
}

func TestBothSidesAreEqualAfterTrouble(t *testing.T) {
	for _, d := range directions {
		t.Run(d.name, func(t *testing.T) {
			w := newWorld(t, cometchat.Options{RateLimit: cometchat.RateLimit{Core: 300, Other: 500}})
			here, from, to := d.sides(t, w, 45)
			dice := rand.New(rand.NewPCG(1, 2))
			seen := map[trouble]int{}
			w.trouble = func(int, *http.Request) trouble {
				what := none
				if dice.IntN(3) == 0 {
					what = 1 + trouble(dice.IntN(int(tooMany)))
				}
				seen[what]++
				return what
			}
			o := w.options(t)
			o.Attempts = 20
			got, err := d.move(t.Context(), here, o)
			require.NoError(t, err)
			d.equal(t, from, to)
			require.Positive(t, got.Again)
			require.Len(t, seen, int(tooMany)+1, "every kind of trouble was met")
		})
	}
}

// TestGoesOn breaks a migration off at every some requests, in every way, and lets it go on.
func TestGoesOn(t *testing.T) {
	for _, d := range directions {
		t.Run(d.name, func(t *testing.T) {
			w := newWorld(t, cometchat.Options{})
			here, from, to := d.sides(t, w, 240)
			o := w.options(t)
			o.Attempts = 1
			runs := 0
			for broken := true; broken; runs++ {
				ctx, cancel := context.WithCancel(t.Context())
				left := 95 + 13*(runs%3)
				w.trouble = func(int, *http.Request) trouble {
					if left--; left > 0 {
						return none
					}
					if runs%2 == 0 {
						cancel()
						return none
					}
					return lost
				}
				_, err := d.move(ctx, here, o)
				cancel()
				if broken = err != nil; broken {
					require.FileExists(t, o.State)
				}
				require.Less(t, runs, 100, "it comes no further: %v", err)
			}
			require.Greater(t, runs, 3)
			d.equal(t, from, to)
			require.NoFileExists(t, o.State)
		})
	}
}

func TestUsersOnly(t *testing.T) {
	for _, d := range directions {
		w := newWorld(t, cometchat.Options{})
		here, _, to := d.sides(t, w, 10)
		o := w.options(t)
		o.UsersOnly, o.State = true, ""
		got, err := d.move(t.Context(), here, o)
		require.NoError(t, err)
		require.Equal(t, 10, got.Users)
		friends, err := to.Friends(t.Context(), "u001", userstore.Query{})
		require.NoError(t, err)
		require.Empty(t, friends.Users)
	}
}

// TestNobodyIsBroughtBack has a user who is deactivated at the target and active at the source.
func TestNobodyIsBroughtBack(t *testing.T) {
	for _, d := range directions {
		t.Run(d.name, func(t *testing.T) {
			w := newWorld(t, cometchat.Options{})
			here, from, to := d.sides(t, w, 5)
			_, err := to.Create(t.Context(), userstore.User{UID: "u000", Name: "Old"})
			require.NoError(t, err)
			_, err = to.Deactivate(t.Context(), "u000")
			require.NoError(t, err)
			var skipped []Skipped
			o := w.options(t)
			o.UsersOnly = true
			o.Skipped = func(s Skipped) { skipped = append(skipped, s) }
			got, err := d.move(t.Context(), here, o)
			require.NoError(t, err)
			require.Len(t, skipped, 1)
			require.Equal(t, "u000", skipped[0].ID)
			require.Contains(t, skipped[0].Reason, "is deactivated")
			require.Equal(t, 1, got.Skipped)
			_, err = to.Get(t.Context(), "u000")
			require.ErrorIs(t, err, userstore.ErrNotFound)
			_, err = from.Get(t.Context(), "u000")
			require.NoError(t, err)
		})
	}
}

func TestRateIsKept(t *testing.T) {
	w := newWorld(t, cometchat.Options{})
	here := newStore(t, w)
	populate(t, here, 50)
	o := w.options(t)
	o.PerMinute, o.Workers = 60, 3
	var mu = make(chan struct{}, 1)
	var times []time.Time
	w.trouble = func(int, *http.Request) trouble {
		mu <- struct{}{}
		times = append(times, w.now)
		<-mu
		return none
	}
	_, err := Push(t.Context(), here, o)
	require.NoError(t, err)
	require.Greater(t, len(times), 100)
	require.GreaterOrEqual(t, times[len(times)-1].Sub(times[0]), time.Duration(len(times)-1-o.Workers)*time.Second)
}

func TestState(t *testing.T) {
	w := newWorld(t, cometchat.Options{})
	here := newStore(t, w)
	good := `{"version":1,"direction":"push","url":"http://double/v3","store":"here","phase":"users","position":""}`
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"own":             {good, nil},
		"damaged":         {good[:40], ErrState},
		"other direction": {`{"version":1,"direction":"pull","url":"http://double/v3","store":"here","phase":"users"}`, ErrState},
		"other service":   {`{"version":1,"direction":"push","url":"http://other/v3","store":"here","phase":"users"}`, ErrState},
		"other store":     {`{"version":1,"direction":"push","url":"http://double/v3","store":"there","phase":"users"}`, ErrState},
		"newer":           {`{"version":2,"direction":"push","url":"http://double/v3","store":"here","phase":"users"}`, ErrState},
		"unknown phase":   {`{"version":1,"direction":"push","url":"http://double/v3","store":"here","phase":"x"}`, ErrState},
		"bad position": {`{"version":1,"direction":"push","url":"http://double/v3","store":"here","phase":"users","position":"x"}`,
			userstore.ErrInvalid},
		"done, but not removed": {`{"version":1,"direction":"push","url":"http://double/v3","store":"here","phase":"done"}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			o := w.options(t)
			require.NoError(t, os.WriteFile(o.State, []byte(c.text), 0o600))
			_, err := Push(t.Context(), here, o)
			require.ErrorIs(t, err, c.want)
		})
	}
	t.Run("bad position of a pull", func(t *testing.T) {
		o := w.options(t)
		require.NoError(t, os.WriteFile(o.State, []byte(`{"version":1,"direction":"pull","url":"http://double/v3","store":"here","phase":"users","position":"-1"}`), 0o600))
		_, err := Pull(t.Context(), here, o)
		require.ErrorIs(t, err, ErrState)
	})
	t.Run("nowhere to write it", func(t *testing.T) {
		o := w.options(t)
		o.State = t.TempDir() + "/no/such/dir"
		_, err := Push(t.Context(), here, o)
		require.ErrorIs(t, err, os.ErrNotExist)
	})
}

func FuzzState(f *testing.F) {
	f.Add([]byte(`{"version":1,"direction":"pull","url":"u","store":"s","phase":"users","position":"2","report":{"users":3}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		file := t.TempDir() + "/state"
		require.NoError(t, os.WriteFile(file, data, 0o600))
		s := state{Version: 1, Direction: "pull", URL: "u", Store: "s"}
		if s.load(file) != nil {
			return
		}
		require.NoError(t, s.save(file))
		again := state{Version: 1, Direction: "pull", URL: "u", Store: "s"}
		require.NoError(t, again.load(file))
		require.Equal(t, s, again)
	})
}
