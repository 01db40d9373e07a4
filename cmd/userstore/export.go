package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/seed-3546c6b2/userstore"
	"github.com/seed-3546c6b2/userstore/cmd/userstore/internal/records"
)

func newExportCmd(a *app) *cobra.Command {
	var q queryFlags
	var output string
	var quiet bool
	format := choice{value: records.JSONLines, of: []string{records.JSONLines, records.CSV}}
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write users to a file",
		Long: `Write users, all of one moment, as import reads them. Unlike list, export takes deactivated
users too, unless --deactivated says otherwise. Friends, blocks, roles and tokens are not
in it; backup has everything.

A file of --output appears whole or not at all.`,
		Example: `  userstore export --output users.jsonl
  userstore export --format csv --role manager | gzip > managers.csv.gz`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			query, err := q.query()
			if err != nil {
				return err
			}
			toFile := output != "" && output != "-"
			if a.json && format.value == records.CSV && !toFile {
				return usagef("--json and --format csv are two formats")
			}
			return a.withStore(reading, func(s *userstore.Store) error {
				ctx := cmd.Context()
				from, err := q.lister(ctx, s)
				if err != nil {
					return err
				}
				total, err := from.Count(ctx, query)
				if err != nil {
					return err
				}
				m := a.meter("exported", "users", int64(total), quiet)
				n := 0
				err = a.toFile(output, func(w io.Writer) error {
					n, err = writeAll(ctx, from, query, a.userWriter(w, format.value), func(n int) { m.at(int64(n), n, 0) })
					return err
				})
				m.end()
				if err != nil || !toFile {
					return err
				}
				if a.json {
					return a.emit(map[string]any{"exported": n, "file": output})
				}
				a.printf("%s users exported to %s", counted(n), output)
				return nil
			})
		},
	}
	q.bind(cmd, "include")
	q.bindOrder(cmd)
	format.bind(cmd, cmd.Flags(), "format", "format")
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to write; the standard output if not given")
	cmd.Flags().BoolVar(&quiet, "quiet", false, "do not tell how far it is")
	return cmd
}
