package userstore_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
	"github.com/seed-3546c6b2/userstore/internal/keys"
	"github.com/seed-3546c6b2/userstore/internal/kv"
	"github.com/seed-3546c6b2/userstore/internal/kv/kvtest"
)

// held is what a process holds on to.
type held struct{ goroutines, files, maps int }

func holding() held {
	files, _ := os.ReadDir("/proc/self/fd") // 0 where there is none
	maps, _ := os.ReadFile("/proc/self/maps")
	return held{runtime.NumGoroutine(), len(files), strings.Count(string(maps), os.TempDir())}
}

// settled waits until no more is held than before: some goroutines take a moment to hear that they are to end.
func settled(t *testing.T, before held, what string) {
	t.Helper()
	var now held
	ok := func() bool {
		now = holding()
		return now.goroutines <= before.goroutines && now.files <= before.files && now.maps <= before.maps
	}
	for deadline := time.Now().Add(20 * time.Second); !ok() && time.Now().Before(deadline); runtime.Gosched() {
	}
	if !ok() {
		stacks := make([]byte, 1<<16)
		t.Fatalf("%s: held %+v, now %+v\n%s", what, before, now, stacks[:runtime.Stack(stacks, true)])
	}
}

// TestNothingIsHeld demands that a store gives everything back, whether it was closed or could not be opened.
func TestNothingIsHeld(t *testing.T) {
	key := []byte("0123456789abcdef")
	w := &world{clock: newClock(), dir: filepath.Join(t.TempDir(), "store"), opts: []userstore.Option{userstore.WithEncryptionKey(key)}}
	w.open(t)
	populate(t, w)
	require.NoError(t, w.Close())
	harmed := func(name string, harm func([]byte) []byte) string {
		dir := t.TempDir()
		require.NoError(t, os.CopyFS(dir, os.DirFS(w.dir)))
		b := harm(must(os.ReadFile(filepath.Join(dir, name)))(t))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
		return dir
	}
	cut := func(b []byte) []byte { return b[:len(b)-1] }
	newer := func(b []byte) []byte { b[11]++; return b }
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	opens := map[string]func() error{
		"wrong key":      func() error { return fails(userstore.Open(w.dir, userstore.WithEncryptionKey(make([]byte, 16)))) },
		"no key":         func() error { return fails(userstore.Open(w.dir)) },
		"cut MANIFEST":   func() error { return fails(userstore.Open(harmed("MANIFEST", cut), w.opts...)) },
		"cut table":      func() error { return fails(userstore.Open(harmed("000001.sst", cut), w.opts...)) },
		"newer":          func() error { return fails(userstore.Open(harmed("USERSTORE", newer), w.opts...)) },
		"no directory":   func() error { return fails(userstore.Open(filepath.Join(w.dir, "no"), userstore.ReadOnly())) },
		"a file":         func() error { return fails(userstore.Open(file)) },
		"bad backup":     func() error { return userstore.Restore(bg, filepath.Join(t.TempDir(), "r"), strings.NewReader("no")) },
		"bad salvage":    func() error { return fails(userstore.Salvage(bg, t.TempDir(), filepath.Join(t.TempDir(), "s"))) },
		"bad option":     func() error { return fails(userstore.OpenInMemory(userstore.WithRoles("no role"))) },
		"faulty engine":  func() error { return fails(userstore.OpenOn(brokenEngine(t))) },
		"memory backup":  func() error { return fails(userstore.RestoreInMemory(bg, strings.NewReader("no"))) },
		"locked by this": nil, // below
	}
	sound := map[string]func() error{
		"disk": func() error { s, err := userstore.Open(w.dir, w.opts...); return used(s, err) },
		"read-only": func() error {
			s, err := userstore.Open(w.dir, append(w.opts, userstore.ReadOnly())...)
			return used(s, err)
		},
		"memory": func() error { s, err := userstore.OpenInMemory(); return used(s, err) },
	}
	for name, open := range sound {
		require.NoError(t, open(), name) // what is made once for all stores
	}
	for name, open := range opens {
		before := holding()
		for range 5 {
			if open != nil {
				require.Error(t, open(), name)
			}
		}
		settled(t, before, name)
	}
	for name, open := range sound {
		before := holding()
		for range 5 {
			require.NoError(t, open(), name)
		}
		settled(t, before, name)
	}
	w.open(t)
	before := holding()
	for range 5 {
		require.ErrorIs(t, fails(userstore.Open(w.dir, w.opts...)), userstore.ErrLocked)
	}
	settled(t, before, "locked")
}

