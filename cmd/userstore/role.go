package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-3546c6b2/userstore"
)

func newRoleCmd(a *app) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "role",
		Short: "List, create, change and delete roles",
		Example: `  userstore role list
  userstore role create manager --name Manager`,
	})
	cmd.AddCommand(newRoleListCmd(a), newRoleGetCmd(a), newRoleCreateCmd(a), newRoleUpdateCmd(a), newRoleDeleteCmd(a))
	return cmd
}

// roleJSON is a role as CometChat writes it.
type roleJSON struct {
	Role        string          `json:"role"`
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Metadata    json.RawMessage `json:"metadata,omitempty"`
	CreatedAt   int64           `json:"createdAt,omitempty"`
	UpdatedAt   int64           `json:"updatedAt,omitempty"`
}

func roleOf(r userstore.Role) roleJSON {
	out := roleJSON{Role: r.ID, Name: r.Name, Description: r.Description, Metadata: r.Metadata}
	if !r.CreatedAt.IsZero() {
		out.CreatedAt = r.CreatedAt.Unix()
	}
	if !r.UpdatedAt.IsZero() {
		out.UpdatedAt = r.UpdatedAt.Unix()
	}
	return out
}

func (a *app) showRole(r userstore.Role) error {
	if a.json || !a.outTerminal {
		return a.emit(roleOf(r))
	}
	return a.fields(
		field{"role", r.ID, bold}, field{"name", r.Name, plain}, field{"description", r.Description, plain},
		field{"metadata", string(r.Metadata), plain},
		field{"createdAt", moment(r.CreatedAt), plain}, field{"updatedAt", moment(r.UpdatedAt), plain},
	)
}

func newRoleListCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the roles",
		Example: `  userstore role list`,
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(reading, func(s *userstore.Store) error {
				roles, err := s.Roles(cmd.Context())
				if err != nil {
					return err
				}
				if a.json || !a.outTerminal {
					for _, r := range roles {
						if err := a.emit(roleOf(r)); err != nil {
							return err
						}
					}
					return nil
				}
				t := a.newTable("ROLE", "NAME", "DESCRIPTION", "CREATED")
				for _, r := range roles {
					t.row(cell{r.ID, plain}, cell{r.Name, plain}, cell{r.Description, plain}, cell{day(r.CreatedAt), dim})
				}
				return t.flush()
			})
		},
	}
}

func newRoleGetCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "get ROLE",
		Short:   "Show a role",
		Example: `  userstore role get manager`,
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			return a.withStore(reading, func(s *userstore.Store) error {
				r, err := s.Role(cmd.Context(), given[0])
				if err != nil {
					return err
				}
				return a.showRole(r)
			})
		},
	}
}

// roleFlags are the editable fields of a role as flags.
type roleFlags struct{ name, description, metadata string }

func (f *roleFlags) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.name, "name", "", "name")
	cmd.Flags().StringVar(&f.description, "description", "", "description")
	cmd.Flags().StringVar(&f.metadata, "metadata", "", "JSON object, or @FILE to read it from there")
}

// apply sets what was given.
func (f *roleFlags) apply(cmd *cobra.Command, r *userstore.Role) error {
	if cmd.Flags().Changed("name") {
		r.Name = f.name
	}
	if cmd.Flags().Changed("description") {
		r.Description = f.description
	}
	if cmd.Flags().Changed("metadata") {
		raw, err := jsonValue(f.metadata)
		if err != nil {
			return err
		}
		r.Metadata = raw
	}
	return nil
}

func newRoleCreateCmd(a *app) *cobra.Command {
	var f roleFlags
	cmd := &cobra.Command{
		Use:     "create ROLE",
		Short:   "Create a role",
		Long:    `Create a role and show it as stored. Its name is its id unless --name says otherwise.`,
		Example: `  userstore role create manager --name Manager --description "Runs a branch"`,
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			r := userstore.Role{ID: given[0], Name: given[0]}
			if err := f.apply(cmd, &r); err != nil {
				return err
			}
			return a.withStore(creating, func(s *userstore.Store) error {
				r, err := s.CreateRole(cmd.Context(), r)
				if err != nil {
					return err
				}
				return a.showRole(r)
			})
		},
	}
	f.bind(cmd)
	return cmd
}

func newRoleUpdateCmd(a *app) *cobra.Command {
	var f roleFlags
	cmd := &cobra.Command{
		Use:   "update ROLE",
		Short: "Change a role",
		Long:  `Change the fields that are given, leave the others, and show the role as stored. An empty value clears.`,
		Example: `  userstore role update manager --name "Branch manager"
  userstore role update manager --description ""`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			if cmd.Flags().NFlag() == cmd.InheritedFlags().NFlag() {
				return usagef("nothing to change; see %s --help", cmd.CommandPath())
			}
			return a.withStore(changing, func(s *userstore.Store) error {
				r, err := s.UpdateRole(cmd.Context(), given[0], func(r *userstore.Role) error { return f.apply(cmd, r) })
				if err != nil {
					return err
				}
				return a.showRole(r)
			})
		},
	}
	f.bind(cmd)
	return cmd
}

func newRoleDeleteCmd(a *app) *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "delete ROLE",
		Short: "Delete a role that nobody has",
		Long:  `Delete a role. One that anybody has, deactivated users included, and the default role stay: exit code 5.`,
		Example: `  userstore role delete manager --dry-run
  userstore role delete manager`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			if !dryRun {
				return a.withStore(changing, func(s *userstore.Store) error {
					return a.each("role", given, func(id string) error { return s.DeleteRole(cmd.Context(), id) }, "deleted")
				})
			}
			return a.withStore(reading, func(s *userstore.Store) error {
				_, err := s.Role(cmd.Context(), given[0])
				if errors.Is(err, userstore.ErrNotFound) {
					return errors.Join(a.tell("role", given[0], "not found"), missing(1))
				}
				if err != nil {
					return err
				}
				holders, err := s.Count(cmd.Context(), userstore.Query{Roles: given, Deactivated: userstore.DeactivatedInclude})
				if err != nil {
					return err
				}
				if holders > 0 || strings.EqualFold(given[0], "default") {
					return fmt.Errorf("%w: role %s", userstore.ErrInUse, given[0])
				}
				return a.tell("role", given[0], "would be deleted")
			})
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be done")
	return cmd
}
