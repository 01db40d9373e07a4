package cometchat

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"

	"github.com/seed-3546c6b2/userstore"
)

const maxImport = 50 // users of one call

var importRoutes = []route{
	{method: "POST", pattern: "/data_import/users", side: admin, body: []string{"users"}, large: true, rate: rateImport, grade: full,
		note: "a uid that exists fails its row", serve: (*Handler).importUsers},
}

// importResult is what became of one user of an import.
type importResult struct {
	Success bool      `json:"success"`
	Data    *userRow  `json:"data,omitempty"`
	Error   *apiError `json:"error,omitempty"`
}

func (h *Handler) importUsers(c *call) (any, error) {
	var users map[string]json.RawMessage
	if raw := c.body.object("users"); raw == nil || len(*raw) == 0 || json.Unmarshal(*raw, &users) != nil || len(users) == 0 {
		return nil, badFormat("The users have to be an object of uid to user.")
	}
	if len(users) > maxImport {
		return nil, badFormat("An import may not have more than %d users.", maxImport)
	}
	out := map[string]importResult{}
	var keys []string // of the lines, in their order
	var lines bytes.Buffer
	enc := json.NewEncoder(&lines)
	enc.SetEscapeHTML(false) // it would lengthen the metadata
	for _, key := range slices.Sorted(maps.Keys(users)) {
		u, err := importUser(key, users[key])
		if err == nil {
			err = enc.Encode(u)
		}
		if err != nil {
			out[key] = importResult{Error: asAPIError(err)}
			continue
		}
		keys = append(keys, key)
	}
	report, err := h.store.Import(c.ctx(), &lines, userstore.ImportOptions{})
	if err != nil {
		return nil, err
	}
	for _, line := range report.Errors {
		key := keys[line.Line-1]
		err := line.Err
		if errors.Is(err, userstore.ErrExists) {
			err = uidTaken(key)
		}
		out[key] = importResult{Error: asAPIError(err)}
	}
	if len(keys) == 0 {
		return out, nil
	}
	q := userstore.Query{UIDs: keys, Deactivated: userstore.DeactivatedInclude}
	stored := map[string]userRow{}
	for u, err := range h.store.All(c.ctx(), q) {
		if err != nil {
			return nil, err
		}
		stored[u.UID] = row(u)
	}
	for _, key := range keys {
		if _, failed := out[key]; !failed {
			r := stored[lower(key)]
			out[key] = importResult{Success: true, Data: &r}
		}
	}
	return out, nil
}

func badFormat(format string, args ...any) error {
	e := badRequest(format, args...)
	e.Code = "ERR_IMPORT_INVALID_USER_FORMAT"
	return e
}

// importUser checks the form of one user; the store checks the values. A statusMessage is not imported.
func importUser(key string, raw json.RawMessage) (map[string]any, error) {
	f, err := parseFields(raw)
	if err != nil {
		return nil, err
	}
	uid := f.required("uid")
	f.required("name")
	if f.broken["uid"] == nil && lower(uid) != lower(key) {
		f.wrong("uid", "The uid must be the key of the user.")
	}
	p := f.patch()
	u := map[string]any{"uid": uid}
	put(u, "name", p.Name)
	put(u, "avatar", p.Avatar)
	put(u, "link", p.Link)
	put(u, "role", p.Role)
	put(u, "metadata", p.Metadata)
	put(u, "tags", p.Tags)
	for _, name := range []string{"createdAt", "lastActiveAt", "deactivatedAt"} {
		if seconds := f.time(name); seconds > 0 {
			u[name] = seconds
		}
	}
	return u, f.err()
}

func put[T any](to map[string]any, name string, v *T) {
	if v != nil {
		to[name] = *v
	}
}

// time reads Unix seconds, as a number or as a number in a string; 0 if there are none.
func (f *fields) time(name string) int64 {
	var s json.Number
	raw, ok := f.raw[name]
	if !ok {
		return 0
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		f.wrong(name, "The %s must be an integer.", name)
		return 0
	}
	if s == "" {
		return 0
	}
	n, err := strconv.ParseInt(s.String(), 10, 64)
	if err != nil || n < 0 || n > maxTime {
		f.wrong(name, "The %s must be an integer between 0 and %d.", name, int64(maxTime))
		return 0
	}
	return n
}

const maxTime = 253402300799 // the end of the year 9999
