package cometchat

import (
	"bytes"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// again is a new handler over the store of b, which is told s.
func (b *bench) again(s State, change ...func(*Options)) *bench {
	b.t.Helper()
	o := b.h.opts
	o.State = s
	for _, c := range change {
		c(&o)
	}
	h, err := New(b.store, o)
	require.NoError(b.t, err)
	b.t.Cleanup(func() { require.NoError(b.t, h.Close()) })
	return &bench{t: b.t, store: b.store, h: h, log: &bytes.Buffer{}, now: b.clock()}
}

// remembered is all that a handler's answers owe to its memory.
func remembered(b *bench) (all []string) {
	for _, path := range []string{"/apikeys", "/roles", "/roles/manager/restrictedfeatures", "/roles/default/restrictedfeatures",
		"/users/ann/auth_tokens", "/users/bob/auth_tokens"} {
		all = append(all, b.admin("GET", path, "").text)
	}
	return all
}

// remember leaves something of every kind, and gives the api key that was made and a JWT.
func remember(b *bench) (key, jwt string) {
	key = b.admin("POST", "/apikeys", `{"name":"third","scope":"fullAccess"}`).at("data", "apiKey").(string)
	b.admin("PUT", "/apikeys/"+loginKey, `{"name":"Renamed"}`)
	b.admin("PUT", "/roles/manager", `{"settings":{"listUsers":"friendsOnly"}}`)
	b.admin("POST", "/roles/manager/restrictedfeatures", `{"featuresToRestrict":["logout","getUser"]}`)
	token := b.admin("POST", "/users/ann/auth_tokens", `{"deviceId":"phone","platform":"ios","appInfo":{"v":1}}`).at("data", "authToken").(string)
	jwt = b.as(token, "GET", "/me", "").at("data", "jwt").(string)
	return key, jwt
}

func TestStateGoesOn(t *testing.T) {
	b := town(t)
	key, jwt := remember(b)
	want, s := remembered(b), b.h.State()
	next := b.again(s)
	require.Equal(t, want, remembered(next))
	require.Equal(t, 200, next.send("GET", "/users", "", "apiKey", key).status)
	require.Equal(t, 200, next.send("POST", "/api/v3.0/online-members", "", "Authorization", jwt).status)
	token := next.admin("GET", "/users/ann/auth_tokens", "").at("data", 0, "authToken")
	require.Equal(t, token, next.admin("POST", "/users/ann/auth_tokens", `{"deviceId":"phone"}`).at("data", "authToken"), "the device")
	next.send("DELETE", "/me", "", "authToken", token.(string)).refusal(403, "AUTH_ERR_NO_ACCESS")
	require.Equal(t, []string{"cem"}, next.as(token.(string), "GET", "/users", "").uids(), "friends only")

	fresh := b.again(State{})
	fresh.send("GET", "/users", "", "apiKey", key).refusal(404, "AUTH_ERR_APIKEY_NOT_FOUND")
	fresh.send("POST", "/api/v3.0/online-members", "", "Authorization", jwt).refusal(401, "ERR_NO_AUTH")
	require.Empty(t, fresh.admin("GET", "/roles/manager/restrictedfeatures", "").at("data"))
}

// What happens after State was called, in the handler, in those that went on from it, or in all of them at once, is
// nothing to the others.
func TestStateIsACopy(t *testing.T) {
	b := town(t)
	remember(b)
	want, s := remembered(b), b.h.State()
	change := func(b *bench, n int) {
		key := b.send("POST", "/apikeys", `{"name":"more"}`, rest()...).at("data", "apiKey").(string)
		b.send("PUT", "/apikeys/"+key, fmt.Sprintf(`{"name":"more %d"}`, n), rest()...)
		b.send("DELETE", "/apikeys/"+loginKey, "", rest()...)
		b.send("PUT", "/roles/manager", `{"settings":{"sendMessagesTo":"friendsOnly"}}`, rest()...)
		b.send("DELETE", "/roles/manager/restrictedfeatures", `{"featuresToAllow":["logout"]}`, rest()...)
		b.send("POST", "/roles/default/restrictedfeatures", `{"featuresToRestrict":["listUsers"]}`, rest()...)
		token := b.send("GET", "/users/ann/auth_tokens", "", rest()...).at("data", 0, "authToken").(string)
		b.send("PUT", "/users/ann/auth_tokens/"+token, fmt.Sprintf(`{"platform":"p%d"}`, n), rest()...)
	}
	var wg sync.WaitGroup
	for _, one := range []*bench{b, b.again(s), b.again(s)} {
		for n := range 4 {
			wg.Go(func() { change(one, n) })
			wg.Go(func() { one.h.State() })
		}
	}
	wg.Wait()
	require.Equal(t, want, remembered(b.again(s)))
	require.NotEqual(t, want, remembered(b))
	require.Equal(t, want, remembered(b.again(b.again(s).h.State())), "handed on twice")
}

// A handler keeps its own keys, whatever those of the handler before it were called.
func TestStateOfOtherKeys(t *testing.T) {
	keys := func(b *bench, with string) (names []any) {
		rep := b.send("GET", "/apikeys", "", "apiKey", with)
		require.Equal(t, 200, rep.status, rep.text)
		for i := range rep.member("name") {
			names = append(names, rep.at("data", i, "name"), rep.at("data", i, "apiKey"))
		}
		return names
	}
	own := func(auth, api string) func(*Options) {
		return func(o *Options) { o.AuthKey, o.APIKey = auth, api }
	}
	b := newBench(t)
	b.admin("PUT", "/apikeys/"+loginKey, `{"name":"Renamed"}`)
	made := b.admin("POST", "/apikeys", `{"name":"made"}`).at("data", "apiKey")
	for name, tt := range map[string]struct {
		auth, api string
		want      []any
	}{
		"others":  {"k1", "k2", []any{"made", made, "Rest API Key", "k2", "Renamed", "k1"}},
		"swapped": {restKey, loginKey, []any{"made", made, "Rest API Key", loginKey, "Renamed", restKey}},
		"one":     {"", "k2", []any{"made", made, "Rest API Key", "k2"}},
	} {
		require.Equal(t, tt.want, keys(b.again(b.h.State(), own(tt.auth, tt.api)), tt.api), name)
	}
	none := newBench(t, own("", ""))
	require.Equal(t, []any{"Rest API Key", "k2", "Auth Key", "k1"}, keys(none.again(none.h.State(), own("k1", "k2")), "k2"))

	b.admin("DELETE", "/apikeys/"+loginKey, "")
	require.Equal(t, []any{"made", made, "Rest API Key", "k2"}, keys(b.again(b.h.State(), own("k1", "k2")), "k2"), "a deleted key stays deleted")
}
