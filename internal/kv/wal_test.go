package kv

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// applied is an engine and what was acknowledged by it.
type applied struct {
	Engine
	cfg  Config
	rand *rand.Rand
	want map[string]string
	last uint64 // change
}

func openApplied(t testing.TB, cfg Config, seed uint64) *applied {
	e, err := OpenBadger(cfg)
	require.NoError(t, err)
	return &applied{Engine: e, cfg: cfg, rand: rand.New(rand.NewPCG(seed, 1)), want: map[string]string{}}
}

// change applies a change of some writes, with values of up to so many bytes.
func (a *applied) change(t testing.TB, some, size int) {
	writes := map[string]string{}
	for range some {
		value := ""
		if a.rand.IntN(5) > 0 {
			value = string(bytes.Repeat([]byte{byte('a' + a.rand.IntN(26))}, 1+a.rand.IntN(size)))
		}
		writes[fmt.Sprint("k", a.rand.IntN(20_000))] = value
	}
	var list []Write
	for k, v := range writes {
		w := Write{Key: []byte(k), Value: []byte(v)}
		if v == "" {
			w.Value = nil
		}
		list = append(list, w)
	}
	version, err := a.Apply(list, nil)
	require.NoError(t, err)
	a.last = version
	maps.Copy(a.want, writes)
	maps.DeleteFunc(a.want, func(_, v string) bool { return v == "" })
}

// is demands that an engine holds what was acknowledged.
func (a *applied) is(t testing.TB, e Engine) {
	t.Helper()
	v := e.View()
	defer v.Release()
	require.Equal(t, a.last, v.Version())
	it := v.Iterate(nil, false)
	defer it.Close()
	got := map[string]string{}
	for it.Seek(nil); it.Valid(); it.Next() {
		value, err := it.Value()
		require.NoError(t, err)
		got[string(it.Key())] = string(value)
	}
	require.True(t, maps.Equal(a.want, got), "%d keys, should be %d", len(got), len(a.want))
}

// copy gives a copy of the directory as it is at one moment, while no change is under way.
func (a *applied) copy(t testing.TB) (dir string) {
	look := func() string {
		files, err := listFiles(a.cfg.Dir)
		require.NoError(t, err)
		manifest, err := os.ReadFile(filepath.Join(a.cfg.Dir, manifestName))
		require.NoError(t, err)
		return fmt.Sprint(files, len(manifest))
	}
	require.Eventually(t, func() bool { // Badger makes tables meanwhile
		before := look()
		dir = filepath.Join(t.TempDir(), "copy")
		return os.CopyFS(dir, os.DirFS(a.cfg.Dir)) == nil && look() == before
	}, time.Minute, time.Millisecond)
	return dir
}

// losePower takes from a directory what a loss of power can take from it: anything of Badger's logs, since they are not
// synced, and the note of the last changes.
func losePower(t testing.TB, r *rand.Rand, dir string) {
	files, err := listFiles(dir)
	require.NoError(t, err)
	for _, f := range logFiles(files, logSuffix) {
		path := filepath.Join(dir, f.Name)
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		switch pages := len(b) / 4096; r.IntN(6) {
		case 0: // all is on the disk
			continue
		case 1:
			clear(b)
		case 2:
			b = nil
		case 3:
			require.NoError(t, os.Remove(path))
			continue
		default:
			used := len(bytes.TrimRight(b, "\x00"))/4096 + 1
			for range 1 + r.IntN(4) {
				page := r.IntN(min(used, pages))
				clear(b[page*4096 : (page+1)*4096])
			}
		}
		require.NoError(t, os.WriteFile(path, b, 0o600))
	}
	if r.IntN(2) == 0 {
		m, err := readMark(dir, 1)
		require.NoError(t, err)
		m.last -= uint64(r.IntN(int(min(m.last, 20))))
		require.NoError(t, m.write(dir))
	}
}

