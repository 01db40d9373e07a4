package migrate

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"github.com/seed-3546c6b2/userstore"
)

func (r *run) pushRoles(ctx context.Context, _ string) (string, error) {
	roles, err := r.store.Roles(ctx)
	if err != nil {
		return "", err
	}
	for _, role := range roles {
		if err := r.skip(role.ID, r.pushRole(ctx, role)); err != nil {
			return "", err
		}
	}
	return "", nil
}

// pushRole asks before it writes: how the service answers a role id that is taken is not documented.
func (r *run) pushRole(ctx context.Context, role userstore.Role) error {
	body := roleJSON{Role: role.ID, Name: role.Name, Description: role.Description, Metadata: role.Metadata}
	path := "/roles/" + url.PathEscape(role.ID)
	var there roleJSON
	err := r.c.call(ctx, http.MethodGet, path, nil, &there)
	switch {
	case refused(err, "ERR_ROLE_NOT_FOUND"):
		err = r.c.call(ctx, http.MethodPost, "/roles", body, nil)
	case err != nil:
		return err
	default:
		if body.Description == "" && there.Description != "" {
			body.Unset = append(body.Unset, "description")
		}
		if body.Metadata == nil && there.Metadata != nil {
			body.Unset = append(body.Unset, "metadata")
		}
		err = r.c.call(ctx, http.MethodPut, path, body, nil)
	}
	if err == nil {
		r.count(Report{Roles: 1})
	}
	return err
}

// created is the body that creates a user: what is not set is left out.
type created struct {
	UID           string          `json:"uid"`
	Name          string          `json:"name"`
	Avatar        string          `json:"avatar,omitempty"`
	Link          string          `json:"link,omitempty"`
	Role          string          `json:"role"`
	StatusMessage string          `json:"statusMessage,omitempty"`
	Metadata      json.RawMessage `json:"metadata,omitempty"`
	Tags          []string        `json:"tags,omitempty"`
}

// updated is the body that updates a user: what is not set is sent empty, which is how the service clears it.
type updated struct {
	UID           string          `json:"-"`
	Name          string          `json:"name"`
	Avatar        string          `json:"avatar"`
	Link          string          `json:"link"`
	Role          string          `json:"role"`
	StatusMessage string          `json:"statusMessage"`
	Metadata      json.RawMessage `json:"metadata"`
	Tags          []string        `json:"tags"`
}

// pushUsers brings a page of users over, and then deactivates those of them that are deactivated in the store.
func (r *run) pushUsers(ctx context.Context, at string) (string, error) {
	users, err := r.store.List(ctx, userstore.Query{
		Sort: userstore.SortUID, Deactivated: userstore.DeactivatedInclude, Limit: userPage, Cursor: at,
	})
	if err != nil {
		return "", err
	}
	var mu sync.Mutex
	var deactivate []string
	err = parallel(ctx, r.o.Workers, users.Users, func(ctx context.Context, u userstore.User) error {
		err := r.pushUser(ctx, u)
		if err == nil && !u.DeactivatedAt.IsZero() {
			mu.Lock()
			defer mu.Unlock()
			deactivate = append(deactivate, u.UID)
		} else if err == nil {
			r.count(Report{Users: 1})
		}
		if errors.Is(err, errDeactivated) {
			r.skipped(u.UID, err.Error())
			return nil
		}
		return r.skip(u.UID, err)
	})
	if err != nil {
		return "", err
	}
	slices.Sort(deactivate)
	for batch := range slices.Chunk(deactivate, batchSize) {
		if err := r.deactivate(ctx, batch); err != nil {
			return "", err
		}
	}
	return users.Next, nil
}

var errDeactivated = errors.New("is deactivated at the service already and was left as it is there")

