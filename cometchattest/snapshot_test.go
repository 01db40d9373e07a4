package cometchattest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
	"github.com/seed-3546c6b2/userstore/cometchat"
	"github.com/seed-3546c6b2/userstore/cometchattest"
)

// furnish puts something of every kind into a double and returns ann's token.
func furnish(t *testing.T, srv *cometchattest.Server) string {
	t.Helper()
	ctx, store := t.Context(), srv.Store
	srv.Seed(t, userstore.User{UID: "ann", Name: "Ann", Role: "doctor"}, userstore.User{UID: "bob", Name: "Bob"},
		userstore.User{UID: "gone", Name: "Gone"})
	_, err := store.Update(ctx, "ann", func(u *userstore.User) error { u.Tags = []string{"x"}; return nil })
	require.NoError(t, err)
	_, err = store.AddFriends(ctx, "ann", "bob")
	require.NoError(t, err)
	token, err := store.IssueToken(ctx, "ann")
	require.NoError(t, err)
	session, err := store.Login(ctx, "ann")
	require.NoError(t, err)
	_, err = session.Block(ctx, "bob")
	require.NoError(t, err)
	_, err = store.Deactivate(ctx, "gone")
	require.NoError(t, err)
	require.NoError(t, store.SetStatus(ctx, "bob", userstore.Online))
	return token.Token
}

// state is all that a store tells, as text.
func state(t *testing.T, store *userstore.Store) (all []string) {
	t.Helper()
	ctx := t.Context()
	add := func(v any, err error) {
		require.NoError(t, err)
		all = append(all, fmt.Sprintf("%+v", v))
	}
	roles, err := store.Roles(ctx)
	add(roles, err)
	for u, err := range store.All(ctx, userstore.Query{Deactivated: userstore.DeactivatedInclude}) {
		add(u, err)
		if !u.DeactivatedAt.IsZero() {
			continue
		}
		friends, err := store.Friends(ctx, u.UID, userstore.Query{})
		add(friends, err)
		tokens, err := store.Tokens(ctx, u.UID)
		add(tokens, err)
		session, err := store.Login(ctx, u.UID)
		require.NoError(t, err)
		blocked, err := session.Blocked(ctx, userstore.BlockQuery{})
		add(blocked, err)
	}
	return all
}

func TestSnapshot(t *testing.T) {
	t.Parallel()
	srv := cometchattest.RunT(t)
	token := furnish(t, srv)
	before, snap := state(t, srv.Store), srv.Snapshot(t)

	require.NoError(t, srv.Store.Delete(t.Context(), "ann"))
	srv.Seed(t, userstore.User{UID: "new", Name: "New", Role: "nurse"})
	for range 2 { // a snapshot can be restored again
		srv.Restore(t, snap)
		require.Equal(t, before, state(t, srv.Store))
		req, err := http.NewRequest("GET", srv.URL+"/users/bob", nil)
		require.NoError(t, err)
		req.Header.Set("authToken", token)
		require.Contains(t, send(srv.Client(), req).body, `"blockedByMe":true`, "the old token works")
		require.Equal(t, http.StatusOK, ask(srv.Client(), srv, "DELETE", "/users/bob", `{"permanent":true}`).status)
	}
	require.Len(t, srv.Requests("DELETE"), 2, "the journal goes on")

	other := cometchattest.RunT(t)
	other.Restore(t, snap)
	require.Equal(t, before, state(t, other.Store), "another double takes it too")
}

// remembered is all that the answers of a double owe to what only its handler remembers.
func remembered(t *testing.T, srv *cometchattest.Server, key string) (all []string) {
	t.Helper()
	for _, path := range []string{"/apikeys?searchKey=third", "/roles/doctor", "/roles/doctor/restrictedfeatures", "/users/ann/auth_tokens"} {
		req, err := http.NewRequest("GET", srv.URL+path, nil)
		require.NoError(t, err)
		req.Header.Set("apiKey", key)
		all = append(all, send(srv.Client(), req).body)
	}
	return all
}

