package userstore_test

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

// specimen is a store on disk that tests damage copies of.
type specimen struct {
	name  string
	dir   string
	opts  []userstore.Option
	key   []byte
	users map[string]string // as JSON
}

// newSpecimen makes a store of a few tables, closed or as a killed process leaves it.
func newSpecimen(t testing.TB, closed, sync bool, key []byte) *specimen {
	s := &specimen{dir: t.TempDir(), key: key, users: map[string]string{}, opts: []userstore.Option{userstore.WithProfile(userstore.ProfileEdge)}}
	s.name = map[bool]string{true: "closed", false: "killed"}[closed] + map[bool]string{true: "", false: ", no sync"}[sync]
	if key != nil {
		s.name += ", encrypted"
		s.opts = append(s.opts, userstore.WithEncryptionKey(key))
	}
	running := t.TempDir()
	store, err := userstore.Open(running, append(s.opts, userstore.WithSync(sync))...)
	require.NoError(t, err)
	var lines strings.Builder
	users := 500
	if *long {
		users = 1000
	}
	for i := range users {
		fmt.Fprintf(&lines, `{"uid":"u%d","name":"U %d","tags":["all","t%d"],"metadata":{"k":"%s"}}`+"\n", i, i, i%9, strings.Repeat(fmt.Sprint(i%10), 5000))
	}
	must(store.Import(bg, strings.NewReader(lines.String()), userstore.ImportOptions{}))(t)
	for i := range 20 {
		must(store.AddFriends(bg, fmt.Sprint("u", i), fmt.Sprint("u", i+1)))(t)
		require.NoError(t, store.Delete(bg, fmt.Sprint("u", 100+i)))
	}
	for _, u := range all(t, store, everybody) {
		s.users[u.UID] = string(must(u.MarshalJSON())(t))
	}
	if closed {
		require.NoError(t, store.Close())
	} else {
		require.Eventually(t, func() bool { // the copy is not of one moment, so nothing may be under way
			rests, err := atRest(store, running)
			return err == nil && rests
		}, time.Minute, time.Millisecond)
	}
	require.NoError(t, os.CopyFS(s.dir, os.DirFS(running)))
	if !closed {
		require.NoError(t, store.Close())
	}
	return s
}

// damage is one way to harm a file; it gives nil to delete it.
type damage struct {
	name string
	long bool // only in the long mode
	harm func(r *rand.Rand, b []byte) []byte
}

var damages = []damage{
	{"byte flipped", false, func(r *rand.Rand, b []byte) []byte {
		used := max(1, len(bytes.TrimRight(b, "\x00")))
		b[r.IntN(used)] ^= 1 << r.IntN(8)
		return b
	}},
	{"byte near the end flipped", true, func(r *rand.Rand, b []byte) []byte {
		used := max(1, len(bytes.TrimRight(b, "\x00")))
		b[used-1-r.IntN(min(used, 60))] ^= 1 << r.IntN(8)
		return b
	}},
	{"end cut off", false, func(r *rand.Rand, b []byte) []byte {
		used := len(bytes.TrimRight(b, "\x00"))
		return b[:max(0, used-1-r.IntN(12))]
	}},
	{"half cut off", false, func(_ *rand.Rand, b []byte) []byte { return b[:len(bytes.TrimRight(b, "\x00"))/2] }},
	{"4 KiB zeroed", true, func(r *rand.Rand, b []byte) []byte {
		at := r.IntN(max(1, len(bytes.TrimRight(b, "\x00"))-4096))
		clear(b[at:min(len(b), at+4096)])
		return b
	}},
	{"emptied", true, func(_ *rand.Rand, b []byte) []byte { return b[:0] }},
	{"deleted", false, func(*rand.Rand, []byte) []byte { return nil }},
}

// outcomes of opening a damaged store. There are no others.
const (
	atOpen   = "error at open"
	allThere = "all there"
	shorter  = "older" // the newest changes are missing, whole ones; only without sync
)

// TestDamage harms each file of a store in turn. Open must notice, say what is wrong and touch nothing, unless nothing is
// lost; then everything must be there. After an error, Salvage brings out all that the damage left. What each case comes
// to has to be what docs/reliability.md says.
func TestDamage(t *testing.T) {
	t.Parallel()
	key := []byte("0123456789abcdef")
	specimens := []*specimen{newSpecimen(t, false, true, nil), newSpecimen(t, true, true, key)}
	times := 1
	if *long {
		times = 6
		specimens = append(specimens, newSpecimen(t, true, true, nil), newSpecimen(t, false, true, key), newSpecimen(t, false, false, nil))
	}
	number := regexp.MustCompile(`^\d+`)
	table := map[string]map[string]int{}
	var mu sync.Mutex
	t.Cleanup(func() {
		for _, row := range slices.Sorted(maps.Keys(table)) {
			t.Log(row, "|", table[row])
		}
	})
	for _, s := range specimens {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(1, uint64(len(s.name))))
			names := slices.Sorted(maps.Keys(tree(t, s.dir)))
			worst := 0
			for _, name := range names {
				if strings.HasSuffix(name, ".sst") && name != "000001.sst" && !*long {
					continue
				}
				content := must(os.ReadFile(filepath.Join(s.dir, name)))(t)
				for _, d := range damages {
					if d.long && !*long {
						continue
					}
					for range times {
						harmed := d.harm(r, bytes.Clone(content))
						if harmed != nil && bytes.Equal(harmed, content) {
							continue
						}
						outcome, lost := s.try(t, name, d.name, harmed)
						worst = max(worst, lost)
						kind := number.ReplaceAllString(name, "*")
						require.Contains(t, s.documented(t, kind), outcome, "%s: %s: docs/reliability.md says otherwise", name, d.name)
						row := fmt.Sprintf("%s | %s | %s", s.name, kind, d.name)
						mu.Lock()
						if table[row] == nil {
							table[row] = map[string]int{}
						}
						table[row][outcome]++
						mu.Unlock()
					}
				}
			}
			t.Logf("salvage lost %d of %d users at worst", worst, len(s.users))
		})
	}
}

