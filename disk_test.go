package userstore_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
	"github.com/seed-3546c6b2/userstore/internal/kv"
	"github.com/seed-3546c6b2/userstore/internal/kv/kvtest"
)

// TestEngineWithoutRoom has the disk fill up and be cleared under several writers, wherever the tests run.
func TestEngineWithoutRoom(t *testing.T) {
	t.Parallel()
	var full atomic.Bool
	w, f := faulty(t, kv.Config{Dir: t.TempDir(), Small: true}, 0, nil)
	f.Fail = func(c kvtest.Call) error {
		if c == kvtest.Apply && full.Load() {
			return fmt.Errorf("userstore: %w", syscall.ENOSPC)
		}
		return nil
	}
	var mu sync.Mutex
	var acknowledged []string
	for round := range 3 {
		full.Store(false)
		var writers sync.WaitGroup
		for writer := range 8 {
			writers.Go(func() {
				for i := 0; ; i++ {
					if i == 20 {
						full.Store(true)
					}
					uid := fmt.Sprintf("u-%d-%d-%d", round, writer, i)
					if _, err := w.Create(bg, userstore.User{UID: uid, Name: uid}); err != nil {
						if !errors.Is(err, syscall.ENOSPC) {
							t.Error(err)
						}
						return
					}
					mu.Lock()
					acknowledged = append(acknowledged, uid)
					mu.Unlock()
				}
			})
		}
		writers.Wait()
		full.Store(true)
		require.ErrorIs(t, fails(w.Update(bg, acknowledged[0], rename("Other"))), syscall.ENOSPC)
		require.ElementsMatch(t, acknowledged, found(t, w, everybody), "reads go on")
		sound(t, w.Store)
	}
	full.Store(false)
	require.Equal(t, "Other", must(w.Update(bg, acknowledged[0], rename("Other")))(t).Name)
	w.reopen(t)
	require.ElementsMatch(t, acknowledged, found(t, w, everybody))
	sound(t, w.Store)
}
