package cometchat

import (
	"fmt"
	"slices"

	"github.com/seed-3546c6b2/userstore"
)

var friendRoutes = []route{
	{method: "POST", pattern: "/users/{uid}/friends", side: admin, body: []string{"accepted"}, grade: full,
		serve: (*Handler).addFriends},
	{method: "GET", pattern: "/users/{uid}/friends", side: admin, query: slices.Concat([]string{"searchKey"}, pagingQuery),
		grade: full, note: "by name", serve: (*Handler).listFriends},
	{method: "DELETE", pattern: "/users/{uid}/friends", side: admin, body: []string{"friends"}, grade: full,
		serve: (*Handler).removeFriends},
}

func (h *Handler) addFriends(c *call) (any, error) {
	uids := c.body.uids("accepted", maxUIDs)
	if err := c.body.err(); err != nil {
		return nil, err
	}
	out := map[string]done{}
	if limit := h.opts.Quotas.Friends; limit > 0 {
		h.quota.Lock()
		defer h.quota.Unlock()
		var err error
		if uids, err = c.withinQuota(uids, limit, out); err != nil {
			return nil, err
		}
	}
	o, err := h.store.AddFriends(c.ctx(), c.arg("uid"), uids...)
	if err != nil {
		return nil, c.userError(err)
	}
	tell(out, o.Done, true, func(string) string { return "Created relationship with status accepted." })
	tell(out, o.Already, true, func(string) string { return "Updated relationship with status accepted." })
	tell(out, o.Refused, false, func(string) string { return "Self friend relationship cannot be formed." })
	tell(out, o.NotFound, false, noSuchTarget)
	return map[string]map[string]done{"accepted": out}, nil
}

// tell notes an outcome for each uid, as the caller wrote it.
func tell(out map[string]done, uids []string, success bool, text func(uid string) string) {
	for _, uid := range uids {
		out[uid] = done{success, text(uid)}
	}
}

// noSuchTarget is what a call over many uids says of one that is not there.
func noSuchTarget(uid string) string {
	uid = lower(uid)
	return fmt.Sprintf("The uid %s does not exist, please make sure you have created a uid with uid %s.", uid, uid)
}

// withinQuota gives those of uids whose friendship fits both users' quota, and notes the others in out.
func (c *call) withinQuota(uids []string, limit int, out map[string]done) ([]string, error) {
	count := func(uid string) (int, error) {
		s, err := c.h.store.Login(c.ctx(), uid)
		if err != nil {
			return 0, err
		}
		return s.Count(c.ctx(), userstore.Query{FriendsOnly: true})
	}
	mine, err := count(c.arg("uid"))
	if err != nil {
		return nil, c.userError(err)
	}
	me, err := c.h.store.Login(c.ctx(), c.arg("uid"))
	if err != nil {
		return nil, c.userError(err)
	}
	var fit []string
	for _, uid := range uids {
		isFriend, err := me.Count(c.ctx(), userstore.Query{FriendsOnly: true, UIDs: []string{uid}})
		if err != nil {
			return nil, err
		}
		theirs, err := count(uid)
		switch {
		case isGone(err) || isFriend > 0 || lower(uid) == me.UID():
		case err != nil:
			return nil, err
		case mine >= limit || theirs >= limit:
			out[uid] = done{false, fmt.Sprintf("The plan allows no more than %d friends.", limit)}
			continue
		default:
			mine++
		}
		fit = append(fit, uid)
	}
	return fit, nil
}

// asUser opens the session of the user in the path, so that rows are relative to it.
func (c *call) asUser() error {
	s, err := c.h.store.Login(c.ctx(), c.arg("uid"))
	if err != nil {
		return c.userError(err)
	}
	c.session, c.uid = s, s.UID()
	return nil
}

func (h *Handler) listFriends(c *call) (any, error) {
	if err := c.asUser(); err != nil {
		return nil, err
	}
	users, l, err := c.pageOf(c.session, userstore.Query{FriendsOnly: true, Search: c.query.text("searchKey")})
	if err != nil {
		return nil, err
	}
	rows, err := c.listed(users, false)
	l.Data, l.Meta.Cursor = rows, newest(rows)
	return l, err
}

func (h *Handler) removeFriends(c *call) (any, error) {
	uids := c.body.uids("friends", 0)
	if err := c.body.err(); err != nil {
		return nil, err
	}
	if _, err := h.store.RemoveFriends(c.ctx(), c.arg("uid"), uids...); err != nil {
		return nil, c.userError(err)
	}
	return done{true, "Deleted the friend relations succussfully"}, nil // spelt as the service spells it
}
