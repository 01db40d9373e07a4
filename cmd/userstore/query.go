package main

import (
	"context"
	"iter"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-3546c6b2/userstore"
)

// lister is who answers a query: the store, or a session that sees it as one user does.
type lister interface {
	List(context.Context, userstore.Query) (userstore.Page, error)
	All(context.Context, userstore.Query) iter.Seq2[userstore.User, error]
	Count(context.Context, userstore.Query) (int, error)
}

// queryFlags are the fields of userstore.Query as flags.
type queryFlags struct {
	userstore.Query
	as                          string
	searchIn                    []string
	status, deactivated, sortBy choice
}

// bind adds the flags that choose users. deactivated is the default of --deactivated.
func (q *queryFlags) bind(cmd *cobra.Command, deactivated string) {
	f := cmd.Flags()
	f.StringVar(&q.Search, "search", "", "start of the name or of the uid, letter case ignored")
	f.StringSliceVar(&q.searchIn, "search-in", nil, "where to search: name, uid, or both as when not given")
	f.StringArrayVar(&q.Tags, "tag", nil, "users with any of these tags (repeat the flag)")
	f.StringArrayVar(&q.AllTags, "all-tags", nil, "users with all of these tags (repeat the flag)")
	f.StringArrayVar(&q.NoTags, "no-tag", nil, "users with none of these tags (repeat the flag)")
	f.StringSliceVar(&q.Roles, "role", nil, "users with any of these roles")
	f.StringSliceVar(&q.UIDs, "uid", nil, "exactly these users")
	q.status = choice{of: []string{"online", "offline"}}
	q.status.bind(cmd, f, "status", "users who are online or offline")
	q.deactivated = choice{value: deactivated, of: []string{"exclude", "include", "only"}}
	q.deactivated.bind(cmd, f, "deactivated", "what to do with deactivated users")
	f.StringVar(&q.as, "as", "", "list as the user with this uid sees the others")
	f.BoolVar(&q.FriendsOnly, "friends-only", false, "friends of the --as user")
	f.BoolVar(&q.HideBlocked, "hide-blocked", false, "leave out whom the --as user has blocked")
}

// bindOrder adds the flags of the order.
func (q *queryFlags) bindOrder(cmd *cobra.Command) {
	q.sortBy = choice{value: "name", of: []string{"name", "uid", "created", "status"}}
	q.sortBy.bind(cmd, cmd.Flags(), "sort", "order")
	cmd.Flags().BoolVar(&q.Desc, "desc", false, "turn the order round")
}

// query gives the query that the flags say.
func (q *queryFlags) query() (userstore.Query, error) {
	if q.as == "" && (q.FriendsOnly || q.HideBlocked) {
		return userstore.Query{}, usagef("--friends-only and --hide-blocked need --as UID")
	}
	if q.as != "" && !q.deactivated.given {
		q.deactivated.value = "exclude" // users do not see deactivated ones
	}
	out := q.Query
	for _, in := range q.searchIn {
		out.SearchIn = append(out.SearchIn, userstore.Field(strings.ToLower(in)))
	}
	out.Status = map[string]userstore.Status{"online": userstore.Online, "offline": userstore.Offline}[q.status.value]
	out.Deactivated = map[string]userstore.Deactivated{
		"include": userstore.DeactivatedInclude, "only": userstore.DeactivatedOnly,
	}[q.deactivated.value]
	out.Sort = map[string]userstore.Sort{
		"uid": userstore.SortUID, "created": userstore.SortCreated, "status": userstore.SortStatus,
	}[q.sortBy.value]
	return out, nil
}

// lister gives who answers: with --as a session.
func (q *queryFlags) lister(ctx context.Context, s *userstore.Store) (lister, error) {
	if q.as == "" {
		return s, nil
	}
	return s.Login(ctx, q.as)
}
