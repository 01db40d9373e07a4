package kv

import (
	"fmt"
	"path/filepath"
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
			_, err := e.Apply([]Write{{Key: fmt.Append(nil, "k", i%7), Value: make([]byte, 40_000)}})
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
		_, err := e.Apply([]Write{{Key: fmt.Append(nil, "k", i%7), Value: make([]byte, 40_000)}})
		require.NoError(t, err)
	}
	require.NoError(t, e.Close())
}
