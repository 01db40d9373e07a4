package cometchat

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/seed-3546c6b2/userstore"
)

// userRow is a user as CometChat writes it. What is not set is left out.
type userRow struct {
	UID            string           `json:"uid"`
	Name           string           `json:"name"`
	Link           string           `json:"link,omitempty"`
	Avatar         string           `json:"avatar,omitempty"`
	Metadata       json.RawMessage  `json:"metadata,omitempty"`
	Status         userstore.Status `json:"status"`
	Role           string           `json:"role"`
	StatusMessage  string           `json:"statusMessage,omitempty"`
	LastActiveAt   int64            `json:"lastActiveAt,omitempty"`
	HasBlockedMe   bool             `json:"hasBlockedMe,omitempty"`
	BlockedByMe    bool             `json:"blockedByMe,omitempty"`
	BlockedByMeAt  int64            `json:"blockedByMeAt,omitempty"`
	BlockedAt      int64            `json:"blockedAt,omitempty"`
	CreatedAt      int64            `json:"createdAt"`
	UpdatedAt      int64            `json:"updatedAt,omitempty"`
	DeactivatedAt  int64            `json:"deactivatedAt,omitempty"`
	Tags           []string         `json:"tags,omitempty"`
	ConversationID string           `json:"conversationId,omitempty"`
	AuthToken      string           `json:"authToken,omitempty"`
}

// row shows u as it is, without anything relative to a viewer: to the back end, or to u itself.
func row(u userstore.User) userRow {
	return userRow{
		UID: u.UID, Name: u.Name, Link: u.Link, Avatar: u.Avatar, Metadata: u.Metadata, Status: u.Status, Role: u.Role,
		StatusMessage: u.StatusMessage, Tags: u.Tags, CreatedAt: unix(u.CreatedAt), UpdatedAt: unix(u.UpdatedAt),
		LastActiveAt: unix(u.LastActiveAt), DeactivatedAt: unix(u.DeactivatedAt),
	}
}

func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// public shows u to anybody: without what its metadata keeps private.
func public(u userstore.User) userRow {
	r := row(u)
	r.Metadata = withoutPrivate(u.Metadata)
	return r
}

// rowFor shows u to the acting user of the call, if it has one. Only the back end and u itself see what is private.
func (c *call) rowFor(u userstore.User) (userRow, error) {
	r := row(u)
	if c.route.side == client && u.UID != c.uid {
		r = public(u)
	}
	if c.session == nil || u.UID == c.uid {
		return r, nil
	}
	r.ConversationID = conversationID(c.uid, u.UID)
	r.HasBlockedMe, r.BlockedByMe = u.HasBlockedMe, u.BlockedByMe
	if u.BlockedByMe {
		at, err := c.session.BlockedAt(c.ctx(), u.UID)
		if err != nil {
			return r, err
		}
		r.BlockedByMeAt, r.BlockedAt = unix(at), unix(at)
	}
	return r, nil
}

func conversationID(a, b string) string { return min(a, b) + "_user_" + max(a, b) }

// private is the member of a user's metadata that other users do not see.
const private = "@private"

func withoutPrivate(metadata json.RawMessage) json.RawMessage {
	var members map[string]json.RawMessage
	if len(metadata) == 0 || json.Unmarshal(metadata, &members) != nil {
		return nil
	}
	if _, has := members[private]; !has {
		return metadata
	}
	if delete(members, private); len(members) == 0 {
		return nil
	}
	rest, err := json.Marshal(members)
	if err != nil {
		return nil
	}
	return rest
}

// listed turns users into the rows of a list, without their tags unless they are asked for.
func (c *call) listed(users []userstore.User, withTags bool) ([]userRow, error) {
	rows := make([]userRow, 0, len(users))
	for _, u := range users {
		r, err := c.rowFor(u)
		if err != nil {
			return nil, err
		}
		if !withTags {
			r.Tags = nil
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// newest gives the cursor that stands in the lists of users; none if there are no rows.
func newest(rows []userRow) *cursor {
	if len(rows) == 0 {
		return nil
	}
	last := slices.MaxFunc(rows, func(a, b userRow) int { return int(a.changed() - b.changed()) })
	return &cursor{UpdatedAt: last.changed(), Affix: "prepend"}
}

func (r userRow) changed() int64 { return max(r.CreatedAt, r.UpdatedAt) }
