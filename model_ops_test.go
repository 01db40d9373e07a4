package userstore_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

type operation struct {
	name   string
	weight int
	run    func(*driver)
}

// operations are what a driver does; the more weight, the more often.
var operations = append([]operation{
	{"create", 14, func(d *driver) {
		u := d.user()
		d.note("%+v", u)
		want, wantErr := d.model.create(u)
		got, err := d.Create(bg, u)
		d.sameUser(want, wantErr, got, err)
	}},
	{"get", 5, func(d *driver) {
		uid := d.uid()
		want, wantErr := userstore.User{}, userstore.ErrNotFound
		if p := d.model.active(uid); p != nil {
			want, wantErr = p.User, nil
		}
		got, err := d.Get(bg, uid)
		d.sameUser(want, wantErr, got, err)
	}},
	{"update", 12, func(d *driver) {
		uid, edit := d.uid(), d.change()
		want, wantErr := d.model.update(uid, false, edit)
		got, err := d.Update(bg, uid, edit)
		d.sameUser(want, wantErr, got, err)
	}},
	{"upsert", 6, func(d *driver) {
		u := d.user()
		want, wantErr := d.model.upsert(u)
		got, err := d.Upsert(bg, u)
		d.sameUser(want, wantErr, got, err)
	}},
	{"deactivate", 3, func(d *driver) {
		uids := d.uids(3)
		got, err := d.Deactivate(bg, uids...)
		require.NoError(d.t, err)
		require.Equal(d.t, each(uids, d.model.setActive(false)), got)
	}},
	{"reactivate", 4, func(d *driver) {
		uids := d.uids(4)
		got, err := d.Reactivate(bg, uids...)
		require.NoError(d.t, err)
		require.Equal(d.t, each(uids, d.model.setActive(true)), got)
	}},
	{"delete", 3, func(d *driver) {
		uid := d.uid()
		d.agree(d.model.delete(uid), d.Delete(bg, uid))
	}},
	{"presence", 8, func(d *driver) {
		uid, status := d.uid(), pick(d.gen, []userstore.Status{userstore.Online, userstore.Online, userstore.Offline})
		want := userstore.ErrNotFound
		if p := d.model.active(uid); p != nil {
			p.Status, p.LastActiveAt, want = status, d.clock.Now(), nil
		}
		d.agree(want, d.SetStatus(bg, uid, status))
	}},
	{"friends", 7, func(d *driver) {
		uid, uids, put := d.uid(), d.uids(4), !d.oneIn(3)
		call := d.AddFriends
		if !put {
			call = d.RemoveFriends
		}
		got, err := call(bg, uid, uids...)
		if p := d.model.active(uid); p == nil {
			d.agree(userstore.ErrNotFound, err)
		} else if d.agree(nil, err) {
			require.Equal(d.t, each(uids, d.model.relate(p, true, put)), got)
		}
	}},
	{"list friends", 3, func(d *driver) {
		uid, q := d.uid(), d.query(false)
		page, err := d.Friends(bg, uid, q)
		p := d.model.active(uid)
		if p == nil {
			require.Error(d.t, err)
			return
		}
		want, wantErr := d.model.find(q, nil, p)
		if limit := q.Limit; d.agree(wantErr, err) && limit > 0 {
			want = want[:min(limit, len(want))]
			d.sameUsers(want, page.Users)
		}
	}},
	{"create role", 2, func(d *driver) {
		role := pick(d.gen, someRoles)
		var want error
		if d.model.roles[fold(role)] {
			want = userstore.ErrExists
		}
		d.model.roles[fold(role)] = true
		d.agree(want, fails(d.CreateRole(bg, userstore.Role{ID: role, Name: role})))
	}},
	{"delete role", 2, func(d *driver) {
		role := fold(pick(d.gen, someRoles))
		var want error
		if !d.model.roles[role] {
			want = userstore.ErrNotFound
		}
		for _, p := range d.model.users {
			if p.Role == role {
				want = userstore.ErrInUse
			}
		}
		if role == "default" {
			want = userstore.ErrInUse
		}
		if want == nil {
			delete(d.model.roles, role)
		}
		d.agree(want, d.DeleteRole(bg, role))
	}},
	{"query", 14, func(d *driver) {
		q := d.query(false)
		want, err := d.model.find(q, nil, nil)
		d.sameAnswer(d, q, want, err)
	}},
	{"import", 4, func(d *driver) {
		mode := userstore.ImportMode(d.IntN(3))
		var lines []string
		var want userstore.ImportReport
		for range d.IntN(5) {
			u := d.user()
			for _, t := range []*time.Time{&u.CreatedAt, &u.UpdatedAt, &u.LastActiveAt, &u.DeactivatedAt} {
				if d.oneIn(5) {
					*t = unix(1_700_000_000 + int64(d.IntN(5)))
				}
			}
			line, err := json.Marshal(u)
			settled := editable(u)
			if err != nil || mode != userstore.ImportInsert && d.model.settle(&settled) != nil {
				continue
			}
			require.NoError(d.t, json.Unmarshal(line, &u)) // as it will be read
			lines = append(lines, string(line))
			want.Read++
			d.model.importLine(u, mode, &want)
		}
		d.note("mode %d, %q", mode, lines)
		got, err := d.Import(bg, strings.NewReader(strings.Join(lines, "\n")), userstore.ImportOptions{Mode: mode})
		require.NoError(d.t, err)
		require.Len(d.t, got.Errors, got.Failed)
		require.Equal(d.t, counts(want), counts(got))
	}},
	{"export and import", 1, func(d *driver) {
		if !d.oneIn(8) {
			return
		}
		q := d.query(false)
		q.Status, q.Sort = "", userstore.Sort(d.IntN(2)) // nobody is online there, and created in the same second
		if _, err := d.model.find(q, nil, nil); err != nil {
			return
		}
		var roles []string
		for role := range d.model.roles {
			roles = append(roles, role)
		}
		defer d.calm()()
		other := memory(d.t, userstore.WithRoles(roles...))
		first := export(d.t, d.Store, q)
		report := must(other.Import(bg, strings.NewReader(first), userstore.ImportOptions{}))(d.t)
		require.Equal(d.t, strings.Count(first, "\n"), report.Created)
		require.Equal(d.t, strings.ReplaceAll(first, `"available"`, `"offline"`), export(d.t, other.Store, q))
		require.NoError(d.t, other.Close())
	}},
	{"backup and restore", 1, func(d *driver) {
		if !d.oneIn(8) {
			return
		}
		var b bytes.Buffer
		require.NoError(d.t, d.Backup(bg, &b))
		copied := &world{clock: d.clock, dir: d.t.TempDir() + "/copy"}
		require.NoError(d.t, userstore.Restore(bg, copied.dir, &b))
		copied.open(d.t)
		q := userstore.Query{Deactivated: userstore.DeactivatedInclude}
		defer d.calm()()
		require.Equal(d.t, strings.ReplaceAll(export(d.t, d.Store, q), `"available"`, `"offline"`), export(d.t, copied.Store, q))
		sound(d.t, copied.Store)
		require.NoError(d.t, copied.Close())
	}},
	{"reopen", 1, func(d *driver) {
		if d.dir == "" || !d.oneIn(4) {
			return
		}
		d.reopen(d.t)
		d.logins = nil
		for _, p := range d.model.users {
			p.Status = userstore.Offline
		}
	}},
	{"compact", 1, func(d *driver) {
		if d.oneIn(4) {
			require.NoError(d.t, d.Compact(bg))
		}
	}},
	{"audit", 1, func(d *driver) {
		if d.oneIn(4) {
			d.audit()
		}
	}},
}, sessionOperations...)

