package main

import (
	"encoding/json"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-3546c6b2/userstore"
)

// editFlags are the editable fields of a user as flags.
type editFlags struct {
	name, avatar, link, role, statusMessage, metadata string
	tags                                              []string
}

func (e *editFlags) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&e.name, "name", "", "name")
	f.StringVar(&e.avatar, "avatar", "", "http or https URL of a picture")
	f.StringVar(&e.link, "link", "", "http or https URL of a page")
	f.StringVar(&e.role, "role", "", `id of a role (default "default")`)
	f.StringVar(&e.statusMessage, "status-message", "", "status message")
	f.StringVar(&e.metadata, "metadata", "", "JSON object, or @FILE to read it from there")
	f.StringArrayVar(&e.tags, "tag", nil, "a tag (repeat the flag); together they replace all tags")
}

// patch gives the flags that were given.
func (e *editFlags) patch(cmd *cobra.Command) (p userstore.Patch, err error) {
	set := func(flag string, to **string, from *string) {
		if cmd.Flags().Changed(flag) {
			*to = from
		}
	}
	set("name", &p.Name, &e.name)
	set("avatar", &p.Avatar, &e.avatar)
	set("link", &p.Link, &e.link)
	set("role", &p.Role, &e.role)
	set("status-message", &p.StatusMessage, &e.statusMessage)
	if cmd.Flags().Changed("tag") {
		p.Tags = &e.tags
	}
	if cmd.Flags().Changed("metadata") {
		raw, err := jsonValue(e.metadata)
		if err != nil {
			return p, err
		}
		p.Metadata = &raw
	}
	return p, nil
}

// jsonValue takes a flag's value, or the file that "@FILE" names.
func jsonValue(s string) (json.RawMessage, error) {
	file, ok := strings.CutPrefix(s, "@")
	if !ok {
		return json.RawMessage(s), nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, usageError{err}
	}
	return json.RawMessage(strings.TrimSpace(string(b))), nil
}

func newCreateCmd(a *app) *cobra.Command {
	var e editFlags
	cmd := &cobra.Command{
		Use:   "create UID",
		Short: "Create a user",
		Long:  `Create a user and show it as stored. A directory without a store gets one.`,
		Example: `  userstore create alice --name "Alice Archer" --role manager --tag vip
  userstore create bob --name Bob --metadata '{"team":"red"}'`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			patch, err := e.patch(cmd)
			if err != nil {
				return err
			}
			u := userstore.User{UID: given[0]}
			if err := patch.Apply(&u); err != nil {
				return err
			}
			return a.withStore(creating, func(s *userstore.Store) error {
				u, err := s.Create(cmd.Context(), u)
				if err != nil {
					return err
				}
				return a.showUser(u)
			})
		},
	}
	e.bind(cmd)
	return cmd
}

func newUpdateCmd(a *app) *cobra.Command {
	var e editFlags
	var unset []string
	var version uint64
	cmd := &cobra.Command{
		Use:   "update UID",
		Short: "Change a user",
		Long: `Change the fields that are given, leave the others, and show the user as stored.

--unset takes avatar, link, metadata, statusMessage and tags. With --if-version nothing
changes, and the exit code is 5, unless the user still is at that version.`,
		Example: `  userstore update alice --role admin --unset statusMessage,link
  userstore update bob --tag vip --tag beta --if-version 3`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			patch, err := e.patch(cmd)
			if err != nil {
				return err
			}
			for _, f := range unset {
				patch.Unset = append(patch.Unset, userstore.Field(f))
			}
			if cmd.Flags().NFlag() == cmd.InheritedFlags().NFlag() {
				return usagef("nothing to change; see %s --help", cmd.CommandPath())
			}
			edit := patch.Apply
			if cmd.Flags().Changed("if-version") {
				edit = userstore.IfVersion(version, edit)
			}
			return a.withStore(changing, func(s *userstore.Store) error {
				u, err := s.Update(cmd.Context(), given[0], edit)
				if err != nil {
					return err
				}
				return a.showUser(u)
			})
		},
	}
	e.bind(cmd)
	cmd.Flags().StringSliceVar(&unset, "unset", nil, "fields to clear")
	cmd.Flags().Uint64Var(&version, "if-version", 0, "change only what still is at this version")
	return cmd
}
