package kv

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/dgraph-io/badger/v4"
	"github.com/stretchr/testify/require"
)

// images are a store at two moments: as a killed process leaves it, with a log, and closed after that, when the log has
// become a table.
func images(t *testing.T) (killed, closed string, want map[string]string) {
	running := t.TempDir()
	killed, closed = t.TempDir(), t.TempDir()
	cfg := Config{Dir: running, Small: true, Sync: true}
	e, err := OpenBadger(cfg)
	require.NoError(t, err)
	want = map[string]string{}
	for round := range 2 { // the second time there is a table already
		for i := range 50 {
			key := fmt.Sprintf("k%d-%d", round, i)
			want[key] = fmt.Sprint(i)
			_, err := e.Apply([]Write{{Key: []byte(key), Value: []byte(want[key])}}, nil)
			require.NoError(t, err)
		}
		_, err := e.Apply([]Write{{Key: []byte("k0-0")}}, nil) // ends with a change that only deletes
		require.NoError(t, err)
		delete(want, "k0-0")
		if round == 0 {
			require.NoError(t, e.Close())
			e, err = OpenBadger(cfg)
			require.NoError(t, err)
		}
	}
	require.NoError(t, os.CopyFS(killed, os.DirFS(running)))
	require.NoError(t, e.Close())
	require.NoError(t, os.CopyFS(closed, os.DirFS(running)))
	return killed, closed, want
}

// TestCrashImages puts together what crashes and cuts of power leave behind, at moments that are hard to hit: what is
// all there has to open, what is not must not.
func TestCrashImages(t *testing.T) {
	t.Parallel()
	killed, closed, want := images(t)
	take := func(from, name string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			b, err := os.ReadFile(filepath.Join(from, name))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
		}
	}
	put := func(name, content string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
		}
	}
	cut := func(name string, by int64) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			info, err := os.Stat(filepath.Join(dir, name))
			require.NoError(t, err)
			require.NoError(t, os.Truncate(filepath.Join(dir, name), info.Size()-by))
		}
	}
	remove := func(name string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, name))) }
	}
	rename := func(from, to string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			require.NoError(t, os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)))
		}
	}
	log, ours := logsIn(t, killed, logSuffix)[0], logsIn(t, killed, walSuffix)[0]
	files, err := listFiles(closed)
	require.NoError(t, err)
	table := files[1].Name // the newer of two
	manifest, flushed := take(closed, manifestName), take(closed, table)
	type step = func(t *testing.T, dir string)
	for _, c := range []struct {
		name  string
		from  string
		steps []step
		says  string // what the error names; empty if it opens
	}{
		{"killed", killed, nil, ""},
		{"closed", closed, nil, ""},
		{"a table was made of the log, the MANIFEST does not name it yet", killed, []step{flushed}, ""},
		{"the MANIFEST was cut while it was to name the table", killed, []step{flushed, manifest, cut(manifestName, 3)}, ""},
		{"the MANIFEST names the table, the log is not deleted yet", killed, []step{flushed, manifest}, ""},
		{"the log is being deleted", killed, []step{flushed, manifest, put(log, "")}, ""},
		{"the logs are deleted, the mark not yet written", killed, []step{flushed, manifest, remove(log), remove(ours)}, ""},
		{"a new log is being created", killed, []step{put("00099.mem", "")}, ""},
		{"a value log is being created", killed, []step{put("000009.vlog", "")}, ""},
		{"a table is being written", killed, []step{put("000099.sst", "half a table")}, ""},
		{"the MANIFEST was being rewritten", killed, []step{put("MANIFEST-REWRITE", "half")}, ""},
		{"a mark was being written", killed, []step{put(MarkName+".new", "half")}, ""},

		{"the power was lost before the log was on the disk", killed, []step{remove(log)}, ""},
		{"the log is empty", killed, []step{put(log, "")}, ""},
		{"our log is gone", killed, []step{remove(ours)}, ""},
		{"ours became one of Badger's, and was not yet made a table of", killed, []step{rename(ours, "00099.mem")}, ""},
		{"the same, the power having been lost before", killed, []step{remove(log), rename(ours, "00099.mem")}, ""},
		{"the table is there, our log is not deleted yet", killed, []step{flushed, manifest, remove(log)}, ""},
		{"the table is there, but named by a MANIFEST that was cut, and the log is gone", killed, []step{flushed, manifest, cut(manifestName, 3), remove(log)}, ""},

		{"both logs are gone", killed, []step{remove(log), remove(ours)}, "changes 5[0-9] to 10[0-9] are missing"},
		{"both logs are empty", killed, []step{put(log, ""), put(ours, "")}, "changes 5[0-9] to 10[0-9] are missing"},
		{"neither log nor MANIFEST has the last", killed, []step{flushed, manifest, cut(manifestName, 3), remove(log), remove(ours)}, "changes"},
		{"a log of ours from before", closed, []step{take(killed, ours)}, ours},
		{"the same after it was closed", closed, []step{cut(manifestName, 3)}, "the file MANIFEST is cut"},
		{"the MANIFEST of before", closed, []step{take(killed, manifestName)}, "MANIFEST"},
		{"a log of before", closed, []step{take(killed, log)}, log},
		{"a table that was not there", closed, []step{put("000099.sst", "x")}, "000099.sst"},
		{"the mark of before", closed, []step{take(killed, MarkName)}, ""}, // as if it had been killed in the midst of Close
		{"no MANIFEST", killed, []step{remove(manifestName)}, "MANIFEST is missing"},
		{"no mark", closed, []step{remove(MarkName)}, MarkName},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.CopyFS(dir, os.DirFS(c.from)))
			for _, step := range c.steps {
				step(t, dir)
			}
			for range 2 {
				e, err := OpenBadger(Config{Dir: dir, Small: true, Sync: true})
				if c.says != "" {
					require.ErrorIs(t, err, ErrCorrupt)
					require.Regexp(t, c.says, err.Error())
					return
				}
				require.NoError(t, err)
				v := e.View()
				require.True(t, maps.Equal(want, walked(t, v, false)))
				require.EqualValues(t, 102, v.Version())
				v.Release()
				require.NoError(t, e.Close())
			}
		})
	}
}

