package kv

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// dirtyLogs is how many bytes of a directory's mapped logs have yet to be written to the disk.
func dirtyLogs(t testing.TB, dir string) int {
	return mapped(t, dir, logSuffix, "Shared_Dirty", "Private_Dirty")
}

// TestSync demands that what was acknowledged is on the disk, through many logs, and when the logs are all new.
func TestSync(t *testing.T) {
	for _, sync := range []bool{true, false} {
		dir := filepath.Join(t.TempDir(), "with [a] * in it")
		e, err := OpenBadger(Config{Dir: dir, Small: true, Sync: sync})
		require.NoError(t, err)
		defer e.Close()
		logs, dirty := map[string]bool{}, 0
		for i := range 200 {
			_, err := e.Apply([]Write{{Key: fmt.Append(nil, "k", i%7), Value: make([]byte, 40_000)}}, nil)
			require.NoError(t, err)
			dirty = max(dirty, dirtyLogs(t, dir))
			files, err := listFiles(dir)
			require.NoError(t, err)
			for _, f := range logFiles(files) {
				logs[f.Name] = true
			}
			if i == 100 {
				require.NoError(t, e.(*badgerEngine).db.DropAll())
			}
		}
		require.Greater(t, len(logs), 3)
		require.Equal(t, sync, dirty == 0, "%d bytes", dirty)
	}
}

// TestSyncElsewhere demands that a store opened by a relative path goes on when the process changes its directory.
func TestSyncElsewhere(t *testing.T) {
	t.Chdir(t.TempDir())
	e, err := OpenBadger(Config{Dir: "data", Small: true, Sync: true})
	require.NoError(t, err)
	for i := range 200 {
		if i == 1 {
			t.Chdir(t.TempDir())
		}
		_, err := e.Apply([]Write{{Key: fmt.Append(nil, "k", i%7), Value: make([]byte, 40_000)}}, nil)
		require.NoError(t, err)
	}
	require.NoError(t, e.Close())
}

// TestAhead demands that zeros are written ahead of Badger, not too many, that what is counted is what there is, and
// that zeros never come where something is.
func TestAhead(t *testing.T) {
	for _, small := range []bool{true, false} {
		dir := t.TempDir()
		engine, err := OpenBadger(Config{Dir: dir, Small: small, Sync: true})
		require.NoError(t, err)
		defer engine.Close()
		e, random, logs := engine.(*badgerEngine), rand.New(rand.NewPCG(1, 1)), map[string]int{}
		for i := range 4000 {
			var writes []Write
			for k := range 1 + random.IntN(40) {
				writes = append(writes, Write{Key: fmt.Append(nil, "k", k, " ", random.IntN(1000)), Value: make([]byte, 1+random.IntN(400))})
			}
			_, err := e.Apply(writes, nil)
			require.NoError(t, err)
			name := e.log.log.Name()
			logs[name]++
			if i%50 > 0 {
				continue
			}
			data, err := os.ReadFile(name)
			require.NoError(t, err)
			_, last, end, err := readLog(data, func(uint64) ([]byte, error) { return nil, nil }, nil)
			require.NoError(t, err)
			require.EqualValues(t, i+1, last)
			require.GreaterOrEqual(t, e.log.end, int64(end))
			require.LessOrEqual(t, e.log.end, int64(end+20*logs[name]))
			hole, err := syscall.Seek(int(e.log.log.Fd()), 0, seekHole)
			require.NoError(t, err)
			require.GreaterOrEqual(t, hole, int64(end))
			require.LessOrEqual(t, hole, int64(end)+2*maxAhead)
		}
		require.Greater(t, len(logs), 1)
	}
}

func TestAheadSparesWhatIsThere(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	f, err := os.Create(name)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, f.Truncate(4<<20))
	want := make([]byte, 4<<20)
	for _, at := range []int{0, 5000, 300_000, 1 << 20} {
		copy(want[at:], "something")
		_, err := f.WriteAt([]byte("something"), int64(at))
		require.NoError(t, err)
	}
	l := logSync{log: f, size: 2 << 20}
	for range 1000 {
		l.prepare([]Write{{Key: []byte("key"), Value: make([]byte, 5000)}})
	}
	got, err := os.ReadFile(name)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got))
	hole, err := syscall.Seek(int(f.Fd()), 0, seekHole)
	require.NoError(t, err)
	require.Greater(t, hole, int64(1<<20), "it went on behind what was there")
	require.Less(t, hole, int64(2<<20+2*maxAhead))
}
