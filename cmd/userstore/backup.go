package main

import (
	"bufio"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/seed-3546c6b2/userstore"
)

func newBackupCmd(a *app) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "backup",
		Short: "Write the whole store to a file",
		Long: `Write the whole store as of one moment: users, roles, friends, blocks and tokens. A file of
--output appears whole or not at all.

The backup is not encrypted, whatever the store is, and its tokens let people log in: keep
it as you keep passwords.`,
		Example: `  userstore backup --output users.backup
  userstore backup | gzip | age -r KEY > users.backup.age`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			toFile := output != "" && output != "-"
			if !toFile && a.outTerminal {
				return usagef("a backup is not for a terminal: give --output FILE, or a pipe")
			}
			return a.withStore(reading, func(s *userstore.Store) error {
				err := a.toFile(output, func(w io.Writer) error { return s.Backup(cmd.Context(), w) })
				if err != nil || !toFile {
					return err
				}
				info, err := os.Stat(output)
				if err != nil {
					return err
				}
				if a.json {
					return a.emit(map[string]any{"file": output, "bytes": info.Size()})
				}
				a.printf("%s: %s", output, size(info.Size()))
				return nil
			})
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to write; the standard output if not given")
	return cmd
}

func newRestoreCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "restore [FILE]",
		Short: "Make a store of a backup",
		Long: `Make a store of a backup, in a directory that is empty or not there. It takes the backup
from FILE, or from the standard input if there is none or it is "-". It is all there in the
end, or nothing is. With a key the new store is encrypted.`,
		Example: `  userstore --dir ./restored restore users.backup
  gunzip < users.backup.gz | userstore --dir ./restored restore`,
		Args: args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			opts, err := a.options()
			if err != nil {
				return err
			}
			in, name, _, err := a.input(given)
			if err != nil {
				return err
			}
			defer in.Close()
			if err := userstore.Restore(cmd.Context(), a.dir, bufio.NewReader(in), opts...); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return a.withStore(reading, func(s *userstore.Store) error {
				n, err := s.Count(cmd.Context(), userstore.Query{Deactivated: userstore.DeactivatedInclude})
				if err != nil {
					return err
				}
				if a.json {
					return a.emit(map[string]any{"dir": a.dir, "users": n})
				}
				a.printf("%s users restored to %s", counted(n), a.dir)
				return nil
			})
		},
	}
}