// pushUser creates, and updates what is there: an answer that was lost on the way is asked for again, so that a uid
// that exists may be our own work.
func (r *run) pushUser(ctx context.Context, u userstore.User) error {
	body := created{
		UID: u.UID, Name: u.Name, Avatar: u.Avatar, Link: u.Link, Role: u.Role, StatusMessage: u.StatusMessage,
		Metadata: u.Metadata, Tags: u.Tags,
	}
	err := r.c.call(ctx, http.MethodPost, "/users", body, nil)
	if !refused(err, "ERR_UID_ALREADY_EXISTS") {
		return err
	}
	if body.Metadata == nil {
		body.Metadata = json.RawMessage("{}")
	}
	if body.Tags == nil {
		body.Tags = []string{}
	}
	err = r.c.call(ctx, http.MethodPut, "/users/"+url.PathEscape(u.UID), updated(body), nil)
	if refused(err, "ERR_UID_NOT_FOUND") {
		return errDeactivated // a uid that is taken and not to be found
	}
	return err
}

func (r *run) deactivate(ctx context.Context, uids []string) error {
	var out struct {
		NotFound []string `json:"notFound"`
	}
	err := r.c.call(ctx, http.MethodDelete, "/users", map[string][]string{"uidsToDeactivate": uids}, &out)
	if err != nil {
		for _, uid := range uids {
			if other := r.skip(uid, err); other != nil {
				return other
			}
		}
		return nil
	}
	for _, uid := range out.NotFound {
		r.skipped(uid, "could not be deactivated: not found")
	}
	r.count(Report{Users: len(uids) - len(out.NotFound)})
	return nil
}

// pushFriends brings a user's friendships over, each pair once.
func (r *run) pushFriends(ctx context.Context, uid string) error {
	q := userstore.Query{Sort: userstore.SortUID, Limit: pageSize}
	for {
		friends, err := r.store.Friends(ctx, uid, q)
		if err != nil {
			return err
		}
		var others []string
		for _, f := range friends.Users {
			if f.UID > uid {
				others = append(others, f.UID)
			}
		}
		if err := r.relate(ctx, uid, "friends", "accepted", others, func(done int) { r.count(Report{Friends: done}) }); err != nil {
			return err
		}
		if q.Cursor = friends.Next; q.Cursor == "" {
			return nil
		}
	}
}

func (r *run) pushBlocks(ctx context.Context, uid string) error {
	session, err := r.store.Login(ctx, uid)
	if err != nil {
		return err
	}
	q := userstore.BlockQuery{Direction: userstore.BlockedByMe, Limit: pageSize}
	for {
		blocked, err := session.Blocked(ctx, q)
		if err != nil {
			return err
		}
		var others []string
		for _, b := range blocked.Users {
			others = append(others, b.UID)
		}
		if err := r.relate(ctx, uid, "blockedusers", "blockedUids", others, func(done int) { r.count(Report{Blocks: done}) }); err != nil {
			return err
		}
		if q.Cursor = blocked.Next; q.Cursor == "" {
			return nil
		}
	}
}

// relate puts uid in relation to others, some at a time.
func (r *run) relate(ctx context.Context, uid, list, member string, others []string, done func(int)) error {
	for batch := range slices.Chunk(others, batchSize) {
		var out relateAnswer
		if err := r.c.call(ctx, http.MethodPost, "/users/"+url.PathEscape(uid)+"/"+list, map[string][]string{member: batch}, &out); err != nil {
			return err
		}
		good := 0
		for _, other := range batch {
			switch result, told := out[other]; {
			case told && !result.Success:
				r.skipped(uid, "with "+other+": not taken by the service")
			default:
				good++
			}
		}
		done(good)
	}
	return nil
}

// relateAnswer is what became of each uid. CometChat's documents show it at the top and under "accepted".
type relateAnswer map[string]struct {
	Success bool `json:"success"`
}

func (a *relateAnswer) UnmarshalJSON(b []byte) error {
	type flat relateAnswer
	var nested struct {
		Accepted flat `json:"accepted"`
	}
	if json.Unmarshal(b, &nested) == nil && nested.Accepted != nil {
		*a = relateAnswer(nested.Accepted)
		return nil
	}
	return json.Unmarshal(b, (*flat)(a))
}
