package kv

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fill makes a store of a few tables and a log, as a crash leaves it, and gives what is in it.
func fill(t testing.TB, key []byte) (dir string, want map[string]string) {
	running := t.TempDir()
	e, err := OpenBadger(Config{Dir: running, Small: true, Sync: true, Key: key})
	require.NoError(t, err)
	r := rand.New(rand.NewPCG(1, 2))
	want = map[string]string{}
	for i := range 16 {
		var writes []Write
		for j := range 100 {
			k := fmt.Sprintf("u%04d", 100*i+j)
			writes = append(writes, Write{Key: []byte(k), Value: bytes.Repeat([]byte{byte('a' + r.IntN(26))}, 1+r.IntN(4000))})
		}
		for range 20 {
			writes = append(writes, Write{Key: fmt.Appendf(nil, "u%04d", r.IntN(100*i+1))})
		}
		used := map[string]bool{}
		kept := writes[:0]
		for _, w := range writes {
			if !used[string(w.Key)] {
				used[string(w.Key)] = true
				kept = append(kept, w)
				want[string(w.Key)] = string(w.Value)
			}
		}
		_, err := e.Apply(kept, nil)
		require.NoError(t, err)
	}
	maps.DeleteFunc(want, func(_, v string) bool { return v == "" })
	require.Eventually(t, func() bool { // the copy is not of one moment
		return len(logsIn(t, running, logSuffix)) == 1
	}, time.Minute, time.Millisecond)
	dir = t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(running)))
	require.NoError(t, e.Close())
	return dir, want
}

func salvaged(t testing.TB, c Config) (map[string]string, []Unread) {
	return salvagedBy(t, c, func(key []byte) bool { return key[0] == 'u' })
}

func salvagedBy(t testing.TB, c Config, want func(key []byte) bool) (map[string]string, []Unread) {
	got := map[string]string{}
	unread, err := Salvage(c, want, func(w Write) error {
		_, twice := got[string(w.Key)]
		require.False(t, twice)
		got[string(w.Key)] = string(w.Value)
		return nil
	})
	require.NoError(t, err)
	return got, unread
}

var cipher = []byte("0123456789abcdef")

func TestSalvageReadsWhatTheEngineReads(t *testing.T) {
	for _, key := range [][]byte{nil, cipher} {
		dir, want := fill(t, key)
		tables, err := filepath.Glob(filepath.Join(dir, "*"+tableSuffix))
		require.NoError(t, err)
		require.NotEmpty(t, tables)
		got, unread := salvaged(t, Config{Dir: dir, Key: key})
		require.Empty(t, unread)
		require.True(t, maps.Equal(want, got), "%d keys, should be %d", len(got), len(want))
	}
}

// TestSalvageDamaged demands that salvage finds everything that lies outside the damage, says that there was some, and
// leaves the files alone.
func TestSalvageDamaged(t *testing.T) {
	t.Parallel()
	for _, key := range [][]byte{nil, cipher} {
		sound, want := fill(t, key)
		files, err := listFiles(sound)
		require.NoError(t, err)
		var table, log markedFile
		for _, f := range files {
			if strings.HasSuffix(f.Name, tableSuffix) {
				table = f
			} else if strings.HasSuffix(f.Name, logSuffix) {
				log = f
			}
		}
		content, err := os.ReadFile(filepath.Join(sound, log.Name))
		require.NoError(t, err)
		used := len(bytes.TrimRight(content, "\x00"))
		for _, c := range []struct {
			name   string
			file   string
			change func(b []byte) []byte
			most   int // keys that may be lost or stale
			slow   bool
		}{
			{"a flipped byte in a block", table.Name, flip(int(table.Size) / 3), 10, false},
			{"a flipped byte in the first block", table.Name, flip(1), 150, false}, // deletions, most of them: what was deleted comes back
			{"a flipped byte in the index", table.Name, flip(int(table.Size) - 2000), 10, true},
			{"a flipped byte at the end", table.Name, flip(int(table.Size) - 3), 0, true},
			{"a table without its last kilobyte", table.Name, func(b []byte) []byte { return b[:len(b)-1000] }, 10, true},
			{"a table without its end", table.Name, func(b []byte) []byte { return b[:len(b)*9/10] }, 300, false},
			{"a flipped byte in the log", log.Name, flip(used / 2), 2, false},
			{"a cut log", log.Name, func(b []byte) []byte { return b[:used-100] }, 120, false},
			{"no MANIFEST", manifestName, func([]byte) []byte { return nil }, 0, false},
			{"a cut MANIFEST", manifestName, func(b []byte) []byte { return b[:len(b)-3] }, 0, false},
			{"no mark", MarkName, func([]byte) []byte { return nil }, 0, false},
		} {
			if c.slow && key != nil { // without an index, blocks are looked for; one test of that is enough
				continue
			}
			t.Run(fmt.Sprint(c.name, ", encrypted ", key != nil), func(t *testing.T) {
				dir := t.TempDir()
				require.NoError(t, os.CopyFS(dir, os.DirFS(sound)))
				path := filepath.Join(dir, c.file)
				b, err := os.ReadFile(path)
				require.NoError(t, err)
				if b = c.change(b); b == nil {
					require.NoError(t, os.Remove(path))
				} else {
					require.NoError(t, os.WriteFile(path, b, 0o600))
				}
				got, unread := salvaged(t, Config{Dir: dir, Key: key})
				require.NotEmpty(t, unread)
				wrong := 0
				for k, v := range want {
					if got[k] != v {
						wrong++
					}
				}
				for k := range got {
					if _, ok := want[k]; !ok {
						wrong++
					}
				}
				t.Log(wrong, "of", len(want), "keys lost or stale:", unread)
				require.LessOrEqual(t, wrong, c.most)
				if b != nil {
					after, err := os.ReadFile(path)
					require.NoError(t, err)
					require.Equal(t, b, after)
				}
			})
		}
		if key != nil {
			_, err := Salvage(Config{Dir: sound, Key: []byte("another key here")}, nil, nil)
			require.ErrorIs(t, err, ErrKey)
		}
	}
}

