package cometchat

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/seed-3546c6b2/userstore"
)

// checkApp refuses a request for another application. CometChat takes the app id from the host name or from a header;
// the double has any host name, so what a request does not say is not asked for.
func (h *Handler) checkApp(r *http.Request) error {
	want := h.opts.AppID
	if v, given := r.Header["Appid"]; given {
		if strings.TrimSpace(v[0]) == "" {
			return fail(http.StatusUnauthorized, "AUTH_ERR_EMPTY_APPID", "The app id is missing.")
		}
		if want != "" && !strings.EqualFold(strings.TrimSpace(v[0]), want) {
			return invalidAppID()
		}
	}
	app, rest, _ := strings.Cut(strings.ToLower(r.Host), ".")
	host, region, ok := strings.Cut(strings.TrimSuffix(rest, ".cometchat.io"), "-")
	if !ok || !strings.HasSuffix(rest, ".cometchat.io") || (host != "api" && host != "apiclient") {
		return nil
	}
	if want != "" && (app != strings.ToLower(want) || region != strings.ToLower(h.opts.Region)) {
		return invalidAppID()
	}
	return nil
}

func invalidAppID() error {
	return fail(http.StatusUnauthorized, "AUTH_ERR_INVALID_APPID", "The app id or the region is wrong.")
}

// authenticate fills in who makes the call: the owner of an api key, or a logged-in user.
func (c *call) authenticate() error {
	switch c.route.side {
	case admin:
		return c.authenticateKey()
	case client:
		return c.authenticateUser()
	}
	return nil
}

func (c *call) authenticateKey() error {
	secret := c.r.Header.Get("Apikey")
	if secret == "" {
		return fail(http.StatusUnauthorized, "AUTH_ERR_EMPTY_APIKEY", "The api key is missing.")
	}
	key, ok := c.h.keys.find(secret)
	if !ok {
		return fail(http.StatusNotFound, "AUTH_ERR_APIKEY_NOT_FOUND",
			"The key %s does not exist. Please use correct apiKey.", secret)
	}
	c.key = key
	if key.Scope != fullAccess && !c.h.may(key, c.route.authOnly) {
		return c.noAccess()
	}
	return nil
}

// may tells whether a key may do what; a fullAccess key may do everything, and nothing named is nobody else's.
func (h *Handler) may(key apiKey, what AuthOnly) bool {
	return key.Scope == fullAccess || what != 0 && h.opts.AuthOnly&what == what
}

func (c *call) noAccess() error {
	return fail(http.StatusForbidden, "AUTH_ERR_NO_ACCESS", "The key %s cannot be used to perform this operation. "+
		"Please use API key with a correct scope to perform the operation.", c.key.APIKey)
}

func (c *call) authenticateUser() error {
	c.token = c.r.Header.Get("Authtoken")
	if c.token == "" {
		return fail(http.StatusUnauthorized, "AUTH_ERR_EMPTY_AUTH_TOKEN", "The auth token is missing.")
	}
	s, err := c.h.store.LoginWithToken(c.ctx(), c.token)
	if err != nil {
		return c.sessionError(err)
	}
	c.session, c.uid = s, s.UID()
	if c.route.feature == "" {
		return nil
	}
	me, err := s.User(c.ctx())
	if err != nil {
		return c.sessionError(err)
	}
	c.role = me.Role
	if c.h.roles.restricted(me.Role, c.route.feature) {
		return fail(http.StatusForbidden, "AUTH_ERR_NO_ACCESS",
			"The feature %s is restricted for the role %s.", c.route.feature, me.Role)
	}
	return nil
}

// sessionError answers a session that has ended, in the course of a call or before it, as a bad token.
func (c *call) sessionError(err error) error {
	if errors.Is(err, userstore.ErrNotFound) || errors.Is(err, userstore.ErrLoggedOut) {
		return badToken(c.token)
	}
	return err
}

// claims are the content of a JWT. It names the auth token it was made for by a keyed digest, so that it dies with that
// token and gives nobody who reads it the token.
type claims struct {
	AppID    string `json:"appId,omitempty"`
	UID      string `json:"sub"`
	IssuedAt int64  `json:"iat"`
	Token    string `json:"jti"`
}

// jwtHeader is {"alg":"HS256","typ":"JWT"}: the only one that is written or taken.
const jwtHeader = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"

// mintJWT makes the JWT that the socket and the calls beside it take in place of the auth token.
func (h *Handler) mintJWT(uid, token string) string {
	body, _ := json.Marshal(claims{h.opts.AppID, uid, h.now().Unix(), h.tokenDigest(token)})
	unsigned := jwtHeader + "." + base64.RawURLEncoding.EncodeToString(body)
	return unsigned + "." + base64.RawURLEncoding.EncodeToString(h.mac(unsigned))
}

// verifyJWT gives the session that jwt was made for, as long as that session's auth token stands.
func (h *Handler) verifyJWT(ctx context.Context, jwt string) (*userstore.Session, error) {
	bad := fail(http.StatusUnauthorized, "ERR_NO_AUTH", "The jwt is missing, wrong or no longer valid.")
	dot := strings.LastIndexByte(jwt, '.')
	if dot < 0 || !strings.HasPrefix(jwt, jwtHeader+".") || dot <= len(jwtHeader) {
		return nil, bad
	}
	sum, err := base64.RawURLEncoding.DecodeString(jwt[dot+1:])
	if err != nil || !hmac.Equal(sum, h.mac(jwt[:dot])) {
		return nil, bad
	}
	var cl claims
	body, err := base64.RawURLEncoding.DecodeString(jwt[len(jwtHeader)+1 : dot])
	if err != nil || json.Unmarshal(body, &cl) != nil {
		return nil, bad
	}
	tokens, err := h.store.Tokens(ctx, cl.UID)
	if err != nil && !errors.Is(err, userstore.ErrNotFound) {
		return nil, err
	}
	for _, t := range tokens {
		if !hmac.Equal([]byte(h.tokenDigest(t.Token)), []byte(cl.Token)) {
			continue
		}
		s, err := h.store.LoginWithToken(ctx, t.Token)
		if errors.Is(err, userstore.ErrNotFound) {
			return nil, bad
		}
		return s, err
	}
	return nil, bad
}

func (h *Handler) tokenDigest(token string) string {
	return hex.EncodeToString(h.mac("token " + token)[:16])
}

func (h *Handler) mac(s string) []byte {
	m := hmac.New(sha256.New, h.jwtKey)
	m.Write([]byte(s))
	return m.Sum(nil)
}