// TestOfSomethingElse demands that a Badger of another application is told apart from a store that has lost its mark.
func TestOfSomethingElse(t *testing.T) {
	dir := t.TempDir()
	db, err := badger.Open(badger.DefaultOptions(dir).WithLogger(nil))
	require.NoError(t, err)
	require.NoError(t, db.Close())
	files, err := listFiles(dir)
	require.NoError(t, err)
	for _, readOnly := range []bool{false, true} {
		_, err = OpenBadger(Config{Dir: dir, ReadOnly: readOnly})
		require.ErrorIs(t, err, ErrStranger)
	}
	after, err := listFiles(dir)
	require.NoError(t, err)
	require.Equal(t, files, after)
}

// TestProfileAfterCrash opens what a process with large memtables left with small ones: Badger would end the process.
func TestProfileAfterCrash(t *testing.T) {
	t.Parallel()
	running, killed := t.TempDir(), t.TempDir()
	e, err := OpenBadger(Config{Dir: running, Sync: true})
	require.NoError(t, err)
	const changes, keys = 30, 1000
	for n := range changes {
		var writes []Write
		for i := range keys {
			writes = append(writes, Write{Key: fmt.Appendf(nil, "k%d-%d", n, i), Value: make([]byte, 40)})
		}
		_, err := e.Apply(writes, nil)
		require.NoError(t, err)
	}
	logs := logsIn(t, running, logSuffix)
	require.Len(t, logs, 1)
	require.NoError(t, os.CopyFS(killed, os.DirFS(running)))
	powerless := t.TempDir()
	require.NoError(t, os.CopyFS(powerless, os.DirFS(running)))
	require.NoError(t, os.Remove(filepath.Join(powerless, logs[0])))
	require.NoError(t, e.Close())
	for _, dir := range []string{killed, powerless} {
		small, err := OpenBadger(Config{Dir: dir, Small: true, Log: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		v := small.View()
		it := v.Iterate([]byte("k"), false)
		found := 0
		for it.Seek(nil); it.Valid(); it.Next() {
			found++
		}
		it.Close()
		require.Equal(t, changes*keys, found)
		v.Release()
		require.NoError(t, small.Close())
	}
}