func flip(at int) func([]byte) []byte {
	return func(b []byte) []byte {
		b[at] ^= 0x10
		return b
	}
}

// FuzzFiles feeds the readers of files with anything.
func FuzzFiles(f *testing.F) {
	for _, key := range [][]byte{nil, cipher} {
		dir := f.TempDir()
		e, err := OpenBadger(Config{Dir: dir, Small: true, Key: key})
		require.NoError(f, err)
		_, err = e.Apply([]Write{{Key: []byte("k1"), Value: []byte("value")}, {Key: []byte("k2"), Value: []byte("value")}, {Key: []byte("k3")}}, nil)
		require.NoError(f, err)
		seed := func() {
			files, err := listFiles(dir)
			require.NoError(f, err)
			for _, file := range files {
				b, err := os.ReadFile(filepath.Join(dir, file.Name))
				require.NoError(f, err)
				f.Add(bytes.TrimRight(b, "\x00"), key != nil)
			}
		}
		seed() // a log
		require.NoError(f, e.Close())
		seed() // a table
	}
	f.Fuzz(func(t *testing.T, data []byte, encrypted bool) {
		var key []byte
		if encrypted {
			key = cipher
		}
		any := func(entry) error { return nil }
		table, err := openTable(data, key)
		for _, s := range table.blocks {
			_ = table.each(s, any)
		}
		if err == nil && len(data) > 0 {
			_ = table.verify()
		}
		_, _, _ = table.block(span{0, len(data)})
		_, _, end, err := readLog(data, func(uint64) ([]byte, error) { return key, nil }, any)
		require.NoError(t, err)
		require.LessOrEqual(t, end, max(len(data), logHeader))
		s := &salvage{keys: [][]byte{key}}
		require.NoError(t, s.log("fuzz", data, any))
	})
}

func TestMark(t *testing.T) {
	dir := t.TempDir()
	m, err := readMark(dir, 1)
	require.NoError(t, err)
	require.Nil(t, m)
	want := &mark{format: 1, last: 7, markedFiles: markedFiles{Open: true, Memtable: 5, Files: []markedFile{{"a", 1, 2}}}}
	require.NoError(t, want.write(dir))
	m, err = readMark(dir, 1)
	require.NoError(t, err)
	require.Equal(t, want, m)
	f, err := openMark(dir)
	require.NoError(t, err)
	for _, last := range []uint64{8, 9, 1 << 60} {
		require.NoError(t, note(f, last))
		m, err = readMark(dir, 3)
		require.NoError(t, err)
		want.last = last
		require.Equal(t, want, m)
	}
	require.NoError(t, f.Close())
	_, err = readMark(dir, 0)
	require.ErrorIs(t, err, ErrNewer)
	path := filepath.Join(dir, MarkName)
	sound, err := os.ReadFile(path)
	require.NoError(t, err)
	for i := range sound {
		require.NoError(t, os.WriteFile(path, flip(i)(bytes.Clone(sound)), 0o600))
		_, err := readMark(dir, 1)
		require.Error(t, err, "byte %d", i)
		if i != markFormat && i != markFormat+1 {
			require.ErrorIs(t, err, ErrCorrupt, "byte %d", i)
		}
		require.NoError(t, os.WriteFile(path, sound[:i], 0o600))
		_, err = readMark(dir, 1)
		require.ErrorIs(t, err, ErrCorrupt, "%d bytes", i)
	}
}
