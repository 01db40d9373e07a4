package userstore_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

// backup is a store's backup.
func backup(t testing.TB, s *userstore.Store) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, s.Backup(bg, &b))
	return b.Bytes()
}

func TestBackupAndRestore(t *testing.T) {
	hold(t, []sentence{
		{"everything comes back", func(t *testing.T, w *world) {
			populate(t, w)
			must(w.Create(bg, full("full")))(t)
			require.NoError(t, w.SetStatus(bg, "ada", userstore.Online))
			token := must(w.Tokens(bg, "bob"))(t)[0]
			want := all(t, w, everybody)
			for i := range want {
				want[i].Status = userstore.Offline
			}
			b := backup(t, w.Store)
			check := func(s *world) {
				require.Equal(t, want, all(t, s, everybody))
				require.Equal(t, must(w.Roles(bg))(t), must(s.Roles(bg))(t))
				require.Equal(t, []string{"bob"}, uids(must(s.Friends(bg, "ada", userstore.Query{}))(t).Users))
				require.Equal(t, []string{"bob"}, uids(must(login(t, s, "ada").Blocked(bg, userstore.BlockQuery{}))(t).Users))
				require.Equal(t, "bob", must(s.LoginWithToken(bg, token.Token))(t).UID())
				require.Equal(t, []userstore.Token{token}, must(s.Tokens(bg, "bob"))(t))
				sound(t, s.Store)
				s.add(t, "new")
				require.Equal(t, []string{"new"}, must(s.AddFriends(bg, "ada", "new"))(t).Done)
			}
			for name, opts := range map[string][]userstore.Option{"plain": nil, "encrypted": {userstore.WithEncryptionKey(make([]byte, 32))}} {
				restored := &world{clock: w.clock, opts: opts, dir: filepath.Join(t.TempDir(), "absent", name)}
				require.NoError(t, userstore.Restore(bg, restored.dir, bytes.NewReader(b), opts...))
				restored.open(t)
				check(restored)
			}
			empty := &world{clock: w.clock, dir: t.TempDir()}
			require.NoError(t, userstore.Restore(bg, empty.dir, iotest.OneByteReader(bytes.NewReader(b))))
			empty.open(t)
			check(empty)
			check(&world{clock: w.clock, Store: must(userstore.RestoreInMemory(bg, bytes.NewReader(b), userstore.WithClock(w.clock.Now)))(t)})
		}},
		{"a backup is of one moment, while others write", func(t *testing.T, w *world) {
			w.add(t, "ada")
			var b bytes.Buffer
			require.NoError(t, w.Backup(bg, writerFunc(func(p []byte) (int, error) {
				_, err := w.Upsert(bg, userstore.User{UID: "late", Name: "Late"})
				require.NoError(t, err)
				return b.Write(p)
			})))
			s := must(userstore.RestoreInMemory(bg, &b))(t)
			require.Equal(t, []string{"ada"}, found(t, s, userstore.Query{}))
			require.NoError(t, s.Close())
		}},
		{"restore wants a directory that is absent or empty, and leaves nothing behind when it fails", func(t *testing.T, w *world) {
			populate(t, w)
			b := backup(t, w.Store)
			oops := errors.New("oops")
			inputs := map[string]io.Reader{"nothing": bytes.NewReader(nil), "other": bytes.NewReader([]byte("{\"uid\":\"ada\"}\n")), "trailing": bytes.NewReader(append(bytes.Clone(b), 'x'))}
			for _, n := range []int{1, len(b) / 2, len(b) - 1} {
				inputs["cut"+string(rune('0'+len(inputs)))] = bytes.NewReader(b[:n])
			}
			for _, at := range []int{3, len(b) / 3, len(b) - 40, len(b) - 1} {
				flipped := bytes.Clone(b)
				flipped[at] ^= 4
				inputs["flipped"+string(rune('0'+len(inputs)))] = bytes.NewReader(flipped)
			}
			for name, in := range inputs {
				above := t.TempDir()
				require.ErrorIs(t, userstore.Restore(bg, filepath.Join(above, "store"), in), userstore.ErrCorrupt, name)
				require.Empty(t, must(os.ReadDir(above))(t), name)
			}
			above := t.TempDir()
			empty := filepath.Join(above, "empty")
			require.NoError(t, os.Mkdir(empty, 0o700))
			require.ErrorIs(t, userstore.Restore(bg, empty, io.MultiReader(bytes.NewReader(b[:len(b)/2]), iotest.ErrReader(oops))), oops)
			require.Equal(t, map[string]int64{}, tree(t, above))

			require.NoError(t, os.WriteFile(filepath.Join(empty, "mine"), []byte("mine"), 0o600))
			require.Error(t, userstore.Restore(bg, empty, bytes.NewReader(b)))
			require.Equal(t, map[string]int64{"empty/mine": 4}, tree(t, above))
			require.Error(t, userstore.Restore(bg, filepath.Join(empty, "mine"), bytes.NewReader(b)), "a file")
			require.Equal(t, map[string]int64{"empty/mine": 4}, tree(t, above))
			require.Error(t, userstore.Restore(bg, "", bytes.NewReader(b)))
			_, err := userstore.RestoreInMemory(bg, bytes.NewReader(b[:len(b)-1]))
			require.ErrorIs(t, err, userstore.ErrCorrupt)
		}},
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestVerify(t *testing.T) {
	hold(t, []sentence{
		{"verify counts deactivated users", func(t *testing.T, w *world) {
			populate(t, w)
			report := must(w.Verify(bg))(t)
			require.True(t, report.OK())
			require.Equal(t, 4, report.Users)
			require.Positive(t, report.Entries)
		}},
		{"there is nothing to repair in a sound store", func(t *testing.T, w *world) {
			populate(t, w)
			before, b := export(t, w.Store, everybody), backup(t, w.Store)
			report := must(w.Repair(bg))(t)
			require.True(t, report.OK(), "%+v", report.Problems)
			require.Equal(t, before, export(t, w.Store, everybody))
			require.Equal(t, b, backup(t, w.Store), "nothing was written")
		}},
		{"an empty store is sound", func(t *testing.T, w *world) {
			require.Zero(t, must(w.Verify(bg))(t).Users)
		}},
	})
	require.False(t, userstore.VerifyReport{Problems: []userstore.Problem{{Kind: "k"}}}.OK())
}
