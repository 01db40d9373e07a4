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
		for _, name := range logsIn(t, dir, walSuffix) {
			logs[name] = true
			require.Zero(t, unwritten(t, filepath.Join(dir, name)))
		}
	}
	require.Greater(t, len(logs), 3)
}

// TestSettledLogsAreSynced demands that all that is in logs is on the disk before ours go, and before the mark tells of it.
func TestSettledLogsAreSynced(t *testing.T) {
	for _, powerless := range []bool{false, true} {
		a := openApplied(t, Config{Dir: t.TempDir(), Small: true, Sync: true}, 1)
		for range 50 {
			a.change(t, 5, 100)
		}
		killed := a.cfg
		killed.Dir = copyLive(t, a.cfg.Dir)
		require.NoError(t, a.Close())
		if powerless {
			emptyLogs(t, killed.Dir)
		}
		found, err := killed.check()
		require.NoError(t, err)
		require.Equal(t, powerless, len(found.adopted) == 1)
		pages := uint64(0)
		for _, suffix := range []string{logSuffix, walSuffix} {
			for _, name := range logsIn(t, killed.Dir, suffix) {
				pages += unwritten(t, filepath.Join(killed.Dir, name))
			}
		}
		if pages == 0 {
			t.Skip("this file system keeps nothing back")
		}
		require.NoError(t, killed.settleLogs(found.adopted))
		require.Empty(t, logsIn(t, killed.Dir, walSuffix))
		for _, name := range logsIn(t, killed.Dir, logSuffix) {
			require.Zero(t, unwritten(t, filepath.Join(killed.Dir, name)), name)
		}
	}
}

// TestFilledLogsAreSynced demands that what a load has written to Badger's logs is on the disk when it has ended.
func TestFilledLogsAreSynced(t *testing.T) {
	for _, sync := range []bool{true, false} {
		e := openFilling(t, t.TempDir(), sync)
		_, err := e.Apply([]Write{{Key: []byte("a"), Value: []byte("x")}}, nil)
		require.NoError(t, err)
		v := e.View() // so that there are no tables made
		_, err = e.Fill(4<<20, emitAll(goods()))
		require.NoError(t, err)
		logs := logsIn(t, e.cfg.Dir, logSuffix)
		require.NotEmpty(t, logs)
		for _, name := range logs {
			require.Zero(t, unwritten(t, filepath.Join(e.cfg.Dir, name)), name)
		}
		v.Release()
		require.NoError(t, e.Close())
	}
}
