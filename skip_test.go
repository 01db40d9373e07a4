package userstore_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

// TestSkip holds every numbered page against the whole list, in every order.
func TestSkip(t *testing.T) {
	ctx := context.Background()
	s, err := userstore.OpenInMemory()
	require.NoError(t, err)
	defer s.Close()
	for i := range 40 {
		_, err := s.Create(ctx, userstore.User{UID: fmt.Sprintf("u%02d", i*7%40), Name: fmt.Sprintf("N%02d", i*11%40), Tags: []string{fmt.Sprint("t", i%3)}})
		require.NoError(t, err)
	}
	_, err = s.Deactivate(ctx, "u05")
	require.NoError(t, err)
	require.NoError(t, s.SetStatus(ctx, "u09", userstore.Online))
	in, err := s.Login(ctx, "u01")
	require.NoError(t, err)

	type face interface {
		Skip(ctx context.Context, q userstore.Query, n int) (string, error)
		List(ctx context.Context, q userstore.Query) (userstore.Page, error)
	}
	for who, f := range map[string]face{"back end": s, "user": in} {
		for sort := userstore.SortName; sort <= userstore.SortStatus; sort++ {
			for _, q := range []userstore.Query{{Sort: sort}, {Sort: sort, Desc: true}, {Sort: sort, Tags: []string{"t1"}}} {
				whole := mustList(t, f, q)
				for n := -1; n < len(whole)+2; n++ {
					from := q
					from.Cursor, err = f.Skip(ctx, q, n)
					require.NoError(t, err)
					require.Equal(t, whole[min(max(n, 0), len(whole)):], mustList(t, f, from), "%s, sort %d, %d skipped", who, sort, n)
				}
				halfway := q
				halfway.Cursor, err = f.Skip(ctx, q, 3)
				require.NoError(t, err)
				halfway.Cursor, err = f.Skip(ctx, halfway, 4)
				require.NoError(t, err)
				require.Equal(t, whole[7:], mustList(t, f, halfway), "skipping adds up")
			}
		}
	}
	_, err = s.Skip(ctx, userstore.Query{Cursor: "damaged"}, 1)
	require.ErrorIs(t, err, userstore.ErrInvalid)
	cursor, err := s.Skip(ctx, userstore.Query{Tags: []string{"nobody has it"}}, 5)
	require.NoError(t, err)
	require.Empty(t, cursor)
}

func mustList(t *testing.T, f interface {
	List(ctx context.Context, q userstore.Query) (userstore.Page, error)
}, q userstore.Query) []string {
	page, err := f.List(context.Background(), q)
	require.NoError(t, err)
	list := []string{}
	for _, u := range page.Users {
		list = append(list, u.UID)
	}
	return list
}

func ExampleStore_Skip() {
	ctx := context.Background()
	s, _ := userstore.OpenInMemory()
	defer s.Close()
	for _, name := range []string{"Ann", "Bob", "Cem", "Dee", "Eve"} {
		s.Create(ctx, userstore.User{UID: name, Name: name})
	}
	q := userstore.Query{Limit: 2}
	q.Cursor, _ = s.Skip(ctx, q, 2*q.Limit) // two pages
	third, _ := s.List(ctx, q)
	fmt.Println(third.Users[0].Name, len(third.Users))
	// Output: Eve 1
}
