package cometchat

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestListFilters(t *testing.T) {
	b := town(t)
	token := b.login("ann")
	for _, c := range []struct {
		query         string
		admin, client []string // nil: not for this side
	}{
		{"", []string{"ann", "bob", "cem", "dee"}, []string{"bob", "cem", "dee"}},
		{"searchKey=%20BO%20", []string{"bob"}, []string{"bob"}},
		{"searchKey=z", []string{"bob"}, []string{"bob"}},
		{"searchKey=z&searchIn=uid", []string{}, []string{}},
		{"searchKey=z&searchIn=name,uid", []string{"bob"}, []string{"bob"}},
		{"searchKey=b&searchIn=uid&searchIn=name", []string{"bob"}, []string{"bob"}},
		{"searchIn=uid", []string{"ann", "bob", "cem", "dee"}, []string{"bob", "cem", "dee"}},
		{"searchKey=%25", []string{}, []string{}},
		{"status=available", []string{"bob"}, []string{"bob"}},
		{"status=offline", []string{"ann", "cem", "dee"}, []string{"cem", "dee"}},
		{"role=manager", []string{"ann"}, []string{}},
		{"roles=manager,default", []string{"ann", "bob", "cem", "dee"}, []string{"bob", "cem", "dee"}},
		{"roles=manager&roles=default", []string{"ann", "bob", "cem", "dee"}, []string{"bob", "cem", "dee"}},
		{"roles=manager&role=default", []string{"ann", "bob", "cem", "dee"}, []string{"bob", "cem", "dee"}},
		{"roles=nosuch", []string{}, []string{}},
		{"roles=a%20b,100%", []string{}, []string{}},
		{"roles=", []string{"ann", "bob", "cem", "dee"}, []string{"bob", "cem", "dee"}},
		{"tags=red", []string{"ann", "bob"}, []string{"bob"}},
		{"tags=Red", []string{}, []string{}},
		{"uids=bob,DEE,nosuch", []string{"bob", "dee"}, []string{"bob", "dee"}},
		{"uids=eva", []string{}, []string{}},
		{"hideBlockedUsers=1", nil, []string{"cem", "dee"}},
		{"hideBlockedUsers=0", nil, []string{"bob", "cem", "dee"}},
		{"friendsOnly=true", nil, []string{"cem"}},
		{"withDeactivated=1", []string{"ann", "bob", "cem", "dee", "eva"}, nil},
		{"onlyDeactivated=1&withDeactivated=1", []string{"eva"}, nil},
		{"status=offline&tags=red&searchKey=a", []string{"ann"}, []string{}},
	} {
		t.Run(c.query, func(t *testing.T) {
			for _, side := range []struct {
				header, value string
				want          []string
			}{{"apiKey", restKey, c.admin}, {"authToken", token, c.client}} {
				rep := b.send("GET", "/users?"+c.query, "", side.header, side.value)
				if side.want == nil {
					rep.refusal(400, "ERR_BAD_REQUEST")
					continue
				}
				require.Equal(t, 200, rep.status, rep.text)
				got := rep.uids()
				slices.Sort(got)
				require.Equal(t, side.want, got, side.header)
				require.EqualValues(t, len(got), rep.at("meta", "pagination", "total"))
			}
		})
	}
	b.send("GET", "/users?withTags=maybe", "", rest()...).invalid("withTags", "The withTags field must be true or false.")
}

func TestListOrders(t *testing.T) {
	b := town(t)
	b.online("cem")
	for query, want := range map[string]string{
		"sortBy=name": "ann cem dee bob", "sortBy=name&sortOrder=desc": "bob dee cem ann", "sortBy=name&sortOrder=asc": "ann cem dee bob",
		"sortBy=status": "cem bob ann dee", "sortBy=status&sortOrder=desc": "dee ann bob cem", "": "dee cem bob ann", "sortOrder=desc": "dee cem bob ann",
	} {
		require.Equal(t, want, strings.Join(b.admin("GET", "/users?"+query, "").uids(), " "), query)
	}
}

func TestListRows(t *testing.T) {
	b := town(t)
	token := b.login("ann")
	require.Equal(t, []any{nil, nil, nil, nil}, b.admin("GET", "/users", "").member("tags"))
	require.Equal(t, []any{nil, nil, []any{"red"}, []any{"red", "blue"}}, b.admin("GET", "/users?withTags=1", "").member("tags"))
	require.Equal(t, []any{nil, nil, nil, nil}, b.admin("GET", "/users?tags=&searchKey=", "").member("conversationId"))
	rep := b.as(token, "GET", "/users?sortBy=name", "")
	require.Equal(t, []string{"cem", "dee", "bob"}, rep.uids())
	require.Equal(t, []any{nil, nil, true}, rep.member("blockedByMe"))
	require.Equal(t, []any{nil, nil, 1.700000005e9}, rep.member("blockedByMeAt"))
	require.Equal(t, []any{nil, nil, 1.700000005e9}, rep.member("blockedAt"))
	require.Equal(t, []any{nil, true, nil}, rep.member("hasBlockedMe"))
	require.Equal(t, []any{"ann_user_cem", "ann_user_dee", "ann_user_bob"}, rep.member("conversationId"))
	require.NotContains(t, rep.text, "authToken")
	require.Equal(t, "ann_user_bob", b.as(b.login("bob"), "GET", "/users/ANN", "").at("data", "conversationId"))
	require.NotContains(t, b.as(token, "GET", "/users/ann", "").at("data"), "conversationId")
}

