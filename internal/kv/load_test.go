package kv_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore/internal/kv"
)

// onDisk gives a DB that can be loaded, and how to open it again.
func onDisk(t testing.TB) (db *kv.DB, reopen func() *kv.DB) {
	dir := t.TempDir()
	open := func() *kv.DB {
		e, err := kv.OpenBadger(kv.Config{Dir: dir, Small: true, Sync: true})
		require.NoError(t, err)
		db = kv.New(e, hot, nil)
		return db
	}
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return open(), func() *kv.DB {
		require.NoError(t, db.Close())
		return open()
	}
}

// everything gives all that a DB shows.
func everything(t testing.TB, db *kv.DB) map[string]string {
	t.Helper()
	got := map[string]string{}
	require.NoError(t, db.Read(func(v kv.View) error {
		it := v.Iterate(nil, false)
		defer it.Close()
		for it.Seek(nil); it.Valid(); it.Next() {
			value, err := it.Value()
			if err != nil {
				return err
			}
			got[string(it.Key())] = string(value)
		}
		return nil
	}))
	return got
}

func set(key, value string) func(*kv.Tx) error {
	return func(tx *kv.Tx) error { tx.Set([]byte(key), []byte(value)); return nil }
}

// taken runs a change of a load that takes it.
func taken(t testing.TB, l *kv.Load, fn func(*kv.Tx) error) {
	t.Helper()
	took, err := l.Run(bg, fn)
	require.NoError(t, err)
	require.True(t, took)
}

func over(t testing.TB, l *kv.Load) {
	t.Helper()
	took, err := l.Run(bg, func(*kv.Tx) error { t.Error("it ran"); return nil })
	require.NoError(t, err)
	require.False(t, took)
}

// TestLoadIsAsIfChanged loads little and much, over what was there, and compares with a map.
func TestLoadIsAsIfChanged(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 50, 5000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			db, reopen := onDisk(t)
			require.NoError(t, db.Update(bg, set("a", "first")))
			require.NoError(t, db.Update(bg, set("b", "second")))
			require.NoError(t, db.Update(bg, set("ha", "hot")))
			want := map[string]string{"a": "first", "b": "second", "ha": "hot"}
			l := db.NewLoad()
			defer l.Drop()
			r := rand.New(rand.NewPCG(3, uint64(size)))
			for i := range size {
				taken(t, l, func(tx *kv.Tx) error {
					for key := range want { // of some, what it is
						if seen := key[0] == 'h' || key == "a" || key == "b"; seen || r.IntN(10) > 0 {
							value, err := tx.Get([]byte(key))
							require.NoError(t, err)
							if seen {
								require.Equal(t, want[key], string(value))
							}
						}
						break
					}
					put := func(key, value string) {
						if want[key] = value; value == "" {
							delete(want, key)
							tx.Delete([]byte(key))
							return
						}
						tx.Set([]byte(key), []byte(value))
					}
					put(fmt.Sprintf("k%d", i*7919), string(bytes.Repeat([]byte{'x'}, 1+r.IntN(300))))
					put(fmt.Sprintf("h%d", r.IntN(20)), fmt.Sprint(i))
					put(fmt.Sprintf("h%d", r.IntN(20)), "")
					put([]string{"a", "b"}[r.IntN(2)], []string{"", "new", "newer"}[r.IntN(3)])
					return nil
				})
				require.Equal(t, map[string]string{"a": "first", "b": "second", "ha": "hot"}, everything(t, db))
			}
			require.NoError(t, l.End(bg))
			require.NoError(t, l.End(bg))
			require.True(t, maps.Equal(want, everything(t, db)))
			over(t, l)
			db = reopen()
			require.True(t, maps.Equal(want, everything(t, db)))
			require.NoError(t, db.Update(bg, func(tx *kv.Tx) error {
				for key, value := range want {
					got, err := tx.Get([]byte(key))
					require.NoError(t, err)
					require.Equal(t, value, string(got))
				}
				return nil
			}))
		})
	}
}

// Whoever changes something else sees all that was loaded, and the load goes on as changes.
func TestLoadEndsForOthers(t *testing.T) {
	t.Parallel()
	db, _ := onDisk(t)
	l := db.NewLoad()
	defer l.Drop()
	for i := range 3000 {
		taken(t, l, set(fmt.Sprint("k", i), string(make([]byte, 200))))
		taken(t, l, add("hot", 1))
	}
	require.Empty(t, everything(t, db))
	require.NoError(t, db.Update(bg, func(tx *kv.Tx) error {
		value, err := tx.Get([]byte("k2999"))
		require.Len(t, value, 200)
		return err
	}))
	require.NoError(t, db.Update(bg, add("hot", 1)))
	require.EqualValues(t, 3001, count(t, db, "hot"))
	over(t, l)
	require.NoError(t, l.End(bg))
	require.Len(t, everything(t, db), 3001)
}

func TestLoadEndsForAnother(t *testing.T) {
	t.Parallel()
	db, _ := onDisk(t)
	first, second, third := db.NewLoad(), db.NewLoad(), db.NewLoad()
	taken(t, first, set("a", "1"))
	taken(t, second, set("b", "1")) // there is still little
	over(t, first)
	for i := range 3000 {
		taken(t, second, set(fmt.Sprint("k", i), string(make([]byte, 200))))
	}
	over(t, third)
	over(t, second)
	require.Len(t, everything(t, db), 3002)
}

