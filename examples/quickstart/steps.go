package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed-3546c6b2/userstore"
)

func (t *tour) open(dir string) (err error) {
	t.title("Open a store")
	t.Store, err = userstore.Open(dir, userstore.WithRoles("customer", "agent", "moderator", "admin"))
	if err == nil {
		t.say("in %s: what is acknowledged is on disk", dir)
	}
	return err
}

func (t *tour) load(ctx context.Context) error {
	t.title("Import the users that ship with this example")
	begin := time.Now()
	report, err := t.Import(ctx, bytes.NewReader(people), userstore.ImportOptions{})
	if err != nil {
		return err
	}
	t.say("%d users in %v, %d lines refused", report.Created, time.Since(begin).Round(time.Millisecond), report.Failed)
	roles, err := t.Roles(ctx)
	if err != nil {
		return err
	}
	var shares []string
	for _, role := range roles {
		n, err := t.Count(ctx, userstore.Query{Roles: []string{role.ID}})
		if err != nil {
			return err
		}
		shares = append(shares, fmt.Sprintf("%d %s", n, role.ID))
	}
	t.say("active: %s", strings.Join(shares, ", "))
	return nil
}

func (t *tour) createAndUpdate(ctx context.Context) error {
	t.title("Create and update: the back end's work")
	created, err := t.Create(ctx, userstore.User{
		UID: "Nova", Name: "Nova Sky 🌟", Tags: []string{"berlin", "chess"}, Metadata: json.RawMessage(`{"@private":{"email":"nova@example.org"}}`),
	})
	if err != nil {
		return err
	}
	text, err := json.Marshal(created)
	if err != nil {
		return err
	}
	t.say("created %s", text)
	_, err = t.Create(ctx, userstore.User{UID: "NOVA", Name: "Another Nova"})
	if err := t.expect(err, userstore.ErrExists, "the same uid again"); err != nil {
		return err
	}
	_, err = t.Update(ctx, "nova", func(u *userstore.User) error { u.Role = "emperor"; return nil })
	if err := t.expect(err, userstore.ErrInvalid, "a role that nobody made"); err != nil {
		return err
	}
	updated, err := t.Update(ctx, "nova", func(u *userstore.User) error {
		u.Role = "agent"
		u.Tags = append(u.Tags, "hiking")
		return nil
	})
	if err == nil {
		t.say("updated: %s is %s now, tagged %s, version %d", updated.Name, updated.Role, strings.Join(updated.Tags, ", "), updated.Version)
	}
	return err
}

func (t *tour) currentUser(ctx context.Context) error {
	t.title("Log in: what the user itself may do")
	token, err := t.IssueToken(ctx, "nova")
	if err != nil {
		return err
	}
	me, err := t.LoginWithToken(ctx, token.Token)
	if err != nil {
		return err
	}
	t.say("logged in as %s, with a token", me.UID())
	updated, err := me.Update(ctx, func(u *userstore.User) error {
		u.UID = "somebody_else"
		u.StatusMessage = "Counting stars"
		return nil
	})
	if err != nil {
		return err
	}
	t.say("it changes its status message to %q; the uid it passed does not matter: %s", updated.StatusMessage, updated.UID)
	_, err = me.Update(ctx, func(u *userstore.User) error { u.Role = "admin"; return nil })
	return t.expect(err, userstore.ErrNotEditable, "it makes itself an admin")
}

func (t *tour) lists(ctx context.Context) error {
	t.title("Lists: by tag, by role, by the start of a name")
	for _, q := range []userstore.Query{
		{Tags: []string{"berlin"}, Roles: []string{"agent", "moderator"}},
		{AllTags: []string{"chess", "東京"}, NoTags: []string{"jazz"}},
		{Search: "é", SearchIn: []userstore.Field{userstore.FieldName}},
		{Search: "山田"},
		{Sort: userstore.SortCreated, Desc: true},
	} {
		q.Limit = 3
		page, err := t.List(ctx, q)
		if err != nil {
			return err
		}
		n, err := t.Count(ctx, q)
		if err != nil {
			return err
		}
		t.say("%s: %d users, the first %d:", describe(q), n, len(page.Users))
		t.table(page.Users)
	}
	return nil
}

