package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPlan(t *testing.T) {
	var p Plan
	p.Reps, p.Length = 1, time.Second
	require.NoError(t, p.choose("0,5000,0", "bbolt,"+us))
	require.Equal(t, Plan{Main: 5000, Reps: 1, Length: time.Second, Contenders: p.Contenders}, p)
	require.Len(t, p.Contenders, 2)
	for sizes, peers := range map[string]string{"1,2": "", "0,0,0": "", "0,100,0": "", "0,x,0": "", "0,5000,-1": "", "0,9999,0": "nobody",
		"5000,5000,0": "", "0,5000,5000": "", "6000,5000,6000": ""} {
		require.Error(t, p.choose(sizes, peers), "%s %s", sizes, peers)
	}
	p.Rows = "("
	require.Error(t, p.choose("0,5000,0", ""))
}

func TestWhoTakesPart(t *testing.T) {
	p := Plan{Small: 1, Main: 2, Large: 3}
	runs := func(name, phase string, users, rep int) bool {
		c, ok := contender(name)
		require.True(t, ok)
		return p.runs(c, phase, users, rep)
	}
	require.True(t, runs("bbolt", phaseWrite, p.Main, 2))
	require.False(t, runs("bbolt", phaseWrite, p.Large, 0))
	require.True(t, runs("bbolt", phaseLoad, p.Large, 0))
	require.False(t, runs("bbolt", phaseLoad, p.Large, 1), "the large size is loaded once")
	require.True(t, runs("bbolt", phaseRead, p.Large, 1))
	require.False(t, runs("memdb", phaseLoad, p.Main, 0), "loaded where it is read")
	require.False(t, runs("memdb", phaseWrite, p.Main, 0), "nothing is durable")
	require.True(t, runs("memdb", phaseNoSync, p.Main, 0))
	require.True(t, runs("memdb", phaseRead, p.Small, 0))
	require.False(t, runs("memdb", phaseRead, p.Large, 0), "it would need gigabytes")
	require.False(t, runs("badgerhold", phaseLoad, p.Large, 0))
	require.True(t, runs("edge", phaseServe, p.Main, 0))
	require.False(t, runs("edge", phaseRead, p.Main, 0))
	require.True(t, runs("uncached", phaseRead, p.Large, 0))
	require.False(t, runs("uncached", phaseServe, p.Large, 0))
	p.Rows = "^count"
	require.False(t, runs("bbolt", phaseWrite, p.Main, 0), "nothing of it is asked for")
	require.True(t, runs("bbolt", phaseRead, p.Main, 0))
}

// TestEveryRowIsMeasured runs every phase of every contender, as the child process would, and looks for its rows. Those
// that take few users because they are slow are left out; the code is the same for all.
func TestEveryRowIsMeasured(t *testing.T) {
	const users = 1300
	p := Plan{Main: users}
	for _, c := range contenders {
		if c.Most > 0 {
			continue
		}
		t.Run(c.Key, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			measured := map[string]float64{}
			for _, phase := range phases {
				if !p.runs(c, phase, users, 0) {
					continue
				}
				var said bytes.Buffer
				err := child([]string{"-peer", c.Key, "-phase", phase, "-users", strconv.Itoa(users), "-dir", dir, "-length", "2ms", "-seed", "1"}, &said)
				require.NoError(t, err, phase)
				require.NoError(t, json.Unmarshal(said.Bytes(), &measured))
			}
			for _, table := range tables {
				for _, row := range table.Rows {
					if p.runs(c, row.Phase, users, 0) && row.of(c) {
						require.Contains(t, measured, row.ID)
					}
				}
			}
		})
	}
}

func TestChildRefusesNonsense(t *testing.T) {
	for _, args := range [][]string{{"-peer", "nobody"}, {"-peer", us, "-rows", "("}, {"-peer", us, "-phase", "moon"}, {"-x"}} {
		require.Error(t, child(args, &bytes.Buffer{}))
	}
}

func TestSpreadNumbersEachCall(t *testing.T) {
	var seen [1000]atomic.Int32
	next, done, err := spread(time.Hour, 7, 100, 1000, func(n int) error {
		seen[n].Add(1)
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, 900, done)
	require.GreaterOrEqual(t, next, 1000)
	for n := range seen {
		want := int32(1)
		if n < 100 {
			want = 0
		}
		require.Equal(t, want, seen[n].Load(), "number %d", n)
	}
}

func TestSpreadStopsAtAnError(t *testing.T) {
	broken := errors.New("broken")
	_, done, err := spread(time.Hour, 4, 0, math.MaxInt, func(n int) error {
		if n > 50 {
			return broken
		}
		return nil
	})
	require.ErrorIs(t, err, broken)
	require.Positive(t, done)
}
