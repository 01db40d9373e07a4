package cometchat

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/seed-3546c6b2/userstore"
)

const defaultRole = "default"

// roleSettings are CometChat's settings of a role. listUsers is obeyed; sendMessagesTo is kept for whoever reads it,
// there being no messages here.
type roleSettings struct {
	ListUsers      string `json:"listUsers"`
	SendMessagesTo string `json:"sendMessagesTo"`
}

const (
	toAll         = "all"
	toFriendsOnly = "friendsOnly"
)

// roleNotes keeps what the store has no place for: the settings of roles and the features they are denied.
type roleNotes struct {
	mu       sync.RWMutex
	settings map[string]roleSettings
	denied   map[string]map[string]int64 // role to feature to since when
}

func newRoleNotes() *roleNotes {
	return &roleNotes{settings: map[string]roleSettings{}, denied: map[string]map[string]int64{}}
}

func (n *roleNotes) get(role string) (roleSettings, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	s, ok := n.settings[role]
	return s, ok
}

func (n *roleNotes) set(role string, s *roleSettings) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if s == nil {
		delete(n.settings, role)
		return
	}
	n.settings[role] = *s
}

func (n *roleNotes) forget(role string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.settings, role)
	delete(n.denied, role)
}

var roleBody = []string{"name", "description", "metadata", "settings"}

var roleRoutes = []route{
	{method: "POST", pattern: "/roles", side: admin, body: slices.Concat([]string{"role"}, roleBody), grade: full,
		note: "settings are kept in memory", serve: (*Handler).createRole},
	{method: "GET", pattern: "/roles", side: admin, query: pagingQuery, grade: full, note: "by id", serve: (*Handler).listRoles},
	{method: "GET", pattern: "/roles/{role}", side: admin, grade: full, serve: (*Handler).getRole},
	{method: "PUT", pattern: "/roles/{role}", side: admin, body: slices.Concat(roleBody, []string{"unset"}), grade: full,
		note: "unset takes settings, description, metadata", serve: (*Handler).updateRole},
	{method: "DELETE", pattern: "/roles/{role}", side: admin, grade: full,
		note: "refused for the default role, and while anybody has the role", serve: (*Handler).deleteRole},
}

type roleRow struct {
	Role        string          `json:"role"`
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Metadata    json.RawMessage `json:"metadata,omitempty"`
	Settings    *roleSettings   `json:"settings,omitempty"`
	CreatedAt   int64           `json:"createdAt"`
	UpdatedAt   int64           `json:"updatedAt,omitempty"`
}

func (h *Handler) roleRow(r userstore.Role) roleRow {
	row := roleRow{Role: r.ID, Name: r.Name, Description: r.Description, Metadata: r.Metadata, CreatedAt: r.CreatedAt.Unix()}
	if s, ok := h.roles.get(r.ID); ok {
		row.Settings = &s
	}
	if !r.UpdatedAt.IsZero() {
		row.UpdatedAt = r.UpdatedAt.Unix()
	}
	return row
}

// settings reads the settings of a role; what is left out keeps its value. nil if there are none in the body.
func (f *fields) settings(now roleSettings) *roleSettings {
	raw := f.object("settings")
	if raw == nil {
		return nil
	}
	members := map[string]json.RawMessage{}
	if len(*raw) > 0 {
		_ = json.Unmarshal(*raw, &members) // object has seen that it is one
	}
	inner := fields{raw: map[string]json.RawMessage{}, broken: f.broken}
	for name, to := range map[string]*string{"listUsers": &now.ListUsers, "sendMessagesTo": &now.SendMessagesTo} {
		at := "settings." + name
		if v, ok := members[name]; ok {
			inner.raw[at] = v
		}
		v := inner.text(at)
		if v == nil {
			continue
		}
		if *v != toAll && *v != toFriendsOnly {
			f.wrong(at, "The selected %s is invalid.", at)
		}
		*to = *v
	}
	return &now
}

