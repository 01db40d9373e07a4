package userstore_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

// verbs is every call on a store and on a session of ada, named; writes are marked.
func verbs(w *world, ada *userstore.Session) map[string]func(context.Context) error {
	q, one := userstore.Query{}, userstore.User{UID: "new", Name: "New"}
	return map[string]func(context.Context) error{
		"! create":         func(ctx context.Context) error { return fails(w.Create(ctx, one)) },
		"! update":         func(ctx context.Context) error { return fails(w.Update(ctx, "ada", rename("late"))) },
		"! upsert":         func(ctx context.Context) error { return fails(w.Upsert(ctx, one)) },
		"! deactivate":     func(ctx context.Context) error { return fails(w.Deactivate(ctx, "bob")) },
		"! reactivate":     func(ctx context.Context) error { return fails(w.Reactivate(ctx, "gone")) },
		"! delete":         func(ctx context.Context) error { return w.Delete(ctx, "bob") },
		"! status":         func(ctx context.Context) error { return w.SetStatus(ctx, "ada", userstore.Online) },
		"! create role":    func(ctx context.Context) error { return fails(w.CreateRole(ctx, userstore.Role{ID: "r", Name: "R"})) },
		"! delete role":    func(ctx context.Context) error { return w.DeleteRole(ctx, "vip") },
		"! add friends":    func(ctx context.Context) error { return fails(w.AddFriends(ctx, "ada", "cleo")) },
		"! remove friends": func(ctx context.Context) error { return fails(w.RemoveFriends(ctx, "ada", "bob")) },
		"! issue":          func(ctx context.Context) error { return fails(w.IssueToken(ctx, "ada")) },
		"! revoke all":     func(ctx context.Context) error { return fails(w.RevokeTokens(ctx, "bob")) },
		"! update role": func(ctx context.Context) error {
			return fails(w.UpdateRole(ctx, "vip", func(r *userstore.Role) error { r.Name = "late"; return nil }))
		},
		"! import": func(ctx context.Context) error {
			return fails(w.Import(ctx, strings.NewReader(`{"uid":"new","name":"N"}`), userstore.ImportOptions{}))
		},
		"! repair":         func(ctx context.Context) error { return fails(w.Repair(ctx)) },
		"! session update": func(ctx context.Context) error { return fails(ada.Update(ctx, rename("late"))) },
		"! block":          func(ctx context.Context) error { return fails(ada.Block(ctx, "cleo")) },
		"! unblock":        func(ctx context.Context) error { return fails(ada.Unblock(ctx, "bob")) },
		"get":              func(ctx context.Context) error { return fails(w.Get(ctx, "ada")) },
		"list":             func(ctx context.Context) error { return fails(w.List(ctx, q)) },
		"all":              func(ctx context.Context) error { return fails(collect(w.All(ctx, q))) },
		"count":            func(ctx context.Context) error { return fails(w.Count(ctx, q)) },
		"count all tags": func(ctx context.Context) error {
			return fails(w.Count(ctx, userstore.Query{AllTags: []string{"a", "b"}}))
		},
		"export":        func(ctx context.Context) error { return fails(w.Export(ctx, io.Discard, q)) },
		"backup":        func(ctx context.Context) error { return w.Backup(ctx, io.Discard) },
		"verify":        func(ctx context.Context) error { return fails(w.Verify(ctx)) },
		"role":          func(ctx context.Context) error { return fails(w.Role(ctx, "vip")) },
		"roles":         func(ctx context.Context) error { return fails(w.Roles(ctx)) },
		"friends":       func(ctx context.Context) error { return fails(w.Friends(ctx, "ada", q)) },
		"tokens":        func(ctx context.Context) error { return fails(w.Tokens(ctx, "bob")) },
		"login":         func(ctx context.Context) error { return fails(w.Login(ctx, "ada")) },
		"session user":  func(ctx context.Context) error { return fails(ada.User(ctx)) },
		"session get":   func(ctx context.Context) error { return fails(ada.Get(ctx, "bob")) },
		"session list":  func(ctx context.Context) error { return fails(ada.List(ctx, q)) },
		"session all":   func(ctx context.Context) error { return fails(collect(ada.All(ctx, q))) },
		"session count": func(ctx context.Context) error { return fails(ada.Count(ctx, q)) },
		"blocked":       func(ctx context.Context) error { return fails(ada.Blocked(ctx, userstore.BlockQuery{})) },
		"blocked at":    func(ctx context.Context) error { return fails(ada.BlockedAt(ctx, "bob")) },
	}
}

// populate makes the users that verbs speak of.
func populate(t *testing.T, w *world) {
	w.roles(t, "vip")
	w.add(t, "ada", "bob", "cleo", "gone")
	must(w.AddFriends(bg, "ada", "bob"))(t)
	must(login(t, w, "ada").Block(bg, "bob"))(t)
	must(w.IssueToken(bg, "bob"))(t)
	must(w.Deactivate(bg, "gone"))(t)
}

