package kv

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// contentsOf gives all keys and values of an engine, by a walk in each direction and by Get.
func contentsOf(t testing.TB, e Engine) map[string]string {
	t.Helper()
	v := e.View()
	defer v.Release()
	return viewed(t, v)
}

func viewed(t testing.TB, v View) map[string]string {
	t.Helper()
	all := walked(t, v, false)
	require.True(t, maps.Equal(all, walked(t, v, true)))
	for key, want := range all {
		got, version, err := v.Get([]byte(key))
		require.NoError(t, err)
		require.Equal(t, want, string(got))
		require.LessOrEqual(t, version, v.Version())
	}
	none, _, err := v.Get([]byte("not there"))
	require.NoError(t, err)
	require.Nil(t, none)
	return all
}

// walked gives all keys and values by a walk.
func walked(t testing.TB, v View, reverse bool) map[string]string {
	t.Helper()
	all := map[string]string{}
	it := v.Iterate(nil, reverse)
	defer it.Close()
	for it.Seek(nil); it.Valid(); it.Next() {
		value, err := it.Value()
		require.NoError(t, err)
		all[string(it.Key())] = string(value)
	}
	return all
}

// goods is something to fill an engine with, more than one table.
func goods() map[string]string {
	m := map[string]string{}
	for i := range 4000 {
		m[fmt.Sprintf("k%05d", i*7919%100000)] = strings.Repeat(fmt.Sprint(i), 1+i%300)
	}
	return m
}

func emitAll(m map[string]string) func(func(key, value []byte) error) error {
	return func(emit func(key, value []byte) error) error {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if err := emit([]byte(key), []byte(m[key])); err != nil {
				return err
			}
		}
		return nil
	}
}

// filling is an engine with a few keys that is to be filled. If somebody reads, the fill takes its other way.
type filling struct {
	*badgerEngine
	dir   string
	there map[string]string
	view  View // of one who reads all the time, or nil
	walk  Iterator
}

func (f *filling) stopReading() {
	if f.view != nil {
		f.walk.Close()
		f.view.Release()
		f.view = nil
	}
}

// eachWay runs a test on both ways a fill can take, with and without sync.
func eachWay(t *testing.T, test func(t *testing.T, f *filling)) {
	for _, name := range []string{"alone", "beside a reader"} {
		for _, sync := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, sync %v", name, sync), func(t *testing.T) {
				t.Parallel()
				f := &filling{dir: t.TempDir(), there: map[string]string{"a": "first", "k00007": "to be replaced", "z": "last"}}
				f.badgerEngine = openFilling(t, f.dir, sync)
				_, err := f.Apply([]Write{{Key: []byte("a"), Value: []byte("first")}, {Key: []byte("gone"), Value: []byte("x")}}, nil)
				require.NoError(t, err)
				_, err = f.Apply([]Write{{Key: []byte("gone")}, {Key: []byte("k00007"), Value: []byte("to be replaced")}, {Key: []byte("z"), Value: []byte("last")}}, nil)
				require.NoError(t, err)
				if name != "alone" {
					f.view = f.View()
					f.walk = f.view.Iterate(nil, false)
					f.walk.Seek(nil)
				}
				test(t, f)
				f.stopReading()
				require.NoError(t, f.Close())
			})
		}
	}
}

func openFilling(t testing.TB, dir string, sync bool) *badgerEngine {
	e, err := OpenBadger(Config{Dir: dir, Small: true, Sync: sync})
	require.NoError(t, err)
	return e.(*badgerEngine)
}

// copyLive copies the directory of an engine that is open, as it is at one moment.
func copyLive(t testing.TB, from string) (dir string) {
	t.Helper()
	require.Eventually(t, func() bool { // Badger's own goroutines may be putting a log away
		before, err := listFiles(from)
		require.NoError(t, err)
		dir = t.TempDir()
		err = os.CopyFS(dir, os.DirFS(from))
		after, err2 := listFiles(from)
		return err == nil && err2 == nil && slices.Equal(before, after)
	}, time.Minute, time.Millisecond)
	return dir
}