// TestLossOfPower takes copies of a store at work, takes from them what a loss of power can take, and demands that all
// that was acknowledged is there, also for Salvage, and also when the power is lost again in the midst of recovering.
func TestLossOfPower(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		key        []byte
		some, size int
	}{
		{"plain", nil, 30, 300},
		{"encrypted", cipher, 30, 300},
		{"tiny writes, as many as go into one change", nil, 0, 1},
		{"large values", nil, 2, 50_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cfg := Config{Dir: t.TempDir(), Small: true, Sync: true, Key: c.key, Format: 1}
			a := openApplied(t, cfg, uint64(len(c.name)))
			defer a.Close()
			most, _ := a.Limits()
			adopted := 0
			for round := range 12 {
				for range 1 + a.rand.IntN(80) {
					if c.some > 0 {
						a.change(t, 1+a.rand.IntN(c.some), c.size)
					} else if a.rand.IntN(40) == 0 {
						a.change(t, most, c.size)
					}
				}
				dir := a.copy(t)
				before := cfg
				before.Dir = dir
				losePower(t, a.rand, dir)
				found, err := before.check()
				require.NoError(t, err, "round %d", round)
				adopted += len(found.adopted)
				if n := len(found.adopted); n > 1 && a.rand.IntN(2) == 0 { // some had become Badger's when the power went again
					files, err := listFiles(dir)
					require.NoError(t, err)
					for i, name := range found.adopted[:1+a.rand.IntN(n-1)] {
						to := fmt.Sprintf("%05d%s", 1000+i, logSuffix)
						require.NotContains(t, files, to)
						require.NoError(t, os.Rename(filepath.Join(dir, name), filepath.Join(dir, to)))
					}
				}
				got, _ := salvagedBy(t, before, func(key []byte) bool { return key[0] == 'k' })
				require.True(t, maps.Equal(a.want, got))
				for range 2 {
					e, err := OpenBadger(before)
					require.NoError(t, err)
					a.is(t, e)
					require.NoError(t, e.Close())
				}
				files, err := listFiles(dir)
				require.NoError(t, err)
				require.Empty(t, logFiles(files, walSuffix))
				require.NoError(t, os.RemoveAll(dir))
			}
			require.Greater(t, adopted, 5)
		})
	}
}

// TestLossOfPowerAfterFill demands that what a fill has dropped does not come back from our log.
func TestLossOfPowerAfterFill(t *testing.T) {
	a := openApplied(t, Config{Dir: t.TempDir(), Small: true, Sync: true, Format: 1}, 1)
	defer a.Close()
	_, err := a.Apply([]Write{{Key: []byte("k dropped"), Value: []byte("x")}, {Key: []byte("k kept"), Value: []byte("x")}}, nil)
	require.NoError(t, err)
	a.last, err = a.Engine.(*badgerEngine).Fill(100, func(emit func(key, value []byte) error) error {
		return emit([]byte("k kept"), []byte("x"))
	})
	require.NoError(t, err)
	a.want["k kept"] = "x"
	a.is(t, a.Engine)
	for range 20 {
		a.change(t, 5, 100)
		cfg := a.cfg
		cfg.Dir = a.copy(t)
		files, err := listFiles(cfg.Dir)
		require.NoError(t, err)
		for _, f := range logFiles(files, logSuffix) {
			require.NoError(t, os.WriteFile(filepath.Join(cfg.Dir, f.Name), make([]byte, f.Size), 0o600))
		}
		e, err := OpenBadger(cfg)
		require.NoError(t, err)
		a.is(t, e)
		require.NoError(t, e.Close())
	}
}

