package userstore

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore/internal/kv"
)

// counting wraps a view and counts what is read from it.
type counting struct {
	kv.View
	gets, steps int
}

func (c *counting) Get(key []byte) ([]byte, uint64, error) {
	c.gets++
	return c.View.Get(key)
}

func (c *counting) Iterate(prefix []byte, reverse bool) kv.Iterator {
	return &countingIterator{c.View.Iterate(prefix, reverse), c}
}

type countingIterator struct {
	kv.Iterator
	of *counting
}

func (i *countingIterator) Next() {
	i.of.steps++
	i.Iterator.Next()
}

// TestPlan says for each kind of query which index drives it, and holds what a page of it reads to what it shows.
func TestPlan(t *testing.T) {
	ctx := context.Background()
	s, err := OpenInMemory(WithRoles("rare", "staff"))
	require.NoError(t, err)
	defer s.Close()
	const users = 3000
	for i := 0; i < users; i += 100 {
		require.NoError(t, s.update(ctx, func(c *change) error {
			for j := i; j < i+100; j++ {
				u := User{UID: fmt.Sprintf("user-%04d", j), Name: fmt.Sprintf("Name %04d", (j*7919)%users), Role: "staff", Tags: []string{"many"}}
				if j%2 == 0 {
					u.Tags = append(u.Tags, "half")
				}
				if j%1000 == 999 {
					u.Role = "rare"
				}
				if j%500 == 0 {
					u.Tags = append(u.Tags, "few")
				}
				r, err := newRecord(u)
				if err != nil {
					return err
				}
				d, err := firstDraft(r, s.now())
				if err == nil {
					err = c.create(d, sight{})
				}
				if err != nil {
					return err
				}
			}
			return nil
		}))
	}
	require.NoError(t, s.SetStatus(ctx, "user-0007", Online))

	for _, test := range []struct {
		name        string
		query       Query
		by          string
		gets, steps int // at most, for a page of 20
	}{
		{"everybody", Query{}, "roster", 30, 60},
		{"backwards", Query{Desc: true}, "roster", 30, 60},
		{"a tag", Query{Tags: []string{"many"}}, "roster", 30, 60},
		{"a tag and a role that meet seldom", Query{Tags: []string{"half"}, Roles: []string{"rare"}}, "roster", 30, 60},
		{"a tag and a role that meet always", Query{Tags: []string{"many"}, Roles: []string{"staff"}}, "roster", 30, 60},
		{"two tags of which one is rare", Query{AllTags: []string{"many", "few"}}, "roster", 30, 200},
		{"start of the name", Query{Search: "name 29", SearchIn: []Field{FieldName}}, "roster", 30, 60},
		{"start of the name in a role", Query{Search: "NAME 29", SearchIn: []Field{FieldName}, Roles: []string{"staff"}}, "roster", 30, 60},
		{"start of the uid, of few", Query{Search: "user-004"}, "roster", 50, 100},
		{"online", Query{Status: Online}, "roster", 30, 60},
		{"by status", Query{Sort: SortStatus}, "roster", 30, 60},
		{"these", Query{UIDs: []string{"user-0001", "user-0002", "nobody"}}, "uids", 10, 10},
		{"by uid", Query{Sort: SortUID}, "uid", 60, 60},
		{"by uid, start", Query{Sort: SortUID, Search: "user-29", SearchIn: []Field{FieldUID}}, "uid", 60, 60},
		{"by uid, many", Query{Sort: SortUID, Tags: []string{"half"}}, "uid", 150, 500},
		{"by creation", Query{Sort: SortCreated, Desc: true}, "created", 60, 60},
		{"by creation, a rare tag", Query{Sort: SortCreated, Tags: []string{"few"}}, "roster, sorted", 30, 60},
		{"nobody", Query{Tags: []string{" "}}, "nothing", 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.query.Limit = 20
			w, err := newWalk(test.query, "")
			require.NoError(t, err)
			require.NoError(t, s.db.Read(func(v kv.View) error {
				c := &counting{View: v}
				page, err := s.page(ctx, c, w)
				require.Equal(t, test.by, w.by)
				require.LessOrEqual(t, c.gets, test.gets, "records and counters read for %d rows", len(page.Users))
				require.LessOrEqual(t, c.steps, test.steps, "keys walked for %d rows", len(page.Users))
				return err
			}))
		})
	}

	t.Run("a count by tag and role walks nothing but counters", func(t *testing.T) {
		w, err := newWalk(Query{Tags: []string{"many"}}, "")
		require.NoError(t, err)
		require.NoError(t, s.db.Read(func(v kv.View) error {
			c := &counting{View: v}
			n, err := s.count(ctx, c, w)
			require.Equal(t, users, n)
			require.LessOrEqual(t, c.steps, 3)
			require.Zero(t, c.gets)
			return err
		}))
	})
}
