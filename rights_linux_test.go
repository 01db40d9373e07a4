package userstore_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

func init() {
	children["files"] = filesChild
	children["nobody"] = nobodyChild
	children["modes"] = modesChild
}

// hog opens files until no more can be.
func hog(keep int) (files []*os.File) {
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		files = append(files, f)
	}
	for range min(keep, len(files)) {
		files[len(files)-1].Close()
		files = files[:len(files)-1]
	}
	return files
}

// filesChild uses up the process's file descriptors around a store at work, and while one is being opened.
func filesChild(args []string) error {
	limit := syscall.Rlimit{Cur: 120, Max: 120}
	s, err := userstore.Open(args[0], edge, userstore.WithSync(false))
	if err == nil {
		err = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
	if err != nil {
		return err
	}
	created := 0
	for round := range 3 {
		files := hog(0)
		var refused error
		for i := 0; refused == nil; i++ { // it looks now and then
			uid := fmt.Sprintf("few-%d-%d", round, i)
			if _, refused = s.Create(bg, big(uid)); refused == nil {
				created++
				fmt.Println(uid)
			}
		}
		if err := expect(refused, syscall.EMFILE); err != nil {
			return err
		}
		if n, err := s.Count(bg, everybody); n != created || err != nil {
			return fmt.Errorf("reads: %d users of %d, %w", n, created, err)
		}
		for _, f := range files {
			f.Close()
		}
		for i := range 500 { // some logs and tables
			uid := fmt.Sprintf("u-%d-%d", round, i)
			if _, err := s.Create(bg, big(uid)); err != nil {
				return err
			}
			created++
			fmt.Println(uid)
		}
	}
	if err := s.Close(); err != nil {
		return err
	}
	for spare := 0; ; spare++ {
		files := hog(spare)
		s, err := userstore.Open(args[0], edge)
		for _, f := range files {
			f.Close()
		}
		if err == nil {
			fmt.Fprintln(os.Stderr, "opening takes", spare, "files")
			return s.Close()
		}
		if err := expect(err, syscall.EMFILE); err != nil {
			return err
		}
	}
}

func TestTooManyFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	acknowledged := wait(t, child(t, "files", dir))
	s := must(userstore.Open(dir, edge))(t)
	require.ElementsMatch(t, acknowledged, uids(all(t, s, everybody)))
	sound(t, s)
	require.NoError(t, s.Close())
}

// nobodyChild gives up its rights and tries a directory that is not its own.
func nobodyChild(args []string) error {
	if os.Geteuid() == 0 {
		if err := errors.Join(syscall.Setgid(65534), syscall.Setuid(65534)); err != nil {
			return err
		}
	}
	for _, dir := range args {
		for _, opts := range [][]userstore.Option{nil, {userstore.ReadOnly()}} {
			if err := expect(fails(userstore.Open(dir, opts...)), os.ErrPermission); err != nil {
				return fmt.Errorf("%s: %w", dir, err)
			}
		}
	}
	return nil
}

func TestNoPermission(t *testing.T) {
	t.Parallel()
	above := t.TempDir()
	for p := above; p != os.TempDir() && len(p) > 1; p = filepath.Dir(p) {
		require.NoError(t, os.Chmod(p, 0o755))
	}
	w := &world{clock: newClock(), dir: filepath.Join(above, "store")}
	w.open(t)
	w.add(t, "ada")
	require.NoError(t, w.Close())
	readable := filepath.Join(above, "readable") // the directory, not the files in it
	require.NoError(t, os.CopyFS(readable, os.DirFS(w.dir)))
	require.NoError(t, os.Chmod(readable, 0o755))
	sealed := filepath.Join(above, "sealed")
	require.NoError(t, os.Mkdir(sealed, 0o500))
	for _, dir := range []string{readable, w.dir} {
		for name := range tree(t, dir) {
			require.NoError(t, os.Chmod(filepath.Join(dir, name), 0o600))
		}
	}
	if os.Geteuid() != 0 { // one's own files
		for _, dir := range []string{readable, w.dir} {
			for name := range tree(t, dir) {
				require.NoError(t, os.Chmod(filepath.Join(dir, name), 0))
			}
		}
	}
	before := len(tree(t, above))
	wait(t, child(t, "nobody", w.dir, readable, filepath.Join(sealed, "new")))
	require.Len(t, tree(t, above), before)
}

// modesChild works without a umask, in a directory that it makes and in one that was there.
func modesChild(args []string) error {
	syscall.Umask(0)
	for _, dir := range args {
		s, err := userstore.Open(dir, edge, userstore.WithSync(false))
		if err != nil {
			return err
		}
		for i := range 500 { // some logs and tables
			if _, err := s.Create(bg, big(fmt.Sprint("u", i))); err != nil {
				return err
			}
		}
		if err := s.Compact(bg); err != nil {
			return err
		}
		if err := s.Close(); err != nil {
			return err
		}
	}
	return nil
}

// TestFileModes demands that nobody else can read a store, whatever the umask of its process.
func TestFileModes(t *testing.T) {
	t.Parallel()
	above := t.TempDir()
	made, empty, used := filepath.Join(above, "a", "store"), filepath.Join(above, "empty"), filepath.Join(above, "used")
	for _, dir := range []string{empty, used} {
		require.NoError(t, os.Mkdir(dir, 0o755))
		require.NoError(t, os.Chmod(dir, 0o755))
	}
	mine := filepath.Join(used, "mine.sst.txt")
	require.NoError(t, os.WriteFile(mine, nil, 0o644))
	wait(t, child(t, "modes", made, empty, used))
	for path, want := range map[string]os.FileMode{filepath.Dir(made): 0o700, made: 0o700, empty: 0o700, used: 0o755, mine: 0o644} {
		require.Equal(t, want, must(os.Stat(path))(t).Mode().Perm(), path)
	}
	for name := range tree(t, above) {
		if path := filepath.Join(above, name); path != mine {
			require.Equal(t, os.FileMode(0o600), must(os.Stat(path))(t).Mode().Perm(), path)
		}
	}

	w := &world{clock: newClock(), dir: made, opts: []userstore.Option{edge, userstore.WithSync(false)}} // in this process, under its umask
	w.open(t)
	for i := range 500 {
		must(w.Create(bg, big(fmt.Sprint("v", i))))(t)
	}
	require.Eventually(t, func() bool { // a write looks after files that have been made since the last
		must(w.Upsert(bg, big("w")))(t)
		for name := range tree(t, made) {
			if info, err := os.Stat(filepath.Join(made, name)); err == nil && info.Mode().Perm() != 0o600 {
				return false
			}
		}
		return true
	}, time.Minute, time.Millisecond)
	b := backup(t, w.Store)
	require.NoError(t, w.Close())
	restored, salvaged := filepath.Join(above, "restored"), filepath.Join(above, "salvaged")
	require.NoError(t, userstore.Restore(bg, restored, bytes.NewReader(b), edge))
	must(userstore.Salvage(bg, made, salvaged, edge))(t)
	for _, dir := range []string{restored, salvaged} {
		require.Equal(t, os.FileMode(0o700), must(os.Stat(dir))(t).Mode().Perm(), dir)
		for name := range tree(t, dir) {
			require.Equal(t, os.FileMode(0o600), must(os.Stat(filepath.Join(dir, name)))(t).Mode().Perm(), name)
		}
	}
}
