package cometchat

import (
	"fmt"
	"slices"

	"github.com/seed-3546c6b2/userstore"
)

const maxUIDs = 25 // uids of one call

var listQuery = slices.Concat([]string{"searchKey", "searchIn", "status", "count"}, pagingQuery,
	[]string{"role", "roles", "tags", "withTags", "uids", "sortBy", "sortOrder"})

// filters reads the parameters that say which users are asked for, and in which order.
func (c *call) filters() (userstore.Query, error) {
	in := c.query
	q := userstore.Query{Search: in.text("searchKey"), Roles: in.words("roles", false),
		Tags: in.words("tags", c.route.side == client), UIDs: in.words("uids", false)}
	if role := in.text("role"); role != "" {
		q.Roles = append(q.Roles, role)
	}
	if len(q.UIDs) > maxUIDs {
		return q, refused(map[string][]string{"uids": {fmt.Sprintf("The uids may not have more than %d items.", maxUIDs)}})
	}
	for _, field := range in.words("searchIn", false) {
		if field != "name" && field != "uid" {
			return q, refused(map[string][]string{"searchIn": {"The selected searchIn is invalid."}})
		}
		q.SearchIn = append(q.SearchIn, userstore.Field(field))
	}
	status, err := in.choice("status", string(userstore.Online), string(userstore.Offline))
	if err != nil {
		return q, err
	}
	q.Status = userstore.Status(status)
	for name, set := range map[string]func(){
		"withDeactivated":  func() { q.Deactivated = max(q.Deactivated, userstore.DeactivatedInclude) },
		"onlyDeactivated":  func() { q.Deactivated = userstore.DeactivatedOnly },
		"hideBlockedUsers": func() { q.HideBlocked = true },
		"friendsOnly":      func() { q.FriendsOnly = true },
	} {
		on, err := in.flag(name)
		if err != nil {
			return q, err
		}
		if on {
			set()
		}
	}
	return q, c.order(&q)
}

// order sets the order of a list. The back end sees the newest users first, as the REST API shows them; a user sees who
// is online first, then names, as the SDK documents it.
func (c *call) order(q *userstore.Query) error {
	by, err := c.query.choice("sortBy", "name", "status")
	if err != nil {
		return err
	}
	direction, err := c.query.choice("sortOrder", "asc", "desc")
	if err != nil {
		return err
	}
	q.Desc = direction == "desc"
	switch {
	case by == "name":
		q.Sort = userstore.SortName
	case by == "status" || c.route.side == client:
		q.Sort = userstore.SortStatus
	default:
		q.Sort, q.Desc = userstore.SortCreated, direction != "asc"
	}
	return nil
}

func (h *Handler) listUsers(c *call) (any, error) {
	q, err := c.filters()
	if err != nil {
		return nil, err
	}
	withTags, err := c.query.flag("withTags")
	if err != nil {
		return nil, err
	}
	count, err := c.query.flag("count")
	if err != nil {
		return nil, err
	}
	var from source = h.store
	if c.route.side == client {
		from = c.session
		if s, ok := h.roles.get(c.role); ok && s.ListUsers == toFriendsOnly {
			q.FriendsOnly = true
		}
	}
	users, l, err := c.pageOf(from, q)
	if err != nil {
		return nil, err
	}
	rows, err := c.listed(users, withTags)
	if err != nil {
		return nil, err
	}
	l.Data, l.Cursor = rows, newest(rows)
	if count {
		l.Meta.Count = &l.Meta.Pagination.Total
	}
	return l, nil
}

// seenBy marks in a back end's list who the user acted for has blocked, and who has blocked it.
func (c *call) seenBy(users []userstore.User) error {
	for i := range users {
		if !users[i].DeactivatedAt.IsZero() {
			continue
		}
		seen, err := c.session.Get(c.ctx(), users[i].UID)
		if isGone(err) {
			continue
		}
		if err != nil {
			return err
		}
		users[i].HasBlockedMe, users[i].BlockedByMe = seen.HasBlockedMe, seen.BlockedByMe
	}
	return nil
}
