package cometchat

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/seed-3546c6b2/userstore"
)

// tokenNote is what a client tells about the device that holds a token; the store has no place for it.
type tokenNote struct {
	Platform  string          `json:"platform,omitempty"`
	UserAgent string          `json:"userAgent,omitempty"`
	AppInfo   json.RawMessage `json:"appInfo,omitempty"`
	device    string
}

// tokenNotes keeps the notes by uid and token.
type tokenNotes struct {
	mu sync.Mutex
	of map[string]map[string]tokenNote
}

func newTokenNotes() *tokenNotes { return &tokenNotes{of: map[string]map[string]tokenNote{}} }

func (n *tokenNotes) get(uid, token string) tokenNote {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.of[uid][token]
}

// update notes what is given and keeps the rest.
func (n *tokenNotes) update(uid, token string, edit func(*tokenNote)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	note := n.of[uid][token]
	edit(&note)
	if n.of[uid] == nil {
		n.of[uid] = map[string]tokenNote{}
	}
	n.of[uid][token] = note
}

// keep forgets the notes of all tokens of uid but these.
func (n *tokenNotes) keep(uid string, tokens []userstore.Token) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for token := range n.of[uid] {
		if !slices.ContainsFunc(tokens, func(t userstore.Token) bool { return t.Token == token }) {
			delete(n.of[uid], token)
		}
	}
	if len(n.of[uid]) == 0 {
		delete(n.of, uid)
	}
}

// readNote takes the members that describe a device, and says what is wrong with them.
func (f *fields) readNote() func(*tokenNote) {
	platform, agent, device := f.text("platform"), f.text("userAgent"), f.text("deviceId")
	info := f.object("appInfo")
	return func(n *tokenNote) {
		assign(&n.Platform, platform)
		assign(&n.UserAgent, agent)
		assign(&n.device, device)
		assign((*json.RawMessage)(&n.AppInfo), info)
	}
}

