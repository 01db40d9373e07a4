package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// TestExamples holds every command to have help with an example, and every example to be a command line that works.
func TestExamples(t *testing.T) {
	root := func() *cobra.Command {
		return newRootCmd(&app{getenv: func(string) string { return "" }})
	}
	var visit func(cmd *cobra.Command)
	seen := 0
	visit = func(cmd *cobra.Command) {
		if cmd.Name() == "help" || cmd.Name() == "completion" {
			return
		}
		seen++
		require.NotEmpty(t, cmd.Short, cmd.CommandPath())
		require.NotEmpty(t, cmd.Example, cmd.CommandPath())
		own := 0
		for _, line := range strings.Split(cmd.Example, "\n") {
			for _, part := range strings.Split(line, "|") {
				_, args, ok := strings.Cut(part, "userstore ")
				if !ok {
					continue
				}
				args, _, _ = strings.Cut(args, " > ")
				args, _, _ = strings.Cut(args, " < ")
				found, rest, err := root().Find(words(args))
				require.NoError(t, err, line)
				require.NoError(t, found.ParseFlags(rest), line)
				require.NoError(t, found.ValidateArgs(found.Flags().Args()), line)
				if strings.HasPrefix(found.CommandPath(), cmd.CommandPath()) {
					own++
				}
			}
		}
		require.Positive(t, own, "%s has an example of something else", cmd.CommandPath())
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit(root())
	require.Greater(t, seen, 25)
}

// words splits a command line as a shell does, as far as the examples need it.
func words(s string) []string {
	var out []string
	var word strings.Builder
	in, quoted := rune(0), false
	for _, r := range s + " " {
		switch {
		case in != 0 && r == in:
			in = 0
		case in == 0 && (r == '"' || r == '\''):
			in, quoted = r, true
		case in == 0 && r == ' ':
			if word.Len() > 0 || quoted {
				out = append(out, word.String())
			}
			word.Reset()
			quoted = false
		default:
			word.WriteRune(r)
		}
	}
	return out
}

func TestResumed(t *testing.T) {
	require.Equal(t, []string{"import", "'a b.csv'", "--mode", "skip", "--after", "700"},
		resumed([]string{"import", "--after", "100", "a b.csv", "--after=3", "--mode", "skip"}, 700))
	require.Equal(t, "''", quote(""))
	require.Equal(t, `'it'\''s'`, quote("it's"))
}
