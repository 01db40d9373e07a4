package userstore_test

import (
	"encoding/json"
	"errors"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/seed-3546c6b2/userstore"
)

// model is a store as a plain map: no index, no cache, no cursor, no transaction. What it says is right.
type model struct {
	now    func() time.Time
	users  map[string]*person
	roles  map[string]bool
	births int
}

type person struct {
	userstore.User
	birth   int
	friends map[string]bool
	blocks  map[string]time.Time
	tokens  []string // oldest first
}

func newModel(now func() time.Time) *model {
	return &model{now: now, users: map[string]*person{}, roles: map[string]bool{"default": true}}
}

func fold(uid string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r - 'A' + 'a'
		}
		return r
	}, uid)
}

var goodUID = regexp.MustCompile(`^[a-z0-9_-]{1,100}$`)

func oneLine(s string, limit int) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= limit && !strings.ContainsFunc(s, unicode.IsControl)
}

func goodURL(s string) bool {
	u, err := url.Parse(s)
	return s == "" || err == nil && oneLine(s, 3000) && strings.HasPrefix(s, "http") && u.Host != ""
}

// settle brings the editable fields into their stored form, and tells whether they break a rule.
func (m *model) settle(u *userstore.User) error {
	if u.Role = fold(u.Role); u.Role == "" {
		u.Role = "default"
	}
	var object map[string]any
	if len(u.Metadata) > 0 {
		if json.Unmarshal(u.Metadata, &object) != nil || !utf8.Valid(u.Metadata) || len(u.Metadata) > 5120 {
			return userstore.ErrInvalid
		}
		if len(object) == 0 {
			u.Metadata = nil
		}
	}
	var tags []string
	for _, tag := range u.Tags {
		if strings.TrimSpace(tag) == "" || !oneLine(tag, 100) {
			return userstore.ErrInvalid
		}
		if !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	}
	u.Tags = tags
	message := strings.ReplaceAll(u.StatusMessage, "\n", "")
	if strings.TrimSpace(u.Name) == "" || !oneLine(u.Name, 100) || !goodURL(u.Avatar) || !goodURL(u.Link) || !oneLine(message, 1000) ||
		utf8.RuneCountInString(u.StatusMessage) > 1000 || len(tags) > 25 || !m.roles[u.Role] || !goodUID.MatchString(u.UID) {
		return userstore.ErrInvalid
	}
	return nil
}

func editable(u userstore.User) userstore.User {
	return plain(userstore.User{UID: fold(u.UID), Name: u.Name, Avatar: u.Avatar, Link: u.Link, Role: u.Role, StatusMessage: u.StatusMessage, Metadata: u.Metadata, Tags: u.Tags})
}

func (m *model) active(uid string) *person {
	if p := m.users[fold(uid)]; p != nil && p.DeactivatedAt.IsZero() {
		return p
	}
	return nil
}

func (m *model) create(u userstore.User) (userstore.User, error) {
	u = editable(u)
	err := m.settle(&u)
	if m.users[u.UID] != nil {
		err = errors.Join(err, userstore.ErrExists) // either is right
	}
	if err != nil {
		return userstore.User{}, err
	}
	u.Status, u.CreatedAt, u.Version = userstore.Offline, m.now(), 1
	m.births++
	m.users[u.UID] = &person{User: u, birth: m.births, friends: map[string]bool{}, blocks: map[string]time.Time{}}
	return u, nil
}

// update edits as the back end, or as the user itself.
func (m *model) update(uid string, self bool, edit func(*userstore.User) error) (userstore.User, error) {
	p := m.active(uid)
	if p == nil {
		return userstore.User{}, userstore.ErrNotFound
	}
	u := p.User
	u.Tags, u.Metadata = slices.Clone(u.Tags), slices.Clone(u.Metadata)
	if err := edit(&u); err != nil {
		return userstore.User{}, err
	}
	if self {
		u.UID = p.UID
	}
	settled := editable(u)
	err := m.settle(&settled)
	if !reflect.DeepEqual(frozen(u, self), frozen(p.User, self)) {
		err = errors.Join(err, userstore.ErrNotEditable) // either is right
	}
	if err != nil {
		return userstore.User{}, err
	}
	m.replace(p, settled)
	return p.User, nil
}

