package cometchat

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// A thousand clients at once each see themselves, and of the others what is public.
func TestAThousandClients(t *testing.T) {
	const n = 1000
	b := newBench(t)
	b.add("hub")
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			uid := fmt.Sprintf("u%d", i)
			token, ok := b.admin("POST", "/users", fmt.Sprintf(`{"uid":"%s","name":"U","metadata":{"@private":{"n":%d}},"withAuthToken":true}`, uid, i)).
				at("data", "authToken").(string)
			if !ok {
				t.Error("no token")
				return
			}
			b.as(token, "PUT", "/me", fmt.Sprintf(`{"name":"User %d","deviceId":"d"}`, i))
			b.as(token, "POST", "/blockedusers", `{"blockedUids":["hub"]}`)
			b.admin("POST", "/users/hub/friends", `{"accepted":["`+uid+`"]}`)
			me := b.as(token, "GET", "/me", "")
			if me.at("data", "uid") != uid || me.at("data", "metadata", "@private", "n") != float64(i) || me.at("data", "name") != fmt.Sprintf("User %d", i) {
				t.Errorf("%s is shown %s", uid, me.text)
			}
			other := b.as(token, "GET", "/users?perPage=5&uids=hub,"+fmt.Sprintf("u%d,u%d", i^1, i^2), "")
			for _, m := range other.member("metadata") {
				if m != nil {
					t.Errorf("%s sees %v", uid, m)
				}
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, n+1, b.admin("GET", "/users?perPage=1", "").at("meta", "pagination", "total"))
	require.EqualValues(t, n, b.admin("GET", "/users/hub/friends?perPage=1", "").at("meta", "pagination", "total"))
	require.Equal(t, 6*n+1+2, b.h.Journal().Total())
}

// Roles, keys and notes change under the hands of many.
func TestManyBackEnds(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Quotas = Quotas{Roles: 11, Friends: 5, APIKeys: 12} })
	b.add("hub")
	for i := range 20 {
		b.add(fmt.Sprintf("u%d", i))
	}
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			b.send("POST", "/roles", fmt.Sprintf(`{"role":"r%d","name":"R","settings":{"listUsers":"all"}}`, i), rest()...)
			b.send("POST", "/apikeys", `{"name":"k"}`, rest()...)
			b.send("POST", "/users/hub/friends", fmt.Sprintf(`{"accepted":["u%d"]}`, i%20), rest()...)
			b.send("POST", "/users/hub/auth_tokens", `{"force":true,"deviceId":"d"}`, rest()...)
			b.send("POST", "/roles/r1/restrictedfeatures", `{"featuresToRestrict":["logout"]}`, rest()...)
			b.send("GET", "/roles/r1/restrictedfeatures", "", rest()...)
			b.send("DELETE", "/users/hub/auth_tokens", "", rest()...)
		})
	}
	wg.Wait()
	require.Len(t, b.admin("GET", "/roles", "").at("data"), 11)
	require.Len(t, b.admin("GET", "/apikeys", "").at("data"), 12)
	require.Len(t, b.admin("GET", "/users/hub/friends", "").at("data"), 5)
}
