package cometchat

import (
	"strings"

	"github.com/seed-3546c6b2/userstore"
)

var openRoutes = []route{
	{method: "GET", pattern: "/health", side: open, grade: full, note: "not CometChat's: whether the store answers", serve: (*Handler).health},
	{method: "POST", pattern: "/api/{version}/online-members", side: open, grade: full,
		note: "header Authorization: the JWT of GET /me", serve: (*Handler).onlineMembers},
}

func (h *Handler) health(c *call) (any, error) {
	if _, err := h.store.Roles(c.ctx()); err != nil {
		return nil, err
	}
	return map[string]string{"status": "ok"}, nil
}

func (h *Handler) onlineMembers(c *call) (any, error) {
	s, err := h.verifyJWT(c.ctx(), strings.TrimPrefix(c.r.Header.Get("Authorization"), "Bearer "))
	if err != nil {
		return nil, err
	}
	c.uid = s.UID()
	n, err := h.store.Count(c.ctx(), userstore.Query{Status: userstore.Online})
	return map[string]int{"onlineUsersCount": n}, err
}
