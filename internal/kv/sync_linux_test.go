package kv

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// unwritten is how many pages of a file have yet to be written to the disk.
func unwritten(t testing.TB, path string) uint64 {
	const cachestat = 451 // on all machines alike
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	whole := struct{ from, length uint64 }{}
	var pages struct{ cached, dirty, writeback, evicted, recently uint64 }
	_, _, number := syscall.Syscall6(cachestat, f.Fd(), uintptr(unsafe.Pointer(&whole)), uintptr(unsafe.Pointer(&pages)), 0, 0, 0)
	if number != 0 {
		t.Skip("this Linux does not tell which pages of a file are written:", number)
	}
	return pages.dirty + pages.writeback
}

// TestSync demands that what was acknowledged is on the disk, through many logs.
func TestSync(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "with [a] * in it")
	control := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(control, make([]byte, 10_000), 0o600))
	if unwritten(t, control) == 0 {
		t.Skip("this file system keeps nothing back")
	}
	e, err := OpenBadger(Config{Dir: dir, Small: true, Sync: true})
	require.NoError(t, err)
	defer e.Close()
	logs := map[string]bool{}
	for i := range 200 {
		_, err := e.Apply([]Write{{Key: fmt.Append(nil, "k", i%7), Value: make([]byte, 40_000)}}, nil)
		require.NoError(t, err)
		files, err := listFiles(dir)
		require.NoError(t, err)
		for _, f := range logFiles(files, walSuffix) {
			logs[f.Name] = true
			require.Zero(t, unwritten(t, filepath.Join(dir, f.Name)))
		}
	}
	require.Greater(t, len(logs), 3)
}

// TestSettledLogsAreSynced demands that Badger's logs are on the disk before ours go.
func TestSettledLogsAreSynced(t *testing.T) {
	a := openApplied(t, Config{Dir: t.TempDir(), Small: true, Sync: true}, 1)
	defer a.Close()
	for range 50 {
		a.change(t, 5, 100)
	}
	killed := a.cfg
	killed.Dir = a.copy(t)
	found, err := killed.check()
	require.NoError(t, err)
	require.Empty(t, found.adopted)
	log := filepath.Join(killed.Dir, logFiles(found.files, logSuffix)[0].Name)
	if unwritten(t, log) == 0 {
		t.Skip("this file system keeps nothing back")
	}
	require.NoError(t, killed.settleLogs(nil))
	require.Zero(t, unwritten(t, log))
	require.NoFileExists(t, filepath.Join(killed.Dir, "00001"+walSuffix))
}