func assign[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

var noteBody = []string{"platform", "userAgent", "appInfo"}

var tokenRoutes = []route{
	{method: "POST", pattern: "/users/{uid}/auth_tokens", side: admin, authOnly: AuthOnlyCreateToken,
		body: slices.Concat([]string{"force", "deviceId"}, noteBody), grade: full,
		note:  "without force, the newest token of the same deviceId is given again if it stands",
		serve: (*Handler).createToken},
	{method: "GET", pattern: "/users/{uid}/auth_tokens", side: admin, query: pagingQuery, grade: full,
		note: "newest first", serve: (*Handler).listTokens},
	{method: "GET", pattern: "/users/{uid}/auth_tokens/{authToken}", side: admin, grade: full, serve: (*Handler).getToken},
	{method: "PUT", pattern: "/users/{uid}/auth_tokens/{authToken}", side: admin, body: noteBody, grade: memory,
		note: "one of the three is required", serve: (*Handler).updateToken},
	{method: "DELETE", pattern: "/users/{uid}/auth_tokens/{authToken}", side: admin, grade: full, serve: (*Handler).deleteToken},
	{method: "DELETE", pattern: "/users/{uid}/auth_tokens", side: admin, grade: full, serve: (*Handler).flushTokens},
}

type tokenRow struct {
	UID       string `json:"uid"`
	AuthToken string `json:"authToken"`
	CreatedAt int64  `json:"createdAt"`
	tokenNote
}

func (h *Handler) tokenRow(t userstore.Token) tokenRow {
	return tokenRow{t.UID, t.Token, t.CreatedAt.Unix(), h.notes.get(t.UID, t.Token)}
}

// tokensOf gives the tokens of the user in the path, newest first.
func (c *call) tokensOf() ([]userstore.Token, error) {
	tokens, err := c.h.store.Tokens(c.ctx(), c.arg("uid"))
	slices.Reverse(tokens)
	return tokens, c.userError(err)
}

// userError answers a user that is not there, or deactivated, with the uid as it stands in the path.
func (c *call) userError(err error) error {
	if errors.Is(err, userstore.ErrNotFound) {
		return uidNotFound(c.args["uid"])
	}
	return err
}

func (h *Handler) createToken(c *call) (any, error) {
	force, note := c.body.flag("force"), c.body.readNote()
	if err := c.body.err(); err != nil {
		return nil, err
	}
	var given tokenNote
	note(&given)
	if !force {
		tokens, err := c.tokensOf()
		if err != nil {
			return nil, err
		}
		for _, t := range tokens {
			if h.notes.get(t.UID, t.Token).device == given.device {
				h.notes.update(t.UID, t.Token, note)
				return h.tokenRow(t), nil
			}
		}
	}
	t, err := h.store.IssueToken(c.ctx(), c.arg("uid"))
	if err != nil {
		return nil, c.userError(err)
	}
	if c.body.hasAny("deviceId", "platform", "userAgent", "appInfo") {
		h.notes.update(t.UID, t.Token, note)
	}
	if tokens, err := c.tokensOf(); err == nil {
		h.notes.keep(t.UID, tokens) // an older token may have dropped out
	}
	return h.tokenRow(t), nil
}

func (h *Handler) listTokens(c *call) (any, error) {
	p, err := c.query.paging()
	if err != nil {
		return nil, err
	}
	tokens, err := c.tokensOf()
	if err != nil {
		return nil, err
	}
	rows := make([]tokenRow, 0, len(tokens))
	for _, t := range tokens {
		rows = append(rows, h.tokenRow(t))
	}
	return paged(rows, p), nil
}

func (c *call) tokenInPath() (userstore.Token, error) {
	tokens, err := c.tokensOf()
	if err != nil {
		return userstore.Token{}, err
	}
	for _, t := range tokens {
		if t.Token == c.arg("authToken") {
			return t, nil
		}
	}
	return userstore.Token{}, authTokenNotFound(c.arg("authToken"))
}

func (h *Handler) getToken(c *call) (any, error) {
	t, err := c.tokenInPath()
	if err != nil {
		return nil, err
	}
	return h.tokenRow(t), nil
}

func (h *Handler) updateToken(c *call) (any, error) {
	note := c.body.readNote()
	if !c.body.hasAny(noteBody...) {
		c.body.wrong("platform", "The platform field is required when none of userAgent / appInfo are present.")
	}
	if err := c.body.err(); err != nil {
		return nil, err
	}
	t, err := c.tokenInPath()
	if err != nil {
		return nil, err
	}
	h.notes.update(t.UID, t.Token, note)
	return h.tokenRow(t), nil
}

func (h *Handler) deleteToken(c *call) (any, error) {
	t, err := c.tokenInPath()
	if err != nil {
		return nil, err
	}
	if err := h.store.RevokeToken(c.ctx(), t.UID, t.Token); errors.Is(err, userstore.ErrNotFound) {
		return nil, authTokenNotFound(t.Token)
	} else if err != nil {
		return nil, err
	}
	h.tokensEnded(t.UID, t.Token)
	return done{true, fmt.Sprintf("The auth token of the user with UID %s has been deleted successfully.", t.UID)}, nil
}

func (h *Handler) flushTokens(c *call) (any, error) {
	if _, err := h.store.RevokeTokens(c.ctx(), c.arg("uid")); err != nil {
		return nil, c.userError(err)
	}
	uid := lower(c.arg("uid"))
	h.tokensEnded(uid, "")
	return done{true, fmt.Sprintf("Cleared Auth Tokens successfully for uid %s.", uid)}, nil
}

// tokensEnded forgets what was noted of a user's tokens, of one of them or, with token empty, of all, and tells those
// who hold connections open for them.
func (h *Handler) tokensEnded(uid, token string) {
	h.notes.mu.Lock()
	if token == "" {
		delete(h.notes.of, uid)
	} else if delete(h.notes.of[uid], token); len(h.notes.of[uid]) == 0 {
		delete(h.notes.of, uid)
	}
	h.notes.mu.Unlock()
	for _, tell := range h.ended {
		tell(uid, token)
	}
}
