package main

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// model is the plainest peer: what all others are held to.
type model map[string]User

func (m model) page(q Query) (uids []string) {
	var found []User
	for _, u := range m {
		if q.matches(&u) {
			found = append(found, u)
		}
	}
	slices.SortFunc(found, func(a, b User) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), strings.Compare(a.UID, b.UID))
	})
	for _, u := range found {
		uids = append(uids, u.UID)
	}
	return uids
}

// plain leaves out what the clock says.
func plain(u User) User {
	u.CreatedAt, u.UpdatedAt = 0, 0
	return u
}

func walk(t *testing.T, p Peer, q Query) (users []User) {
	for pages := 0; ; pages++ {
		page, next, err := p.Page(q)
		require.NoError(t, err)
		users = append(users, page...)
		if next == "" {
			return users
		}
		require.Len(t, page, q.Limit, "a page with another after it is full")
		require.Less(t, pages, 10_000, "a walk ends")
		q.After = next
	}
}

func requireSame(t *testing.T, m model, p Peer) {
	t.Helper()
	queries := []Query{{Tag: "nobody has it"}, {Role: "nobody"}, {Prefix: "qqqq"}, {Prefix: "Ä"}, {Prefix: "иВ"}, {Prefix: "王"}, {Prefix: "a"}, {}}
	for i := range topics {
		queries = append(queries, Query{Tag: topicTag(i)}, Query{Tag: cityTag(i)})
		for _, r := range roles {
			queries = append(queries, Query{Tag: topicTag(i), Role: r})
		}
	}
	for _, r := range roles {
		queries = append(queries, Query{Role: r}, Query{Tag: cityTag(0), Role: r})
	}
	for i, q := range queries {
		if q.Limit = 19; i%3 == 0 {
			q.Limit = 100
		}
		want, got := m.page(q), walk(t, p, q)
		require.Len(t, got, len(want), "%+v", q)
		for j, u := range got {
			require.Equal(t, want[j], u.UID, "%+v", q)
			require.Equal(t, plain(m[u.UID]), plain(u))
		}
		if q.Prefix == "" && (q.Tag == "") != (q.Role == "") {
			n, err := p.Count(q.Tag, q.Role)
			require.NoError(t, err)
			require.Equal(t, len(want), n, "%+v", q)
		}
	}
	for uid, want := range m {
		u, err := p.Get(uid)
		require.NoError(t, err)
		require.Equal(t, plain(want), plain(u))
		require.NotZero(t, u.CreatedAt)
	}
}

// awkward are users whose order and searches are easily got wrong.
func awkward() iter.Seq[User] {
	names := []string{"anna", "Anna", "ANNA", "Anna ", "Annabel", "Ann", "Ärger", "ärger", "z", "ZZ", "İstanbul", "ΣΊΣΥΦΟΣ", "🏖️", "A", "a b", "ab"}
	return func(yield func(User) bool) {
		for i, name := range names {
			u := User{UID: fmt.Sprintf("awkward-%02d", i), Name: name, Role: roleAdmin, Status: "offline", Tags: []string{topicTag(1), topicTag(10)}}
			if i%2 == 0 {
				u.Tags = []string{topicTag(1), cityTag(0), teamTag(1), "a", "a b"}
				u.Metadata = []byte(`{"a":"<b>&"}`)
			}
			if !yield(u) {
				return
			}
		}
	}
}

