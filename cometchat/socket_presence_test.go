package cometchat

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

func TestPresenceOfSeveralDevices(t *testing.T) {
	w := wire(t)
	watcher := w.connect("bob", subscribeAll)
	phone := w.connect("ann", subscribeAll)
	laptop := w.connect("ann", subscribeAll)
	require.Equal(t, userstore.Online, w.status("ann"))
	watcher.hears("online ann")
	phone.hears()
	laptop.hears() // nobody is told of itself

	phone.leave()
	require.Equal(t, userstore.Online, w.status("ann"))
	watcher.hears()
	laptop.leave()
	require.Equal(t, userstore.Offline, w.status("ann"))
	watcher.hears("offline ann")

	w.connect("ann", "")
	watcher.hears("online ann")
}

func TestPresenceFrame(t *testing.T) {
	w := wire(t)
	watcher := w.connect("ann", subscribeAll)
	cem := w.connect("cem", "")
	for _, action := range []string{"online", "offline"} {
		n := watcher.next()
		u, err := w.store.Get(t.Context(), "cem")
		require.NoError(t, err)
		require.Equal(t, "app", n.AppID)
		require.Equal(t, "cem", n.Sender)
		require.NotEmpty(t, n.DeviceID)
		require.Equal(t, action, n.Body.Action)
		require.Equal(t, u.LastActiveAt.Unix(), n.Body.Timestamp)
		require.Equal(t, "The cem", n.Body.User.Name)
		require.Equal(t, "manager", n.Body.User.Role)
		require.Equal(t, string(u.Status), n.Body.User.Status)
		if action == "online" {
			cem.leave()
		}
	}
}

func TestPresenceSubscriptions(t *testing.T) {
	w := wire(t)
	_, err := w.store.AddFriends(t.Context(), "ann", "dee")
	require.NoError(t, err)
	for name, test := range map[string]struct {
		subscription string
		roles        []string
		hears        []string // of bob, of cem who is a manager, of dee who is a friend
	}{
		"all":              {subscribeAll, nil, []string{"online bob", "online cem", "online dee"}},
		"roles":            {subscribeRoles, []string{"Manager", "none"}, []string{"online cem"}},
		"several roles":    {subscribeRoles, []string{"manager", "default"}, []string{"online bob", "online cem", "online dee"}},
		"roles, but which": {subscribeRoles, nil, nil},
		"friends":          {subscribeFriends, nil, []string{"online dee"}},
		"none":             {"", nil, nil},
		"unknown":          {"EVERYTHING", []string{"manager"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			watcher := w.connect("ann", test.subscription, test.roles...)
			others := []*peer{w.connect("bob", ""), w.connect("cem", ""), w.connect("dee", "")}
			watcher.hears(test.hears...)
			for i := range test.hears {
				test.hears[i] = strings.Replace(test.hears[i], "online", "offline", 1)
			}
			for _, p := range others {
				p.leave()
			}
			watcher.hears(test.hears...)
			watcher.leave()
		})
	}
}

// Whoever has blocked or is blocked is told nothing of the other, from the next change on.
func TestPresenceOfBlockedUsers(t *testing.T) {
	w := wire(t)
	session := func(uid string) *userstore.Session {
		s, err := w.store.Login(t.Context(), uid)
		require.NoError(t, err)
		return s
	}
	_, err := session("ann").Block(t.Context(), "cem")
	require.NoError(t, err)
	blocker := w.connect("ann", subscribeAll)
	blocked := w.connect("cem", subscribeAll)
	neither := w.connect("dee", subscribeAll)
	blocker.hears("online dee")
	blocked.hears("online dee")
	neither.hears()

	_, err = session("ann").Unblock(t.Context(), "cem")
	require.NoError(t, err)
	_, err = session("dee").Block(t.Context(), "cem")
	require.NoError(t, err)
	blocked.leave()
	blocker.hears("offline cem")
	neither.hears()
}

