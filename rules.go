package userstore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/seed-3546c6b2/userstore/internal/kv"
)

// Limits of a record, CometChat's where it names one (facts 11). They hold everywhere, whoever writes.
const (
	maxUID           = 100  // characters
	maxName          = 100  // characters
	maxURL           = 3000 // characters, avatar and link
	maxStatusMessage = 1000 // characters
	maxMetadata      = 5120 // bytes
	maxTags          = 25   // tags of one user
	maxTag           = 100  // characters
	maxRoleName      = 100  // characters
	maxRoleText      = 255  // characters of a role's description
	maxTokens        = 100  // living tokens of one user; older ones drop out
	maxPage          = 1000 // users in one page
	defaultPage      = 100  // users in a page that names no limit
	maxUnix          = 253402300799
)

// defaultRole is what a user without a role has. It always exists.
const defaultRole = "default"

// The errors of this package. Compare with errors.Is; what a call returns may carry more detail.
var (
	ErrNotFound    = errors.New("userstore: not found")            // no such user, role or token, or the user is deactivated
	ErrExists      = errors.New("userstore: already exists")       // the uid or role id is taken
	ErrInvalid     = errors.New("userstore: invalid")              // a value breaks a rule
	ErrNotEditable = errors.New("userstore: not editable")         // the field may not be changed by this caller
	ErrInUse       = errors.New("userstore: in use")               // the role is held by somebody, or is the default role
	ErrVersion     = errors.New("userstore: version has moved on") // see IfVersion
	ErrLoggedOut   = errors.New("userstore: logged out")           // the session has ended
	ErrClosed      = kv.ErrClosed                                  // the store was closed
	ErrLocked      = kv.ErrLocked                                  // another process, or another Store, has the directory open
	ErrReadOnly    = kv.ErrReadOnly                                // a write to a store opened with ReadOnly
	ErrCorrupt     = kv.ErrCorrupt                                 // what is on disk is not what was written
)

// Field names a field of a User as CometChat's JSON does.
type Field string

// The fields of a User.
const (
	FieldUID           Field = "uid"
	FieldName          Field = "name"
	FieldAvatar        Field = "avatar"
	FieldLink          Field = "link"
	FieldRole          Field = "role"
	FieldMetadata      Field = "metadata"
	FieldStatus        Field = "status"
	FieldStatusMessage Field = "statusMessage"
	FieldLastActiveAt  Field = "lastActiveAt"
	FieldHasBlockedMe  Field = "hasBlockedMe"
	FieldBlockedByMe   Field = "blockedByMe"
	FieldTags          Field = "tags"
	FieldCreatedAt     Field = "createdAt"
	FieldUpdatedAt     Field = "updatedAt"
	FieldDeactivatedAt Field = "deactivatedAt"
	FieldVersion       Field = "version"
)

// The rules that a FieldError names.
const (
	ruleRequired  = "is required"
	ruleTooLong   = "is too long"
	ruleTooMany   = "has too many entries"
	ruleCharset   = "has characters that are not allowed"
	ruleUTF8      = "is not valid UTF-8"
	ruleURL       = "is not an absolute http or https URL"
	ruleObject    = "is not a JSON object"
	ruleUnknown   = "does not exist"
	ruleRange     = "is out of range"
	ruleConflict  = "is both set and unset"
	ruleUnset     = "cannot be unset"
	ruleBlank     = "has a blank entry"
	ruleForm      = "cannot be read"
	ruleQuery     = "does not belong to this query"
	ruleViewer    = "needs a session"
	ruleNoViewer  = "is not for a session"
	ruleOpenKey   = "is missing or wrong"
	ruleNewer     = "is newer than this version of userstore reads"
	ruleStranger  = "holds data of something else"
	ruleKeyLength = "has to be 16, 24 or 32 bytes"

	ruleNotEditable = "cannot be changed"
)

// FieldError says which value was refused and by which rule. It never holds the value. It is always used as a
// *FieldError, and errors.Is(err, ErrInvalid) or errors.Is(err, ErrNotEditable) is true of it, never both.
type FieldError struct {
	Field Field  // the field, or the name of the parameter ("limit", "cursor", "sort")
	Rule  string // what is wrong, in words that follow the field's name
	Limit int    // the bound that was passed; 0 where the rule has none
}

func (e *FieldError) Error() string {
	if e.Limit > 0 {
		return fmt.Sprintf("userstore: %s %s (limit %d)", e.Field, e.Rule, e.Limit)
	}
	return fmt.Sprintf("userstore: %s %s", e.Field, e.Rule)
}

