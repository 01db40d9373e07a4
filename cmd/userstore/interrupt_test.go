//go:build unix

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

// TestInterrupt sends Ctrl-C to an import whose input has not ended, and goes on as the tool says.
func TestInterrupt(t *testing.T) {
	o := newTool(t)
	input := func(w io.Writer, users int) {
		for i := range users {
			name := "N"
			if i == 150 {
				name = "" // its failure tells that the second batch is done
			}
			fmt.Fprintf(w, `{"uid":"u%03d","name":%q}`+"\n", i, name)
		}
	}
	cmd := exec.Command("userstore", "import")
	cmd.Env = append(os.Environ(), "USERSTORE_DIR="+o.dir)
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	input(stdin, 250)
	told := bufio.NewScanner(stderr)
	require.True(t, told.Scan())
	require.Equal(t, "line 151: u150: name is required", told.Text())
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	rest, err := io.ReadAll(stderr)
	require.NoError(t, err)
	var exit *exec.ExitError
	require.True(t, errors.As(cmd.Wait(), &exit))
	require.Equal(t, exitInterrupted, exit.ExitCode())

	text := string(rest)
	for told.Scan() {
		text = told.Text() + "\n" + text
	}
	say := regexp.MustCompile(`userstore import --after (\d+)`).FindStringSubmatch(text)
	require.NotNil(t, say, text)
	require.Equal(t, "200", say[1])

	o.must("verify")
	var again strings.Builder
	input(&again, 300)
	o.stdin = again.String()
	require.Contains(t, o.must("import", "--after", say[1]), "100 users read, 100 created")
	s := o.open()
	defer s.Close()
	n, err := s.Count(t.Context(), userstore.Query{})
	require.NoError(t, err)
	require.Equal(t, 299, n)
}
