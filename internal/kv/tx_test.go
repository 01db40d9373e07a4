package kv_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore/internal/kv"
	"github.com/seed-3546c6b2/userstore/internal/kv/kvtest"
)

// TestOverlay compares what a change sees, over what is committed, being committed, and written by it and those before
// it, with a map.
func TestOverlay(t *testing.T) {
	db, f := memory(t)
	require.NoError(t, db.Update(bg, func(tx *kv.Tx) error {
		for _, k := range []string{"a", "c", "e", "g", "pa", "pc"} {
			tx.Set([]byte(k), []byte("old "+k))
		}
		return nil
	}))
	flying, land := make(chan struct{}), make(chan struct{})
	var taken, landed sync.Once
	f.Fail = func(c kvtest.Call) error {
		if c == kvtest.Apply {
			taken.Do(func() { close(flying); <-land })
		}
		return nil
	}
	done := make(chan error, 2)
	go func() {
		done <- db.Update(bg, func(tx *kv.Tx) error {
			tx.Set([]byte("b"), []byte("flying b"))
			tx.Set([]byte("c"), []byte("flying c"))
			tx.Delete([]byte("e"))
			tx.Set([]byte("pb"), []byte("flying pb"))
			return nil
		})
	}()
	<-flying
	go func() {
		done <- db.Update(bg, func(tx *kv.Tx) error {
			defer landed.Do(func() { close(land) })
			tx.Delete([]byte("b"))
			tx.Set([]byte("d"), []byte("mine d"))
			tx.Set([]byte("e"), []byte("mine e"))
			tx.Set([]byte("g"), []byte("first g"))
			tx.Set([]byte("g"), []byte("mine g"))
			tx.Delete([]byte("pa"))
			want := map[string]string{"a": "old a", "c": "flying c", "d": "mine d", "e": "mine e", "g": "mine g", "pb": "flying pb", "pc": "old pc"}
			found, err := tx.Scan(nil, 0)
			if err != nil || len(found) != len(want) {
				return fmt.Errorf("%d keys, %w", len(found), err)
			}
			for i, w := range found {
				if i > 0 && string(found[i-1].Key) >= string(w.Key) || want[string(w.Key)] != string(w.Value) {
					return fmt.Errorf("%s = %s", w.Key, w.Value)
				}
				if value, err := tx.Get(w.Key); err != nil || string(value) != string(w.Value) {
					return fmt.Errorf("get %s = %s, %w", w.Key, value, err)
				}
			}
			for _, gone := range []string{"b", "pa", "none"} {
				if value, err := tx.Get([]byte(gone)); value != nil || err != nil {
					return fmt.Errorf("%s = %s, %w", gone, value, err)
				}
			}
			if found, err = tx.Scan([]byte("p"), 1); err != nil || len(found) != 1 || string(found[0].Key) != "pb" {
				return fmt.Errorf("under p: %d, %w", len(found), err)
			}
			return nil
		})
	}()
	require.NoError(t, <-done)
	require.NoError(t, <-done)
}

// TestUnchanged demands that a key counts as unchanged only where nothing can have been written to it since.
func TestUnchanged(t *testing.T) {
	db, f := memory(t)
	set := func(key string) func(*kv.Tx) error {
		return func(tx *kv.Tx) error { tx.Set([]byte(key), []byte("x")); return nil }
	}
	unchanged := func(tx *kv.Tx, since uint64) (keys string) {
		for _, key := range []string{"a", "b", "c", "d"} {
			if tx.Unchanged([]byte(key), since, key == "a") {
				keys += key
			}
		}
		return keys
	}
	require.NoError(t, db.Update(bg, set("a")))
	now, err := db.Pin()
	require.NoError(t, err)
	seen := now.Version()
	now.Release()
	require.Error(t, db.Update(bg, func(tx *kv.Tx) error {
		require.Equal(t, "abcd", unchanged(tx, seen))
		require.Equal(t, "bcd", unchanged(tx, seen-1), "a is newer")
		require.False(t, tx.Unchanged([]byte("b"), seen-1, true), "b is not there")
		tx.Set([]byte("d"), []byte("mine"))
		require.Equal(t, "abc", unchanged(tx, seen))
		return errors.New("no")
	}))

	flying, land := make(chan struct{}), make(chan struct{})
	var taken sync.Once
	f.Fail = func(c kvtest.Call) error {
		if c == kvtest.Apply {
			taken.Do(func() { close(flying); <-land })
		}
		return nil
	}
	done := make(chan error, 3)
	go func() { done <- db.Update(bg, set("b")) }()
	<-flying
	joined := make(chan struct{})
	go func() {
		done <- db.Update(bg, func(tx *kv.Tx) error { defer close(joined); return set("c")(tx) })
	}()
	<-joined
	go func() {
		done <- db.Update(bg, func(tx *kv.Tx) error {
			defer close(land)
			if got := unchanged(tx, seen); got != "ad" {
				return fmt.Errorf("%q", got)
			}
			tx.Delete([]byte("a"))
			if got := unchanged(tx, seen); got != "d" {
				return fmt.Errorf("%q", got)
			}
			return nil
		})
	}()
	for range 3 {
		require.NoError(t, <-done)
	}
	require.NoError(t, db.Update(bg, func(tx *kv.Tx) error {
		require.Equal(t, "d", unchanged(tx, seen), "a is gone, b and c have come")
		return nil
	}))
}
