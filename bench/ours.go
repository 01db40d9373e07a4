package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/seed-3546c6b2/userstore"
)

// ourPeer is this library through its public names.
type ourPeer struct{ store *userstore.Store }

var (
	openOurs         = oursOnDisk()
	openOursEdge     = oursOnDisk(userstore.WithProfile(userstore.ProfileEdge))
	openOursUncached = oursOnDisk(userstore.WithCache(0))
)

func oursOnDisk(variant ...userstore.Option) func(dir string, durable bool) (Peer, error) {
	return func(dir string, durable bool) (Peer, error) {
		return ours(userstore.Open(dir, append(variant, userstore.WithSync(durable), userstore.WithRoles(roles...))...))
	}
}

func openOursInMemory(string, bool) (Peer, error) {
	return ours(userstore.OpenInMemory(userstore.WithRoles(roles...)))
}

func ours(store *userstore.Store, err error) (Peer, error) {
	if err != nil {
		return nil, err
	}
	return &ourPeer{store}, nil
}

func toOurs(u *User) userstore.User {
	return userstore.User{UID: u.UID, Name: u.Name, Avatar: u.Avatar, Link: u.Link, Role: u.Role,
		StatusMessage: u.StatusMessage, Metadata: u.Metadata, Tags: u.Tags}
}

func fromOurs(u *userstore.User) User {
	return User{UID: u.UID, Name: u.Name, Avatar: u.Avatar, Link: u.Link, Role: u.Role, StatusMessage: u.StatusMessage,
		Metadata: u.Metadata, Tags: u.Tags, Status: string(u.Status), CreatedAt: unix(u.CreatedAt), UpdatedAt: unix(u.UpdatedAt),
		Version: u.Version}
}

func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// ourError says an error of the library in the words that all peers share.
func ourError(err error) error {
	switch {
	case errors.Is(err, userstore.ErrExists):
		return errExists
	case errors.Is(err, userstore.ErrNotFound):
		return errNotFound
	}
	return err
}

func (p *ourPeer) Create(u User) error {
	_, err := p.store.Create(context.Background(), toOurs(&u))
	return ourError(err)
}

func (p *ourPeer) Get(uid string) (User, error) {
	u, err := p.store.Get(context.Background(), uid)
	return fromOurs(&u), ourError(err)
}

func (p *ourPeer) Update(uid string, edit func(*User)) error {
	_, err := p.store.Update(context.Background(), uid, func(u *userstore.User) error {
		edited := fromOurs(u)
		edit(&edited)
		u.Name, u.StatusMessage, u.Metadata, u.Tags, u.Role = edited.Name, edited.StatusMessage, edited.Metadata, edited.Tags, edited.Role
		return nil
	})
	return ourError(err)
}

func (p *ourPeer) Delete(uid string) error {
	return ourError(p.store.Delete(context.Background(), uid))
}

func ourQuery(q Query) userstore.Query {
	ours := userstore.Query{Cursor: q.After, Limit: q.Limit}
	if q.Tag != "" {
		ours.Tags = []string{q.Tag}
	}
	if q.Role != "" {
		ours.Roles = []string{q.Role}
	}
	if q.Prefix != "" {
		ours.Search, ours.SearchIn = q.Prefix, []userstore.Field{userstore.FieldName}
	}
	return ours
}

func (p *ourPeer) Page(q Query) ([]User, string, error) {
	page, err := p.store.List(context.Background(), ourQuery(q))
	if err != nil {
		return nil, "", err
	}
	users := make([]User, len(page.Users))
	for i := range page.Users {
		users[i] = fromOurs(&page.Users[i])
	}
	return users, page.Next, nil
}

func (p *ourPeer) Count(tag, role string) (int, error) {
	return p.store.Count(context.Background(), ourQuery(Query{Tag: tag, Role: role}))
}

func (p *ourPeer) Load(users iter.Seq[User]) error {
	report, err := p.store.ImportUsers(context.Background(), func(yield func(userstore.User) bool) {
		for u := range users {
			if !yield(toOurs(&u)) {
				return
			}
		}
	}, userstore.ImportOptions{})
	if err != nil {
		return err
	}
	if report.Failed > 0 {
		if i := slices.IndexFunc(report.Errors, func(e userstore.LineError) bool { return !errors.Is(e.Err, userstore.ErrExists) }); i >= 0 {
			return fmt.Errorf("line %d: %w", report.Errors[i].Line, report.Errors[i].Err)
		}
		return errExists
	}
	return nil
}

func (p *ourPeer) Close() error { return p.store.Close() }
