package userstore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"
)

// Status is the presence of a user, spelt as on CometChat's wire.
type Status string

// The two states of presence. In a Query the empty Status means either.
const (
	Online  Status = "available"
	Offline Status = "offline"
)

// User is one user of the application. The upper fields may be edited, by the back end all of them and by the user
// itself all but the role; the lower ones are the store's own and are ignored in what is created or upserted.
//
// json.Marshal gives CometChat's shape: unset fields are left out, times are Unix seconds, the version is not shown.
type User struct {
	UID           string          // ASCII letters, digits, _ and -, 1 to 100; lower-cased; given once, never changed
	Name          string          // required; one line, at most 100 characters
	Avatar        string          // absolute http or https URL, at most 3,000 characters
	Link          string          // absolute http or https URL, at most 3,000 characters
	Role          string          // id of a role that exists; empty means "default"
	StatusMessage string          // at most 1,000 characters, line breaks allowed
	Metadata      json.RawMessage // a JSON object of at most 5,120 bytes, or nil; kept byte for byte
	Tags          []string        // at most 25 of at most 100 characters each; letter case matters, order is kept

	Status        Status    // Online or Offline; everybody is offline after Open
	LastActiveAt  time.Time // when presence last changed; zero = never
	CreatedAt     time.Time
	UpdatedAt     time.Time // zero until the first update
	DeactivatedAt time.Time // zero while the user is active
	HasBlockedMe  bool      // relative to the session's user
	BlockedByMe   bool      // relative to the session's user
	Version       uint64    // 1 when created; grows by one with every change of the record
}

// clone gives a copy that shares no memory the caller could write to.
func (u *User) clone() User {
	c := *u
	c.Metadata = bytes.Clone(u.Metadata)
	c.Tags = slices.Clone(u.Tags)
	return c
}

// Patch is a partial edit: what is nil stays, what is set replaces, what is in Unset is cleared. It serves where the
// edit is data and not code:
//
//	store.Update(ctx, uid, patch.Apply)
type Patch struct {
	Name, Avatar, Link, Role, StatusMessage *string
	Metadata                                *json.RawMessage
	Tags                                    *[]string
	Unset                                   []Field // any of avatar, link, metadata, statusMessage, tags
}

// Apply carries the patch out on u. A field that is both set and unset, and one that cannot be unset, is a *FieldError
// matching ErrInvalid, and u is left as it was.
func (p Patch) Apply(u *User) error {
	given := map[Field]bool{
		FieldAvatar: p.Avatar != nil, FieldLink: p.Link != nil, FieldMetadata: p.Metadata != nil,
		FieldStatusMessage: p.StatusMessage != nil, FieldTags: p.Tags != nil,
	}
	for _, f := range p.Unset {
		if unsetter(f) == nil {
			return invalid("unset", ruleUnset)
		}
		if given[f] {
			return invalid(f, ruleConflict)
		}
	}
	for _, f := range p.Unset {
		unsetter(f)(u)
	}
	assign(&u.Name, p.Name)
	assign(&u.Avatar, p.Avatar)
	assign(&u.Link, p.Link)
	assign(&u.Role, p.Role)
	assign(&u.StatusMessage, p.StatusMessage)
	assign(&u.Metadata, p.Metadata)
	assign(&u.Tags, p.Tags)
	return nil
}

