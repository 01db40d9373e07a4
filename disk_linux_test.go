package userstore_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

// These tests fill real disks, use up real file descriptors and give up real rights, each in a process of its own. They
// mount small file systems in memory; where that is not permitted they say so, and what is left is TestEngineWithoutRoom.

func init() {
	children["fill"] = fillChild
	children["filled"] = filledChild
}

// mount gives an empty file system of so many MiB, or none.
func mount(t *testing.T, mib int) (dir string, ok bool) {
	dir = t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", mib))
	if err != nil {
		t.Logf("nothing can be mounted here (%v): the full disk was not tried", err)
		return "", false
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, 0)) })
	return dir, true
}

// wait ends a child and gives what it printed, line by line.
func wait(t *testing.T, cmd *exec.Cmd) (lines []string) {
	t.Helper()
	out, err := cmd.Output()
	require.NoError(t, err, "a signal would be Badger's doing")
	for line := range strings.Lines(string(out)) {
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}

// createUntil creates users from several goroutines until each has met an error, and prints what was acknowledged.
func createUntil(s *userstore.Store, round string) error {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	var mu sync.Mutex
	var first error
	var all sync.WaitGroup
	for writer := range 8 {
		all.Go(func() {
			for i := 0; ; i++ {
				uid := fmt.Sprintf("%s-%d-%d", round, writer, i)
				_, err := s.Create(bg, big(uid))
				mu.Lock()
				if err == nil {
					fmt.Fprintln(out, uid)
				} else if first == nil {
					first = err
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	all.Wait()
	return first
}

func expect(err, want error) error {
	if !errors.Is(err, want) {
		return fmt.Errorf("got %v, want %v", err, want)
	}
	return nil
}

// fillChild fills the disk through the store, takes away a ballast that lies there, and fills it again.
func fillChild(args []string) error {
	s, err := userstore.Open(args[0], edge)
	if err != nil {
		return err
	}
	for _, round := range []string{"first", "second"} {
		err := createUntil(s, round)
		if err := expect(err, syscall.ENOSPC); err != nil {
			return err
		}
		if !strings.Contains(err.Error(), "MiB") {
			return fmt.Errorf("it does not say how much is needed: %w", err)
		}
		for range 20 {
			if _, err := s.Update(bg, round+"-0-0", rename("Other")); err != nil { // or a compaction has made room
				if err := expect(err, syscall.ENOSPC); err != nil {
					return err
				}
			}
			if _, err := s.Get(bg, round+"-0-0"); err != nil {
				return err
			}
		}
		if n, err := s.Count(bg, userstore.Query{Search: round}); err != nil || n < 8 {
			return fmt.Errorf("reads: %d users, %w", n, err)
		}
		if round == "first" {
			if err := os.Remove(args[1]); err != nil {
				return err
			}
		}
	}
	return s.Close()
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	disk, ok := mount(t, 40)
	if !ok {
		return
	}
	dir, ballast := filepath.Join(disk, "store"), filepath.Join(disk, "ballast")
	require.NoError(t, os.WriteFile(ballast, make([]byte, 12<<20), 0o600))
	acknowledged := wait(t, child(t, "fill", dir, ballast))
	t.Logf("%d users were acknowledged before the disk was full", len(acknowledged))
	require.Greater(t, len(acknowledged), 1000)
	same := func(opts ...userstore.Option) *userstore.Store {
		s := must(userstore.Open(dir, append(opts, edge)...))(t)
		require.ElementsMatch(t, acknowledged, uids(all(t, s, everybody)))
		sound(t, s)
		return s
	}
	require.NoError(t, same(userstore.ReadOnly()).Close())
	f := must(os.Create(ballast))(t)
	for err := error(nil); err == nil; {
		_, err = f.Write(make([]byte, 4096))
	}
	require.NoError(t, f.Close())
	_, err := userstore.Open(dir, edge)
	require.ErrorIs(t, err, syscall.ENOSPC, "there is no room to open it for writing")
	require.NoError(t, same(userstore.ReadOnly()).Close())
	require.NoError(t, syscall.Mount("", disk, "", syscall.MS_REMOUNT, "size=120m"))
	s := same()
	must(s.Create(bg, big("late")))(t)
	require.NoError(t, s.Close())
}

// TestRestoreOnFullDisk demands that a backup for which there is no room leaves nothing, neither where there is none at all
// nor where it runs out halfway.
func TestRestoreOnFullDisk(t *testing.T) {
	t.Parallel()
	w := memory(t)
	for i := range 500 {
		must(w.Create(bg, big(fmt.Sprint("u", i))))(t)
	}
	b := backup(t, w.Store)
	for name, mib := range map[string]int{".": 4, "new": 10} {
		disk, ok := mount(t, mib)
		if !ok {
			return
		}
		cmd := child(t, "restore", filepath.Join(disk, name))
		var complaint strings.Builder
		cmd.Stdin, cmd.Stderr = bytes.NewReader(b), &complaint
		require.Error(t, cmd.Run())
		require.Equal(t, 1, cmd.ProcessState.ExitCode(), "a signal would be Badger's doing: %s", &complaint)
		require.Contains(t, complaint.String(), syscall.ENOSPC.Error())
		require.Empty(t, must(os.ReadDir(disk))(t))
	}
}

// filledChild waits while somebody else fills the disk to the last byte.
func filledChild(args []string) error {
	s, err := userstore.Open(args[0], edge)
	if err != nil {
		return err
	}
	for i := range 300 {
		uid := fmt.Sprint("u", i)
		if _, err := s.Create(bg, big(uid)); err != nil {
			return err
		}
		fmt.Println(uid)
	}
	for range time.Tick(time.Millisecond) {
		if rests, err := atRest(s, args[0]); err != nil {
			return err
		} else if rests {
			break
		}
	}
	fmt.Println("fill")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	if err := expect(fails(s.Create(bg, big("late"))), syscall.ENOSPC); err != nil {
		return err
	}
	if err := expect(s.Compact(bg), syscall.ENOSPC); err != nil {
		return err
	}
	if n, err := s.Count(bg, everybody); n != 300 || err != nil {
		return fmt.Errorf("reads: %d users, %w", n, err)
	}
	return expect(s.Close(), syscall.ENOSPC)
}

func TestDiskFilledByOthers(t *testing.T) {
	t.Parallel()
	disk, ok := mount(t, 80)
	if !ok {
		return
	}
	dir, ballast := filepath.Join(disk, "store"), filepath.Join(disk, "ballast")
	cmd := child(t, "filled", dir)
	in := must(cmd.StdinPipe())(t)
	out := bufio.NewReader(must(cmd.StdoutPipe())(t))
	require.NoError(t, cmd.Start())
	var acknowledged []string
	for {
		line, err := out.ReadString('\n')
		require.NoError(t, err)
		if line == "fill\n" {
			break
		}
		acknowledged = append(acknowledged, strings.TrimSpace(line))
	}
	f := must(os.Create(ballast))(t)
	for err := error(nil); err == nil; {
		_, err = f.Write(make([]byte, 4096))
	}
	require.NoError(t, f.Close())
	_, err := in.Write([]byte("\n"))
	require.NoError(t, err)
	require.NoError(t, cmd.Wait(), "a signal would be Badger's doing")
	_, err = userstore.Open(dir, edge)
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.NoError(t, os.Remove(ballast))
	s := must(userstore.Open(dir, edge))(t)
	require.ElementsMatch(t, acknowledged, uids(all(t, s, everybody)))
	must(s.Create(bg, big("late")))(t)
	sound(t, s)
	require.NoError(t, s.Close())
}

func TestReadOnlyFileSystem(t *testing.T) {
	disk, ok := mount(t, 80)
	if !ok {
		return
	}
	dir := filepath.Join(disk, "store")
	w := &world{clock: newClock(), dir: dir, opts: []userstore.Option{edge}}
	w.open(t)
	w.add(t, "ada")
	require.NoError(t, w.Close())
	before := contents(t, dir)
	require.NoError(t, syscall.Mount("", disk, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	_, err := userstore.Open(dir, edge)
	require.ErrorIs(t, err, syscall.EROFS)
	_, err = userstore.Open(filepath.Join(disk, "new"))
	require.ErrorIs(t, err, syscall.EROFS)
	s := must(userstore.Open(dir, edge, userstore.ReadOnly()))(t)
	require.Equal(t, []string{"ada"}, found(t, s, everybody))
	require.ErrorIs(t, fails(s.Create(bg, big("bob"))), userstore.ErrReadOnly)
	require.NoError(t, s.Close())
	require.Equal(t, before, contents(t, dir))
}

// TestLoadOntoFullDisk demands that a load for which there is no room leaves all as it was.
func TestLoadOntoFullDisk(t *testing.T) {
	t.Parallel()
	const users = 1500
	full := 0
	for _, mib := range []int{12, 16, 20, 60} { // there is room for next to nothing; for what is sorted; almost; for all
		at, ok := mount(t, mib)
		if !ok {
			return
		}
		dir := filepath.Join(at, "store")
		cmd := child(t, "load", dir, fmt.Sprint(users), "5000")
		cmd.Stdin = strings.NewReader("\n")
		lines := wait(t, cmd)
		said := lines[len(lines)-1]
		s := must(userstore.Open(dir, edge, userstore.ReadOnly()))(t)
		n := must(s.Count(bg, userstore.Query{}))(t)
		if said == "full" {
			require.LessOrEqual(t, n, 1)
			full++
		} else {
			require.Equal(t, users, n)
		}
		sound(t, s)
		must(s.Role(bg, "vip"))(t)
		require.NoError(t, s.Close())
		t.Logf("%d MiB: %s", mib, said)
	}
	require.Positive(t, full)
	require.Less(t, full, 4)
}
