package userstore_test

import (
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