// Is makes a FieldError match ErrNotEditable if its field may not be changed, and ErrInvalid otherwise.
func (e *FieldError) Is(target error) bool {
	if e.Rule == ruleNotEditable {
		return target == ErrNotEditable
	}
	return target == ErrInvalid
}

func invalid(f Field, rule string, limit ...int) error {
	e := &FieldError{Field: f, Rule: rule}
	if len(limit) > 0 {
		e.Limit = limit[0]
	}
	return e
}

// editor is who asks for a change.
type editor uint8

const (
	nobody      editor = 0
	backEnd     editor = 1 // the application's own server: trusted
	currentUser editor = 2 // the logged-in user, changing itself
	anybody            = backEnd | currentUser
)

// fieldRule is one row of the table of fields: who may change it, whether Patch may unset it, how to see that it
// changed, and how to bring it into its stored form (which fails when the value breaks a rule).
type fieldRule struct {
	field   Field
	edit    editor
	unset   func(*User) // nil: cannot be unset
	changed func(a, b *User) bool
	check   func(*User) error // nil: nothing to check
}

// fieldRules holds CometChat's rules for the fields of a user, one row a field. Editable by updateUser: name, avatar,
// link, role, metadata, statusMessage and tags; updateCurrentUserDetails may not change the role; the uid is given once
// (facts 2 and 13.3).
var fieldRules = []fieldRule{
	{FieldUID, nobody, nil, func(a, b *User) bool { return a.UID != b.UID }, func(u *User) error { return checkUID(u.UID) }},
	{FieldName, anybody, nil, func(a, b *User) bool { return a.Name != b.Name }, func(u *User) error { return checkName(u.Name) }},
	{FieldAvatar, anybody, func(u *User) { u.Avatar = "" }, func(a, b *User) bool { return a.Avatar != b.Avatar },
		func(u *User) error { return checkURL(FieldAvatar, u.Avatar) }},
	{FieldLink, anybody, func(u *User) { u.Link = "" }, func(a, b *User) bool { return a.Link != b.Link },
		func(u *User) error { return checkURL(FieldLink, u.Link) }},
	{FieldRole, backEnd, nil, func(a, b *User) bool { return a.Role != b.Role }, normRole},
	{FieldMetadata, anybody, func(u *User) { u.Metadata = nil }, func(a, b *User) bool { return !bytes.Equal(a.Metadata, b.Metadata) }, normMetadata},
	{FieldStatusMessage, anybody, func(u *User) { u.StatusMessage = "" }, func(a, b *User) bool { return a.StatusMessage != b.StatusMessage },
		func(u *User) error { return checkStatusMessage(u.StatusMessage) }},
	{FieldTags, anybody, func(u *User) { u.Tags = nil }, func(a, b *User) bool { return !slices.Equal(a.Tags, b.Tags) }, normTags},
	{FieldStatus, nobody, nil, func(a, b *User) bool { return a.Status != b.Status }, nil},
	{FieldLastActiveAt, nobody, nil, func(a, b *User) bool { return !a.LastActiveAt.Equal(b.LastActiveAt) }, nil},
	{FieldHasBlockedMe, nobody, nil, func(a, b *User) bool { return a.HasBlockedMe != b.HasBlockedMe }, nil},
	{FieldBlockedByMe, nobody, nil, func(a, b *User) bool { return a.BlockedByMe != b.BlockedByMe }, nil},
	{FieldCreatedAt, nobody, nil, func(a, b *User) bool { return !a.CreatedAt.Equal(b.CreatedAt) }, nil},
	{FieldUpdatedAt, nobody, nil, func(a, b *User) bool { return !a.UpdatedAt.Equal(b.UpdatedAt) }, nil},
	{FieldDeactivatedAt, nobody, nil, func(a, b *User) bool { return !a.DeactivatedAt.Equal(b.DeactivatedAt) }, nil},
	{FieldVersion, nobody, nil, func(a, b *User) bool { return a.Version != b.Version }, nil},
}