// documented is what the table in docs/reliability.md says of damage to a file of that kind.
func (s *specimen) documented(t *testing.T, kind string) string {
	t.Helper()
	_, table, _ := strings.Cut(string(must(os.ReadFile("docs/reliability.md"))(t)), "## What each damage comes to")
	table, _, _ = strings.Cut(table, "##")
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 5 || !strings.Contains(cells[1], "`"+kind+"`") {
			continue
		}
		switch {
		case strings.HasPrefix(s.name, "closed"):
			return cells[2]
		case strings.Contains(s.name, "no sync"):
			return cells[4]
		}
		return cells[3]
	}
	return ""
}

// try opens a copy in which one file is harmed.
func (s *specimen) try(t *testing.T, name, what string, harmed []byte) (outcome string, lost int) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(s.dir)))
	path := filepath.Join(dir, name)
	if require.NoError(t, os.Remove(path)); harmed != nil {
		require.NoError(t, os.WriteFile(path, harmed, 0o600))
	}
	defer os.RemoveAll(dir)
	before := contents(t, dir)
	store, err := userstore.Open(dir, s.opts...)
	if name == "USERSTORE" && errors.Is(err, userstore.ErrInvalid) { // the byte was one of the format's number
		require.ErrorContains(t, err, "newer")
		require.Equal(t, before, contents(t, dir))
		return atOpen, 0
	}
	if err != nil {
		require.ErrorIs(t, err, userstore.ErrCorrupt, "%s: %s", name, what)
		require.Contains(t, err.Error(), dir)
		require.Regexp(t, `file|changes? \d`, err.Error(), "it says what")
		require.Equal(t, before, contents(t, dir), "%s: %s: the files are touched", name, what)
		quick := s.key == nil && (strings.HasSuffix(name, ".sst") || strings.HasSuffix(name, ".mem")) && (what == "byte flipped" || what == "deleted")
		if !quick && !*long {
			return atOpen, 0
		}
		return atOpen, s.salvage(t, dir, name)
	}
	report := must(store.Verify(bg))(t)
	require.True(t, report.OK(), "%s: %s: %v", name, what, report.Problems)
	got := map[string]string{}
	for _, u := range all(t, store, everybody) {
		got[u.UID] = string(must(u.MarshalJSON())(t))
	}
	require.NoError(t, store.Close())
	if maps.Equal(got, s.users) {
		return allThere, 0
	}
	require.Contains(t, s.name, "no sync", "%s: %s: users are lost and nobody says so", name, what)
	return shorter, 0
}

// contents gives the checksum of each file below dir.
func contents(t *testing.T, dir string) map[string]string {
	sums := map[string]string{}
	for name := range tree(t, dir) {
		b := must(os.ReadFile(filepath.Join(dir, name)))(t)
		sums[name] = fmt.Sprint(len(b), crc32.ChecksumIEEE(b))
	}
	return sums
}

// salvage brings out what is left and tells how many users are not as they were.
func (s *specimen) salvage(t *testing.T, dir, harmed string) (lost int) {
	t.Helper()
	to := filepath.Join(t.TempDir(), "salvaged")
	defer os.RemoveAll(to)
	report, err := userstore.Salvage(bg, dir, to, s.opts...)
	if harmed == "KEYREGISTRY" && errors.Is(err, userstore.ErrNotFound) { // with the keys goes everything
		require.Contains(t, s.name, "encrypted")
		require.NoDirExists(t, to)
		return 0
	}
	require.NoError(t, err)
	store := must(userstore.Open(to, s.opts...))(t)
	sound(t, store)
	got := all(t, store, everybody)
	require.Equal(t, report.Users, len(got))
	for _, u := range got {
		if s.users[u.UID] != string(must(u.MarshalJSON())(t)) {
			lost++
		}
	}
	lost += max(0, len(s.users)-len(got))
	if lost > 0 {
		require.NotEmpty(t, report.Unread, "%d users are lost and nobody says so", lost)
	}
	require.NoError(t, store.Close())
	return lost
}
