package main

import (
	"errors"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
	"github.com/seed-3546c6b2/userstore/cometchat"
)

// TestMain lets scripts and tests run the tool as a process of its own.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"userstore": main})
}

// TestScripts runs testdata/script, each with $USERSTORE_DIR naming a store that is not there yet.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("USERSTORE_DIR", filepath.Join(env.WorkDir, "store"))
			if filepath.Base(env.WorkDir) == "script-migrate" {
				env.Setenv("COMETCHAT_URL", newDouble(t)+"/v3")
			}
			return nil
		},
	})
}

// exits CODE PROGRAM ARGS... runs a program that has to end with the exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, not %d", got, want)
	}
}

// newDouble serves CometChat's API over an empty store.
func newDouble(t testing.TB) (url string) {
	s, err := userstore.OpenInMemory()
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	h, err := cometchat.New(s, cometchat.Options{AuthKey: "auth", APIKey: "rest"})
	require.NoError(t, err)
	t.Cleanup(func() { h.Close() })
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}
