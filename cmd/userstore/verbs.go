package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/seed-3546c6b2/userstore"
)

func newDeactivateCmd(a *app) *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "deactivate UID...",
		Short: "Hide users and keep everything of theirs",
		Long:  `Hide users and keep everything of theirs; reactivate brings them back. "-" reads uids from the standard input.`,
		Example: `  userstore deactivate alice bob
  userstore list --tag left --all --json | jq -r .uid | userstore deactivate -`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			uids, err := a.uids(given)
			if err != nil {
				return err
			}
			if dryRun {
				return a.dryRun(cmd, uids, func(u userstore.User) string {
					if u.DeactivatedAt.IsZero() {
						return "would be deactivated"
					}
					return "is deactivated already"
				})
			}
			return a.withStore(changing, func(s *userstore.Store) error {
				out, err := s.Deactivate(cmd.Context(), uids...)
				if told := a.outcome(out, "deactivated", "was deactivated already"); err == nil {
					err = told
				}
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be done")
	return cmd
}

func newReactivateCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "reactivate UID...",
		Short: "Bring deactivated users back",
		Long:  `Bring deactivated users back, with everything of theirs. "-" reads uids from the standard input.`,
		Example: `  userstore reactivate alice
  userstore list --deactivated only --all --json | jq -r .uid | userstore reactivate -`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			uids, err := a.uids(given)
			if err != nil {
				return err
			}
			return a.withStore(changing, func(s *userstore.Store) error {
				out, err := s.Reactivate(cmd.Context(), uids...)
				if told := a.outcome(out, "reactivated", "was active already"); err == nil {
					err = told
				}
				return err
			})
		},
	}
}

func newDeleteCmd(a *app) *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "delete UID...",
		Short: "Delete users for good",
		Long: `Delete users, active or deactivated, for good, with their friends, blocks and tokens.
Nothing brings them back; deactivate does not lose anything. "-" reads uids from the
standard input.`,
		Example: `  userstore delete alice --dry-run
  userstore delete alice bob`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			uids, err := a.uids(given)
			if err != nil {
				return err
			}
			if dryRun {
				return a.dryRun(cmd, uids, func(u userstore.User) string { return fmt.Sprintf("would be deleted (%s)", state(u).text) })
			}
			return a.withStore(changing, func(s *userstore.Store) error {
				return a.each("uid", uids, func(uid string) error { return s.Delete(cmd.Context(), uid) }, "deleted")
			})
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be done")
	return cmd
}
