package userstore_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
	"github.com/seed-3546c6b2/userstore/internal/keys"
	"github.com/seed-3546c6b2/userstore/internal/kv"
)

// writeCompat asks for the stores of a new format, which TestCompatibility then opens for ever:
//
//	go test -run '^TestCompatibility$' . -compat.write
var writeCompat = flag.Bool("compat.write", false, "write the stores of this format below testdata, if there are none")

// The head of the mark: a name, the format, the last change and its checksum, a checksum of format and body, the body.
const (
	markFormat = len("userstore\n")
	markSum    = markFormat + 2 + 12
	markBody   = markSum + 4
)

var compatKey = []byte("the key of the encrypted example")

// picture is all that a store tells about what is in it.
type picture struct {
	Users   []pictured
	Roles   []userstore.Role
	Friends map[string][]string
	Blocks  map[string]map[string]time.Time // who has blocked whom, and when
	Tokens  map[string][]userstore.Token
}

// bare is a User without its own way into JSON, which leaves out the version and parts of seconds.
type bare userstore.User

type pictured struct {
	bare
	Metadata string // JSON would not keep it byte for byte
}

func take(t *testing.T, s *userstore.Store) string {
	p := picture{
		Roles: must(s.Roles(bg))(t), Friends: map[string][]string{},
		Blocks: map[string]map[string]time.Time{}, Tokens: map[string][]userstore.Token{},
	}
	for _, u := range all(t, s, everybody) {
		p.Users = append(p.Users, pictured{bare(u), string(u.Metadata)})
		if !u.DeactivatedAt.IsZero() {
			continue
		}
		in := must(s.Login(bg, u.UID))(t)
		if friends := found(t, in, userstore.Query{FriendsOnly: true}); len(friends) > 0 {
			p.Friends[u.UID] = friends
		}
		for _, other := range must(in.Blocked(bg, userstore.BlockQuery{Direction: userstore.BlockedByMe}))(t).Users {
			if p.Blocks[u.UID] == nil {
				p.Blocks[u.UID] = map[string]time.Time{}
			}
			p.Blocks[u.UID][other.UID] = must(in.BlockedAt(bg, other.UID))(t)
		}
		if tokens := must(s.Tokens(bg, u.UID))(t); len(tokens) > 0 {
			p.Tokens[u.UID] = tokens
		}
	}
	return string(must(json.MarshalIndent(p, "", "\t"))(t)) + "\n"
}

// TestCompatibility opens stores that this version and those before it have written.
func TestCompatibility(t *testing.T) {
	fresh := disk(t)
	current := filepath.Join("testdata", fmt.Sprint("v", formatOf(t, fresh.dir)))
	if *writeCompat {
		writeExamples(t, current)
	}
	require.FileExists(t, filepath.Join(current, "expected.json"), "each format needs its examples: see -compat.write")
	for _, example := range must(filepath.Glob(filepath.Join("testdata", "v*", "*.tar.gz")))(t) {
		t.Run(strings.TrimPrefix(example, "testdata/"), func(t *testing.T) {
			expected := string(must(os.ReadFile(filepath.Join(filepath.Dir(example), "expected.json")))(t))
			w := &world{clock: newClock(), dir: t.TempDir()}
			if filepath.Base(example) == "encrypted.tar.gz" {
				w.opts = []userstore.Option{userstore.WithEncryptionKey(compatKey)}
			}
			unpack(t, example, w.dir)
			before := contents(t, w.dir)
			reader, err := userstore.Open(w.dir, append(w.opts, userstore.ReadOnly())...)
			if strings.HasPrefix(filepath.Base(example), "killed") {
				require.ErrorIs(t, err, userstore.ErrReadOnly, "there is something to recover")
			} else {
				require.NoError(t, err)
				require.Equal(t, expected, take(t, reader))
				sound(t, reader)
				require.NoError(t, reader.Close())
			}
			require.Equal(t, before, contents(t, w.dir), "reading changes nothing")

			w.open(t)
			require.Equal(t, expected, take(t, w.Store))
			sound(t, w.Store)
			var p picture
			require.NoError(t, json.Unmarshal([]byte(expected), &p))
			require.GreaterOrEqual(t, len(p.Users), 30)
			require.True(t, len(p.Roles) > 1 && len(p.Friends) > 1 && len(p.Blocks) > 1 && len(p.Tokens) > 1)
			for uid, tokens := range p.Tokens {
				for _, token := range tokens {
					require.Equal(t, uid, must(w.LoginWithToken(bg, token.Token))(t).UID())
				}
			}
			require.NotZero(t, len(must(w.Reactivate(bg, found(t, w, userstore.Query{Deactivated: userstore.DeactivatedOnly})...))(t).Done))
			must(w.Update(bg, "u01", rename("Changed")))(t)
			must(w.Create(bg, full("new")))(t)
			require.NoError(t, w.Delete(bg, "u02"))
			changed := take(t, w.Store)
			require.NotEqual(t, expected, changed)
			for range 2 {
				w.reopen(t)
				require.Equal(t, changed, take(t, w.Store))
				sound(t, w.Store)
			}
		})
	}
}

