package main

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-3546c6b2/userstore"
)

func newGetCmd(a *app) *cobra.Command {
	var deactivated bool
	cmd := &cobra.Command{
		Use:   "get UID...",
		Short: "Show users",
		Long:  `Show users, each with every field. "-" reads uids from the standard input, one a line.`,
		Example: `  userstore get alice
  userstore get --deactivated alice bob --json`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			uids, err := a.uids(given)
			if err != nil {
				return err
			}
			return a.withStore(reading, func(s *userstore.Store) error {
				var missing error
				for _, uid := range uids {
					u, err := a.find(cmd.Context(), s, uid, deactivated)
					switch {
					case errors.Is(err, userstore.ErrNotFound):
						missing = errors.Join(missing, err)
					case err != nil:
						return err
					default:
						if err := a.showUser(u); err != nil {
							return err
						}
					}
				}
				return missing
			})
		},
	}
	cmd.Flags().BoolVar(&deactivated, "deactivated", false, "show deactivated users too")
	return cmd
}

// find gives a user, a deactivated one only if asked to.
func (a *app) find(ctx context.Context, s *userstore.Store, uid string, deactivated bool) (userstore.User, error) {
	u, err := s.Get(ctx, uid)
	if !deactivated || !errors.Is(err, userstore.ErrNotFound) {
		return u, err
	}
	page, listErr := s.List(ctx, userstore.Query{UIDs: []string{uid}, Deactivated: userstore.DeactivatedInclude})
	if listErr != nil {
		return userstore.User{}, listErr
	}
	if len(page.Users) == 0 {
		return userstore.User{}, err // there is no deactivated one either
	}
	return page.Users[0], nil
}

// showUser writes one user: every field on a line of its own on a terminal, a line of JSON elsewhere.
func (a *app) showUser(u userstore.User) error {
	if a.json || !a.outTerminal {
		return a.emit(u)
	}
	status := state(u)
	return a.fields(
		field{"uid", u.UID, bold}, field{"name", u.Name, plain}, field{"role", u.Role, plain},
		field{"status", status.text, status.colour}, field{"statusMessage", u.StatusMessage, plain},
		field{"avatar", u.Avatar, plain}, field{"link", u.Link, plain}, field{"metadata", string(u.Metadata), plain},
		field{"tags", strings.Join(u.Tags, ", "), plain},
		field{"createdAt", moment(u.CreatedAt), plain}, field{"updatedAt", moment(u.UpdatedAt), plain},
		field{"lastActiveAt", moment(u.LastActiveAt), plain}, field{"deactivatedAt", moment(u.DeactivatedAt), plain},
		field{"version", strconv.FormatUint(u.Version, 10), dim},
	)
}

// field is a line of what is shown of one thing.
type field struct{ name, value, colour string }

// fields writes the fields that are set.
func (a *app) fields(list ...field) error {
	for _, f := range list {
		if f.value != "" {
			a.printf("%-14s %s", f.name, paint(a.colour(), f.colour, printable(f.value)))
		}
	}
	a.printf("")
	return nil
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
