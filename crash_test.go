package userstore_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

// In a crash test a child process has some writers, each of which goes through a course of steps that follow from their
// numbers alone. It says which it has done; then it is killed. So the parent knows how everything has to be: as after
// the last step it heard of, or as after the next one.

const (
	crashWriters = 8
	crashUsers   = 12 // of each writer
)

func init() { children["writers"] = writersChild }

// course is what a writer's users have to be after some steps.
type course struct {
	users   map[string]*plainUser
	friends map[[2]string]bool
}

func crashUID(writer, step int) string { return fmt.Sprintf("w%d-%d", writer, step%crashUsers) }

// step tells what a step does to which users.
func crashStep(writer, step int) (what, uid, other, name string) {
	verbs := []string{"upsert", "upsert", "befriend", "upsert", "deactivate", "reactivate", "upsert", "befriend", "delete"}
	round := step / crashUsers
	return verbs[(round+step%crashUsers)%len(verbs)], crashUID(writer, step), crashUID(writer, step+5), fmt.Sprint("Name ", step)
}

// after computes the course.
func after(writer, steps int) course {
	c := course{map[string]*plainUser{}, map[[2]string]bool{}}
	for step := range steps {
		what, uid, other, name := crashStep(writer, step)
		u := c.users[uid]
		switch {
		case what == "upsert" && u == nil:
			c.users[uid] = &plainUser{name: name, version: 1}
		case what == "upsert" && !u.gone:
			c.users[uid] = &plainUser{name: name, version: u.version + 1}
		case what == "befriend" && u != nil && !u.gone && c.users[other] != nil && !c.users[other].gone:
			c.friends[[2]string{uid, other}], c.friends[[2]string{other, uid}] = true, true
		case what == "deactivate" && u != nil && !u.gone, what == "reactivate" && u != nil && u.gone:
			c.users[uid] = &plainUser{name: u.name, version: u.version + 1, gone: !u.gone}
		case what == "delete":
			delete(c.users, uid)
			for pair := range c.friends {
				if pair[0] == uid || pair[1] == uid {
					delete(c.friends, pair)
				}
			}
		}
	}
	return c
}

// writersChild takes the directory, "sync" or "nosync", and each writer's first step.
func writersChild(args []string) error {
	fmt.Println("opening")
	s, err := userstore.Open(args[0], userstore.WithSync(args[1] == "sync"), userstore.WithProfile(userstore.ProfileEdge))
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	for writer := range crashWriters {
		first, err := strconv.Atoi(args[2+writer])
		if err != nil {
			return err
		}
		all.Go(func() {
			for step := first; ; step++ {
				if err := takeStep(s, writer, step); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				fmt.Printf("%d %d\n", writer, step) // one write: whole in the pipe, or not there
			}
		})
	}
	all.Wait()
	return nil
}

func takeStep(s *userstore.Store, writer, step int) (err error) {
	what, uid, other, name := crashStep(writer, step)
	expected := []error{userstore.ErrNotFound}
	switch what {
	case "upsert":
		_, err = s.Upsert(bg, userstore.User{UID: uid, Name: name, Tags: []string{"all", fmt.Sprint("t", step%7)}, StatusMessage: strings.Repeat("x", 500)})
		expected = []error{userstore.ErrExists}
	case "befriend":
		_, err = s.AddFriends(bg, uid, other)
	case "deactivate":
		_, err = s.Deactivate(bg, uid)
	case "reactivate":
		_, err = s.Reactivate(bg, uid)
	case "delete":
		err = s.Delete(bg, uid)
	}
	if slices.ContainsFunc(expected, func(e error) bool { return errors.Is(err, e) }) {
		return nil
	}
	return err
}

// TestCrash kills a writing process again and again, each time on what the last one left behind.
func TestCrash(t *testing.T) {
	t.Parallel()
	for mode, rounds := range map[string]int{"sync": 20, "nosync": 20} {
		if *long {
			rounds = 200
		}
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			t.Log("seed", seed)
			r := rand.New(rand.NewPCG(seed, 0))
			dir := t.TempDir()
			var next [crashWriters]int
			unfinished, heard := 0, 0
			for range rounds {
				acknowledged := next
				kill := 0
				if r.IntN(6) > 0 { // or already while it opens
					kill = 1 + r.IntN(600)
				}
				heard += crash(t, dir, mode, &acknowledged, kill)
				for writer, steps := range survey(t, dir, &acknowledged) {
					if next[writer] = steps; steps > acknowledged[writer] {
						unfinished++
					}
				}
			}
			t.Logf("%d rounds, %d changes acknowledged, %d more were done when the end came", rounds, heard, unfinished)
			require.Positive(t, heard)
		})
	}
}

// crash runs the child until it has acknowledged so many steps, kills it, and notes what it acknowledged.
func crash(t *testing.T, dir, mode string, acknowledged *[crashWriters]int, kill int) (heard int) {
	args := []string{dir, mode}
	for _, first := range acknowledged {
		args = append(args, fmt.Sprint(first))
	}
	cmd := child(t, "writers", args...)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewReader(out)
	for killed := false; ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			require.ErrorIs(t, err, io.EOF)
			require.True(t, killed, "it ended by itself")
			break
		}
		if line != "opening\n" {
			var writer, step int
			_, err = fmt.Sscanf(line, "%d %d\n", &writer, &step)
			require.NoError(t, err, "%q", line)
			require.Equal(t, acknowledged[writer], step)
			acknowledged[writer] = step + 1
			heard++
		}
		if heard >= kill && !killed {
			killed = true
			require.NoError(t, cmd.Process.Kill())
		}
	}
	require.Error(t, cmd.Wait())
	return heard
}

// survey looks at a copy of what a killed process left, demands that it is what it has to be, and gives how many steps
// of each writer are done.
func survey(t *testing.T, crashed string, acknowledged *[crashWriters]int) (steps [crashWriters]int) {
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(crashed)))
	defer os.RemoveAll(dir)
	s, err := userstore.Open(dir, userstore.WithProfile(userstore.ProfileEdge))
	require.NoError(t, err)
	sound(t, s)
	got := map[string]*plainUser{}
	for _, u := range all(t, s, everybody) {
		got[u.UID] = &plainUser{u.Name, u.Version, !u.DeactivatedAt.IsZero()}
	}
	total := 0
	for writer := range steps {
		n := acknowledged[writer]
		before, then := after(writer, n), after(writer, n+1)
		if fits(t, s, got, writer, before) != "" {
			require.Empty(t, fits(t, s, got, writer, then), "writer %d, after step %d: %s", writer, n-1, fits(t, s, got, writer, before))
			n, before = n+1, then
		}
		steps[writer] = n
		total += len(before.users)
	}
	require.Len(t, got, total)
	require.NoError(t, s.Close())
	return steps
}

// fits says what is not as in the course.
func fits(t *testing.T, s *userstore.Store, got map[string]*plainUser, writer int, want course) string {
	for i := range crashUsers {
		uid := crashUID(writer, i)
		u := want.users[uid]
		if !equal(u, got[uid]) {
			return fmt.Sprintf("%s is %+v, should be %+v", uid, got[uid], u)
		}
		if u == nil || u.gone {
			continue
		}
		friends := uids(must(s.Friends(bg, uid, userstore.Query{}))(t).Users)
		for j := range crashUsers {
			other := crashUID(writer, j)
			visible := want.friends[[2]string{uid, other}] && !want.users[other].gone
			if slices.Contains(friends, other) != visible {
				return fmt.Sprintf("%s and %s: friends %t", uid, other, !visible)
			}
		}
	}
	return ""
}