// TestNewerFormat opens a store as a later version may have written it.
func TestNewerFormat(t *testing.T) {
	w := disk(t)
	w.add(t, "ada")
	require.NoError(t, w.Close())
	path := filepath.Join(w.dir, kv.MarkName)
	mark := must(os.ReadFile(path))(t)
	refuse := func(t *testing.T) {
		before := contents(t, w.dir)
		for _, opts := range [][]userstore.Option{nil, {userstore.ReadOnly()}} {
			_, err := userstore.Open(w.dir, opts...)
			require.Equal(t, formatOf(t, w.dir)-1, refused(t, err, "format", userstore.ErrInvalid).Limit)
			require.Equal(t, before, contents(t, w.dir))
		}
	}
	for name, change := range map[string]func(b []byte) []byte{
		"with a mark like ours": func(b []byte) []byte {
			sum := crc32.MakeTable(crc32.Castagnoli)
			binary.BigEndian.PutUint32(b[markSum:], crc32.Update(crc32.Checksum(b[markFormat:markFormat+2], sum), sum, b[markBody:]))
			return b
		},
		"with a longer mark":   func(b []byte) []byte { return append(b, "and more"...) },
		"with another content": func(b []byte) []byte { return append(b[:markFormat+2], bytes.Repeat([]byte{0xa5}, 500)...) },
	} {
		t.Run(name, func(t *testing.T) {
			b := bytes.Clone(mark)
			binary.BigEndian.PutUint16(b[markFormat:], uint16(formatOf(t, w.dir)+1))
			require.NoError(t, os.WriteFile(path, change(b), 0o600))
			refuse(t)
			require.NoError(t, os.WriteFile(path, mark, 0o600))
		})
	}
	w.open(t)
	require.Equal(t, []string{"ada"}, found(t, w, everybody))
	under(t, w, func(tx *kv.Tx) {
		tx.Set(keys.Of(keys.Meta, "format"), binary.AppendUvarint(nil, uint64(formatOf(t, w.dir)+1)))
	})
	require.NoError(t, w.Close())
	before := contents(t, w.dir)
	for _, opts := range [][]userstore.Option{{userstore.ReadOnly()}, nil} {
		_, err := userstore.Open(w.dir, opts...)
		require.Equal(t, formatOf(t, w.dir), refused(t, err, "format", userstore.ErrInvalid).Limit)
		after := contents(t, w.dir)
		for name := range after {
			if filepath.Ext(name) == ".vlog" { // holds nothing, and each Open makes it anew
				after[name] = before[name]
			}
		}
		require.Equal(t, before, after)
	}
}

// formatOf reads the format of a store off its mark.
func formatOf(t *testing.T, dir string) int {
	b := must(os.ReadFile(filepath.Join(dir, kv.MarkName)))(t)
	require.Greater(t, len(b), markBody)
	return int(binary.BigEndian.Uint16(b[markFormat:]))
}

// writeExamples writes the same store four times: closed, killed, killed by a loss of power, and encrypted.
func writeExamples(t *testing.T, dir string) {
	require.NoDirExists(t, dir, "the examples of a format are never written anew")
	w := &world{clock: newClock(), dir: t.TempDir(), opts: []userstore.Option{
		userstore.WithProfile(userstore.ProfileEdge), userstore.WithSync(true), userstore.WithRoles("vip", "agent"),
	}}
	w.open(t)
	fill(t, w)
	require.NoError(t, os.MkdirAll(dir, 0o755))
	pack(t, w.dir, filepath.Join(dir, "killed.tar.gz"))
	powerless := t.TempDir()
	require.NoError(t, os.CopyFS(powerless, os.DirFS(w.dir)))
	for _, log := range must(filepath.Glob(filepath.Join(powerless, "*.mem")))(t) {
		require.NoError(t, os.WriteFile(log, make([]byte, 1<<20), 0o600))
	}
	pack(t, powerless, filepath.Join(dir, "killed-by-power.tar.gz"))
	b := backup(t, w.Store)
	w.reopen(t) // which turns everybody offline
	require.NoError(t, os.WriteFile(filepath.Join(dir, "expected.json"), []byte(take(t, w.Store)), 0o644))
	require.NoError(t, w.Close())
	pack(t, w.dir, filepath.Join(dir, "closed.tar.gz"))
	encrypted := filepath.Join(t.TempDir(), "encrypted")
	require.NoError(t, userstore.Restore(bg, encrypted, bytes.NewReader(b), userstore.WithProfile(userstore.ProfileEdge), userstore.WithEncryptionKey(compatKey)))
	pack(t, encrypted, filepath.Join(dir, "encrypted.tar.gz"))
}