// change makes up an edit: of fields one by one, as a patch, with a condition, or one that fails.
func (d *driver) change() func(*userstore.User) error {
	var to userstore.User
	to.UID = "other"
	d.edit(&to)
	switch kind := d.IntN(12); kind {
	case 0:
		return func(u *userstore.User) error { u.Name = "never"; return errOops }
	case 1:
		return userstore.IfVersion(uint64(d.IntN(4)), func(u *userstore.User) error { u.StatusMessage += "!"; return nil })
	case 2: // what may not be edited
		change := pick(d.gen, []func(*userstore.User){
			func(u *userstore.User) { u.Version++ }, func(u *userstore.User) { u.UpdatedAt = unix(1) }, func(u *userstore.User) { u.CreatedAt = unix(1) },
			func(u *userstore.User) { u.DeactivatedAt = unix(1) }, func(u *userstore.User) { u.LastActiveAt = unix(1) }, func(u *userstore.User) { u.Status = "away" },
			func(u *userstore.User) { u.BlockedByMe = true }, func(u *userstore.User) { u.HasBlockedMe = true }, func(u *userstore.User) { u.UID = "other" },
		})
		return func(u *userstore.User) error { change(u); return nil }
	case 3:
		return func(u *userstore.User) error { // in place
			if len(u.Tags) > 0 {
				u.Tags[0] = "in place"
			}
			return nil
		}
	case 4, 5, 6, 7:
		p := userstore.Patch{Unset: some(d.gen, []userstore.Field{"avatar", "link", "metadata", "statusMessage", "tags"}, 2)}
		if to.Name != "" {
			p.Name = &to.Name
		}
		if d.oneIn(3) {
			p.Tags = &to.Tags
		}
		if d.oneIn(3) {
			p.Metadata, p.Avatar = &to.Metadata, &to.Avatar
		}
		d.note("%s", fmt.Sprintf("%+v", p))
		return p.Apply
	}
	return func(u *userstore.User) error {
		name, role := u.Name, u.Role
		u.Avatar, u.Link, u.StatusMessage, u.Metadata, u.Tags = to.Avatar, to.Link, to.StatusMessage, slices.Clone(to.Metadata), slices.Clone(to.Tags)
		if u.Name = to.Name; u.Name == "" {
			u.Name = name
		}
		if u.Role = to.Role; u.Role == "" {
			u.Role = role
		}
		return nil
	}
}

// check is what a session is told.
func (l *visitor) check(m *model) (err error) {
	switch {
	case m.users[l.who.UID] != l.who:
		err = errors.Join(userstore.ErrNotFound, userstore.ErrLoggedOut)
	case !l.who.DeactivatedAt.IsZero():
		err = userstore.ErrNotFound
	}
	if l.out || l.token != "" && !slices.Contains(l.who.tokens, l.token) {
		err = errors.Join(err, userstore.ErrLoggedOut)
	}
	return err
}