func TestPresenceEndsWithTheSession(t *testing.T) {
	act := func(w *wired, method, path, header, value, body string) {
		req, err := http.NewRequestWithContext(w.t.Context(), method, w.srv.URL+path, strings.NewReader(body))
		require.NoError(w.t, err)
		req.Header.Set(header, value)
		res, err := w.srv.Client().Do(req)
		require.NoError(w.t, err)
		defer res.Body.Close()
		answer, err := io.ReadAll(res.Body)
		require.NoError(w.t, err)
		require.Equal(w.t, http.StatusOK, res.StatusCode, string(answer))
	}
	for name, end := range map[string]func(w *wired, token string){
		"logout": func(w *wired, token string) { act(w, "DELETE", "/v3/me", "authToken", token, "") },
		"revoked": func(w *wired, token string) {
			act(w, "DELETE", "/v3/users/ann/auth_tokens/"+token, "apiKey", "rest-secret", "")
		},
		"all revoked": func(w *wired, _ string) { act(w, "DELETE", "/v3/users/ANN/auth_tokens", "apiKey", "rest-secret", "") },
		"deactivated": func(w *wired, _ string) { act(w, "DELETE", "/v3/users/Ann", "apiKey", "rest-secret", "") },
		"deactivated with others": func(w *wired, _ string) {
			act(w, "DELETE", "/v3/users", "apiKey", "rest-secret", `{"uidsToDeactivate":["dee","ANN"]}`)
		},
		"deleted": func(w *wired, _ string) {
			act(w, "DELETE", "/v3/users/ann", "apiKey", "rest-secret", `{"permanent":true}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := wire(t)
			watcher := w.connect("bob", subscribeAll)
			ann := w.connect("ann", subscribeAll)
			watcher.hears("online ann")
			end(w, ann.token)
			watcher.hears("offline ann") // by the time that the call is answered
			ann.closed(websocket.StatusPolicyViolation)
			n, err := w.store.Count(t.Context(), userstore.Query{Status: userstore.Online})
			require.NoError(t, err)
			require.Equal(t, 1, n)
		})
	}
}

func TestPresenceLogoutLeavesOtherSessions(t *testing.T) {
	w := wire(t)
	phone, laptop := w.connect("ann", ""), w.connect("ann", "")
	require.NoError(t, w.store.RevokeToken(t.Context(), "ann", phone.token))
	w.h.tokensEnded("ann", phone.token)
	phone.closed(websocket.StatusPolicyViolation)
	laptop.hears()
	require.Equal(t, userstore.Online, w.status("ann"))
}

// What is done to the store itself is noticed within a beat.
func TestPresenceEndsBehindTheHandlersBack(t *testing.T) {
	w := wire(t, func(p *presence) { p.beat = 5 * time.Millisecond })
	ann, watcher := w.connect("ann", ""), w.connect("bob", subscribeAll)
	_, err := w.store.Deactivate(t.Context(), "ann")
	require.NoError(t, err)
	ann.closed(websocket.StatusPolicyViolation)
	require.Equal(t, "offline", watcher.next().Body.Action)
	watcher.hears()
}

// A peer whose machine has gone to sleep answers no ping and is cut off.
func TestPresenceOfVanishedPeer(t *testing.T) {
	w := wire(t, func(p *presence) { p.beat, p.writeWait = 5*time.Millisecond, 50*time.Millisecond })
	w.connect("ann", "") // does not read, so it answers no ping
	w.eventually(func() bool { return w.status("ann") == userstore.Offline })
}

func TestOnlineMembers(t *testing.T) {
	w := wire(t)
	count := func(jwt string) string {
		req, err := http.NewRequestWithContext(t.Context(), "POST", w.srv.URL+"/api/v3.0/online-members", nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", jwt)
		res, err := w.srv.Client().Do(req)
		require.NoError(t, err)
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return strings.TrimSpace(string(b))
	}
	jwt, _ := w.jwt("dee")
	require.JSONEq(t, `{"data":{"onlineUsersCount":0}}`, count(jwt))
	w.connect("ann", "")
	w.connect("ann", "")
	bob := w.connect("bob", "")
	require.JSONEq(t, `{"data":{"onlineUsersCount":2}}`, count(jwt))
	bob.leave()
	require.JSONEq(t, `{"data":{"onlineUsersCount":1}}`, count(jwt))
	require.Contains(t, count("undefined"), `"error"`)
}

// Many come and go at once: the store ends up right, and who watches sees for each user online and offline in turn.
func TestPresenceOfACrowd(t *testing.T) {
	const users, devices, rounds = 20, 2, 3
	w := wire(t)
	for i := range users {
		_, err := w.store.Create(t.Context(), userstore.User{UID: fmt.Sprintf("u%d", i), Name: "U"})
		require.NoError(t, err)
	}
	watcher := w.connect("ann", subscribeAll)
	var wg sync.WaitGroup
	for i := range users {
		for range devices {
			jwt, _ := w.jwt(fmt.Sprintf("u%d", i))
			wg.Go(func() {
				for range rounds {
					conn, _, err := websocket.Dial(t.Context(), w.srv.URL, nil)
					if err != nil {
						t.Error(err)
						return
					}
					err = conn.Write(t.Context(), websocket.MessageText, []byte(authOf("app", "", jwt, subscribeAll)))
					if err == nil {
						_, _, err = conn.Read(t.Context())
					}
					if err != nil {
						t.Error(err)
					}
					conn.CloseNow()
				}
			})
		}
	}
	wg.Wait()
	w.eventually(func() bool { return w.open() == 1 })
	n, err := w.store.Count(t.Context(), userstore.Query{Status: userstore.Online})
	require.NoError(t, err)
	require.Equal(t, 1, n)

	watcher.say(`{"action":"ping"}`)
	online := map[string]bool{}
	heard := 0
	for n := watcher.next(); n.Action != "pong"; n = watcher.next() {
		now := n.Body.Action == "online"
		require.NotEqual(t, online[n.Sender], now, "%s twice %s", n.Sender, n.Body.Action)
		online[n.Sender] = now
		heard++
	}
	require.GreaterOrEqual(t, heard, 2*users)
	for uid, on := range online {
		require.False(t, on, uid)
	}
}