// fill makes users of every kind.
func fill(t *testing.T, w *world) {
	must(w.UpdateRole(bg, "vip", func(r *userstore.Role) error {
		r.Name, r.Description, r.Metadata = "Very important", "Émigrés and others", json.RawMessage(`{ "level": 3 }`)
		return nil
	}))(t)
	list := make([]string, len(givenNames))
	for i, name := range givenNames {
		w.clock.tick(time.Hour + 7*time.Nanosecond)
		u := userstore.User{UID: fmt.Sprintf("u%02d", i), Name: name + familyNames[i%len(familyNames)], Role: []string{"", "vip", "agent"}[i%3]}
		u.Tags = someTags[i%len(someTags) : min(len(someTags), i%len(someTags)+i%4)]
		if i%2 == 0 {
			u.Avatar, u.Metadata = someURLs[1+i/2%3], json.RawMessage(someObjects[2+i/2%5])
		}
		if i%3 == 0 {
			u.Link, u.StatusMessage = someURLs[1+i/3%3], "two\nlines"
		}
		list[i] = must(w.Create(bg, u))(t).UID
	}
	for i := range list[:len(list)-4] {
		w.clock.tick(time.Minute)
		switch i % 5 {
		case 0:
			must(w.AddFriends(bg, list[i], list[i+1:i+4]...))(t)
		case 1:
			must(login(t, w, list[i]).Block(bg, list[i-1], list[i+3]))(t)
		case 2:
			must(w.Update(bg, list[i], func(u *userstore.User) error { u.StatusMessage += "!"; return nil }))(t)
			require.NoError(t, w.SetStatus(bg, list[i], userstore.Online))
		case 3:
			must(w.IssueToken(bg, list[i]))(t)
			revoked := must(w.IssueToken(bg, list[i]))(t)
			must(w.IssueToken(bg, list[i]))(t)
			require.NoError(t, w.RevokeToken(bg, list[i], revoked.Token))
		}
	}
	must(w.Create(bg, userstore.User{UID: "gone", Name: "Gone"}))(t)
	must(w.AddFriends(bg, "u20", "gone"))(t)
	require.NoError(t, w.Delete(bg, "gone"))
	must(w.Deactivate(bg, "u08", "u14", "u33"))(t)
}

// pack leaves out the files that hold nothing, which are large.
func pack(t *testing.T, dir, name string) {
	var packed bytes.Buffer
	zipped := must(gzip.NewWriterLevel(&packed, gzip.BestCompression))(t)
	out := tar.NewWriter(zipped)
	for _, name := range slices.Sorted(maps.Keys(tree(t, dir))) {
		if filepath.Ext(name) == ".vlog" || name == "DISCARD" {
			continue
		}
		b := must(os.ReadFile(filepath.Join(dir, name)))(t)
		require.NoError(t, out.WriteHeader(&tar.Header{Name: name, Size: int64(len(b)), Mode: 0o600}))
		must(out.Write(b))(t)
	}
	require.NoError(t, out.Close())
	require.NoError(t, zipped.Close())
	require.Less(t, packed.Len(), 100<<10)
	require.NoError(t, os.WriteFile(name, packed.Bytes(), 0o644))
}

func unpack(t *testing.T, name, dir string) {
	in := tar.NewReader(must(gzip.NewReader(bytes.NewReader(must(os.ReadFile(name))(t))))(t))
	for {
		head, err := in.Next()
		if err == io.EOF {
			return
		}
		require.NoError(t, err)
		require.True(t, filepath.IsLocal(head.Name))
		require.NoError(t, os.WriteFile(filepath.Join(dir, head.Name), must(io.ReadAll(in))(t), 0o600))
	}
}