func TestLoadThatIsDropped(t *testing.T) {
	t.Parallel()
	oops := errors.New("oops")
	for name, end := range map[string]func(t *testing.T, db *kv.DB, l *kv.Load){
		"dropped": func(t *testing.T, _ *kv.DB, l *kv.Load) { l.Drop(); l.Drop() },
		"a change fails": func(t *testing.T, _ *kv.DB, l *kv.Load) {
			_, err := l.Run(bg, func(tx *kv.Tx) error { tx.Set([]byte("x"), []byte("x")); return oops })
			require.ErrorIs(t, err, oops)
			_, err = l.Run(bg, set("y", "y"))
			require.ErrorIs(t, err, oops)
			require.ErrorIs(t, l.End(bg), oops)
		},
		"a change panics": func(t *testing.T, _ *kv.DB, l *kv.Load) {
			require.Panics(t, func() { _, _ = l.Run(bg, func(*kv.Tx) error { panic("oops") }) })
			over(t, l)
		},
		"a change ends its goroutine": func(t *testing.T, _ *kv.DB, l *kv.Load) {
			var gone sync.WaitGroup
			gone.Go(func() { _, _ = l.Run(bg, func(*kv.Tx) error { runtime.Goexit(); return nil }) })
			gone.Wait()
			over(t, l)
		},
		"not in time": func(t *testing.T, _ *kv.DB, l *kv.Load) {
			ctx, cancel := context.WithCancel(bg)
			cancel()
			_, err := l.Run(ctx, set("y", "y"))
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorIs(t, l.End(ctx), context.Canceled)
			l.Drop()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, reopen := onDisk(t)
			require.NoError(t, db.Update(bg, set("a", "1")))
			l := db.NewLoad()
			for i := range 3000 {
				taken(t, l, set(fmt.Sprint("k", i), string(make([]byte, 200))))
			}
			end(t, db, l)
			require.Len(t, everything(t, db), 1)
			require.NoError(t, db.Update(bg, set("a", "2")))
			taken(t, db.NewLoad(), set("b", "1"))
			require.Equal(t, map[string]string{"a": "2"}, everything(t, reopen())) // a DB that is closed drops its load
			l.Drop()
		})
	}
}

func TestLoadOfClosedDB(t *testing.T) {
	db, _ := onDisk(t)
	l := db.NewLoad()
	taken(t, l, set("a", "1"))
	require.NoError(t, db.Close())
	_, err := l.Run(bg, set("b", "1"))
	require.ErrorIs(t, err, kv.ErrClosed)
	require.ErrorIs(t, l.End(bg), kv.ErrClosed)
	l.Drop()
}

// What has to be kept in memory is bounded: then the load ends by itself.
func TestLoadOfManyHotKeys(t *testing.T) {
	t.Parallel()
	db, _ := onDisk(t)
	l := db.NewLoad()
	defer l.Drop()
	n := 0
	for {
		took, err := l.Run(bg, func(tx *kv.Tx) error {
			for range 10000 {
				n++
				tx.Set(fmt.Appendf(nil, "h%d", n), []byte("x"))
			}
			return nil
		})
		require.NoError(t, err)
		if !took {
			break
		}
	}
	require.Greater(t, n, 60000)
	require.Less(t, n, 80000)
	require.Len(t, everything(t, db), n)
}

func TestNoLoadWhereThereCanBeNone(t *testing.T) {
	t.Parallel()
	t.Run("in memory", func(t *testing.T) {
		db, _ := memory(t)
		over(t, db.NewLoad())
	})
	t.Run("much is there", func(t *testing.T) {
		db, _ := onDisk(t)
		require.NoError(t, db.Update(bg, func(tx *kv.Tx) error {
			for i := range 1025 {
				tx.Set(fmt.Appendf(nil, "k%d", i), []byte("x"))
			}
			return nil
		}))
		over(t, db.NewLoad())
	})
	t.Run("a change is on its way", func(t *testing.T) {
		db, _ := onDisk(t)
		wait, err := db.Start(bg, set("a", "1"))
		require.NoError(t, err)
		over(t, db.NewLoad())
		require.NoError(t, wait())
	})
}

// TestLoadsBesideWriters: whatever is acknowledged is there, in the end and after opening again.
func TestLoadsBesideWriters(t *testing.T) {
	t.Parallel()
	for round := range 5 {
		db, reopen := onDisk(t)
		var all sync.WaitGroup
		for w := range 4 {
			all.Go(func() {
				for i := range 30 {
					require.NoError(t, db.Update(bg, add(fmt.Sprint("hot", w%2), 1)))
					require.NoError(t, db.Update(bg, set(fmt.Sprint("w", w, " ", i), "x")))
				}
			})
		}
		loaded := 0
		all.Go(func() {
			for i := 0; i < 2000*(round+1); i++ {
				l := db.NewLoad()
				took := true
				for took && i < 2000*(round+1) {
					i++
					var err error
					took, err = l.Run(bg, func(tx *kv.Tx) error {
						tx.Set(fmt.Appendf(nil, "k%d", i), make([]byte, 150))
						return add("hot0", 1)(tx)
					})
					require.NoError(t, err)
					if took {
						loaded++
					}
				}
				require.NoError(t, l.End(bg))
			}
		})
		all.Wait()
		for range 2 {
			require.EqualValues(t, 60+loaded, count(t, db, "hot0"))
			require.EqualValues(t, 60, count(t, db, "hot1"))
			require.Len(t, everything(t, db), 2+4*30+loaded)
			db = reopen()
		}
	}
}
