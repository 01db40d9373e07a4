package userstore

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore/internal/kv"
)

// sink is an engine that only counts what it is given.
type sink struct {
	kv.Engine
	limit, got int
}

func (s *sink) Limits() (int, int) { return s.limit, 1 << 20 }

func (s *sink) Apply(writes []kv.Write, _ func()) (uint64, error) {
	s.got += len(writes)
	return uint64(s.got), nil
}

// TestLoadDamaged cuts a backup at every byte and flips a bit of every byte: whatever part of it that is, and whether the
// engine takes all in one step or has some of it already when the damage comes, it is an error.
func TestLoadDamaged(t *testing.T) {
	ctx := context.Background()
	s, err := OpenInMemory()
	require.NoError(t, err)
	for i := range 2 {
		_, err = s.Create(ctx, User{UID: fmt.Sprint("u", i), Name: "U", StatusMessage: string(bytes.Repeat([]byte("x"), 100))}) // a length of two bytes
		require.NoError(t, err)
	}
	var b bytes.Buffer
	require.NoError(t, s.Backup(ctx, &b))
	require.NoError(t, s.Close())
	whole := b.Bytes()
	for _, limit := range []int{1, 1000} {
		all := &sink{limit: limit}
		require.NoError(t, load(ctx, all, bytes.NewReader(whole)))
		require.Greater(t, all.got, 5)
		fails := func(what string, at int, b []byte) {
			some := &sink{limit: limit}
			if err := load(ctx, some, bytes.NewReader(b)); err != errBackup { // quicker than require
				require.Failf(t, "loaded", "%s at %d: %v", what, at, err)
			}
			if limit > 1 {
				require.Zero(t, some.got)
			}
		}
		for at := range whole {
			fails("cut", at, whole[:at])
			whole[at] ^= 1 << (at % 8)
			fails("flipped", at, whole)
			whole[at] ^= 1 << (at % 8)
		}
		fails("more", len(whole), append(bytes.Clone(whole), 0))
		fails("twice", len(whole), append(bytes.Clone(whole), whole...))
	}
}