func TestAfterClose(t *testing.T) {
	for _, w := range []*world{memory(t), disk(t)} {
		populate(t, w)
		ada := login(t, w, "ada")
		require.NoError(t, w.Close())
		require.NoError(t, w.Close(), "a second Close is nil")
		for name, verb := range verbs(w, ada) {
			require.ErrorIs(t, verb(bg), userstore.ErrClosed, name)
		}
	}
}

func TestReadOnly(t *testing.T) {
	w := disk(t)
	populate(t, w)
	before := export(t, w.Store, everybody)
	w.opts = []userstore.Option{userstore.ReadOnly()}
	w.reopen(t)
	ada := login(t, w, "ada")
	for name, verb := range verbs(w, ada) {
		if strings.HasPrefix(name, "!") {
			require.ErrorIs(t, verb(bg), userstore.ErrReadOnly, name)
		} else {
			require.NoError(t, verb(bg), name)
		}
	}
	require.ErrorIs(t, w.RevokeToken(bg, "bob", must(w.Tokens(bg, "bob"))(t)[0].Token), userstore.ErrReadOnly)
	require.Equal(t, before, export(t, w.Store, everybody))

	nowhere := filepath.Join(t.TempDir(), "nowhere")
	_, err := userstore.Open(nowhere, userstore.ReadOnly())
	require.Error(t, err)
	require.NoFileExists(t, nowhere)
	require.NoDirExists(t, nowhere)
	empty := t.TempDir()
	_, err = userstore.Open(empty, userstore.ReadOnly())
	require.Error(t, err)
	require.Empty(t, must(os.ReadDir(empty))(t), "nothing is created")
}

func TestReopenKeepsEverything(t *testing.T) {
	w := disk(t)
	populate(t, w)
	must(w.Create(bg, full("full")))(t)
	token := must(w.Tokens(bg, "bob"))(t)[0]
	before, role := all(t, w, everybody), must(w.Role(bg, "vip"))(t)
	for range 2 {
		w.reopen(t)
		require.Equal(t, before, all(t, w, everybody))
		require.Equal(t, role, must(w.Role(bg, "vip"))(t))
		require.Len(t, must(w.Friends(bg, "bob", userstore.Query{}))(t).Users, 1)
		require.Len(t, must(login(t, w, "bob").Blocked(bg, userstore.BlockQuery{}))(t).Users, 1)
		require.Equal(t, "bob", must(w.LoginWithToken(bg, token.Token))(t).UID())
		sound(t, w.Store)
	}
}

func TestDirectories(t *testing.T) {
	t.Run("it is created, with those above it", func(t *testing.T) {
		s := must(userstore.Open(filepath.Join(t.TempDir(), "a", "b")))(t)
		require.NoError(t, s.Close())
	})
	t.Run("a second open is locked", func(t *testing.T) {
		w := disk(t)
		w.add(t, "ada")
		for _, opts := range [][]userstore.Option{nil, {userstore.ReadOnly()}} {
			_, err := userstore.Open(w.dir, opts...)
			require.ErrorIs(t, err, userstore.ErrLocked)
		}
		require.Equal(t, "ada", must(w.Get(bg, "ada"))(t).UID, "the first is unharmed")
		w.add(t, "bob")
		require.NoError(t, w.Close())
		w.open(t)
		require.Equal(t, []string{"ada", "bob"}, found(t, w, userstore.Query{}))
	})
	t.Run("a file in place of a directory", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(file, []byte("mine"), 0o600))
		for _, dir := range []string{file, filepath.Join(file, "below")} {
			for _, opts := range [][]userstore.Option{nil, {userstore.ReadOnly()}} {
				_, err := userstore.Open(dir, opts...)
				require.Error(t, err)
				require.NotErrorIs(t, err, userstore.ErrLocked)
			}
		}
		require.Equal(t, "mine", string(must(os.ReadFile(file))(t)))
	})
	t.Run("no right to write", func(t *testing.T) {
		dir := "/proc/userstore" // where not even root may create anything
		if os.Geteuid() > 0 {
			dir = filepath.Join(t.TempDir(), "locked")
			require.NoError(t, os.Mkdir(dir, 0o500))
		}
		_, err := userstore.Open(dir)
		require.Error(t, err)
		require.Contains(t, err.Error(), dir)
	})
	t.Run("no name", func(t *testing.T) {
		here := len(must(os.ReadDir("."))(t))
		_, err := userstore.Open("")
		require.Error(t, err)
		require.Len(t, must(os.ReadDir("."))(t), here, "nothing is created in the working directory")
	})
}

// tree is the files below dir and their sizes.
func tree(t *testing.T, dir string) map[string]int64 {
	files := map[string]int64{}
	require.NoError(t, fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			files[path] = info.Size()
		}
		return err
	}))
	return files
}