func TestSnapshotOfMemory(t *testing.T) {
	t.Parallel()
	srv := cometchattest.RunT(t)
	token := furnish(t, srv)
	admin := func(method, path, body string) map[string]any {
		a := ask(srv.Client(), srv, method, path, body)
		require.Equal(t, http.StatusOK, a.status, a.body)
		var answer struct{ Data map[string]any }
		require.NoError(t, json.Unmarshal([]byte(a.body), &answer))
		return answer.Data
	}
	jwtWorks := func(srv *cometchattest.Server, jwt string) bool {
		req, err := http.NewRequest("POST", srv.URL+"/api/v3.0/online-members", nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", jwt)
		return send(srv.Client(), req).status == http.StatusOK
	}
	key := admin("POST", "/apikeys", `{"name":"third","scope":"fullAccess"}`)["apiKey"].(string)
	admin("PUT", "/roles/doctor", `{"settings":{"listUsers":"friendsOnly"}}`)
	admin("POST", "/roles/doctor/restrictedfeatures", `{"featuresToRestrict":["logout"]}`)
	admin("PUT", "/users/ann/auth_tokens/"+token, `{"platform":"ios"}`)
	req, err := http.NewRequest("GET", srv.URL+"/me", nil)
	require.NoError(t, err)
	req.Header.Set("authToken", token)
	var me struct{ Data struct{ JWT string } }
	require.NoError(t, json.Unmarshal([]byte(send(srv.Client(), req).body), &me))
	jwt := me.Data.JWT

	want, snap := remembered(t, srv, key), srv.Snapshot(t)
	for i, part := range []string{key, "friendsOnly", "u.logout", "ios"} {
		require.Contains(t, want[i], part)
	}
	require.True(t, jwtWorks(srv, jwt))
	for range 2 { // a snapshot can be restored again
		admin("PUT", "/roles/doctor", `{"unset":["settings"]}`)
		admin("DELETE", "/roles/doctor/restrictedfeatures", `{"allowAll":true}`)
		admin("PUT", "/users/ann/auth_tokens/"+token, `{"platform":"web"}`)
		admin("DELETE", "/apikeys/"+key, "")
		require.NotEqual(t, want, remembered(t, srv, srv.APIKey))
		srv.Restore(t, snap)
		require.Equal(t, want, remembered(t, srv, key))
		require.True(t, jwtWorks(srv, jwt))
	}

	other := cometchattest.RunT(t, func(o *cometchat.Options) { o.APIKey = "mine" })
	other.Restore(t, snap)
	require.Equal(t, want, remembered(t, other, key), "another double takes it too")
	require.Equal(t, want, remembered(t, other, "mine"), "and keeps its own keys")
	require.True(t, jwtWorks(other, jwt))

	srv.Reset(t)
	require.Equal(t, http.StatusNotFound, ask(srv.Client(), srv, "GET", "/apikeys/"+key, "").status)
	require.False(t, jwtWorks(srv, jwt))
	srv.Seed(t, userstore.User{UID: "ann", Name: "Ann", Role: "doctor"})
	for _, rest := range remembered(t, srv, srv.APIKey) {
		require.NotRegexp(t, "third|friendsOnly|logout|ios", rest)
	}
}

// TestRestoreUnderLoad restores while others ask; each is answered from before, from after, or with 503.
func TestRestoreUnderLoad(t *testing.T) {
	t.Parallel()
	srv := cometchattest.RunT(t)
	snap := srv.Snapshot(t)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				a := ask(srv.Client(), srv, "POST", "/users", fmt.Sprintf(`{"uid":"u%d-%d","name":"N"}`, i, n))
				if a.err != nil || a.status != http.StatusOK && a.status != http.StatusServiceUnavailable {
					t.Errorf("%d %s %v", a.status, a.body, a.err)
				}
			}
		})
	}
	for range 20 {
		srv.Restore(t, snap)
		srv.Inject(t, cometchattest.Fault{Status: 503, Nth: 2})
		srv.Advance(time.Second)
		srv.Snapshot(t)
		srv.Requests("POST /users")
	}
	srv.Reset(t)
	close(stop)
	wg.Wait()
	srv.Restore(t, snap)
	require.Empty(t, uids(t, srv.Store))
}

func TestReset(t *testing.T) {
	t.Parallel()
	srv := cometchattest.RunT(t)
	fresh := srv.Now()
	furnish(t, srv)
	srv.SetTime(fresh.AddDate(1, 0, 0))
	srv.Inject(t, cometchattest.Fault{})
	ask(srv.Client(), srv, "GET", "/users", "")
	url := srv.URL

	srv.Reset(t)
	require.Empty(t, uids(t, srv.Store))
	roles, err := srv.Store.Roles(t.Context())
	require.NoError(t, err)
	require.Len(t, roles, 1)
	require.Empty(t, srv.Requests(""))
	require.Less(t, srv.Now().Sub(fresh).Hours(), 1.0)
	require.Equal(t, url, srv.URL)
	require.Equal(t, http.StatusOK, ask(http.DefaultClient, srv, "POST", "/users", `{"uid":"ann","name":"Ann"}`).status)
	srv.Seed(t, userstore.User{UID: "bob", Name: "Bob"})
	require.Equal(t, []string{"ann", "bob"}, uids(t, srv.Store))
}

func TestRestoreRefused(t *testing.T) {
	t.Parallel()
	require.Contains(t, failure(func(f cometchattest.T) {
		cometchattest.RunT(f).Restore(f, cometchattest.Snapshot{})
	}), "restore")
}