// replace gives a person new editable fields.
func (m *model) replace(p *person, u userstore.User) {
	if reflect.DeepEqual(editable(p.User), u) {
		return
	}
	u.Status, u.LastActiveAt, u.CreatedAt, u.Version, u.UpdatedAt = p.Status, p.LastActiveAt, p.CreatedAt, p.Version+1, m.now()
	p.User = u
}

// frozen is what may not be edited of a user, by itself or by the back end.
func frozen(u userstore.User, self bool) userstore.User {
	u.Name, u.Avatar, u.Link, u.StatusMessage, u.Metadata, u.Tags, u.UID = "", "", "", "", nil, nil, fold(u.UID)
	if u.Role = fold(u.Role); u.Role == "" || !self {
		u.Role = "default"
	}
	return u
}

func (m *model) upsert(u userstore.User) (userstore.User, error) {
	p := m.users[fold(u.UID)]
	if p == nil {
		return m.create(u)
	}
	u = editable(u)
	err := m.settle(&u)
	if !p.DeactivatedAt.IsZero() {
		err = errors.Join(err, userstore.ErrExists)
	}
	if err != nil {
		return userstore.User{}, err
	}
	m.replace(p, u)
	return p.User, nil
}

// importLine does what a line of an import asks for.
func (m *model) importLine(u userstore.User, mode userstore.ImportMode, r *userstore.ImportReport) {
	p := m.users[fold(u.UID)]
	settled := editable(u)
	err := m.settle(&settled)
	switch {
	case err != nil, p != nil && mode == userstore.ImportInsert, p != nil && mode == userstore.ImportUpsert && !p.DeactivatedAt.IsZero() && u.DeactivatedAt.IsZero():
		r.Failed++
		return
	case p != nil && mode == userstore.ImportSkip:
		r.Skipped++
		return
	case p == nil:
		r.Created++
		_, _ = m.create(u)
		p = m.users[settled.UID]
		p.UpdatedAt = u.UpdatedAt
	default:
		r.Updated++
		before, updated := p.User, p.UpdatedAt
		m.replace(p, settled)
		p.UpdatedAt, p.DeactivatedAt = updated, before.DeactivatedAt
		defer func() {
			if p.Version = before.Version; !reflect.DeepEqual(before, p.User) {
				if p.Version++; u.UpdatedAt.IsZero() {
					p.UpdatedAt = m.now()
				}
			}
		}()
	}
	for _, t := range []struct{ to, from *time.Time }{{&p.CreatedAt, &u.CreatedAt}, {&p.UpdatedAt, &u.UpdatedAt}, {&p.LastActiveAt, &u.LastActiveAt}, {&p.DeactivatedAt, &u.DeactivatedAt}} {
		if !t.from.IsZero() {
			*t.to = *t.from
		}
	}
	if !p.DeactivatedAt.IsZero() {
		p.Status = userstore.Offline
	}
}

func (m *model) delete(uid string) error {
	uid = fold(uid)
	if m.users[uid] == nil {
		return userstore.ErrNotFound
	}
	delete(m.users, uid)
	for _, other := range m.users {
		delete(other.friends, uid)
		delete(other.blocks, uid)
	}
	return nil
}

func (m *model) setActive(active bool) func(string) verdict {
	return func(uid string) verdict {
		p := m.users[uid]
		switch {
		case p == nil:
			return missing
		case p.DeactivatedAt.IsZero() == active:
			return already
		case active:
			p.DeactivatedAt = time.Time{}
		default:
			p.DeactivatedAt, p.Status = m.now(), userstore.Offline
		}
		p.UpdatedAt, p.Version = m.now(), p.Version+1
		return done
	}
}

// relate befriends or blocks, or ends it.
func (m *model) relate(p *person, friends, put bool) func(string) verdict {
	return func(uid string) verdict {
		other := m.active(uid)
		switch {
		case uid == p.UID:
			return refusedOne
		case other == nil:
			return missing
		case friends && p.friends[uid] == put, !friends && !p.blocks[uid].IsZero() == put:
			return already
		case friends && put:
			p.friends[uid], other.friends[p.UID] = true, true
		case friends:
			delete(p.friends, uid)
			delete(other.friends, p.UID)
		case put:
			p.blocks[uid] = m.now()
		default:
			delete(p.blocks, uid)
		}
		return done
	}
}

