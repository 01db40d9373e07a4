package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/seed-3546c6b2/userstore"
)

// The commands that keep the files in good order.

func newVerifyCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Check the whole store",
		Long: `Read the whole store and hold everything against everything: records against their
checksums and rules, indexes, counters, relations and tokens against the records. It
changes nothing. Exit code 4 if something is wrong.`,
		Example: `  userstore verify
  userstore verify --json | jq .problems`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(reading, func(s *userstore.Store) error { return a.verify(cmd.Context(), s) })
		},
	}
}

func (a *app) verify(ctx context.Context, s *userstore.Store) error {
	found, err := s.Verify(ctx)
	if err != nil {
		return err
	}
	if err := a.verified(found); err != nil {
		return err
	}
	if !found.OK() {
		return fmt.Errorf("%w: %s problems", userstore.ErrCorrupt, counted(len(found.Problems)))
	}
	return nil
}

// verified writes a report.
func (a *app) verified(found userstore.VerifyReport) error {
	type problem struct {
		Kind   string `json:"kind"`
		UID    string `json:"uid,omitempty"`
		Detail string `json:"detail"`
	}
	problems := []problem{}
	for _, p := range found.Problems {
		problems = append(problems, problem(p))
		a.printf("%s %s: %s", p.Kind, p.UID, printable(p.Detail))
	}
	a.printf("%s users, %s index entries, %s problems", counted(found.Users), counted(found.Entries), counted(len(problems)))
	if !a.json {
		return nil
	}
	return a.emit(map[string]any{"ok": found.OK(), "users": found.Users, "entries": found.Entries, "problems": problems})
}

func newRepairCmd(a *app) *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "repair",
		Short: "Put right what verify finds",
		Long: `Put indexes, counters, relations and tokens right from the records; set aside records that
cannot be read. Tell what was found, then verify again: exit code 4 if something is left.
Make a backup first. --dry-run only verifies.`,
		Example: `  userstore repair --dry-run
  userstore repair`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dryRun {
				return a.withStore(reading, func(s *userstore.Store) error { return a.verify(cmd.Context(), s) })
			}
			return a.withStore(changing, func(s *userstore.Store) error {
				found, err := s.Repair(cmd.Context())
				if err != nil {
					return err
				}
				if err := a.verified(found); err != nil || found.OK() {
					return err
				}
				a.printf("after the repair:")
				return a.verify(cmd.Context(), s)
			})
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be put right")
	return cmd
}

func newCompactCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "compact",
		Short: "Give back the disk space of what is gone",
		Long: `Give back the disk space of what was deleted or replaced. The store does so by itself in
the course of time; this does it now.`,
		Example: `  userstore compact`,
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			before, err := a.diskUsage(cmd.Context())
			if err != nil {
				return err
			}
			err = a.withStore(changing, func(s *userstore.Store) error { return s.Compact(cmd.Context()) })
			if err != nil {
				return err
			}
			after, err := a.diskUsage(cmd.Context())
			if err != nil {
				return err
			}
			if a.json {
				return a.emit(map[string]int64{"before": before, "after": after})
			}
			a.printf("%s before, %s after", size(before), size(after))
			return nil
		},
	}
}

// diskUsage gives what the store takes on disk when nobody has it open.
func (a *app) diskUsage(ctx context.Context) (n int64, err error) {
	err = a.withStore(reading, func(s *userstore.Store) error {
		st, err := s.Stats(ctx)
		n = st.DiskBytes
		return err
	})
	return n, err
}