// TestHalfWrittenChange demands that a change that was never acknowledged is there whole or not at all.
func TestHalfWrittenChange(t *testing.T) {
	for _, key := range [][]byte{nil, cipher} {
		cfg := Config{Dir: t.TempDir(), Small: true, Sync: true, Key: key}
		a := openApplied(t, cfg, 1)
		for range 50 {
			a.change(t, 5, 100)
		}
		sound := a.copy(t)
		w := &a.Engine.(*badgerEngine).wal
		b, err := appendLogChange(nil, w.head, w.end, w.key, a.last+1, []Write{{Key: []byte("k new"), Value: []byte("x")}, {Key: []byte("k other"), Value: []byte("x")}})
		require.NoError(t, err)
		require.NoError(t, a.Close())
		for cut := len(b); cut >= 0; cut -= 5 {
			dir := filepath.Join(t.TempDir(), "copy")
			require.NoError(t, os.CopyFS(dir, os.DirFS(sound)))
			f, err := os.OpenFile(filepath.Join(dir, "00001"+walSuffix), os.O_WRONLY, 0)
			require.NoError(t, err)
			_, err = f.WriteAt(b[:cut], w.end)
			require.NoError(t, errors.Join(err, f.Close()))
			cfg.Dir = dir
			e, err := OpenBadger(cfg)
			require.NoError(t, err)
			if cut == len(b) {
				whole := &applied{want: maps.Clone(a.want), last: a.last + 1}
				whole.want["k new"], whole.want["k other"] = "x", "x"
				whole.is(t, e)
			} else {
				a.is(t, e)
			}
			require.NoError(t, e.Close())
		}
	}
}

// TestWAL demands that our logs say the same as Badger's, that they go when they are no longer needed, and that they
// leave nothing behind.
func TestWAL(t *testing.T) {
	for _, key := range [][]byte{nil, cipher} {
		a := openApplied(t, Config{Dir: t.TempDir(), Small: true, Sync: true, Key: key}, 3)
		w := &a.Engine.(*badgerEngine).wal
		seen, most := 0, 0
		for i := range 2000 {
			a.change(t, 1+a.rand.IntN(10), 1000)
			if i%100 > 0 {
				continue
			}
			dir := a.copy(t)
			files, err := listFiles(dir)
			require.NoError(t, err)
			keys := func(id uint64) ([]byte, error) { return w.key, nil }
			read := func(suffix string) (logs []string) {
				for _, f := range logFiles(files, suffix) {
					data, err := os.ReadFile(filepath.Join(dir, f.Name))
					require.NoError(t, err)
					_, _, end, err := readLog(data, keys, func(e entry) error {
						logs = append(logs, fmt.Sprintf("%020d %q %q %v", e.version, e.key, e.value, e.deleted))
						return nil
					})
					require.NoError(t, err)
					if suffix == walSuffix {
						require.LessOrEqual(t, len(data)-end, 2*maxAhead, "zeros behind")
						require.Less(t, int64(end), w.most()+w.memtable()/8)
					}
				}
				slices.Sort(logs)
				return logs
			}
			ours, badgers := read(walSuffix), read(logSuffix)
			for _, entry := range badgers {
				_, found := slices.BinarySearch(ours, entry)
				require.True(t, found, entry)
			}
			n := len(logFiles(files, walSuffix))
			seen, most = max(seen, w.number), max(most, n)
		}
		require.Greater(t, seen, 3)
		require.LessOrEqual(t, most, 8)
		require.NoError(t, a.Close())
		files, err := listFiles(a.cfg.Dir)
		require.NoError(t, err)
		require.Empty(t, logFiles(files, walSuffix))
	}
}

// TestWALFails demands that a change is uncertain, and nothing is written after it, when our log cannot be written.
func TestWALFails(t *testing.T) {
	a := openApplied(t, Config{Dir: t.TempDir(), Small: true, Sync: true}, 1)
	for range 10 {
		a.change(t, 5, 100)
	}
	require.NoError(t, a.Engine.(*badgerEngine).wal.file.Close())
	for range 2 {
		_, err := a.Apply([]Write{{Key: []byte("k"), Value: []byte("v")}}, nil)
		require.ErrorIs(t, err, ErrUncertain)
		a.is(t, a.Engine)
	}
	require.NoError(t, a.Close())
	e, err := OpenBadger(a.cfg)
	require.NoError(t, err)
	if v := e.View(); v.Version() > a.last {
		a.want["k"] = "v"
		a.last++
	}
	a.is(t, e)
	require.NoError(t, e.Close())
}

// TestElsewhere demands that a store opened by a relative path goes on when the process changes its directory.
func TestElsewhere(t *testing.T) {
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
