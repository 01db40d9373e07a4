package userstore_test

import (
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

// blocked is the rows of a person's blocks, by name.
func (m *model) blocked(p *person, q userstore.BlockQuery) (rows []userstore.User) {
	everybody, _ := m.find(userstore.Query{Search: q.Search}, p, nil)
	for _, u := range everybody {
		if q.Direction != userstore.HasBlockedMe && u.BlockedByMe || q.Direction != userstore.BlockedByMe && u.HasBlockedMe {
			rows = append(rows, u)
		}
	}
	return rows
}

// session is a login at random, which may have ended.
func (d *driver) session() *visitor {
	if len(d.logins) == 0 {
		return nil
	}
	l := pick(d.gen, d.logins)
	d.note("%s", l.who.UID)
	return l
}

// onSession makes an operation of one on a session.
func onSession(run func(*driver, *visitor)) func(*driver) {
	return func(d *driver) {
		if l := d.session(); l != nil {
			run(d, l)
		}
	}
}

func (d *driver) keep(l *visitor) {
	d.logins = append(d.logins, l)
	d.logins = d.logins[max(0, len(d.logins)-25):]
}

var sessionOperations = []operation{
	{"issue a token", 5, func(d *driver) {
		uid := d.uid()
		p, want := d.model.active(uid), userstore.ErrNotFound
		if p != nil {
			want = nil
		}
		n := 1
		if d.oneIn(60) {
			n = 101
		}
		for range n {
			if token, err := d.IssueToken(bg, uid); d.agree(want, err) {
				p.tokens = append(p.tokens, token.Token)
				p.tokens = p.tokens[max(0, len(p.tokens)-100):]
			}
		}
	}},
	{"revoke a token", 2, func(d *driver) {
		uid, token := d.uid(), "unknown"
		p, want := d.model.active(uid), userstore.ErrNotFound
		if p != nil && len(p.tokens) > 0 && !d.oneIn(5) {
			i := d.IntN(len(p.tokens))
			token, want = p.tokens[i], nil
			p.tokens = slices.Concat(p.tokens[:i], p.tokens[i+1:])
		}
		d.agree(want, d.RevokeToken(bg, uid, token))
	}},
	{"revoke all tokens", 1, func(d *driver) {
		uid := d.uid()
		n, err := d.RevokeTokens(bg, uid)
		if p := d.model.active(uid); p == nil {
			d.agree(userstore.ErrNotFound, err)
		} else if d.agree(nil, err) {
			require.Equal(d.t, len(p.tokens), n)
			p.tokens = nil
		}
	}},
	{"log in", 7, func(d *driver) {
		uid := d.uid()
		real, err := d.Login(bg, uid)
		if p := d.model.active(uid); p == nil {
			d.agree(userstore.ErrNotFound, err)
		} else if d.agree(nil, err) {
			d.keep(&visitor{real: insistent{real, d}, who: p})
		}
	}},
	{"log in with a token", 4, func(d *driver) {
		p := d.model.users[fold(d.uid())]
		if p == nil || len(p.tokens) == 0 {
			return
		}
		token := pick(d.gen, p.tokens)
		real, err := d.LoginWithToken(bg, token)
		if !p.DeactivatedAt.IsZero() {
			d.agree(userstore.ErrNotFound, err)
		} else if d.agree(nil, err) {
			d.keep(&visitor{real: insistent{real, d}, who: p, token: token})
		}
	}},
	{"log out", 1, onSession(func(d *driver, l *visitor) {
		if want := l.check(d.model); d.agree(want, l.real.Logout(bg)) {
			l.out = true
			l.who.tokens = slices.DeleteFunc(slices.Clone(l.who.tokens), func(t string) bool { return t == l.token })
			if len(l.who.tokens) == 0 {
				l.who.tokens = nil
			}
		}
	})},
	{"who am I", 3, onSession(func(d *driver, l *visitor) {
		got, err := l.real.User(bg)
		d.sameUser(l.who.User, l.check(d.model), got, err)
	})},
	{"update myself", 7, onSession(func(d *driver, l *visitor) {
		edit, wantErr := d.change(), l.check(d.model)
		got, err := l.real.Update(bg, edit)
		if wantErr != nil {
			d.agree(wantErr, err)
			return
		}
		want, wantErr := d.model.update(l.who.UID, true, edit)
		d.sameUser(want, wantErr, got, err)
	})},
	{"see another", 5, onSession(func(d *driver, l *visitor) {
		uid := d.uid()
		got, err := l.real.Get(bg, uid)
		want, wantErr := userstore.User{}, l.check(d.model)
		if p := d.model.active(uid); wantErr == nil && p != nil {
			want = see(p, l.who)
		} else if wantErr == nil {
			wantErr = userstore.ErrNotFound
		}
		d.sameUser(want, wantErr, got, err)
	})},
	{"see others", 12, onSession(func(d *driver, l *visitor) {
		q := d.query(true)
		want, err := d.model.find(q, l.who, nil)
		if dead := l.check(d.model); dead != nil {
			if err != nil {
				return // either is right
			}
			err = dead
		}
		d.sameAnswer(l.real, q, want, err)
	})},
	{"block", 9, onSession(func(d *driver, l *visitor) {
		uids, put := d.uids(4), !d.oneIn(3)
		call := l.real.Block
		if !put {
			call = l.real.Unblock
		}
		if got, err := call(bg, uids...); d.agree(l.check(d.model), err) {
			require.Equal(d.t, each(uids, d.model.relate(l.who, false, put)), got)
		}
	})},
	{"see blocked", 5, onSession(func(d *driver, l *visitor) {
		q := userstore.BlockQuery{Direction: userstore.BlockDirection(d.IntN(3)), Limit: d.IntN(4)}
		if d.oneIn(3) {
			q.Search = d.search()
		}
		if strings.TrimSpace(q.Search) != q.Search {
			q.Search = ""
		}
		var got []userstore.User
		for {
			page, err := l.real.Blocked(bg, q)
			if !d.agree(l.check(d.model), err) {
				return
			}
			got = append(got, page.Users...)
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
		d.sameUsers(d.model.blocked(l.who, q), got)
	})},
	{"when was it blocked", 2, onSession(func(d *driver, l *visitor) {
		uid := d.uid()
		at, err := l.real.BlockedAt(bg, uid)
		if want := l.check(d.model); want != nil {
			d.agree(want, err)
		} else if d.model.active(uid) != nil {
			require.Equal(d.t, l.who.blocks[fold(uid)], at)
		}
	})},
}
