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
	got := walked(t, v, false)
	require.True(t, maps.Equal(a.want, got), "%d keys, should be %d", len(got), len(a.want))
}

// isInOurLog demands that all is there when Badger's logs have nothing.
func (a *applied) isInOurLog(t testing.TB) {
	t.Helper()
	cfg := a.cfg
	cfg.Dir = copyLive(t, a.cfg.Dir)
	emptyLogs(t, cfg.Dir)
	e, err := OpenBadger(cfg)
	require.NoError(t, err)
	a.is(t, e)
	require.NoError(t, e.Close())
}

func logsIn(t testing.TB, dir, suffix string) []string {
	t.Helper()
	logs, err := logNames(dir, suffix)
	require.NoError(t, err)
	return logs
}

// emptyLogs takes all that Badger's logs have.
func emptyLogs(t testing.TB, dir string) {
	for _, name := range logsIn(t, dir, logSuffix) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), make([]byte, 1<<20), 0o600))
	}
}

// losePower takes from a directory what a loss of power can take from it: anything of Badger's logs, since they are not
// synced, but for those that were there when the store was opened, and the note of the last changes.
func losePower(t testing.TB, r *rand.Rand, dir string, synced []string) {
	for _, name := range logsIn(t, dir, logSuffix) {
		if slices.Contains(synced, name) {
			continue
		}
		path := filepath.Join(dir, name)
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
// that was acknowledged is there, also for Salvage, also when the power is lost again in the midst of recovering, and
// when the copy goes on and loses it once more.
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
			a := openApplied(t, Config{Dir: t.TempDir(), Small: true, Sync: true, Key: c.key, Format: 1}, uint64(len(c.name)))
			defer a.Close()
			most, _ := a.Limits()
			work := func(a *applied) {
				for range 1 + a.rand.IntN(80) {
					if c.some > 0 {
						a.change(t, 1+a.rand.IntN(c.some), c.size)
					} else if a.rand.IntN(8) == 0 {
						a.change(t, most, c.size)
					}
				}
			}
			adopted := 0
			for range 12 {
				work(a)
				dir := copyLive(t, a.cfg.Dir)
				losePower(t, a.rand, dir, nil)
				b, n := a.recover(t, dir)
				adopted += n
				logs := logsIn(t, dir, logSuffix)
				work(b)
				again := copyLive(t, dir)
				losePower(t, a.rand, again, logs[:len(logs)-1])
				require.NoError(t, b.Close())
				d, n := b.recover(t, again)
				adopted += n
				require.NoError(t, d.Close())
				require.Empty(t, logsIn(t, again, walSuffix))
				e, err := OpenBadger(d.cfg)
				require.NoError(t, err)
				b.is(t, e)
				require.NoError(t, e.Close())
				require.NoError(t, errors.Join(os.RemoveAll(dir), os.RemoveAll(again)))
			}
			require.Greater(t, adopted, 5)
		})
	}
}

// recover opens a copy of the store that was taken just now, and tells how many logs had to be adopted.
func (a *applied) recover(t testing.TB, dir string) (b *applied, adopted int) {
	t.Helper()
	b = &applied{cfg: a.cfg, rand: a.rand, want: maps.Clone(a.want), last: a.last}
	b.cfg.Dir = dir
	found, err := b.cfg.check()
	require.NoError(t, err)
	adopted = len(found.adopted)
	if adopted > 1 && a.rand.IntN(2) == 0 { // some had become Badger's when the power went again
		for i, name := range found.adopted[:1+a.rand.IntN(adopted-1)] {
			to := filepath.Join(dir, fmt.Sprintf("%05d%s", 1000+i, logSuffix))
			require.NoFileExists(t, to)
			require.NoError(t, os.Rename(filepath.Join(dir, name), to))
		}
	}
	got, _ := salvagedBy(t, b.cfg, func(key []byte) bool { return key[0] == 'k' })
	require.True(t, maps.Equal(a.want, got))
	b.Engine, err = OpenBadger(b.cfg)
	require.NoError(t, err)
	a.is(t, b)
	return b, adopted
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
		a.isInOurLog(t)
	}
}

// TestLossOfPowerAfterBrokenFill demands that what a fill had written when it failed does not come back from our log.
func TestLossOfPowerAfterBrokenFill(t *testing.T) {
	a := openApplied(t, Config{Dir: t.TempDir(), Small: true, Sync: true, Format: 1}, 1)
	defer a.Close()
	a.change(t, 5, 100)
	most, _ := a.Limits()
	v := a.View() // so that there are no tables made
	_, err := a.Engine.(*badgerEngine).Fill(100, func(emit func(key, value []byte) error) error {
		for i := range most {
			if err := emit(fmt.Appendf(nil, "l%06d", i), []byte("x")); err != nil {
				return err
			}
		}
		v.Release()
		return errors.New("broken")
	})
	require.ErrorContains(t, err, "broken")
	for range 5 {
		a.isInOurLog(t)
		a.change(t, 5, 100)
	}
}