func assign[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

func unsetter(f Field) func(*User) {
	for i := range fieldRules {
		if fieldRules[i].field == f {
			return fieldRules[i].unset
		}
	}
	return nil
}

// IfVersion makes an edit conditional: it fails with ErrVersion, and changes nothing, unless the record still is at
// version v. Give it the version of the User you showed to a person before that person pressed save.
func IfVersion(v uint64, edit func(*User) error) func(*User) error {
	return func(u *User) error {
		switch {
		case u.Version != v:
			return ErrVersion
		case edit == nil:
			return invalid("edit", ruleRequired)
		}
		return edit(u)
	}
}

// userJSON is a User in CometChat's JSON.
type userJSON struct {
	UID           string          `json:"uid"`
	Name          string          `json:"name"`
	Link          string          `json:"link,omitempty"`
	Avatar        string          `json:"avatar,omitempty"`
	Metadata      json.RawMessage `json:"metadata,omitempty"`
	Status        Status          `json:"status"`
	Role          string          `json:"role"`
	StatusMessage string          `json:"statusMessage,omitempty"`
	LastActiveAt  unixTime        `json:"lastActiveAt,omitzero"`
	HasBlockedMe  bool            `json:"hasBlockedMe,omitempty"`
	BlockedByMe   bool            `json:"blockedByMe,omitempty"`
	Tags          []string        `json:"tags,omitempty"`
	CreatedAt     unixTime        `json:"createdAt,omitzero"`
	UpdatedAt     unixTime        `json:"updatedAt,omitzero"`
	DeactivatedAt unixTime        `json:"deactivatedAt,omitzero"`
}

// MarshalJSON gives CometChat's shape of the user.
func (u User) MarshalJSON() ([]byte, error) {
	j := userJSON{
		UID: u.UID, Name: u.Name, Link: u.Link, Avatar: u.Avatar, Metadata: u.Metadata, Status: u.Status, Role: u.Role,
		StatusMessage: u.StatusMessage, HasBlockedMe: u.HasBlockedMe, BlockedByMe: u.BlockedByMe, Tags: u.Tags,
		LastActiveAt: unixTime(u.LastActiveAt), CreatedAt: unixTime(u.CreatedAt),
		UpdatedAt: unixTime(u.UpdatedAt), DeactivatedAt: unixTime(u.DeactivatedAt),
	}
	if j.Status == "" {
		j.Status = Offline
	}
	if j.Role == "" {
		j.Role = defaultRole
	}
	// Not json.Marshal: escaping < and & inside metadata would lengthen it past its own limit on the way back in.
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(j)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// UnmarshalJSON reads CometChat's shape of a user; members it does not know are passed over. Times may be numbers or,
// as in CometChat's import files, numbers in a string.
func (u *User) UnmarshalJSON(b []byte) error {
	if !utf8.Valid(b) { // which encoding/json would mend without a word
		return invalid("json", ruleUTF8)
	}
	var j userJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return jsonError(err)
	}
	*u = User{
		UID: j.UID, Name: j.Name, Link: j.Link, Avatar: j.Avatar, Metadata: j.Metadata, Status: j.Status, Role: j.Role,
		StatusMessage: j.StatusMessage, HasBlockedMe: j.HasBlockedMe, BlockedByMe: j.BlockedByMe, Tags: j.Tags,
		LastActiveAt: time.Time(j.LastActiveAt), CreatedAt: time.Time(j.CreatedAt),
		UpdatedAt: time.Time(j.UpdatedAt), DeactivatedAt: time.Time(j.DeactivatedAt),
	}
	return nil
}

// jsonError keeps where and what kind, and drops the text of encoding/json, which quotes the value.
func jsonError(err error) error {
	var wrongType *json.UnmarshalTypeError
	var field *FieldError
	switch {
	case errors.As(err, &field):
		return field
	case errors.As(err, &wrongType) && wrongType.Field != "":
		return invalid(Field(wrongType.Field), ruleForm)
	}
	return invalid("json", ruleForm)
}

// unixTime is a time whose JSON is Unix seconds.
type unixTime time.Time

// IsZero makes omitzero leave out a time that never was.
func (t unixTime) IsZero() bool { return time.Time(t).IsZero() }

func (t unixTime) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%d", time.Time(t).Unix()), nil
}

func (t *unixTime) UnmarshalJSON(b []byte) error {
	var n json.Number // takes 12 and "12" alike
	if err := json.Unmarshal(b, &n); err != nil {
		return invalid("time", ruleForm)
	}
	*t = unixTime{}
	if n == "" || n == "0" {
		return nil
	}
	sec, err := n.Int64()
	if err != nil || sec < 0 || sec > maxUnix {
		return invalid("time", ruleRange, maxUnix)
	}
	*t = unixTime(time.Unix(sec, 0).UTC())
	return nil
}
