package userstore_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

var soakTime = flag.Duration("soak", 3*time.Second, "how long TestSoak works; 10m in the long mode, if it is not given")

const (
	soakWorkers = 8
	soakUsers   = 3000
	soakSteps   = 6 // times that the work rests and is measured
)

// footprint is what the process and the store take while nobody works.
type footprint struct {
	heap, rss, disk, live, written int64 // bytes; rss 0 where it is not known
	goroutines, files, tables      int
	users, calls                   int
}

func (f footprint) String() string {
	mib := func(n int64) float64 { return float64(n) / (1 << 20) }
	return fmt.Sprintf("%8d calls, %4d users | heap %.1f MiB, rss %.1f MiB | disk %.1f MiB of %.1f MiB live, %.0f MiB written | %d goroutines, %d files open, %d tables",
		f.calls, f.users, mib(f.heap), mib(f.rss), mib(f.disk), mib(f.live), mib(f.written), f.goroutines, f.files, f.tables)
}

// TestSoak works on a bounded number of users for as long as it is told, and demands that what this takes stays bounded.
func TestSoak(t *testing.T) {
	duration := *soakTime
	if given := false; *long {
		flag.Visit(func(f *flag.Flag) { given = given || f.Name == "soak" })
		if !given {
			duration = 10 * time.Minute
		}
	}
	goroutines := runtime.NumGoroutine()
	w := &world{clock: newClock(), dir: t.TempDir(), opts: []userstore.Option{
		userstore.WithClock(time.Now), userstore.WithProfile(userstore.ProfileEdge), userstore.WithRoles(someRoles...),
	}}
	w.open(t)
	workers := make([]*worker, soakWorkers)
	for i := range workers {
		workers[i] = &worker{store: w.Store, gen: newGen(uint64(i))}
	}
	for i := range soakUsers { // from here on it does not grow
		must(w.Upsert(bg, workers[0].user(i)))(t)
	}
	steps := []footprint{measured(t, w, workers)}
	t.Log(steps[0])
	for range soakSteps {
		deadline := time.Now().Add(duration / soakSteps)
		var wg sync.WaitGroup
		for _, hand := range workers {
			wg.Go(func() { hand.work(deadline) })
		}
		wg.Wait()
		for i, hand := range workers {
			require.NoError(t, hand.err, "worker %d", i)
		}
		steps = append(steps, measured(t, w, workers))
		t.Log(steps[len(steps)-1])
	}

	const mib = 1 << 20
	first, end := steps[soakSteps/3], steps[soakSteps]
	require.Equal(t, first.goroutines, end.goroutines)
	require.LessOrEqual(t, end.heap, first.heap*5/4+4*mib)
	require.LessOrEqual(t, end.rss, first.rss*5/4+32*mib)
	for _, step := range steps[1:] {
		require.Greater(t, step.calls, soakWorkers*100)
		require.LessOrEqual(t, step.disk, 4*step.live+48*mib, "what was replaced and deleted is not given back")
		require.LessOrEqual(t, step.files, steps[0].files+step.tables+16)
	}
	sound(t, w.Store)
	before := export(t, w.Store, everybody)
	offline := strings.ReplaceAll(before, `"status":"available"`, `"status":"offline"`)
	w.reopen(t)
	require.Equal(t, offline, export(t, w.Store, everybody))
	sound(t, w.Store)
	require.NoError(t, w.Close())
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines+1 }, 20*time.Second, time.Millisecond) // one is Eventually's
}
