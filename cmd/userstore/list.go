package main

import (
	"bufio"
	"context"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-3546c6b2/userstore"
	"github.com/seed-3546c6b2/userstore/cmd/userstore/internal/records"
)

func newListCmd(a *app) *cobra.Command {
	var q queryFlags
	var all bool
	format := choice{of: []string{"table", "jsonl", "csv"}}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List users",
		Long: `List users, a page at a time or, with --all, every one. Where a page is not the last,
the cursor of the next one is told on the standard error.

The format is a table on a terminal and JSON lines elsewhere, unless --format says otherwise.`,
		Example: `  userstore list --tag vip --tag beta --role manager --sort created --desc
  userstore list --all --format csv > users.csv
  userstore list --as alice --friends-only --status online`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			query, err := q.query()
			if err != nil {
				return err
			}
			if all && (cmd.Flags().Changed("limit") || query.Cursor != "") {
				return usagef("--all has no pages: leave out --limit and --cursor")
			}
			if a.json && format.value != "" && format.value != "jsonl" {
				return usagef("--json and --format %s are two formats", format.value)
			}
			return a.withStore(reading, func(s *userstore.Store) error {
				from, err := q.lister(cmd.Context(), s)
				if err != nil {
					return err
				}
				out := a.userWriter(a.stdout, format.value)
				if all {
					_, err := writeAll(cmd.Context(), from, query, out, func(int) {})
					return err
				}
				page, err := from.List(cmd.Context(), query)
				if err != nil {
					return err
				}
				for _, u := range page.Users {
					if err := out.Write(u); err != nil {
						return err
					}
				}
				if err := out.Flush(); err != nil || page.Next == "" {
					return err
				}
				if a.json {
					return writeJSON(a.stderr, map[string]string{"next": page.Next})
				}
				a.notef("there are more: --cursor %s", page.Next)
				return nil
			})
		},
	}
	q.bind(cmd, "exclude")
	q.bindOrder(cmd)
	cmd.Flags().IntVar(&q.Limit, "limit", 100, "users in a page, up to 1000")
	cmd.Flags().StringVar(&q.Cursor, "cursor", "", "where the page before ended")
	cmd.Flags().BoolVar(&all, "all", false, "every user instead of a page")
	format.bind(cmd, cmd.Flags(), "format", "table, jsonl or csv")
	return cmd
}

// writeAll writes every user of a query, and tells as it goes how many they were.
func writeAll(ctx context.Context, from lister, q userstore.Query, out userWriter, each func(n int)) (n int, err error) {
	for u, err := range from.All(ctx, q) {
		if err != nil {
			return n, err
		}
		if err := out.Write(u); err != nil {
			return n, err
		}
		n++
		each(n)
	}
	return n, out.Flush()
}

func newCountCmd(a *app) *cobra.Command {
	var q queryFlags
	cmd := &cobra.Command{
		Use:   "count",
		Short: "Count users",
		Example: `  userstore count
  userstore count --all-tags vip --no-tag test --deactivated include`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			query, err := q.query()
			if err != nil {
				return err
			}
			return a.withStore(reading, func(s *userstore.Store) error {
				from, err := q.lister(cmd.Context(), s)
				if err != nil {
					return err
				}
				n, err := from.Count(cmd.Context(), query)
				if err != nil {
					return err
				}
				if a.json {
					return a.emit(map[string]int{"count": n})
				}
				a.printf("%d", n)
				return nil
			})
		},
	}
	q.bind(cmd, "exclude")
	return cmd
}

// userWriter writes a list of users in some format.
type userWriter interface {
	Write(userstore.User) error
	Flush() error
}

// userWriter gives the writer for a format; the empty one is a table on a terminal and JSON lines elsewhere.
func (a *app) userWriter(w io.Writer, format string) userWriter {
	switch {
	case format == "csv":
		return records.NewCSVWriter(w)
	case format == "table", format == "" && a.outTerminal && !a.json:
		return &userTable{a.newTable("UID", "NAME", "ROLE", "STATUS", "TAGS", "CREATED")}
	}
	return userLines{bufio.NewWriterSize(w, 64<<10)}
}

type userLines struct{ *bufio.Writer }

func (l userLines) Write(u userstore.User) error { return writeJSON(l.Writer, u) }

type userTable struct{ *table }

func (t *userTable) Write(u userstore.User) error {
	t.row(cell{u.UID, plain}, cell{u.Name, plain}, cell{u.Role, plain}, state(u),
		cell{strings.Join(u.Tags, ", "), plain}, cell{day(u.CreatedAt), dim})
	if len(t.rows) < 1000 {
		return nil
	}
	return t.flush() // a long list is not held in memory as a whole
}

func (t *userTable) Flush() error { return t.flush() }

// state is what a user is: deactivated, online or offline.
func state(u userstore.User) cell {
	switch {
	case !u.DeactivatedAt.IsZero():
		return cell{"deactivated", red}
	case u.Status == userstore.Online:
		return cell{"online", green}
	}
	return cell{"offline", plain}
}

func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.DateOnly)
}