func TestFill(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, f *filling) {
		require.True(t, f.CanFill())
		want, before := goods(), f.View()
		each := emitAll(want)
		first := true
		version, err := f.Fill(4<<20, func(emit func(key, value []byte) error) error {
			return each(func(key, value []byte) error {
				if err := emit(key, value); !first {
					return err
				}
				first = false
				require.True(t, maps.Equal(f.there, contentsOf(t, f)), "readers see what was there")
				return nil
			})
		})
		require.NoError(t, err)
		require.Greater(t, version, before.Version())
		before.Release()
		require.True(t, maps.Equal(want, contentsOf(t, f)))
		if f.view != nil {
			require.True(t, maps.Equal(f.there, viewed(t, f.view)))
		}
		require.NoError(t, f.CheckFiles())
		if f.view == nil {
			require.Zero(t, f.Stats().Levels[5].Tables, "all lies on the last level")
		}
		open := 0
		for _, file := range must(os.ReadDir(f.dir))(t) {
			if must(file.Info())(t).Mode().Perm()&0o077 != 0 {
				open++
			}
		}
		require.LessOrEqual(t, open, 2, "but for what Badger is making in this moment")
		next, err := f.Apply([]Write{{Key: []byte("more"), Value: []byte("x")}, {Key: []byte("k00000")}}, nil)
		require.NoError(t, err)
		require.Greater(t, next, version)
		want["more"] = "x"
		delete(want, "k00000")
		require.NoError(t, f.Compact())

		killed := copyLive(t, f.dir)
		f.stopReading()
		require.NoError(t, f.Close())
		for _, dir := range []string{killed, f.dir} {
			f.badgerEngine = openFilling(t, dir, true)
			require.True(t, maps.Equal(want, contentsOf(t, f)))
			require.Equal(t, next, f.current.Load().version)
			if dir != f.dir {
				require.NoError(t, f.Close())
			}
		}
		left, err := filepath.Glob(filepath.Join(f.dir, MarkName+"*"))
		require.NoError(t, err)
		require.Len(t, left, 1, "the mark alone")
	})
}

// A process that ends in the middle of a fill leaves what was there before.
func TestFillBrokenOff(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, f *filling) {
		killed := map[string]string{} // directories, as the process leaves them
		leave := func(when string) { killed[when] = copyLive(t, f.dir) }
		each := emitAll(goods())
		n := 0
		_, err := f.Fill(4<<20, func(emit func(key, value []byte) error) error {
			leave("before anything came")
			err := each(func(key, value []byte) error {
				if n++; n == 2000 || n == 3999 {
					leave(fmt.Sprint("after ", n))
				}
				return emit(key, value)
			})
			leave("after everything")
			return err
		})
		require.NoError(t, err)
		for when, dir := range killed {
			_, err := OpenBadger(Config{Dir: dir, ReadOnly: true})
			require.ErrorIs(t, err, ErrReadOnly, when)
			got, _ := salvagedBy(t, Config{Dir: dir}, func([]byte) bool { return true })
			for key, value := range f.there {
				require.Contains(t, got, key, when)
				require.True(t, got[key] == value || got[key] == goods()[key], when)
			}
			again := t.TempDir() // what was broken off once more: everything is gone but the keepsake
			for _, name := range []string{MarkName, keepsakeName, registryName} {
				b, err := os.ReadFile(filepath.Join(dir, name))
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(filepath.Join(again, name), b, 0o600))
			}
			for _, dir := range []string{dir, again} {
				e := openFilling(t, dir, true)
				require.True(t, maps.Equal(f.there, contentsOf(t, e)), when)
				_, err = e.Apply([]Write{{Key: []byte("more"), Value: []byte("x")}}, nil)
				require.NoError(t, err)
				killed := copyLive(t, dir)
				require.NoError(t, e.Close())
				for _, dir := range []string{killed, dir} {
					e = openFilling(t, dir, true)
					require.Equal(t, "x", contentsOf(t, e)["more"], when)
					require.NoError(t, e.Close())
				}
			}
		}
	})
}