func describe(q userstore.Query) string {
	var parts []string
	for label, list := range map[string][]string{"tagged ": q.Tags, "tagged all of ": q.AllTags, "not ": q.NoTags, "role ": q.Roles} {
		if len(list) > 0 {
			parts = append(parts, label+strings.Join(list, ", "))
		}
	}
	slices.Sort(parts)
	slices.Reverse(parts)
	if q.Search != "" {
		parts = append(parts, "starts with "+q.Search)
	}
	if q.Sort == userstore.SortCreated {
		parts = append(parts, "newest first")
	}
	return strings.Join(parts, "; ")
}

func (t *tour) blocks(ctx context.Context) error {
	t.title("Block: one way, and seen by both")
	nova, err := t.Login(ctx, "nova")
	if err != nil {
		return err
	}
	other, err := nova.List(ctx, userstore.Query{Tags: []string{"jazz"}, Limit: 1})
	if err != nil {
		return err
	}
	them := other.Users[0]
	if _, err := nova.Block(ctx, them.UID); err != nil {
		return err
	}
	theirs, err := t.Login(ctx, them.UID)
	if err != nil {
		return err
	}
	mine, err := nova.Get(ctx, them.UID)
	if err != nil {
		return err
	}
	seen, err := theirs.Get(ctx, "nova")
	if err != nil {
		return err
	}
	t.say("nova blocks %s: blockedByMe %t for nova, hasBlockedMe %t for %s", them.UID, mine.BlockedByMe, seen.HasBlockedMe, them.UID)
	everybody, err := nova.Count(ctx, userstore.Query{})
	if err != nil {
		return err
	}
	rest, err := nova.Count(ctx, userstore.Query{HideBlocked: true})
	t.say("nova sees %d users, %d with blocked ones hidden", everybody, rest)
	return err
}

func (t *tour) leave(ctx context.Context) error {
	t.title("Deactivate, reactivate, delete")
	if _, err := t.Deactivate(ctx, "nova"); err != nil {
		return err
	}
	_, err := t.Get(ctx, "nova")
	if err := t.expect(err, userstore.ErrNotFound, "deactivated, nova is hidden"); err != nil {
		return err
	}
	if _, err := t.Reactivate(ctx, "nova"); err != nil {
		return err
	}
	tokens, err := t.Tokens(ctx, "nova")
	if err != nil {
		return err
	}
	t.say("reactivated, it is back with all it had: %d token", len(tokens))
	gone, err := t.List(ctx, userstore.Query{Roles: []string{"admin"}, Limit: 1})
	if err != nil {
		return err
	}
	if err := t.Delete(ctx, gone.Users[0].UID); err != nil {
		return err
	}
	t.say("%s is deleted for good", gone.Users[0].UID)
	return nil
}

func (t *tour) reopen(ctx context.Context, dir string) error {
	t.title("Close, and open again")
	if err := t.Close(); err != nil {
		return err
	}
	begin := time.Now()
	store, err := userstore.Open(dir)
	if err != nil {
		return err
	}
	defer store.Close()
	opened := time.Since(begin)
	n, err := store.Count(ctx, userstore.Query{Deactivated: userstore.DeactivatedInclude})
	if err != nil {
		return err
	}
	nova, err := store.Get(ctx, "nova")
	if err != nil {
		return err
	}
	t.say("opened in %v: %d users, and nova still says %q", opened.Round(time.Millisecond), n, nova.StatusMessage)
	report, err := store.Verify(ctx)
	if err != nil {
		return err
	}
	t.say("verified: %d users, %d index entries, %d problems", report.Users, report.Entries, len(report.Problems))
	return nil
}