// TestWithAndWithoutSync demands that what was acknowledged with sync is there after the store was used without, and the
// other way about, though it is killed each time.
func TestWithAndWithoutSync(t *testing.T) {
	a := openApplied(t, Config{Dir: t.TempDir(), Small: true, Sync: true, Format: 1}, 1)
	for i := range 6 {
		for range 300 {
			a.change(t, 5, 1000)
		}
		dir := copyLive(t, a.cfg.Dir)
		require.NoError(t, a.Close())
		if a.cfg.Sync {
			losePower(t, a.rand, dir, nil)
		}
		a.cfg.Sync = i%3 == 1
		b, _ := a.recover(t, dir)
		b.cfg.Dir = copyLive(t, dir)
		require.NoError(t, b.Close())
		a, _ = b.recover(t, b.cfg.Dir)
	}
	require.NoError(t, a.Close())
}

// TestHalfWrittenChange demands that a change that was never acknowledged is there whole or not at all.
func TestHalfWrittenChange(t *testing.T) {
	for _, key := range [][]byte{nil, cipher} {
		cfg := Config{Dir: t.TempDir(), Small: true, Sync: true, Key: key}
		a := openApplied(t, cfg, 1)
		for range 50 {
			a.change(t, 5, 100)
		}
		sound := copyLive(t, a.cfg.Dir)
		w := &a.Engine.(*badgerEngine).wal
		b, err := appendLogChange(nil, w.head, w.end, w.key, a.last+1, []Write{{Key: []byte("k new"), Value: []byte("x")}, {Key: []byte("k other"), Value: []byte("x")}})
		require.NoError(t, err)
		require.NoError(t, a.Close())
		whole := &applied{want: maps.Clone(a.want), last: a.last + 1}
		whole.want["k new"], whole.want["k other"] = "x", "x"
		for cut := len(b); cut >= 0; cut -= 3 {
			dir := filepath.Join(t.TempDir(), "copy")
			require.NoError(t, os.CopyFS(dir, os.DirFS(sound)))
			f, err := os.OpenFile(filepath.Join(dir, "00001"+walSuffix), os.O_WRONLY, 0)
			require.NoError(t, err)
			_, err = f.WriteAt(b[:cut], w.end)
			require.NoError(t, errors.Join(err, f.Close()))
			if cut%2 == 0 {
				emptyLogs(t, dir)
			}
			cfg.Dir = dir
			e, err := OpenBadger(cfg)
			require.NoError(t, err)
			if cut == len(b) {
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
			a.change(t, 1+a.rand.IntN(10), 3000)
			if i%100 > 0 {
				continue
			}
			dir := copyLive(t, a.cfg.Dir)
			keys := func(id uint64) ([]byte, error) { return w.key, nil }
			read := func(suffix string) (logs []string) {
				for _, name := range logsIn(t, dir, suffix) {
					data, err := os.ReadFile(filepath.Join(dir, name))
					require.NoError(t, err)
					_, _, end, err := readLog(data, keys, func(e entry) error {
						logs = append(logs, fmt.Sprintf("%020d %q %q %v", e.version, e.key, e.value, e.deleted))
						return nil
					})
					require.NoError(t, err)
					if suffix == walSuffix {
						require.LessOrEqual(t, len(data)-end, 2*maxAhead, "zeros behind")
						require.Less(t, int64(end), w.memtable()*2/3)
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
			seen, most = max(seen, w.number), max(most, len(logsIn(t, dir, walSuffix)))
		}
		require.Greater(t, seen, 9)
		require.Less(t, most, 8)
		require.NoError(t, a.Close())
		require.Empty(t, logsIn(t, a.cfg.Dir, walSuffix))
	}
}

// TestWALFails demands that a change is uncertain, and nothing is written after it, when our log cannot be written.
func TestWALFails(t *testing.T) {
	for name, hinder := range map[string]func(t *testing.T, w *wal){
		"it cannot be written": func(t *testing.T, w *wal) { require.NoError(t, w.file.Close()) },
		"the next cannot begin": func(t *testing.T, w *wal) {
			require.NoError(t, os.Mkdir(filepath.Join(w.Dir, "00002"+walSuffix), 0o700))
			w.end = w.most()
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := openApplied(t, Config{Dir: t.TempDir(), Small: true, Sync: true}, 1)
			for range 10 {
				a.change(t, 5, 100)
			}
			hinder(t, &a.Engine.(*badgerEngine).wal)
			for range 2 {
				_, err := a.Apply([]Write{{Key: []byte("k"), Value: []byte("v")}}, nil)
				require.ErrorIs(t, err, ErrUncertain)
				a.is(t, a.Engine)
			}
			require.NoError(t, a.Close())
			e, err := OpenBadger(a.cfg)
			require.NoError(t, err)
			a.want["k"] = "v" // Badger had it
			a.last++
			a.is(t, e)
			require.NoError(t, e.Close())
		})
	}
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