// A fill that fails changes nothing.
func TestFillThatFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, bad := range map[string]struct {
		do   func(emit func(key, value []byte) error) error
		want error
	}{
		"its source":        {func(func(key, value []byte) error) error { return broken }, broken},
		"keys out of order": {func(emit func(key, value []byte) error) error { return emit([]byte("k"), []byte("x")) }, ErrCorrupt},
		"a key again":       {func(emit func(key, value []byte) error) error { return emit([]byte("l0"), []byte("x")) }, ErrCorrupt},
		"a key not for it":  {func(emit func(key, value []byte) error) error { return emit([]byte{0, 1}, []byte("x")) }, ErrCorrupt},
		"no key":            {func(emit func(key, value []byte) error) error { return emit(nil, []byte("x")) }, ErrCorrupt},
		"no value":          {func(emit func(key, value []byte) error) error { return emit([]byte("l"), nil) }, ErrCorrupt},
		"a value too large": {func(emit func(key, value []byte) error) error { return emit([]byte("l"), make([]byte, 1<<20)) }, ErrCorrupt},
		"a key that is long": {func(emit func(key, value []byte) error) error {
			return emit(bytes.Repeat([]byte("l"), MaxKey+1), []byte("x"))
		}, ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachWay(t, func(t *testing.T, f *filling) {
				each := emitAll(goods())
				_, err := f.Fill(4<<20, func(emit func(key, value []byte) error) error {
					if err := each(emit); err != nil {
						return err
					}
					if err := emit([]byte("l0"), []byte("y")); err != nil {
						return err
					}
					return bad.do(emit)
				})
				require.ErrorIs(t, err, bad.want)
				require.True(t, maps.Equal(f.there, contentsOf(t, f)))
				_, err = f.Apply([]Write{{Key: []byte("more"), Value: []byte("x")}}, nil)
				if f.view == nil {
					require.NoError(t, err)
					f.there["more"] = "x"
				} else {
					require.ErrorIs(t, err, bad.want, "writing has stopped")
					require.False(t, f.CanFill())
				}
				f.stopReading()
				require.NoError(t, f.Close())
				f.badgerEngine = openFilling(t, f.dir, true)
				require.True(t, maps.Equal(f.there, contentsOf(t, f)))
			})
		})
	}
}

// Beside a reader a fill that fails is undone, too, if he has gone meanwhile.
func TestFillThatFailsWhenTheReaderHasGone(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, f *filling) {
		_, err := f.Fill(4<<20, func(emit func(key, value []byte) error) error {
			err := emitAll(goods())(emit)
			f.stopReading()
			return errors.Join(err, errors.New("broken"))
		})
		require.ErrorContains(t, err, "broken")
		require.True(t, maps.Equal(f.there, contentsOf(t, f)))
		_, err = f.Fill(4<<20, emitAll(goods()))
		require.NoError(t, err)
		require.True(t, maps.Equal(goods(), contentsOf(t, f)))
	})
}