// used does something of everything and leaves loops early.
func used(s *userstore.Store, err error) error {
	if err != nil {
		return err
	}
	for range s.All(bg, userstore.Query{}) {
		break
	}
	_, _ = s.Upsert(bg, userstore.User{UID: "one", Name: "One"})
	_, _ = s.List(bg, userstore.Query{Search: "o", Tags: []string{"a", "b"}, AllTags: []string{"c"}, Sort: userstore.SortCreated})
	_, _ = s.Verify(bg)
	_ = s.Backup(bg, failingWriter{})
	return s.Close()
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func brokenEngine(t *testing.T) kv.Engine {
	e, err := kv.OpenBadger(kv.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	return &kvtest.Faulty{Engine: e, Fail: func(kvtest.Call) error { return io.ErrUnexpectedEOF }}
}

// private is in every field of a user that is not its uid, and must be in no error, log line or file of an encrypted store.
const private = "Zaphod-Beeblebrox"

func privateUser(uid string, n int) userstore.User {
	return userstore.User{UID: uid, Name: fmt.Sprint(private, " ", n), StatusMessage: private, Tags: []string{private, fmt.Sprint(private, n%7)},
		Link: "https://example.org/" + private, Avatar: "https://example.org/" + private, Metadata: fmt.Appendf(nil, `{"k":%q}`, strings.Repeat(private, 200))}
}

// says fails if a text holds what is private, in letters, quoted or as hexadecimal digits.
func says(t *testing.T, text, where string) {
	t.Helper()
	folded := strings.ToLower(text)
	for _, form := range []string{private, hex.EncodeToString([]byte(private)), hex.EncodeToString([]byte(strings.ToLower(private))), "5a 61 70 68 6f 64"} {
		if at := strings.Index(folded, strings.ToLower(form)); at >= 0 {
			t.Fatalf("%s: %q", where, text[max(0, at-100):min(len(text), at+100)])
		}
	}
}

// safeBuffer is a log that many write to.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// TestNothingIsTold logs everything, and brings about what errors it can, on users all of whose fields are private.
func TestNothingIsTold(t *testing.T) {
	t.Parallel()
	var log safeBuffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	dir := t.TempDir()
	opts := []userstore.Option{edge, userstore.WithLogger(logger)}
	s := must(userstore.Open(dir, append(opts, userstore.WithSync(false))...))(t)
	var errs []error
	note := func(err error) { errs = append(errs, err) }
	for i := range 700 { // logs, tables, compactions
		must(s.Create(bg, privateUser(fmt.Sprint("u", i), i)))(t)
	}
	require.NoError(t, s.Compact(bg))
	note(fails(s.Create(bg, privateUser("u1", 1))))
	for _, bad := range []userstore.User{
		{UID: private + "\x00", Name: "N"}, {UID: "x", Name: private + "\x00"}, {UID: "x", Name: strings.Repeat(private, 100)}, {UID: "x", Name: "N", Role: private},
		{UID: "x", Name: "N", Link: private}, {UID: "x", Name: "N", Avatar: private}, {UID: "x", Name: "N", Metadata: []byte(private)},
		{UID: "x", Name: "N", Metadata: fmt.Appendf(nil, "{%q:%q}", private, strings.Repeat(private, 1000))}, {UID: "x", Name: "N", Tags: []string{private + "\n"}},
		{UID: "x", Name: "N", StatusMessage: strings.Repeat(private, 200)},
	} {
		note(fails(s.Create(bg, bad)))
	}
	note(fails(s.Update(bg, "u1", func(u *userstore.User) error { u.Status = private; return nil })))
	note(fails(s.LoginWithToken(bg, private)))
	note(fails(s.LoginWithToken(bg, "u1_"+private)))
	note(s.RevokeToken(bg, "u1", private))
	note(fails(s.List(bg, userstore.Query{Cursor: private})))
	report := must(s.Import(bg, strings.NewReader(private+"\n{\"uid\":\"y\",\"name\":5,\"link\":\""+private+"\"}\n"), userstore.ImportOptions{}))(t)
	for _, e := range report.Errors {
		note(e.Err)
	}
	require.NoError(t, s.DB().Update(bg, func(tx *kv.Tx) error { // broken records
		b, err := tx.Get(keys.Of(keys.User, "u1"))
		tx.Set(keys.Of(keys.User, "u1"), b[:len(b)-9])
		tx.Set(keys.RosterEntry(keys.Active, private, private, private, "u2"), []byte{1})
		tx.Set(keys.CounterOf(keys.Active, private, "default"), []byte{0xff})
		return err
	}))
	note(fails(s.Get(bg, "u1")))
	note(fails(collect(s.All(bg, userstore.Query{}))))
	note(fails(s.Count(bg, userstore.Query{Tags: []string{private}})))
	note(s.DB().Update(bg, func(tx *kv.Tx) error {
		tx.Set([]byte("u"+private), []byte(strings.Repeat(private, 1<<17)))
		return nil
	}))
	verified := must(s.Repair(bg))(t)
	says(t, fmt.Sprint(verified.Problems), "problems")
	crashed := t.TempDir()
	require.NoError(t, os.CopyFS(crashed, os.DirFS(dir)))
	require.NoError(t, s.Close())
	note(fails(s.Get(bg, "u1")))
	if s, err := userstore.Open(crashed, opts...); err == nil { // logs are replayed
		require.NoError(t, s.Close())
	} else {
		note(err) // the copy was not of one moment
	}
	for name := range tree(t, dir) { // damage
		b := must(os.ReadFile(filepath.Join(dir, name)))(t)
		if len(b) < 100 || strings.HasSuffix(name, ".sst") && name != "000001.sst" {
			continue
		}
		harmed := t.TempDir()
		require.NoError(t, os.CopyFS(harmed, os.DirFS(dir)))
		b[len(b)/2] ^= 1
		require.NoError(t, os.WriteFile(filepath.Join(harmed, name), b, 0o600))
		if s, err := userstore.Open(harmed, opts...); err == nil {
			require.NoError(t, s.Close())
		} else {
			note(err)
		}
		report := must(userstore.Salvage(bg, harmed, filepath.Join(t.TempDir(), "new"), opts...))(t)
		says(t, fmt.Sprint(report), "salvage")
	}
	require.Greater(t, len(errs), 20)
	for i, err := range errs {
		require.Error(t, err, "number %d", i)
		says(t, err.Error(), "error")
		says(t, fmt.Sprintf("%+v", err), "error")
	}
	require.Contains(t, log.String(), "badger", "there is something in the log")
	says(t, log.String(), "log")
}

// TestNothingIsReadable searches all files of encrypted stores, closed and at work, for what is in them.
func TestNothingIsReadable(t *testing.T) {
	t.Parallel()
	opts := []userstore.Option{edge, userstore.WithEncryptionKey([]byte("0123456789abcdef")), userstore.WithRoles("secretrole")}
	w := &world{clock: newClock(), dir: t.TempDir(), opts: opts}
	w.open(t)
	for i := range 1200 {
		u := privateUser(fmt.Sprint("secretuid", i), i)
		u.Role = "secretrole"
		must(w.Create(bg, u))(t)
	}
	must(w.AddFriends(bg, "secretuid1", "secretuid2"))(t)
	token := must(w.IssueToken(bg, "secretuid1"))(t)
	look := func(when string) {
		for name := range tree(t, w.dir) {
			b, err := os.ReadFile(filepath.Join(w.dir, name))
			if !errors.Is(err, os.ErrNotExist) { // a log that has become a table
				require.NoError(t, err)
			}
			for _, secret := range []string{private, strings.ToLower(private), "secretuid", "secretrole", token.Token[20:]} {
				require.False(t, bytes.Contains(b, []byte(secret)), "%s holds %q, %s", name, secret, when)
			}
		}
	}
	look("at work")
	require.NoError(t, w.Close())
	look("closed")
	plainBackup := must(os.Create(filepath.Join(t.TempDir(), "backup")))(t)
	w.open(t)
	require.NoError(t, w.Backup(bg, plainBackup))
	require.NoError(t, plainBackup.Close())
	require.Contains(t, string(must(os.ReadFile(plainBackup.Name()))(t)), private, "a backup is not encrypted, as its documentation says")
}
