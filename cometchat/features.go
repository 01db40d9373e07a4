package cometchat

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seed-3546c6b2/userstore"
)

// feature is something that a role can be denied. The keys are written with and without the prefix "u."; answers have
// it.
type feature struct{ key, title, path string }

// features are those of the routes here, by key.
var features = []feature{
	{"blockUser", "Block User", "/v3/blockedusers"},
	{"getBlockedUsers", "Get Blocked Users", "/v3/blockedusers"},
	{"getMyDetails", "Get My Details", "/v3/me"},
	{"getUser", "Get User", "/v3/users/{{uid}}"},
	{"listSettings", "List Settings", "/v3/settings"},
	{"listUsers", "List Users", "/v3/users"},
	{"logout", "Logout", "/v3/me"},
	{"unblockUser", "Unblock User", "/v3/blockedusers"},
	{"updateAuthToken", "Update Auth Token", "/v3/me"},
}

const featurePrefix = "u."

func findFeature(key string) (feature, bool) {
	key = strings.TrimPrefix(key, featurePrefix)
	i := slices.IndexFunc(features, func(f feature) bool { return f.key == key })
	if i < 0 {
		return feature{}, false
	}
	return features[i], true
}

func (n *roleNotes) restricted(role, key string) bool {
	n.mu.RLock()
	defer n.mu.RUnlock()
	_, denied := n.denied[role][key]
	return denied
}

var featureRoutes = []route{
	{method: "POST", pattern: "/roles/{role}/restrictedfeatures", side: admin, body: []string{"featuresToRestrict"}, grade: memory,
		note: "the features of the routes here", serve: (*Handler).restrictFeatures},
	{method: "GET", pattern: "/roles/{role}/restrictedfeatures", side: admin, query: pagingQuery, grade: memory,
		note: "by key", serve: (*Handler).listRestricted},
	{method: "DELETE", pattern: "/roles/{role}/restrictedfeatures", side: admin, body: []string{"featuresToAllow", "allowAll"},
		grade: memory, serve: (*Handler).allowFeatures},
}

type featureRow struct {
	Title       string `json:"title"`
	Description string `json:"description"`
	Key         string `json:"key"`
	Path        string `json:"path"`
	CreatedAt   int64  `json:"createdAt"`
}

// roleInPath gives the role, which has to exist.
func (c *call) roleInPath() (userstore.Role, error) {
	r, err := c.h.store.Role(c.ctx(), c.arg("role"))
	return r, c.roleError(err)
}

func (h *Handler) restrictFeatures(c *call) (any, error) {
	keys := c.body.uids("featuresToRestrict", 0)
	if err := c.body.err(); err != nil {
		return nil, err
	}
	role, err := c.roleInPath()
	if err != nil {
		return nil, err
	}
	out := map[string]done{}
	h.roles.mu.Lock()
	defer h.roles.mu.Unlock()
	for _, key := range keys {
		f, ok := findFeature(key)
		if !ok {
			out[key] = done{false, fmt.Sprintf("The feature %s does not exist.", key)}
			continue
		}
		if h.roles.denied[role.ID] == nil {
			h.roles.denied[role.ID] = map[string]int64{}
		}
		if _, already := h.roles.denied[role.ID][f.key]; !already {
			h.roles.denied[role.ID][f.key] = h.now().Unix()
		}
		out[key] = done{true, fmt.Sprintf("The feature %s has been restricted successfully.", key)}
	}
	return out, nil
}

func (h *Handler) listRestricted(c *call) (any, error) {
	p, err := c.query.paging()
	if err != nil {
		return nil, err
	}
	role, err := c.roleInPath()
	if err != nil {
		return nil, err
	}
	var rows []featureRow
	h.roles.mu.RLock()
	defer h.roles.mu.RUnlock()
	for _, f := range features {
		if since, denied := h.roles.denied[role.ID][f.key]; denied {
			rows = append(rows, featureRow{f.title, "Users of the role may not call this.", featurePrefix + f.key, f.path, since})
		}
	}
	return paged(rows, p), nil
}

func (h *Handler) allowFeatures(c *call) (any, error) {
	all := c.body.flag("allowAll")
	var keys []string
	if !all {
		keys = c.body.uids("featuresToAllow", 0)
	}
	for i, key := range keys {
		if _, ok := findFeature(key); !ok {
			at := fmt.Sprintf("featuresToAllow.%d", i)
			c.body.wrong(at, "The selected %s is invalid.", at)
		}
	}
	if err := c.body.err(); err != nil {
		return nil, err
	}
	role, err := c.roleInPath()
	if err != nil {
		return nil, err
	}
	h.roles.mu.Lock()
	defer h.roles.mu.Unlock()
	if all {
		delete(h.roles.denied, role.ID)
	}
	for _, key := range keys {
		delete(h.roles.denied[role.ID], strings.TrimPrefix(key, featurePrefix))
	}
	return done{true, "The feature has been allowed successfully."}, nil
}
