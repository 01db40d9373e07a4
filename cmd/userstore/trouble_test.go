package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
	"github.com/seed-3546c6b2/userstore/cmd/userstore/internal/migrate"
	"github.com/seed-3546c6b2/userstore/internal/keys"
)

func TestStoreInUse(t *testing.T) {
	o := newTool(t)
	s := o.open()
	defer s.Close()
	for _, args := range [][]string{{"list"}, {"create", "x", "--name", "X"}, {"verify"}} {
		_, stderr, code := o.run(args...)
		require.Equal(t, exitStore, code, args)
		require.Contains(t, stderr, "in use")
	}
}

// TestStoreNotClosed reads a store whose program was killed: a copy of its files while it is open.
func TestStoreNotClosed(t *testing.T) {
	o := newTool(t)
	s := o.open()
	_, err := s.Create(t.Context(), userstore.User{UID: "ann", Name: "Ann"})
	require.NoError(t, err)
	killed := filepath.Join(t.TempDir(), "killed")
	require.NoError(t, os.CopyFS(killed, os.DirFS(o.dir)))
	require.NoError(t, s.Close())

	o.dir = killed
	_ = os.Remove(filepath.Join(killed, "LOCK"))
	stdout, stderr, code := o.run("get", "ann")
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "ann")
	require.Contains(t, stderr, "was not closed")
}

// without gives a backup that lacks its first key of a kind; see Store.Backup for its form.
func without(t *testing.T, backup []byte, kind byte) []byte {
	at := bytes.IndexByte(backup, '\n') + 1
	out := bytes.Clone(backup[:at])
	for found := false; ; {
		start := at
		var key []byte
		for part := range 2 { // key and value
			length, n := binary.Uvarint(backup[at:])
			if part == 0 {
				key = backup[at+n : at+n+int(length)]
			}
			at += n + int(length)
			if len(key) == 0 {
				require.True(t, found)
				out = append(out, 0)
				sum := sha256.Sum256(out)
				return append(out, sum[:]...)
			}
		}
		if !found && key[0] == kind {
			found = true
			continue
		}
		out = append(out, backup[start:at]...)
	}
}

// TestDamage has a store that lacks an index entry, and lets verify find it and repair mend it.
func TestDamage(t *testing.T) {
	o := newTool(t)
	o.fill()
	o.stdin = string(without(t, []byte(o.must("backup")), keys.Created))
	o.dir += "-damaged"
	o.must("restore")

	stdout, stderr, code := o.run("verify")
	require.Equal(t, exitStore, code)
	require.Contains(t, stdout, "missing entry ann")
	require.Contains(t, stderr, "1 problems")
	stdout, _, code = o.run("verify", "--json")
	require.Equal(t, exitStore, code)
	var report struct {
		OK       bool
		Problems []struct{ Kind, UID, Detail string }
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &report))
	require.False(t, report.OK)
	require.Equal(t, "ann", report.Problems[0].UID)

	_, _, code = o.run("repair", "--dry-run")
	require.Equal(t, exitStore, code)
	_, _, code = o.run("verify")
	require.Equal(t, exitStore, code, "a dry run mends nothing")
	stdout = o.must("repair")
	require.Contains(t, stdout, "missing entry ann")
	require.Contains(t, stdout, "after the repair:\n3 users")
	o.must("verify")
}

// TestBrokenFile damages what the store keeps on disk.
func TestBrokenFile(t *testing.T) {
	o := newTool(t)
	o.fill()
	require.NoError(t, filepath.WalkDir(o.dir, func(path string, d fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".sst") {
			return os.WriteFile(path, nil, 0o600)
		}
		return err
	}))
	_, stderr, code := o.run("list")
	require.Equal(t, exitStore, code)
	require.Contains(t, stderr, "damaged")
	require.NotContains(t, stderr, "Ann")
}

// TestUnwritableOutput has outputs that cannot be written.
func TestUnwritableOutput(t *testing.T) {
	o := newTool(t)
	o.fill()
	closed, err := os.Create(filepath.Join(t.TempDir(), "closed"))
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	for _, args := range [][]string{{"list", "--all"}, {"list", "--format", "csv"}, {"list", "--format", "table"}, {"export"}, {"get", "ann"}, {"backup"}} {
		a := &app{
			stdin: strings.NewReader(""), stdout: closed, stderr: new(bytes.Buffer), args: args, now: o.clock,
		}
		a.getenv = func(name string) string { return map[string]string{"USERSTORE_DIR": o.dir}[name] }
		require.Equal(t, exitFailed, a.run(t.Context()), args)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(o.dir), ".*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestAddress(t *testing.T) {
	env := map[string]string{}
	a := &app{getenv: func(name string) string { return env[name] }}
	good := migrate.Options{AppID: "shop", Key: "k", PerMinute: 1, Workers: 1, Attempts: 1}
	o := good
	require.NoError(t, a.address(&o, "eu"))
	require.Equal(t, "https://shop.api-eu.cometchat.io/v3", o.URL)
	require.Empty(t, o.AppID, "the host's name says it")
	o = good
	require.Error(t, a.address(&o, ""), "which region?")
	o = good
	o.URL = "http://double/v3"
	require.NoError(t, a.address(&o, ""))
	require.Equal(t, "shop", o.AppID, "a double is told the app id")
	o.Key = ""
	require.Error(t, a.address(&o, ""))
	env["COMETCHAT_API_KEY"] = "from the environment"
	require.NoError(t, a.address(&o, ""))
	require.Equal(t, "from the environment", o.Key)
	for _, wrong := range []*int{&o.PerMinute, &o.Workers, &o.Attempts} {
		*wrong = 0
		require.Error(t, a.address(&o, ""))
		*wrong = 1
	}
}
