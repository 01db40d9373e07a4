package userstore_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

// orders is every order there is.
func orders() (list []userstore.Query) {
	for order := userstore.SortName; order <= userstore.SortStatus; order++ {
		list = append(list, userstore.Query{Sort: order}, userstore.Query{Sort: order, Desc: true})
	}
	return list
}

// narrowed is queries that different indexes serve. All of them hold the users that stay.
func narrowed(q userstore.Query) []userstore.Query {
	list := []userstore.Query{q, q, q, q, q, q}
	list[1].Tags = []string{"stay", "red"}
	list[2].AllTags, list[2].Roles = []string{"stay"}, []string{"default"}
	list[3].Search = "s"
	list[4].NoTags, list[4].Status = []string{"blue"}, userstore.Offline
	for i := range 20 {
		list[5].UIDs = append(list[5].UIDs, fmt.Sprintf("stay%02d", i))
	}
	return list
}

// TestPagesWhileOthersWrite reads page by page while everybody else comes, goes, moves and changes. Who is there
// throughout comes exactly once, and in order.
func TestPagesWhileOthersWrite(t *testing.T) {
	hold(t, []sentence{{"every order and index", func(t *testing.T, w *world) {
		for i := range 20 {
			w.clock.tick(time.Second)
			must(w.Create(bg, userstore.User{UID: fmt.Sprintf("stay%02d", i), Name: fmt.Sprintf("Stay %c", 'z'-i), Tags: []string{"stay"}}))(t)
		}
		r := newGen(1)
		disturb := func() {
			uid := fmt.Sprintf("s%d", r.IntN(30))
			u := userstore.User{UID: uid, Name: "S" + r.name(), Tags: some(r, []string{"stay", "red"}, 2)}
			if _, err := w.Upsert(bg, u); err != nil {
				require.ErrorIs(t, err, userstore.ErrExists)
				require.NoError(t, w.Delete(bg, uid))
			}
			must(w.Update(bg, fmt.Sprintf("stay%02d", r.IntN(20)), func(u *userstore.User) error { u.StatusMessage += "."; return nil }))(t)
			switch other := fmt.Sprintf("s%d", r.IntN(30)); r.IntN(5) {
			case 0:
				_ = w.Delete(bg, other)
			case 1:
				must(w.Deactivate(bg, other))(t)
			case 2:
				_ = w.SetStatus(bg, other, userstore.Online)
			}
		}
		for _, order := range orders() {
			for _, q := range narrowed(order) {
				q.Limit = 2 + r.IntN(8)
				q.NoTags = slices.Concat(q.NoTags, []string{}) // the same to a cursor
				want := slices.DeleteFunc(found(t, w, q), func(uid string) bool { return !strings.HasPrefix(uid, "stay") })
				require.Len(t, want, 20, "%+v", q)
				var got []string
				for {
					page := must(w.List(bg, q))(t)
					for _, u := range page.Users {
						if strings.HasPrefix(u.UID, "stay") {
							got = append(got, u.UID)
						}
					}
					if q.Cursor = page.Next; q.Cursor == "" {
						break
					}
					disturb()
				}
				require.Equal(t, want, got, "%+v", q)
			}
		}
	}}})
}

func TestCursorOutlivesItsRow(t *testing.T) {
	for _, order := range orders() {
		t.Run(fmt.Sprintf("%+v", order.Sort)+fmt.Sprint(order.Desc), func(t *testing.T) {
			w := memory(t)
			for i := range 9 {
				w.clock.tick(time.Second)
				w.add(t, fmt.Sprintf("u%d", i))
			}
			q := order
			q.Limit = 3
			want := found(t, w, q)
			page := must(w.List(bg, q))(t)
			require.NoError(t, w.Delete(bg, page.Users[2].UID))
			must(w.Update(bg, page.Users[1].UID, rename("zzz")))(t)
			q.Cursor, q.Limit = page.Next, 1000
			rest := must(w.List(bg, q))(t)
			got := slices.DeleteFunc(uids(rest.Users), func(uid string) bool { return uid == page.Users[1].UID }) // it moved
			require.Equal(t, want[3:], got)
		})
	}
}

func TestCursorOutlivesReopen(t *testing.T) {
	w := disk(t)
	for i := range 9 {
		w.clock.tick(time.Second)
		w.add(t, fmt.Sprintf("u%d", i))
	}
	must(w.AddFriends(bg, "u0", "u1", "u2", "u3"))(t)
	friends := must(w.Friends(bg, "u0", userstore.Query{Limit: 1}))(t).Next
	blocks := func() *userstore.Session { return login(t, w, "u8") }
	must(blocks().Block(bg, "u1", "u2"))(t)
	blocked := must(blocks().Blocked(bg, userstore.BlockQuery{Limit: 1}))(t).Next
	next := map[int]string{}
	for i, q := range orders() {
		q.Limit = 4
		next[i] = must(w.List(bg, q))(t).Next
	}
	w.reopen(t)
	for i, q := range orders() {
		want := found(t, w, q)
		q.Cursor = next[i]
		require.Equal(t, want[4:], uids(must(w.List(bg, q))(t).Users), "%+v", q)
	}
	require.Equal(t, []string{"u2", "u3"}, uids(must(w.Friends(bg, "u0", userstore.Query{Cursor: friends}))(t).Users))
	require.Equal(t, []string{"u2"}, uids(must(blocks().Blocked(bg, userstore.BlockQuery{Cursor: blocked}))(t).Users))
}