type verdict int

const (
	done verdict = iota
	already
	missing
	refusedOne
)

// each sorts uids by what becomes of them.
func each(uids []string, fn func(uid string) verdict) (out userstore.Outcome) {
	seen := map[string]bool{}
	for _, uid := range uids {
		if seen[fold(uid)] {
			continue
		}
		seen[fold(uid)] = true
		bucket := []*[]string{&out.Done, &out.Already, &out.NotFound, &out.Refused}[fn(fold(uid))]
		*bucket = append(*bucket, uid)
	}
	return out
}

// find is the users of a query in its order, as a viewer sees them or, without one, as the back end does; of is the
// person whose friends are asked for, or nil.
func (m *model) find(q userstore.Query, viewer, of *person) ([]userstore.User, error) {
	if q.Sort > 3 || q.Deactivated > 2 || q.Status == "away" || slices.Contains(q.SearchIn, "avatar") ||
		viewer == nil && (q.FriendsOnly || q.HideBlocked) || viewer != nil && q.Deactivated != 0 {
		return nil, userstore.ErrInvalid
	}
	var found []userstore.User
	for _, p := range m.users {
		u := p.User
		if viewer != nil {
			if p == viewer || q.FriendsOnly && !viewer.friends[u.UID] || q.HideBlocked && !viewer.blocks[u.UID].IsZero() {
				continue
			}
			u = see(p, viewer)
		}
		if (of == nil || of.friends[u.UID]) && matches(u, q) {
			found = append(found, u)
		}
	}
	sort.Slice(found, func(i, j int) bool {
		if q.Desc {
			i, j = j, i
		}
		return comesBefore(found[i], found[j], q.Sort)
	})
	return found, nil
}

// see is a person as a viewer sees it.
func see(p, viewer *person) userstore.User {
	u := p.User
	u.BlockedByMe, u.HasBlockedMe = !viewer.blocks[p.UID].IsZero(), !p.blocks[viewer.UID].IsZero()
	return u
}

func matches(u userstore.User, q userstore.Query) bool {
	has := func(tag string) bool { return slices.Contains(u.Tags, tag) }
	anyOf := func(list []string, ok func(string) bool) bool { return len(list) == 0 || slices.ContainsFunc(list, ok) }
	in := func(f userstore.Field) bool { return len(q.SearchIn) == 0 || slices.Contains(q.SearchIn, f) }
	gone := !u.DeactivatedAt.IsZero()
	return (q.Deactivated == userstore.DeactivatedInclude || gone == (q.Deactivated == userstore.DeactivatedOnly)) &&
		(q.Status == "" || q.Status == u.Status) &&
		anyOf(q.Tags, has) && !slices.ContainsFunc(q.AllTags, func(tag string) bool { return !has(tag) }) && !slices.ContainsFunc(q.NoTags, has) &&
		anyOf(q.Roles, func(role string) bool { return fold(role) == u.Role }) &&
		anyOf(q.UIDs, func(uid string) bool { return fold(uid) == u.UID }) &&
		(q.Search == "" || in("name") && strings.HasPrefix(lower(u.Name), lower(q.Search)) || in("uid") && strings.HasPrefix(u.UID, fold(q.Search)))
}

func lower(s string) string { return strings.Map(unicode.ToLower, s) }

func comesBefore(a, b userstore.User, order userstore.Sort) bool {
	switch {
	case order == userstore.SortCreated && !a.CreatedAt.Equal(b.CreatedAt):
		return a.CreatedAt.Before(b.CreatedAt)
	case order == userstore.SortStatus && a.Status != b.Status:
		return a.Status == userstore.Online
	case (order == userstore.SortName || order == userstore.SortStatus) && lower(a.Name) != lower(b.Name):
		return lower(a.Name) < lower(b.Name)
	}
	return a.UID < b.UID
}