// normalize brings every field of u into its stored form, or says which rule its value breaks.
func normalize(u *User) error {
	u.UID = foldUID(u.UID)
	for i := range fieldRules {
		if check := fieldRules[i].check; check != nil {
			if err := check(u); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkEdit says whether by may turn old into edited, brings what has changed into its stored form, and tells whether
// anything changed at all. What has not changed was checked when it was stored. A changed uid is an error for the back end
// and no matter for the current user: its uid is the session's, whatever was passed.
func checkEdit(old, edited *User, by editor) (changed bool, err error) {
	if edited.UID = foldUID(edited.UID); by == currentUser {
		edited.UID = old.UID
	}
	if edited.Role = foldUID(edited.Role); edited.Role == "" {
		edited.Role = defaultRole
	}
	for i := range fieldRules {
		if r := &fieldRules[i]; r.edit&by == 0 && r.changed(old, edited) {
			return false, invalid(r.field, ruleNotEditable)
		}
	}
	for i := range fieldRules {
		r := &fieldRules[i]
		if !r.changed(old, edited) {
			continue
		}
		if r.check != nil {
			if err := r.check(edited); err != nil {
				return false, err
			}
		}
		changed = changed || r.changed(old, edited) // in its stored form
	}
	return changed, nil
}

// differ tells whether any field does.
func differ(a, b *User) bool {
	return slices.ContainsFunc(fieldRules, func(r fieldRule) bool { return r.changed(a, b) })
}

// foldUID lowers the ASCII letters of a uid or role id and no others: the Kelvin sign is no k.
func foldUID(s string) string {
	for i := range len(s) {
		if c := s[i]; 'A' <= c && c <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if 'A' <= b[i] && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}

// validID tells whether a folded string may be a uid or a role id at all.
func validID(s string) bool {
	if s == "" || len(s) > maxUID {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '_' || r == '-')
	})
}

func checkUID(uid string) error { return checkID(FieldUID, uid) }

func checkID(f Field, id string) error {
	switch {
	case id == "":
		return invalid(f, ruleRequired)
	case validID(id):
		return nil
	case utf8.RuneCountInString(id) > maxUID:
		return invalid(f, ruleTooLong, maxUID)
	}
	return invalid(f, ruleCharset)
}

// checkText holds a string to UTF-8 and a number of characters.
func checkText(f Field, s string, limit int) error {
	switch {
	case !utf8.ValidString(s):
		return invalid(f, ruleUTF8)
	case len(s) > limit && utf8.RuneCountInString(s) > limit:
		return invalid(f, ruleTooLong, limit)
	}
	return nil
}

// checkLine holds a string to one line: no control characters.
func checkLine(f Field, s string, limit int) error {
	if err := checkText(f, s, limit); err != nil {
		return err
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		return invalid(f, ruleCharset)
	}
	return nil
}

func isBlank(s string) bool { return strings.TrimSpace(s) == "" }

func checkName(name string) error {
	if isBlank(name) {
		return invalid(FieldName, ruleRequired)
	}
	return checkLine(FieldName, name, maxName)
}

// checkStatusMessage allows line breaks and tabs, which people write, and no other control characters.
func checkStatusMessage(s string) error {
	if err := checkText(FieldStatusMessage, s, maxStatusMessage); err != nil {
		return err
	}
	if strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' }) {
		return invalid(FieldStatusMessage, ruleCharset)
	}
	return nil
}

func checkURL(f Field, s string) error {
	if s == "" {
		return nil
	}
	if err := checkText(f, s, maxURL); err != nil {
		return err
	}
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || strings.ContainsFunc(s, unicode.IsSpace) {
		return invalid(f, ruleURL)
	}
	return nil
}

func normRole(u *User) error {
	if u.Role == "" {
		u.Role = defaultRole
	}
	u.Role = foldUID(u.Role)
	return checkID(FieldRole, u.Role)
}

// normMetadata keeps an object byte for byte; null and an empty object mean none.
func normMetadata(u *User) (err error) {
	u.Metadata, err = normObject(FieldMetadata, u.Metadata, maxMetadata)
	return err
}

func normObject(f Field, raw json.RawMessage, limit int) (json.RawMessage, error) {
	trimmed := bytes.Trim(raw, " \t\r\n")
	switch {
	case len(trimmed) == 0 || string(trimmed) == "null":
		return nil, nil
	case limit > 0 && len(raw) > limit:
		return nil, invalid(f, ruleTooLong, limit)
	case trimmed[0] != '{' || !utf8.Valid(raw) || !json.Valid(raw):
		return nil, invalid(f, ruleObject)
	case len(bytes.Trim(trimmed[1:len(trimmed)-1], " \t\r\n")) == 0:
		return nil, nil
	}
	return raw, nil
}

// normTags keeps order and letter case and drops repeats. The caller's slice is left alone.
func normTags(u *User) error {
	if len(u.Tags) == 0 {
		u.Tags = nil
		return nil
	}
	tags := make([]string, 0, min(len(u.Tags), maxTags+1))
	for _, tag := range u.Tags {
		if isBlank(tag) {
			return invalid(FieldTags, ruleBlank)
		}
		if err := checkLine(FieldTags, tag, maxTag); err != nil {
			return err
		}
		if !slices.Contains(tags, tag) {
			if len(tags) == maxTags {
				return invalid(FieldTags, ruleTooMany, maxTags)
			}
			tags = append(tags, tag)
		}
	}
	u.Tags = tags
	return nil
}