func TestCursorBelongsToItsQuery(t *testing.T) {
	w := memory(t)
	for i := range 9 {
		must(w.Create(bg, userstore.User{UID: fmt.Sprintf("u%d", i), Name: "U", Tags: []string{"a", "b"}}))(t)
	}
	first := userstore.Query{Limit: 2, Search: "u", Tags: []string{"a"}, Roles: []string{"default"}, Status: userstore.Offline}
	cursor := must(w.List(bg, first))(t).Next
	for name, change := range map[string]func(*userstore.Query){
		"search": func(q *userstore.Query) { q.Search = "U1" }, "search in": func(q *userstore.Query) { q.SearchIn = []userstore.Field{"uid"} },
		"tags": func(q *userstore.Query) { q.Tags = []string{"b"} }, "no tags": func(q *userstore.Query) { q.Tags = nil },
		"all tags": func(q *userstore.Query) { q.AllTags = []string{"a"} }, "without tags": func(q *userstore.Query) { q.NoTags = []string{"x"} },
		"tags as all tags": func(q *userstore.Query) { q.Tags, q.AllTags = q.AllTags, q.Tags }, "roles": func(q *userstore.Query) { q.Roles = nil },
		"uids": func(q *userstore.Query) { q.UIDs = []string{"u1"} }, "status": func(q *userstore.Query) { q.Status = "" },
		"deactivated": func(q *userstore.Query) { q.Deactivated = userstore.DeactivatedInclude }, "sort": func(q *userstore.Query) { q.Sort = userstore.SortUID },
		"desc": func(q *userstore.Query) { q.Desc = true },
	} {
		q := first
		q.Cursor = cursor
		change(&q)
		refused(t, fails(w.List(bg, q)), "cursor", userstore.ErrInvalid)
		require.NotEmpty(t, name)
	}
	first.Cursor, first.Limit = cursor, 7
	require.Len(t, must(w.List(bg, first))(t).Users, 7)

	t.Run("damaged", func(t *testing.T) {
		damaged := []string{cursor[1:], cursor[:len(cursor)-1], cursor + "A", cursor + "=", cursor + cursor, " " + cursor, cursor + "\n", strings.ToLower(cursor), "A", "AAAA", strings.Repeat("A", 1<<20)}
		for i := range cursor {
			for _, c := range []byte{'A', 'z', '-', '!', cursor[i] + 1} {
				if c != cursor[i] {
					damaged = append(damaged, cursor[:i]+string(rune(c))+cursor[i+1:])
				}
			}
		}
		q := first
		for _, q.Cursor = range damaged {
			refused(t, fails(w.List(bg, q)), "cursor", userstore.ErrInvalid)
		}
	})
}

func TestAllIsOfOneMoment(t *testing.T) {
	hold(t, []sentence{
		{"a listing reads one snapshot, and its loop may write", func(t *testing.T, w *world) {
			for i := range 300 {
				w.add(t, fmt.Sprintf("u%03d", i))
			}
			n := 0
			for u, err := range w.All(bg, userstore.Query{}) {
				require.NoError(t, err)
				require.Equal(t, fmt.Sprintf("u%03d", n), u.UID)
				require.Equal(t, uint64(1), u.Version)
				n++
				must(w.Update(bg, u.UID, rename("a "+u.UID)))(t)
				if next := fmt.Sprintf("u%03d", n); n < 300 {
					must(w.Update(bg, next, rename("z")))(t) // the next one moves away
					require.Equal(t, "z", must(w.Get(bg, next))(t).Name, "a read sees it, and may fill the cache")
				}
				w.add(t, fmt.Sprintf("u%03dnew", n))
			}
			require.Equal(t, 300, n)
			require.Equal(t, 600, must(w.Count(bg, userstore.Query{}))(t))
		}},
		{"the loop may delete what it walks, nest, and stop early", func(t *testing.T, w *world) {
			w.add(t, "a", "b", "c", "d")
			ada := login(t, w, "a")
			for u, err := range w.All(bg, userstore.Query{}) {
				require.NoError(t, err)
				if u.UID == "c" {
					break
				}
				for v := range ada.All(bg, userstore.Query{}) {
					require.NotEqual(t, "a", v.UID)
				}
			}
			for u, err := range w.All(bg, userstore.Query{}) {
				require.NoError(t, err)
				require.NoError(t, w.Delete(bg, u.UID))
			}
			require.Zero(t, must(w.Count(bg, userstore.Query{}))(t))
		}},
		{"the same walk can be walked again", func(t *testing.T, w *world) {
			w.add(t, "a", "b")
			walk := w.All(bg, userstore.Query{})
			for range 2 {
				users, err := collect(walk)
				require.NoError(t, err)
				require.Equal(t, []string{"a", "b"}, uids(users))
			}
			w.add(t, "c")
			users, err := collect(walk)
			require.NoError(t, err)
			require.Len(t, users, 3, "each walk is of its own moment")
		}},
	})
}