func (h *Handler) createRole(c *call) (any, error) {
	r := userstore.Role{ID: c.body.required("role"), Name: c.body.required("name")}
	assign(&r.Description, c.body.text("description"))
	assign(&r.Metadata, c.body.object("metadata"))
	settings := c.body.settings(roleSettings{toAll, toAll})
	if err := c.body.err(); err != nil {
		return nil, err
	}
	h.quota.Lock()
	defer h.quota.Unlock()
	if limit := h.opts.Quotas.Roles; limit > 0 {
		roles, err := h.store.Roles(c.ctx())
		if err != nil {
			return nil, err
		}
		if len(roles) >= limit {
			return nil, overQuota("roles", limit)
		}
	}
	created, err := h.store.CreateRole(c.ctx(), r)
	if errors.Is(err, userstore.ErrExists) {
		return nil, fail(http.StatusBadRequest, "ERR_ROLE_ALREADY_EXISTS", "The role %s already exists.", lower(r.ID))
	} else if err != nil {
		return nil, err
	}
	h.roles.set(created.ID, settings)
	return h.roleRow(created), nil
}

func (h *Handler) listRoles(c *call) (any, error) {
	p, err := c.query.paging()
	if err != nil {
		return nil, err
	}
	roles, err := h.store.Roles(c.ctx())
	if err != nil {
		return nil, err
	}
	rows := make([]roleRow, 0, len(roles))
	for _, r := range roles {
		rows = append(rows, h.roleRow(r))
	}
	return paged(rows, p), nil
}

// roleError answers a role that is not there as it stands in the path.
func (c *call) roleError(err error) error {
	if errors.Is(err, userstore.ErrNotFound) {
		return roleNotFound(c.args["role"])
	}
	return err
}

func (h *Handler) getRole(c *call) (any, error) {
	r, err := h.store.Role(c.ctx(), c.arg("role"))
	if err != nil {
		return nil, c.roleError(err)
	}
	return h.roleRow(r), nil
}

func (h *Handler) updateRole(c *call) (any, error) {
	name, description, metadata := c.body.text("name"), c.body.text("description"), c.body.object("metadata")
	if name != nil && *name == "" {
		c.body.wrong("name", "The name field must have a value.")
	}
	was, had := h.roles.get(lower(c.arg("role")))
	if !had {
		was = roleSettings{toAll, toAll}
	}
	settings := c.body.settings(was)
	unset := c.body.unset("settings", "description", "metadata")
	if err := c.body.err(); err != nil {
		return nil, err
	}
	r, err := h.store.UpdateRole(c.ctx(), c.arg("role"), func(r *userstore.Role) error {
		assign(&r.Name, name)
		assign(&r.Description, description)
		assign(&r.Metadata, metadata)
		if slices.Contains(unset, "description") {
			r.Description = ""
		}
		if slices.Contains(unset, "metadata") {
			r.Metadata = nil
		}
		return nil
	})
	if err != nil {
		return nil, c.roleError(err)
	}
	if settings != nil || slices.Contains(unset, "settings") {
		h.roles.set(r.ID, settings)
	}
	return h.roleRow(r), nil
}

func (h *Handler) deleteRole(c *call) (any, error) {
	role := lower(c.arg("role"))
	if role == defaultRole {
		return nil, fail(http.StatusForbidden, "ERR_ROLE_DELETE_DENIED", "The role %s cannot be deleted.", role)
	}
	switch err := h.store.DeleteRole(c.ctx(), role); {
	case errors.Is(err, userstore.ErrInUse):
		return nil, fail(http.StatusBadRequest, "ERR_ROLE_DELETE_FAILED", "The role %s is assigned to users.", role)
	case err != nil:
		return nil, c.roleError(err)
	}
	h.roles.forget(role)
	return done{true, fmt.Sprintf("Role %s has been deleted successfully.", role)}, nil
}

// lower folds the ASCII letters of a uid or role id, as the store does.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