func TestPeersAgree(t *testing.T) {
	const users = 300
	w := Workload{Seed: 7, Users: users}
	for _, c := range contenders {
		t.Run(c.Key, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			p, err := c.Open(dir, c.Key == us)
			require.NoError(t, err)
			m := model{}
			keep := func(u User) { u.Version = 1; m[u.UID] = u }

			require.NoError(t, p.Load(w.All()))
			for u := range w.All() {
				keep(u)
			}
			requireSame(t, m, p)
			require.ErrorIs(t, p.Load(w.All()), errExists)

			for u := range awkward() {
				require.NoError(t, p.Create(u))
				require.ErrorIs(t, p.Create(u), errExists)
				keep(u)
			}
			require.ErrorIs(t, p.Create(w.User(0)), errExists)
			for i := range 200 {
				uid := w.UID(i % 100)
				require.NoError(t, p.Update(uid, w.Edit(i)))
				u := m[uid]
				w.Edit(i)(&u)
				u.Version++
				m[uid] = u
			}
			change := func(u *User) {
				u.Role, u.Name = roleSupport, "Å "+u.Name
				u.Tags = append(u.Tags, "another", "and more")
			}
			for i := range 20 {
				require.NoError(t, p.Update(w.UID(i), change))
				u := m[w.UID(i)]
				u.Tags = slices.Clone(u.Tags)
				change(&u)
				u.Version++
				m[u.UID] = u
			}
			for i := 40; i < 80; i++ {
				require.NoError(t, p.Delete(w.UID(i)))
				delete(m, w.UID(i))
				require.ErrorIs(t, p.Delete(w.UID(i)), errNotFound)
				_, err := p.Get(w.UID(i))
				require.ErrorIs(t, err, errNotFound)
			}
			require.ErrorIs(t, p.Update("nobody", change), errNotFound)
			requireSame(t, m, p)

			if !c.InMemory {
				require.NoError(t, p.Close())
				p, err = c.Open(dir, false)
				require.NoError(t, err)
				requireSame(t, m, p)
			}
			require.NoError(t, p.Close())
		})
	}
}

func TestPeersHandOutCopies(t *testing.T) {
	w := Workload{Seed: 3, Users: 20}
	for _, c := range contenders {
		t.Run(c.Key, func(t *testing.T) {
			p, err := c.Open(t.TempDir(), false)
			require.NoError(t, err)
			given := w.User(0)
			require.NoError(t, p.Create(given))
			given.Tags[0], given.Metadata[0] = "mine", '!'
			for range 2 {
				u, err := p.Get(given.UID)
				require.NoError(t, err)
				require.Equal(t, w.User(0).Tags, u.Tags)
				require.Equal(t, w.User(0).Metadata, u.Metadata)
				u.Tags[0], u.Metadata[0] = "yours", '?'
				page, _, err := p.Page(Query{Limit: 1})
				require.NoError(t, err)
				require.Equal(t, w.User(0).Tags, page[0].Tags)
				page[0].Tags[0], page[0].Metadata[0] = "ours", '#'
			}
			require.NoError(t, p.Close())
		})
	}
}

func TestPeersUnderManyWriters(t *testing.T) {
	w := Workload{Seed: 5, Users: 50}
	for _, c := range contenders {
		t.Run(c.Key, func(t *testing.T) {
			p, err := c.Open(t.TempDir(), true)
			require.NoError(t, err)
			var created, edited atomic.Int64
			var all sync.WaitGroup
			for worker := range 8 {
				all.Go(func() {
					for i := range w.Users {
						switch err := p.Create(w.User(i)); err {
						case nil:
							created.Add(1)
						case errExists:
						default:
							t.Error(err)
						}
						err := p.Update(w.UID((i+worker)%(i+1)), func(u *User) { u.Link = "https://example.com"; u.StatusMessage += "." })
						if err != nil {
							t.Error(err)
						}
						edited.Add(1)
					}
				})
			}
			all.Wait()
			require.Equal(t, int64(w.Users), created.Load(), "one of the writers creates a user")
			dots := 0
			for i := range w.Users {
				u, err := p.Get(w.UID(i))
				require.NoError(t, err)
				dots += len(u.StatusMessage) - len(w.User(i).StatusMessage)
				require.EqualValues(t, 1+len(u.StatusMessage)-len(w.User(i).StatusMessage), u.Version)
			}
			require.EqualValues(t, edited.Load(), dots, "no update is lost")
			require.NoError(t, p.Close())
		})
	}
}
