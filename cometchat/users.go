package cometchat

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/seed-3546c6b2/userstore"
)

var userBody = []string{"name", "avatar", "link", "role", "statusMessage", "metadata", "tags"}

var userRoutes = []route{
	{method: "POST", pattern: "/users", side: admin, authOnly: AuthOnlyCreateUser, rate: rateCore, grade: full,
		body: slices.Concat([]string{"uid"}, userBody, []string{"withAuthToken"}), serve: (*Handler).createUser},
	{method: "GET", pattern: "/users", side: admin, behalf: true, grade: full,
		query: slices.Concat(listQuery, []string{"withDeactivated", "onlyDeactivated"}),
		note:  "newest first unless sorted", serve: (*Handler).listUsers},
	{method: "PUT", pattern: "/users", side: admin, body: []string{"uidsToActivate"}, grade: full, serve: (*Handler).reactivateUsers},
	{method: "DELETE", pattern: "/users", side: admin, body: []string{"uidsToDeactivate"}, rate: rateCore, grade: full,
		serve: (*Handler).deactivateUsers},
	{method: "GET", pattern: "/users/{uid}", side: admin, behalf: true, grade: full, serve: (*Handler).getUser},
	{method: "PUT", pattern: "/users/{uid}", side: admin, authOnly: AuthOnlyUpdateUser, grade: full,
		body: slices.Concat(userBody, []string{"unset"}), note: "unset takes avatar, link, metadata", serve: (*Handler).updateUser},
	{method: "DELETE", pattern: "/users/{uid}", side: admin, body: []string{"permanent"}, rate: rateCore, grade: full,
		note: "deactivates unless permanent", serve: (*Handler).deleteUser},
	{method: "GET", pattern: "/users", side: client, feature: "listUsers", grade: full,
		query: slices.Concat(listQuery, []string{"hideBlockedUsers", "friendsOnly"}),
		note:  "everybody but oneself; online first, then by name, unless sorted", serve: (*Handler).listUsers},
	{method: "GET", pattern: "/users/{uid}", side: client, feature: "getUser", grade: full, serve: (*Handler).getUser},
}

func isGone(err error) bool { return errors.Is(err, userstore.ErrNotFound) }

func (h *Handler) createUser(c *call) (any, error) {
	u := userstore.User{UID: c.body.required("uid"), Name: c.body.required("name")}
	p := c.body.patch()
	withToken := c.body.flag("withAuthToken")
	if err := c.body.err(); err != nil {
		return nil, err
	}
	if withToken && !h.may(c.key, AuthOnlyCreateToken) {
		return nil, c.noAccess()
	}
	if err := p.Apply(&u); err != nil {
		return nil, err
	}
	created, err := h.store.Create(c.ctx(), u)
	if errors.Is(err, userstore.ErrExists) {
		return nil, uidTaken(u.UID)
	} else if err != nil {
		return nil, err
	}
	r := row(created)
	if withToken {
		t, err := h.store.IssueToken(c.ctx(), created.UID)
		if err != nil {
			return nil, err
		}
		r.AuthToken = t.Token
	}
	return r, nil
}

func uidTaken(uid string) error {
	return fail(http.StatusBadRequest, "ERR_UID_ALREADY_EXISTS", "The uid %s already exists. "+
		"Please use another uid or try after permanently deleting the user.", lower(uid))
}

func (h *Handler) getUser(c *call) (any, error) {
	get := h.store.Get
	if c.session != nil {
		get = c.session.Get
	}
	u, err := get(c.ctx(), c.arg("uid"))
	if errors.Is(err, userstore.ErrLoggedOut) {
		return nil, c.sessionError(err)
	} else if err != nil {
		return nil, c.userError(err)
	}
	return c.rowFor(u)
}

func (h *Handler) updateUser(c *call) (any, error) {
	p := c.body.patch()
	for _, field := range c.body.unset("avatar", "link", "metadata") {
		p.Unset = append(p.Unset, userstore.Field(field))
	}
	if err := c.body.err(); err != nil {
		return nil, err
	}
	u, err := h.store.Update(c.ctx(), c.arg("uid"), p.Apply)
	if err != nil {
		return nil, c.userError(err)
	}
	return row(u), nil
}

func (h *Handler) deleteUser(c *call) (any, error) {
	permanent := c.body.flag("permanent")
	if err := c.body.err(); err != nil {
		return nil, err
	}
	uid := lower(c.arg("uid"))
	if permanent {
		if err := h.store.Delete(c.ctx(), uid); err != nil {
			return nil, c.userError(err)
		}
		h.tokensEnded(uid, "")
		return done{true, fmt.Sprintf("User with %s has been deleted successfully.", uid)}, nil
	}
	o, err := h.store.Deactivate(c.ctx(), uid)
	if err != nil {
		return nil, err
	}
	if len(o.Done) == 0 {
		return nil, uidNotFound(c.args["uid"]) // a deactivated user is as good as absent
	}
	h.usersGone(o.Done)
	return map[string][]string{"deactivatedUids": o.Done}, nil
}

// usersGone tells those who hold connections open; the tokens stay, for the day the users come back.
func (h *Handler) usersGone(uids []string) {
	for _, uid := range uids {
		for _, tell := range h.ended {
			tell(lower(uid), "")
		}
	}
}

func (h *Handler) deactivateUsers(c *call) (any, error) {
	uids := c.body.uids("uidsToDeactivate", maxUIDs)
	if err := c.body.err(); err != nil {
		return nil, err
	}
	o, err := h.store.Deactivate(c.ctx(), uids...)
	h.usersGone(o.Done)
	return buckets("deactivatedUids", o.Done, "alreadyDeactivatedUids", o.Already, o.NotFound), err
}

func (h *Handler) reactivateUsers(c *call) (any, error) {
	uids := c.body.uids("uidsToActivate", maxUIDs)
	if err := c.body.err(); err != nil {
		return nil, err
	}
	o, err := h.store.Reactivate(c.ctx(), uids...)
	return buckets("reactivatedUids", o.Done, "nonDeactivatedUids", o.Already, o.NotFound), err
}

// buckets sorts uids by what became of them; an empty bucket is left out.
func buckets(done string, dones []string, already string, alreadys, notFound []string) map[string][]string {
	out := map[string][]string{}
	for name, uids := range map[string][]string{done: dones, already: alreadys, "notFound": notFound} {
		if len(uids) > 0 {
			out[name] = uids
		}
	}
	return out
}
