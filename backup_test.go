package userstore_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

// TestBackupWhileWriting takes backups while pairs of users change together, and demands that each backup is of one
// moment: pairs agree, every index fits, and what was acknowledged before it began is in it.
func TestBackupWhileWriting(t *testing.T) {
	t.Parallel()
	for _, w := range []*world{memory(t), disk(t, edge)} {
		const pairs = 8
		var acknowledged [pairs]atomic.Int64
		var stop atomic.Bool
		var writers sync.WaitGroup
		for pair := range pairs {
			a, b := fmt.Sprint("a", pair), fmt.Sprint("b", pair)
			w.add(t, a, b)
			writers.Go(func() {
				for n := int64(1); !stop.Load(); n++ { // a is never behind b, and never more than one ahead
					for _, uid := range []string{a, b} {
						if _, err := w.Update(bg, uid, rename(fmt.Sprint(n))); err != nil {
							t.Error(err)
							return
						}
					}
					acknowledged[pair].Store(n)
					_, err := w.AddFriends(bg, a, b)
					if n%2 == 0 {
						_, err = w.RemoveFriends(bg, a, b)
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		for range 20 {
			var before [pairs]int64
			for pair := range pairs {
				before[pair] = acknowledged[pair].Load()
			}
			s := must(userstore.RestoreInMemory(bg, bytes.NewReader(backup(t, w.Store))))(t)
			sound(t, s)
			for pair := range pairs {
				number := func(uid string) (n int64) {
					_, _ = fmt.Sscan(must(s.Get(bg, fmt.Sprint(uid, pair)))(t).Name, &n) // 0 for the name it began with
					return n
				}
				a, b := number("a"), number("b")
				require.True(t, a == b || a == b+1, "a at %d, b at %d", a, b)
				require.GreaterOrEqual(t, b, before[pair])
			}
			require.NoError(t, s.Close())
		}
		stop.Store(true)
		writers.Wait()
	}
}

// TestRestoreDamaged cuts a backup at many places, flips bits all over it, and puts into it, with the right checksum, what
// no backup has: each time it is an error, and nothing is left of it.
func TestRestoreDamaged(t *testing.T) {
	t.Parallel()
	w := memory(t)
	populate(t, w)
	whole := backup(t, w.Store)
	above := t.TempDir()
	existing := filepath.Join(above, "existing")
	require.NoError(t, os.Mkdir(existing, 0o700))
	r := rand.New(rand.NewPCG(1, 2))
	step := 1 + len(whole)/60
	for at := r.IntN(step); at < len(whole); at += step {
		flipped := bytes.Clone(whole)
		flipped[at] ^= 1 << r.IntN(8)
		for what, b := range map[string][]byte{"cut": whole[:at], "flipped": flipped} {
			_, err := userstore.RestoreInMemory(bg, bytes.NewReader(b))
			require.ErrorIs(t, err, userstore.ErrCorrupt, "%s at %d", what, at)
		}
		if at%5 == 0 {
			for _, dir := range []string{filepath.Join(above, "absent"), existing} {
				require.ErrorIs(t, userstore.Restore(bg, dir, bytes.NewReader(flipped), edge), userstore.ErrCorrupt)
			}
		}
	}
	head, end := len("userstore backup 1\n"), len(whole)-sha256.Size-1
	for name, c := range map[string]struct {
		at   int
		more string
	}{
		"out of order":              {end, "\x01u\x01x"},
		"twice":                     {end, "\x02zz\x01x\x02zz\x01y"},
		"an engine's own key":       {head, "\x02\x00\x01\x01x"},
		"a value that is not there": {end, "\x02zz\x00"},
	} {
		b := slices.Insert(bytes.Clone(whole[:end+1]), c.at, []byte(c.more)...)
		sum := sha256.Sum256(b)
		_, err := userstore.RestoreInMemory(bg, bytes.NewReader(append(b, sum[:]...)))
		require.ErrorIs(t, err, userstore.ErrCorrupt, name)
	}
	require.Len(t, must(os.ReadDir(above))(t), 1)
	require.Empty(t, must(os.ReadDir(existing))(t))
	require.NoError(t, userstore.Restore(bg, existing, bytes.NewReader(whole), edge))
	for _, dir := range []string{existing, filepath.Join(existing, "USERSTORE"), above} {
		err := userstore.Restore(bg, dir, bytes.NewReader(whole))
		if require.Error(t, err, "there is something"); dir != filepath.Join(existing, "USERSTORE") { // which is a file
			require.ErrorIs(t, err, userstore.ErrExists)
		}
	}
	s := must(userstore.Open(existing, edge))(t)
	require.Equal(t, export(t, w.Store, everybody), export(t, s, everybody))
	require.NoError(t, s.Close())
}

// TestRestoreLarge moves more than one step of an engine takes, from and into each kind of store.
func TestRestoreLarge(t *testing.T) {
	t.Parallel()
	w := memory(t)
	for i := range 400 {
		must(w.Create(bg, big(fmt.Sprint("u", i))))(t)
	}
	b := backup(t, w.Store)
	dir := filepath.Join(t.TempDir(), "store")
	key := userstore.WithEncryptionKey(make([]byte, 32))
	require.NoError(t, userstore.Restore(bg, dir, bytes.NewReader(b), edge, key))
	s := must(userstore.Open(dir, edge, key))(t)
	require.Equal(t, export(t, w.Store, everybody), export(t, s, everybody))
	again := must(userstore.RestoreInMemory(bg, bytes.NewReader(backup(t, s))))(t)
	require.Equal(t, export(t, w.Store, everybody), export(t, again, everybody))
	require.NoError(t, s.Close())
	require.NoError(t, again.Close())
}

func init() {
	children["restore"] = func(args []string) error { return userstore.Restore(bg, args[0], os.Stdin, edge) }
}

// TestRestoreBrokenOff ends a restore halfway, by its context and by a kill. What was begun is no store: neither a part of
// one nor, in a directory that was there before, an empty one.
func TestRestoreBrokenOff(t *testing.T) {
	t.Parallel()
	w := memory(t)
	for i := range 150 { // more than one step of an engine, and more than a pipe holds
		must(w.Create(bg, big(fmt.Sprint("u", i))))(t)
	}
	whole := backup(t, w.Store)
	half := whole[:len(whole)/2]
	for _, there := range []bool{false, true} {
		above := t.TempDir()
		dir := filepath.Join(above, "store")
		if there {
			require.NoError(t, os.Mkdir(dir, 0o700))
		}
		before := tree(t, above)
		ctx, cancel := context.WithCancel(bg)
		in := io.MultiReader(bytes.NewReader(half), readerFunc(func([]byte) (int, error) { cancel(); return 0, io.EOF }), bytes.NewReader(whole[len(half):]))
		require.ErrorIs(t, userstore.Restore(ctx, dir, in, edge), context.Canceled)
		require.Equal(t, before, tree(t, above))

		cmd := child(t, "restore", dir)
		pipe := must(cmd.StdinPipe())(t)
		require.NoError(t, cmd.Start())
		must(pipe.Write(half))(t)
		require.NoError(t, cmd.Process.Kill())
		require.Error(t, cmd.Wait())
		if !there {
			require.NoDirExists(t, dir)
		} else {
			for _, opts := range [][]userstore.Option{{edge}, {userstore.ReadOnly()}} {
				_, err := userstore.Open(dir, opts...)
				require.ErrorIs(t, err, userstore.ErrCorrupt)
				require.ErrorContains(t, err, "broken off")
			}
			require.ErrorIs(t, userstore.Restore(bg, dir, bytes.NewReader(whole), edge), userstore.ErrExists)
			require.NoError(t, os.RemoveAll(dir))
		}
		require.NoError(t, userstore.Restore(bg, dir, bytes.NewReader(whole), edge))
		s := must(userstore.Open(dir, edge))(t)
		require.Equal(t, export(t, w.Store, everybody), export(t, s, everybody))
		require.NoError(t, s.Close())
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// FuzzRestore feeds Restore with anything: it gives a store or an error.
func FuzzRestore(f *testing.F) {
	s := must(userstore.OpenInMemory())(f)
	must(s.Create(bg, userstore.User{UID: "ada", Name: "Ada"}))(f)
	b := backup(f, s)
	f.Add(b)
	f.Add(b[:len(b)/2])
	f.Add([]byte("userstore backup 1\n\x00"))
	f.Add([]byte("userstore backup 1\n\x01u\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := userstore.RestoreInMemory(bg, bytes.NewReader(b))
		if err == nil {
			_, _ = s.Verify(bg)
			require.NoError(t, s.Close())
		}
	})
}