// Every list is walked the way the SDK does it: page after page until one is empty.
func TestEveryListPagesToItsEnd(t *testing.T) {
	const n = 7
	b := newBench(t)
	b.add("ann")
	var all []string
	for i := range n {
		uid := fmt.Sprintf("u%d", i)
		all = append(all, uid)
		b.add(uid)
		b.admin("POST", "/roles", `{"role":"`+uid+`","name":"R"}`)
		b.admin("POST", "/apikeys", `{"name":"`+uid+`"}`)
		b.login("ann")
	}
	uids := `["` + strings.Join(all, `","`) + `"]`
	b.admin("POST", "/users/ann/friends", `{"accepted":`+uids+`}`)
	b.admin("POST", "/users/ann/blockedusers", `{"blockedUids":`+uids+`}`)
	token := b.login("ann")
	for _, l := range []struct {
		path, header, value, id string
		rows                    int
	}{
		{"/users", "apiKey", restKey, "uid", n + 1}, {"/users", "authToken", token, "uid", n}, {"/roles", "apiKey", restKey, "role", n + 1},
		{"/apikeys", "apiKey", restKey, "apiKey", n + 2}, {"/users/ann/auth_tokens", "apiKey", restKey, "authToken", n + 1},
		{"/users/ann/friends", "apiKey", restKey, "uid", n}, {"/users/ann/blockedusers", "apiKey", restKey, "uid", n},
		{"/blockedusers", "authToken", token, "uid", n},
	} {
		for size := 1; size <= n+3; size++ {
			seen := map[any]bool{}
			for page := 1; ; page++ {
				rep := b.send("GET", fmt.Sprintf("%s?per_page=%d&page=%d", l.path, size, page), "", l.header, l.value)
				rows := rep.member(l.id)
				require.Equal(t, map[string]any{"total": float64(l.rows), "count": float64(len(rows)), "per_page": float64(size),
					"current_page": float64(page), "total_pages": float64((l.rows + size - 1) / size)}, rep.at("meta", "pagination"))
				if len(rows) == 0 {
					require.Equal(t, []any{}, rep.at("data"))
					break
				}
				for _, id := range rows {
					require.NotNil(t, id)
					require.False(t, seen[id], "%s: %v twice", l.path, id)
					seen[id] = true
				}
			}
			require.Len(t, seen, l.rows, l.path)
		}
	}
}

func TestTheLastPossiblePageIsEmpty(t *testing.T) {
	b := town(t)
	for _, path := range []string{"/users", "/roles", "/users/ann/friends"} {
		require.Empty(t, b.admin("GET", path+fmt.Sprintf("?perPage=1000&page=%d", lastPage), "").at("data"))
	}
}

func TestUnknownParametersAreLoggedUnlessStrict(t *testing.T) {
	b := town(t, func(o *Options) { o.Strict = false })
	require.Len(t, b.admin("GET", "/users?hideBlockedUsers=1&nosuch=1", "").uids(), 4)
	require.Equal(t, []string{"bob"}, b.admin("GET", "/users/ann/blockedusers?direction=hasBlockedMe&searchKey=x", "").uids())
	require.Len(t, b.as(b.login("ann"), "GET", "/users?onlyDeactivated=1", "").uids(), 3)
	require.Contains(t, b.log.String(), "name=nosuch")
	require.Contains(t, b.log.String(), "name=hideBlockedUsers")
	b.send("GET", "/nosuch", "", rest()...).refusal(404, "ERR_API_NOT_FOUND")
	require.Contains(t, b.log.String(), "ERR_API_NOT_FOUND")
}

func TestParametersNeedNotBeWellEscaped(t *testing.T) {
	for raw, want := range map[string][]string{
		"x=a,b": {"a", "b"}, "x=a%2Cb": {"a,b"}, "x=%zz": {"%zz"}, "x=a&x=b": {"a", "b"}, "x": nil, "x=": nil, "x=,,": nil,
		"x=a+b%2B": {"a b+"}, "%78=a": {"a"}, "=a&&": nil, "x=a;b": {"a;b"}, "x=a=b": {"a=b"},
	} {
		require.Equal(t, want, parseQuery(raw).words("x", true), raw)
	}
	require.Equal(t, []string{"a", "b", "c"}, parseQuery("x=a%2Cb%2cc").words("x", false))
}