// Where Badger or the keepsake cannot even begin, reading goes on, and the next Open has all that was acknowledged.
func TestFillThatCannotBegin(t *testing.T) {
	t.Parallel()
	for name, hinder := range map[string]struct {
		what  string
		stops bool // writing, until the store is opened anew
	}{
		"no keepsake":                    {keepsakeName + ".new/x", false},
		"a keepsake that cannot go":      {keepsakeName + "/x", true},
		"Badger cannot make its new log": {"00002" + logSuffix, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			e := openFilling(t, dir, true)
			_, err := e.Apply([]Write{{Key: []byte("a"), Value: []byte("x")}}, nil)
			require.NoError(t, err)
			what := filepath.Join(dir, hinder.what)
			require.NoError(t, os.MkdirAll(filepath.Dir(what), 0o700))
			require.NoError(t, os.WriteFile(what, []byte("x"), 0o600))
			_, err = e.Fill(4<<20, emitAll(goods()))
			require.Error(t, err)
			require.Equal(t, map[string]string{"a": "x"}, contentsOf(t, e))
			_, err = e.Apply([]Write{{Key: []byte("b"), Value: []byte("x")}}, nil)
			require.Equal(t, hinder.stops, err != nil)
			_ = e.Close() // Badger may not be able to
			require.NoError(t, os.RemoveAll(filepath.Join(dir, strings.Split(hinder.what, "/")[0])))
			e = openFilling(t, dir, true)
			require.Equal(t, "x", contentsOf(t, e)["a"])
			require.Equal(t, !hinder.stops, contentsOf(t, e)["b"] == "x")
			require.NoError(t, e.Close())
		})
	}
}

// Badger must have no reason to cut a table itself.
func TestFillCutsEveryTable(t *testing.T) {
	t.Parallel()
	for _, key := range []int{8, 60, 250, 1000} {
		for _, value := range []int{1, 350, 5000} {
			t.Run(fmt.Sprint(key, " ", value), func(t *testing.T) {
				t.Parallel()
				e := openFilling(t, t.TempDir(), false)
				defer e.Close()
				n := 5 << 20 / (key + value)
				_, err := e.Fill(5<<20, func(emit func(key, value []byte) error) error {
					for i := range n {
						k := fmt.Appendf(nil, "%08d", i*(99999999/n)) // the first bytes differ
						if err := emit(append(k, bytes.Repeat([]byte("k"), key-8)...), make([]byte, value)[:value:value]); err != nil {
							return err
						}
					}
					return nil
				})
				require.NoError(t, err)
				for _, table := range e.db.Tables() {
					require.Less(t, int64(table.OnDiskSize), e.cfg.loadSize()*95/100)
				}
				require.LessOrEqual(t, len(e.db.Tables()), n*(key+value+40)/700_000+2)
			})
		}
	}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		require.NoError(t, err)
		return v
	}
}

// What lacks the end of a fill is noticed, whatever else happened since.
func TestFillThatLostItsEnd(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, f *filling) {
		_, err := f.Fill(4<<20, emitAll(goods()))
		require.NoError(t, err)
		noticed := 0
		live := copyLive(t, f.dir)
		for _, pattern := range []string{"MANIFEST", "*" + logSuffix} {
			names, err := filepath.Glob(filepath.Join(live, pattern))
			require.NoError(t, err)
			for _, cut := range []int{1, 20, 200} {
				dir := t.TempDir()
				require.NoError(t, os.CopyFS(dir, os.DirFS(live)))
				path := filepath.Join(dir, filepath.Base(names[len(names)-1]))
				b, err := os.ReadFile(path)
				require.NoError(t, err)
				used := len(bytes.TrimRight(b, "\x00"))
				if used <= logHeader { // the log of a fill that needs none
					continue
				}
				require.NoError(t, os.WriteFile(path, b[:used-min(used, cut)], 0o600))
				e, err := OpenBadger(Config{Dir: dir, Small: true})
				if err == nil {
					require.True(t, maps.Equal(goods(), contentsOf(t, e)), "%s without %d bytes", pattern, cut)
					require.NoError(t, e.Close())
					continue
				}
				require.ErrorIs(t, err, ErrCorrupt)
				noticed++
			}
		}
		require.Positive(t, noticed)
	})
}

