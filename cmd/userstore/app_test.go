package main

import (
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

// tool is the tool in this process, over a store that is not there yet.
type tool struct {
	t      *testing.T
	dir    string
	stdin  string
	env    map[string]string
	out    bool // the standard output is a terminal
	err    bool // the standard error is a terminal
	clock  func() time.Time
	stderr io.Writer // besides what run gives; may be nil
}

func newTool(t *testing.T) *tool {
	return &tool{t: t, dir: filepath.Join(t.TempDir(), "store"), env: map[string]string{}, clock: time.Now}
}

// run gives what a command line writes, and its exit code.
func (o *tool) run(args ...string) (stdout, stderr string, code int) {
	var out, err bytes.Buffer
	a := &app{
		stdin: strings.NewReader(o.stdin), stdout: &out, stderr: &err, outTerminal: o.out, errTerminal: o.err, args: args, now: o.clock,
		getenv: func(name string) string {
			if name == "USERSTORE_DIR" {
				return o.dir
			}
			return o.env[name]
		},
	}
	if o.stderr != nil {
		a.stderr = io.MultiWriter(&err, o.stderr)
	}
	code = a.run(o.t.Context())
	return out.String(), err.String(), code
}

// must runs a command line that has to succeed.
func (o *tool) must(args ...string) string {
	o.t.Helper()
	stdout, stderr, code := o.run(args...)
	require.Zero(o.t, code, stderr)
	return stdout
}

func (o *tool) open(opts ...userstore.Option) *userstore.Store {
	s, err := userstore.Open(o.dir, opts...)
	require.NoError(o.t, err)
	return s
}

// fill makes a store with some users.
func (o *tool) fill() {
	o.stdin = `{"uid":"ann","name":"Ann Ärcher","role":"manager","tags":["vip"],"metadata":{"k":1},"createdAt":1700000000}
{"uid":"ben","name":"二郎","statusMessage":"line\none","createdAt":1700000001}
{"uid":"eve","name":"Eve","createdAt":1700000002,"deactivatedAt":1700000009}
`
	o.must("import", "--create-roles")
}