func TestEncryption(t *testing.T) {
	key := []byte("0123456789abcdef")
	for _, size := range []int{16, 24, 32} {
		w := disk(t, userstore.WithEncryptionKey(bytes.Repeat([]byte("k"), size)))
		must(w.Create(bg, userstore.User{UID: "ada", Name: secret}))(t)
		w.reopen(t)
		require.Equal(t, secret, must(w.Get(bg, "ada"))(t).Name)
		require.NoError(t, w.Close())
		for name := range tree(t, w.dir) {
			require.NotContains(t, string(must(os.ReadFile(filepath.Join(w.dir, name)))(t)), secret, name)
		}
		for name, opts := range map[string][]userstore.Option{
			"missing": nil, "wrong": {userstore.WithEncryptionKey(key)}, "wrong, 32": {userstore.WithEncryptionKey(bytes.Repeat(key, 2))},
			"read-only, missing": {userstore.ReadOnly()}, "empty": {userstore.WithEncryptionKey(nil)},
		} {
			_, err := userstore.Open(w.dir, opts...)
			require.ErrorIs(t, err, userstore.ErrInvalid, name)
			require.ErrorAs(t, err, new(*userstore.FieldError), name)
		}
		w.open(t)
		require.Equal(t, secret, must(w.Get(bg, "ada"))(t).Name)
		sound(t, w.Store)
	}
	for _, size := range []int{0, 1, 15, 17, 31, 33, 64} {
		dir := filepath.Join(t.TempDir(), "store")
		_, err := userstore.Open(dir, userstore.WithEncryptionKey(make([]byte, size)))
		require.ErrorIs(t, err, userstore.ErrInvalid, size)
		require.NoDirExists(t, dir, "nothing is created")
		_, err = userstore.OpenInMemory(userstore.WithEncryptionKey(make([]byte, size)))
		require.ErrorIs(t, err, userstore.ErrInvalid, size)
	}
	open := disk(t)
	open.add(t, "ada")
	require.NoError(t, open.Close())
	_, err := userstore.Open(open.dir, userstore.WithEncryptionKey(key))
	require.ErrorIs(t, err, userstore.ErrInvalid, "a store created without a key stays so")
	open.open(t)
	require.Equal(t, "ada", must(open.Get(bg, "ada"))(t).UID)
}

// TestLogHoldsNoData lets a store log everything, through work, refusals, damage and reopening.
func TestLogHoldsNoData(t *testing.T) {
	var lines bytes.Buffer
	w := disk(t, userstore.WithLogger(slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	u := userstore.User{UID: "ada", Name: secret, Avatar: "https://" + secret + ".example", StatusMessage: secret, Tags: []string{secret}, Metadata: []byte(`{"k":"` + secret + `"}`)}
	must(w.Create(bg, u))(t)
	token := must(w.IssueToken(bg, "ada"))(t)
	u.Name = secret + "\n"
	require.Error(t, fails(w.Upsert(bg, u)))
	require.Error(t, fails(w.LoginWithToken(bg, secret)))
	must(w.List(bg, userstore.Query{Search: secret}))(t)
	w.reopen(t)
	must(w.Verify(bg))(t)
	require.NoError(t, w.Close())
	require.NotEmpty(t, lines.String())
	require.NotContains(t, lines.String(), secret)
	require.NotContains(t, lines.String(), token.Token)
}

func TestCancelledContext(t *testing.T) {
	cancelled, cancel := context.WithCancelCause(bg)
	cancel(errors.New("why"))
	late, stop := context.WithTimeout(bg, -1)
	defer stop()
	for _, w := range []*world{memory(t), disk(t)} {
		populate(t, w)
		ada := login(t, w, "ada")
		before := export(t, w.Store, everybody)
		for name, verb := range verbs(w, ada) {
			t.Run(name, func(t *testing.T) {
				require.ErrorIs(t, verb(cancelled), context.Canceled)
				require.ErrorIs(t, verb(late), context.DeadlineExceeded)
			})
		}
		require.ErrorIs(t, ada.Logout(cancelled), context.Canceled)
		require.Equal(t, before, export(t, w.Store, everybody))
		require.Equal(t, []string{"default", "vip"}, roleIDs(must(w.Roles(bg))(t)))
		require.Equal(t, []int{0, 1}, []int{len(must(w.Tokens(bg, "ada"))(t)), len(must(w.Tokens(bg, "bob"))(t))})
		require.Equal(t, []string{"bob"}, uids(must(w.Friends(bg, "ada", userstore.Query{}))(t).Users))
		require.Equal(t, []string{"bob"}, uids(must(ada.Blocked(bg, userstore.BlockQuery{}))(t).Users))
		var backup bytes.Buffer
		require.NoError(t, w.Backup(bg, &backup))
		dir := filepath.Join(t.TempDir(), "restored")
		require.ErrorIs(t, userstore.Restore(cancelled, dir, &backup), context.Canceled)
		require.NoDirExists(t, dir)
		sound(t, w.Store)
	}
}
