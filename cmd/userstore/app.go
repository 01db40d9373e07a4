package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// app is the tool with the world around it, so that it can be tested without a process or a terminal.
type app struct {
	stdin                    io.Reader
	stdout, stderr           io.Writer
	outTerminal, errTerminal bool
	args                     []string
	getenv                   func(string) string
	now                      func() time.Time

	// The flags that every command has.
	dir, keyFile string
	profile      choice
	json         bool
}

// run does what the command line says and gives the exit code.
func (a *app) run(ctx context.Context) int {
	root := newRootCmd(a)
	root.SetArgs(a.args)
	err := root.ExecuteContext(ctx)
	code := exitCode(err)
	switch {
	case err == nil:
	case a.json:
		_ = writeJSON(a.stderr, map[string]any{"error": errorText(err), "exit": code})
	default:
		fmt.Fprintln(a.stderr, "userstore: "+errorText(err))
	}
	return code
}

func newRootCmd(a *app) *cobra.Command {
	root := group(&cobra.Command{
		Use:   "userstore",
		Short: "Look after a user store from the command line",
		Long: `Look after a user store from the command line.

Output is an aligned table on a terminal and JSON lines in a pipe; --json makes every
command's output, errors included, machine-readable.

A store that is encrypted needs its key, from --key-file or, in hex, from $USERSTORE_KEY.

Exit codes: 0 done; 1 it failed, or some of it; 2 the command line or a value is wrong;
3 no such user, role, token or store; 4 the store is in use, damaged, or locked with
another key; 5 the uid or role is taken, in use, or has moved on; 130 interrupted.`,
		Example: `  userstore --dir ./users import users.jsonl
  userstore --dir ./users list --tag vip --role manager`,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
	})
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })

	a.profile = choice{value: "server", of: []string{"server", "edge"}}
	flags := root.PersistentFlags()
	flags.StringVar(&a.dir, "dir", a.getenv("USERSTORE_DIR"), "directory of the store; $USERSTORE_DIR if not given")
	flags.StringVar(&a.keyFile, "key-file", "", "file with the encryption key: 16, 24 or 32 bytes, plain or in hex")
	flags.BoolVar(&a.json, "json", false, "machine-readable output: JSON lines")
	a.profile.bind(root, flags, "profile", "memory: server, or edge for as little as possible")

	root.AddCommand(
		newListCmd(a), newCountCmd(a), newGetCmd(a),
		newCreateCmd(a), newUpdateCmd(a), newDeactivateCmd(a), newReactivateCmd(a), newDeleteCmd(a),
		newRoleCmd(a), newTokenCmd(a),
		newImportCmd(a), newExportCmd(a), newMigrateCmd(a),
		newStatsCmd(a), newVerifyCmd(a), newRepairCmd(a), newCompactCmd(a), newBackupCmd(a), newRestoreCmd(a),
		newServeCmd(a),
	)
	return root
}

// group makes cmd a command that only has subcommands. Alone it shows its help.
func group(cmd *cobra.Command) *cobra.Command {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
			return usagef("unknown command %q; did you mean %s?", args[0], strings.Join(like, " or "))
		}
		return usagef("unknown command %q; see %s --help", args[0], cmd.CommandPath())
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.SuggestionsMinimumDistance = 2
	return cmd
}

// args makes a wrong number of arguments an error of usage.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		if err := check(cmd, given); err != nil {
			return usagef("%w; see %s --help", err, cmd.CommandPath())
		}
		return nil
	}
}

// printf writes text for people to the standard output; not with --json.
func (a *app) printf(format string, args ...any) {
	if !a.json {
		fmt.Fprintf(a.stdout, format+"\n", args...)
	}
}

// notef writes a remark to the standard error.
func (a *app) notef(format string, args ...any) {
	if a.json {
		_ = writeJSON(a.stderr, map[string]string{"note": fmt.Sprintf(format, args...)})
		return
	}
	fmt.Fprintf(a.stderr, format+"\n", args...)
}

// emit writes v as a line of JSON to the standard output.
func (a *app) emit(v any) error { return writeJSON(a.stdout, v) }

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
