package userstore_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

// TestHalfWrittenDirectory takes away or cuts each file of a store in turn. Opening it may fail, with an error that says
// so; if it does not, nothing but the newest writes may be missing. The files that are left are never deleted.
func TestHalfWrittenDirectory(t *testing.T) {
	w := disk(t)
	populate(t, w)
	want := found(t, w, everybody)
	require.NoError(t, w.Close())
	files := tree(t, w.dir)
	for _, name := range []string{"MANIFEST", "KEYREGISTRY"} {
		require.Contains(t, files, name)
	}
	damage := map[string]func(path string, size int64) error{
		"removed": func(path string, _ int64) error { return os.Remove(path) },
		"emptied": func(path string, _ int64) error { return os.Truncate(path, 0) },
		"halved":  func(path string, size int64) error { return os.Truncate(path, size/2) },
	}
	for name, size := range files {
		for kind, do := range damage {
			if name == "LOCK" || size == 0 {
				continue
			}
			t.Run(kind+" "+name, func(t *testing.T) {
				dir := t.TempDir()
				require.NoError(t, os.CopyFS(dir, os.DirFS(w.dir)))
				require.NoError(t, do(filepath.Join(dir, name), size))
				left := tree(t, dir)
				s, err := userstore.Open(dir)
				if err != nil {
					require.NotErrorIs(t, err, userstore.ErrLocked)
					for file, size := range left {
						require.GreaterOrEqual(t, tree(t, dir)[file], size, "%s shrank", file)
					}
					return
				}
				got, err := collect(s.All(bg, everybody))
				if err == nil && !slices.Equal(want, uids(got)) {
					report, err := s.Verify(bg)
					require.True(t, err != nil || !report.OK(), "users are lost and nobody says so: %v", uids(got))
				}
				require.NoError(t, s.Close())
			})
		}
	}
}

// TestDamageWhileOpen flips bytes in the tables of a store that is open. No call panics, and a user who is read is right,
// or an error.
func TestDamageWhileOpen(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]userstore.Option{"plain": nil, "encrypted": {userstore.WithEncryptionKey(make([]byte, 16))}} {
		made := &world{clock: newClock(), dir: t.TempDir(), opts: append(opts, edge)}
		made.open(t)
		for i := range 100 {
			must(made.Create(bg, userstore.User{UID: fmt.Sprint("u", i), Name: fmt.Sprint("U ", i), Tags: []string{"all"}}))(t)
		}
		require.NoError(t, made.Close())
		failed := 0
		for seed := range uint64(12) {
			dir := t.TempDir()
			require.NoError(t, os.CopyFS(dir, os.DirFS(made.dir)))
			s := must(userstore.Open(dir, append(opts, edge, userstore.WithCache(0))...))(t)
			r := rand.New(rand.NewPCG(seed, 1))
			for _, path := range must(filepath.Glob(filepath.Join(dir, "*.sst")))(t) {
				f := must(os.OpenFile(path, os.O_RDWR, 0))(t)
				size := must(f.Stat())(t).Size()
				for range 4 {
					at := r.Int64N(size)
					var b [1]byte
					must(f.ReadAt(b[:], at))(t)
					b[0] ^= 1 << r.IntN(8)
					must(f.WriteAt(b[:], at))(t)
				}
				require.NoError(t, f.Close())
			}
			for i := range 100 {
				u, err := s.Get(bg, fmt.Sprint("u", i))
				if err == nil {
					require.Equal(t, fmt.Sprint("U ", i), u.Name, name)
				}
			}
			for what, err := range map[string]error{
				"all":    fails(collect(s.All(bg, everybody))),
				"tag":    fails(s.List(bg, userstore.Query{Tags: []string{"all"}, Sort: userstore.SortCreated, Desc: true})),
				"count":  fails(s.Count(bg, userstore.Query{Tags: []string{"all"}, Search: "u"})),
				"update": fails(s.Update(bg, "u7", rename("Other"))),
				"create": fails(s.Create(bg, big("new"))),
				"backup": s.Backup(bg, io.Discard),
				"stats":  fails(s.Stats(bg)),
			} {
				if err != nil {
					failed++
					if !errors.Is(err, userstore.ErrNotFound) { // the key may be what was flipped
						require.ErrorIs(t, err, userstore.ErrCorrupt, "%s: %s", name, what)
					}
				}
			}
			require.Equal(t, []string{"file "}, kinds(must(s.Verify(bg))(t)))
			require.NoError(t, s.Close())
		}
		require.Positive(t, failed, name)
	}
}
