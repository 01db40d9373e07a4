package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/seed-3546c6b2/userstore"
)

func newTokenCmd(a *app) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "token",
		Short: "Issue, list and revoke login tokens",
		Example: `  userstore token issue alice
  userstore token revoke alice --all`,
	})
	cmd.AddCommand(newTokenIssueCmd(a), newTokenListCmd(a), newTokenRevokeCmd(a))
	return cmd
}

// tokenJSON is a token as CometChat writes it.
type tokenJSON struct {
	UID       string `json:"uid"`
	AuthToken string `json:"authToken"`
	CreatedAt int64  `json:"createdAt"`
}

func tokenOf(t userstore.Token) tokenJSON { return tokenJSON{t.UID, t.Token, t.CreatedAt.Unix()} }

func newTokenIssueCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "issue UID",
		Short: "Give a user a new token",
		Long: `Give a user a new token and print it. Who has it can log in as the user. Of more than a
hundred tokens the oldest drop out.`,
		Example: `  userstore token issue alice`,
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			return a.withStore(changing, func(s *userstore.Store) error {
				t, err := s.IssueToken(cmd.Context(), given[0])
				if err != nil {
					return err
				}
				if a.json {
					return a.emit(tokenOf(t))
				}
				a.printf("%s", t.Token)
				return nil
			})
		},
	}
}

func newTokenListCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list UID",
		Short:   "List a user's tokens",
		Example: `  userstore token list alice`,
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			return a.withStore(reading, func(s *userstore.Store) error {
				tokens, err := s.Tokens(cmd.Context(), given[0])
				if err != nil {
					return err
				}
				if a.json || !a.outTerminal {
					for _, t := range tokens {
						if err := a.emit(tokenOf(t)); err != nil {
							return err
						}
					}
					return nil
				}
				for _, t := range tokens { // no table: a token is of use only as a whole
					a.printf("%s  %s", moment(t.CreatedAt), t.Token)
				}
				return nil
			})
		},
	}
}

func newTokenRevokeCmd(a *app) *cobra.Command {
	var all, dryRun bool
	cmd := &cobra.Command{
		Use:   "revoke UID [TOKEN...]",
		Short: "Make tokens of a user useless",
		Long:  `Make tokens of a user useless: those that are given, or --all. Sessions that began with them end.`,
		Example: `  userstore token revoke alice --all --dry-run
  userstore token revoke alice alice_1700000000abc`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			uid, tokens := given[0], given[1:]
			if all != (len(tokens) == 0) {
				return usagef("give the tokens to revoke, or --all")
			}
			if dryRun {
				return a.withStore(reading, func(s *userstore.Store) error {
					there, err := s.Tokens(cmd.Context(), uid)
					if err != nil {
						return err
					}
					return a.wouldRevoke(uid, there, tokens)
				})
			}
			return a.withStore(changing, func(s *userstore.Store) error {
				n := 0
				var err error
				if all {
					n, err = s.RevokeTokens(cmd.Context(), uid)
				}
				for _, token := range tokens {
					if err = s.RevokeToken(cmd.Context(), uid, token); err != nil {
						break
					}
					n++
				}
				return errors.Join(a.revoked(uid, n, "revoked"), err)
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "every token of the user")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be done")
	return cmd
}

// wouldRevoke counts the tokens that are there; no tokens named means all.
func (a *app) wouldRevoke(uid string, there []userstore.Token, tokens []string) error {
	known := map[string]bool{}
	for _, t := range there {
		known[t.Token] = true
	}
	n := len(there)
	if len(tokens) > 0 {
		n = 0
		for _, token := range tokens {
			if !known[token] {
				return fmt.Errorf("%w: token of user %s", userstore.ErrNotFound, uid)
			}
			n++
		}
	}
	return a.revoked(uid, n, "would be revoked")
}

func (a *app) revoked(uid string, n int, what string) error {
	if a.json {
		return a.emit(map[string]any{"uid": uid, "result": what, "tokens": n})
	}
	a.printf("%s: %d tokens %s", uid, n, what)
	return nil
}