func TestFillIsNotForEverything(t *testing.T) {
	t.Parallel()
	open := func(c Config) *badgerEngine {
		e, err := OpenBadger(c)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, e.Close()) })
		return e.(*badgerEngine)
	}
	require.False(t, open(Config{}).CanFill(), "in memory")
	require.False(t, open(Config{Dir: t.TempDir(), Key: cipher}).CanFill(), "encrypted: it would lie open for a while")
	dir := t.TempDir()
	require.NoError(t, openFilling(t, dir, true).Close())
	readOnly := open(Config{Dir: dir, ReadOnly: true})
	require.False(t, readOnly.CanFill())
	_, err := readOnly.Fill(0, emitAll(nil))
	require.ErrorIs(t, err, ErrReadOnly)

	full := open(Config{Dir: t.TempDir()})
	_, err = full.Fill(4<<20, emitAll(goods()))
	require.NoError(t, err)
	require.False(t, full.CanFill())
	_, err = full.Fill(4<<20, emitAll(goods()))
	require.ErrorIs(t, err, ErrTooLarge)
	require.Len(t, contentsOf(t, full), len(goods()))
	_, err = full.Apply([]Write{{Key: []byte("more"), Value: []byte("x")}}, nil)
	require.NoError(t, err)

	empty := open(Config{Dir: t.TempDir()})
	_, err = empty.Fill(0, emitAll(nil))
	require.NoError(t, err)
	require.Empty(t, contentsOf(t, empty))
}

func TestFixedViewLikeBadgers(t *testing.T) {
	e := openFilling(t, t.TempDir(), true)
	defer e.Close()
	var writes []Write
	for _, key := range []string{"a", "ab", "ab\x00", "ab\xff", "ab\xff\xff", "abc", "b", "ba", "\xff", "\xff\xff"} {
		writes = append(writes, Write{Key: []byte(key), Value: []byte("of " + key)})
	}
	_, err := e.Apply(writes, nil)
	require.NoError(t, err)
	real := e.View()
	defer real.Release()
	there, err := Everything(real)
	require.NoError(t, err)
	fixed := &fixedView{engine: e, state: &state{version: real.Version(), fixed: there}}
	keys := func(v View, prefix, seek []byte, reverse bool) (list []string) {
		it := v.Iterate(prefix, reverse)
		defer it.Close()
		require.False(t, it.Valid())
		for it.Seek(seek); it.Valid(); it.Next() {
			list = append(list, string(it.Key()))
		}
		return list
	}
	for _, prefix := range []string{"", "a", "ab", "ab\xff", "b", "c", "\xff"} {
		for _, seek := range []string{"", "a", "ab", "abb", "ab\xff", "abz", "b", "bb", "\xff", "\xff\xff\xff"} {
			for _, reverse := range []bool{false, true} {
				if len(seek) > len(prefix) && !strings.HasPrefix(seek, prefix) {
					continue
				}
				require.Equal(t, keys(real, []byte(prefix), []byte(seek), reverse), keys(fixed, []byte(prefix), []byte(seek), reverse),
					"%q %q %v", prefix, seek, reverse)
			}
		}
	}
}

func FuzzKeepsake(f *testing.F) {
	k := &keepsake{version: 7, writes: []Write{{Key: []byte("a"), Value: []byte("x")}, {Key: []byte("b"), Value: []byte("y")}}}
	b := k.encode()
	f.Add(b, true)
	f.Add(b[:len(b)-5], true)
	f.Add([]byte(keepsakeHead+"\x00\x00\x00\x00\x00\x00\x00\x07\x80\x00\x01x\x00____"), true) // an empty key, its length in two bytes
	f.Fuzz(func(t *testing.T, b []byte, sum bool) {
		if sum && len(b) >= 4 { // as if the checksum were right
			b = appendSum(b[: len(b)-4 : len(b)-4])
		}
		k, err := decodeKeepsake(b)
		if err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			return
		}
		again, err := decodeKeepsake(k.encode())
		require.NoError(t, err)
		require.Equal(t, k, again)
	})
}
