package cometchat

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net"
	"slices"

	"github.com/seed-3546c6b2/userstore"
)

var meBody = slices.Concat([]string{"name", "avatar", "link", "statusMessage", "metadata", "tags", "deviceId"}, noteBody)

var meRoutes = []route{
	{method: "GET", pattern: "/me", side: client, feature: "getMyDetails", grade: full, serve: (*Handler).getMe},
	{method: "PUT", pattern: "/me", side: client, feature: "updateAuthToken", body: meBody, rate: rateCore, grade: full,
		note: "login, and update of the logged-in user; uid, role and read-only members are ignored", serve: (*Handler).updateMe},
	{method: "DELETE", pattern: "/me", side: client, feature: "logout", grade: full,
		note: "ends this token and no other", serve: (*Handler).logout},
	{method: "POST", pattern: "/me/jwt", side: client, grade: partial,
		note: "the same JWT as in GET /me; what the body passes through is not put into it", serve: (*Handler).createJWT},
	{method: "GET", pattern: "/settings", side: client, feature: "listSettings", grade: partial,
		note: "what the SDK needs to stay on this host", serve: (*Handler).getSettings},
	{method: "POST", pattern: "/user_sessions", side: client, body: []string{"sessionId"}, grade: partial,
		note: "telemetry of the SDK: acknowledged, not kept", serve: (*Handler).reportSession},
}

// meRow is what a logged-in user is told about itself: the SDK keeps it as the session.
type meRow struct {
	userRow
	AuthToken string    `json:"authToken"`
	WSChannel wsChannel `json:"wsChannel"`
	JWT       string    `json:"jwt"`
	Settings  settings  `json:"settings"`
}

type wsChannel struct {
	Identity string `json:"identity"`
	Secret   string `json:"secret"`
	Service  string `json:"service"`
}

// settings point the SDK at the host that the request came to, so that it stays on the double. The SDK wants all of them
// or none; CHAT_HOST may hold no port, because it puts CHAT_WSS_PORT behind it.
type settings struct {
	ClientHost     string   `json:"CLIENT_API_HOST"`
	AdminHost      string   `json:"ADMIN_API_HOST"`
	APIVersion     string   `json:"CHAT_API_VERSION"`
	SocketVersion  string   `json:"WS_API_VERSION"`
	ChatHost       string   `json:"CHAT_HOST"`
	SocketPort     string   `json:"CHAT_WSS_PORT"`
	AppVersion     int      `json:"APP_VERSION"`
	Mode           string   `json:"MODE"`
	Region         string   `json:"REGION"`
	NoAnalytics    bool     `json:"ANALYTICS_PING_DISABLED"`
	Extensions     []string `json:"extensions"`
	Hash           string   `json:"settingsHash"`
	HashReceivedAt int64    `json:"settingsHashReceivedAt"`
}

func (c *call) settings() settings {
	host, port, err := net.SplitHostPort(c.r.Host)
	if err != nil {
		host, port = c.r.Host, "443" // the SDK speaks https and nothing else
	} else if net.ParseIP(host) != nil && net.ParseIP(host).To4() == nil {
		host = "[" + host + "]"
	}
	s := settings{ClientHost: c.r.Host, AdminHost: c.r.Host, APIVersion: "v3.0", SocketVersion: "v3.0", ChatHost: host,
		SocketPort: port, AppVersion: 4, Mode: "DEFAULT", Region: c.h.opts.Region, NoAnalytics: true, Extensions: []string{}}
	b, _ := json.Marshal(s)
	sum := sha256.Sum256(b)
	s.Hash, s.HashReceivedAt = hex.EncodeToString(sum[:16]), c.h.now().Unix()
	return s
}

func (c *call) me(u userstore.User) meRow {
	channel := wsChannel{Identity: "[" + c.h.opts.AppID + "]" + u.UID, Secret: c.h.tokenDigest(c.token), Service: c.settings().ChatHost}
	return meRow{row(u), c.token, channel, c.h.mintJWT(u.UID, c.token), c.settings()}
}

func (h *Handler) getMe(c *call) (any, error) {
	u, err := c.session.User(c.ctx())
	if err != nil {
		return nil, c.sessionError(err)
	}
	return c.me(u), nil
}

func (h *Handler) updateMe(c *call) (any, error) {
	note := c.body.readNote()
	// The SDK sends the role and the status of the user it holds; neither is the user's to change.
	delete(c.body.raw, "role")
	p := c.body.patch()
	if err := c.body.err(); err != nil {
		return nil, err
	}
	u, err := c.session.Update(c.ctx(), p.Apply)
	if err != nil {
		return nil, c.sessionError(err)
	}
	if c.body.hasAny("deviceId", "platform", "userAgent", "appInfo") {
		h.notes.update(u.UID, c.token, note)
	}
	return c.me(u), nil
}

func (h *Handler) logout(c *call) (any, error) {
	if err := c.session.Logout(c.ctx()); err != nil {
		return nil, c.sessionError(err)
	}
	h.tokensEnded(c.uid, c.token)
	return done{true, "The user with UID " + c.uid + " has been logged out successfully."}, nil
}

func (h *Handler) createJWT(c *call) (any, error) {
	return map[string]string{"jwt": h.mintJWT(c.uid, c.token)}, nil
}

func (h *Handler) getSettings(c *call) (any, error) { return c.settings(), nil }

func (h *Handler) reportSession(c *call) (any, error) {
	id := c.body.required("sessionId")
	return map[string]string{"sessionId": id}, c.body.err()
}
