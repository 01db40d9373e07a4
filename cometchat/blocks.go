package cometchat

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/seed-3546c6b2/userstore"
)

var blockRoutes = []route{
	{method: "POST", pattern: "/users/{uid}/blockedusers", side: admin, body: []string{"blockedUids"}, grade: full,
		serve: (*Handler).blockUsers},
	{method: "GET", pattern: "/users/{uid}/blockedusers", side: admin, query: pagingQuery, grade: full,
		note: "those whom the user has blocked, by name", serve: (*Handler).listBlocked},
	{method: "DELETE", pattern: "/users/{uid}/blockedusers", side: admin, body: []string{"blockedUids"}, grade: full,
		serve: (*Handler).unblockUsers},
	{method: "POST", pattern: "/blockedusers", side: client, feature: "blockUser", body: []string{"blockedUids"}, grade: full,
		serve: (*Handler).blockUsers},
	{method: "GET", pattern: "/blockedusers", side: client, feature: "getBlockedUsers",
		query: slices.Concat([]string{"direction", "searchKey"}, pagingQuery), grade: full,
		note: "both directions unless one is named; by name", serve: (*Handler).listBlocked},
	{method: "DELETE", pattern: "/blockedusers", side: client, feature: "unblockUser", body: []string{"blockedUids"}, grade: full,
		serve: (*Handler).unblockUsers},
}

// blocker makes the session of the user who blocks: the logged-in one, or on the back end's side the one in the path.
func (c *call) blocker() error {
	if c.route.side == client {
		return nil
	}
	return c.asUser()
}

func (h *Handler) blockUsers(c *call) (any, error) {
	return c.changeBlocks((*userstore.Session).Block, "has blocked user with UID %s successfully.", "has already blocked user with UID %s.")
}

func (h *Handler) unblockUsers(c *call) (any, error) {
	return c.changeBlocks((*userstore.Session).Unblock, "has unblocked user with UID %s successfully.", "has not blocked user with UID %s.")
}

type changeBlocks = func(*userstore.Session, context.Context, ...string) (userstore.Outcome, error)

// changeBlocks answers uid by uid; a target that cannot be blocked fails alone.
func (c *call) changeBlocks(change changeBlocks, changed, already string) (any, error) {
	uids := c.body.uids("blockedUids", 0)
	if err := c.body.err(); err != nil {
		return nil, err
	}
	if err := c.blocker(); err != nil {
		return nil, err
	}
	o, err := change(c.session, c.ctx(), uids...)
	if err != nil {
		return nil, c.actorError(err)
	}
	say := func(form string) func(string) string {
		return func(uid string) string {
			return "The user with UID " + c.uid + " " + fmt.Sprintf(form, lower(uid))
		}
	}
	out := map[string]done{}
	tell(out, o.Done, true, say(changed))
	tell(out, o.Already, true, say(already))
	tell(out, o.NotFound, false, noSuchTarget)
	tell(out, o.Refused, false, func(uid string) string {
		return fmt.Sprintf("The UID %s cannot block UID %s.", c.uid, lower(uid))
	})
	return out, nil
}

// actorError answers that the user whose session this is has gone: to the client a bad token, to the back end a uid that
// does not exist.
func (c *call) actorError(err error) error {
	if c.route.side == client {
		return c.sessionError(err)
	}
	if errors.Is(err, userstore.ErrLoggedOut) {
		err = userstore.ErrNotFound
	}
	return c.userError(err)
}

func (h *Handler) listBlocked(c *call) (any, error) {
	p, err := c.query.paging()
	if err != nil {
		return nil, err
	}
	direction, err := c.query.choice("direction", "both", "blockedByMe", "hasBlockedMe")
	if err != nil {
		return nil, err
	}
	if err := c.blocker(); err != nil {
		return nil, err
	}
	q := userstore.BlockQuery{Search: c.query.text("searchKey"), Limit: maxPage}
	switch {
	case c.route.side == admin || direction == "blockedByMe":
		q.Direction = userstore.BlockedByMe
	case direction == "hasBlockedMe":
		q.Direction = userstore.HasBlockedMe
	}
	var users []userstore.User
	for {
		found, err := c.session.Blocked(c.ctx(), q)
		if err != nil {
			return nil, c.actorError(err)
		}
		users = append(users, found.Users...)
		if q.Cursor = found.Next; q.Cursor == "" {
			break
		}
	}
	l := paged(users, p)
	rows, err := c.listed(l.Data.([]userstore.User), false)
	l.Data, l.Meta.Cursor = rows, newest(rows)
	return l, err
}
