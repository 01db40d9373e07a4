package migrate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"

	"github.com/seed-3546c6b2/userstore"
)

// errSamePage would otherwise be an endless migration.
var errSamePage = errors.New("the service gives the same page again and again")

// rows reads the page at a position and gives the next position.
func (r *run) rows(ctx context.Context, path string, query url.Values, at string) (rows []json.RawMessage, next string, err error) {
	number := 1
	if at != "" {
		if number, err = strconv.Atoi(at); err != nil || number < 1 {
			return nil, "", ErrState
		}
	}
	rows, more, err := r.c.list(ctx, path, query, number)
	if err != nil || !more {
		return rows, "", err
	}
	if string(rows[0]) == r.lastRow {
		return nil, "", errSamePage
	}
	r.lastRow = string(rows[0])
	return rows, strconv.Itoa(number + 1), nil
}

// roleJSON is a role on the wire.
type roleJSON struct {
	Role        string          `json:"role"`
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Metadata    json.RawMessage `json:"metadata,omitempty"`
	Unset       []string        `json:"unset,omitempty"`
}

func (r *run) pullRoles(ctx context.Context, at string) (string, error) {
	rows, next, err := r.rows(ctx, "/roles", nil, at)
	if err != nil {
		return "", err
	}
	for _, row := range rows {
		var in roleJSON
		if json.Unmarshal(row, &in) != nil {
			r.skipped("", "a role that cannot be read")
			continue
		}
		role := userstore.Role{ID: in.Role, Name: in.Name, Description: in.Description, Metadata: in.Metadata}
		_, err := r.store.CreateRole(ctx, role)
		if errors.Is(err, userstore.ErrExists) {
			_, err = r.store.UpdateRole(ctx, role.ID, func(there *userstore.Role) error {
				there.Name, there.Description, there.Metadata = role.Name, role.Description, role.Metadata
				return nil
			})
		}
		switch {
		case errors.Is(err, userstore.ErrInvalid):
			r.skipped(in.Role, err.Error())
		case err != nil:
			return "", err
		default:
			r.count(Report{Roles: 1})
		}
	}
	return next, nil
}

// pullUsers takes the active users and the deactivated ones apart, since their rows need not tell which they are.
func (r *run) pullUsers(ctx context.Context, at string, deactivated bool) (string, error) {
	query := url.Values{"withTags": {"true"}}
	if deactivated {
		query.Set("onlyDeactivated", "true")
	}
	rows, next, err := r.rows(ctx, "/users", query, at)
	if err != nil {
		return "", err
	}
	var lines bytes.Buffer
	for _, row := range rows {
		var user userstore.User
		if err := json.Unmarshal(row, &user); err != nil {
			r.skipped(user.UID, err.Error())
			continue
		}
		if deactivated && user.DeactivatedAt.IsZero() {
			user.DeactivatedAt = r.o.Now()
		}
		line, err := json.Marshal(user)
		if err != nil {
			r.skipped(user.UID, err.Error())
			continue
		}
		lines.Write(line)
		lines.WriteByte('\n')
	}
	// The import keeps the times of the service, which no other way in does.
	done, err := r.store.Import(ctx, &lines, userstore.ImportOptions{Mode: userstore.ImportUpsert})
	for _, line := range done.Errors {
		if errors.Is(line.Err, userstore.ErrExists) {
			line.Err = errors.New("is deactivated in the store and active at the service")
		}
		r.skipped(line.UID, line.Err.Error())
	}
	r.count(Report{Users: done.Created + done.Updated})
	return next, err
}

// eachUser makes a step of what is done for one active user of the store.
func (r *run) eachUser(do func(ctx context.Context, uid string) error) func(context.Context, string) (string, error) {
	return func(ctx context.Context, at string) (string, error) {
		users, err := r.store.List(ctx, userstore.Query{Sort: userstore.SortUID, Limit: userPage, Cursor: at})
		if err != nil {
			return "", err
		}
		return users.Next, parallel(ctx, r.o.Workers, users.Users, func(ctx context.Context, u userstore.User) error {
			return r.skip(u.UID, do(ctx, u.UID))
		})
	}
}

// others reads a whole list of users at the service that stands in relation to uid. A uid that the service does not
// have stands in none.
func (r *run) others(ctx context.Context, uid, list string, take func(relation) bool) (uids []string, err error) {
	path := fmt.Sprintf("/users/%s/%s", url.PathEscape(uid), list)
	for number, more := 1, true; more; number++ {
		var rows []json.RawMessage
		rows, more, err = r.c.list(ctx, path, nil, number)
		if refused(err, "ERR_UID_NOT_FOUND") {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		before := len(uids)
		for _, row := range rows {
			var rel relation
			if json.Unmarshal(row, &rel) == nil && take(rel) {
				uids = append(uids, rel.UID)
			}
		}
		if number > 1 && before > 0 && len(uids) > before && uids[before] == uids[0] {
			return nil, errSamePage
		}
	}
	return uids, nil
}

// relation is a row of a list of friends or of blocked users.
type relation struct {
	UID          string `json:"uid"`
	BlockedByMe  bool   `json:"blockedByMe"`
	HasBlockedMe bool   `json:"hasBlockedMe"`
}

func (r *run) pullFriends(ctx context.Context, uid string) error {
	friends, err := r.others(ctx, uid, "friends", func(relation) bool { return true })
	if err != nil || len(friends) == 0 {
		return err
	}
	out, err := r.store.AddFriends(ctx, uid, friends...)
	r.related(uid, out, Report{Friends: len(out.Done)})
	return err
}

func (r *run) pullBlocks(ctx context.Context, uid string) error {
	blocked, err := r.others(ctx, uid, "blockedusers", func(row relation) bool { return row.BlockedByMe || !row.HasBlockedMe })
	if err != nil || len(blocked) == 0 {
		return err
	}
	session, err := r.store.Login(ctx, uid)
	if err != nil {
		return err
	}
	out, err := session.Block(ctx, blocked...)
	r.related(uid, out, Report{Blocks: len(out.Done)})
	return err
}

// related counts what a call over many uids has done.
func (r *run) related(uid string, out userstore.Outcome, done Report) {
	r.count(done)
	for _, other := range out.NotFound {
		r.skipped(uid, "with "+other+": no such active user in the store")
	}
	for _, other := range out.Refused {
		r.skipped(uid, "with "+other+": refused")
	}
}
