package cometchat

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// The scopes of an api key.
const (
	fullAccess = "fullAccess"
	authOnly   = "authOnly"
)

const maxKeyName = 100 // characters

type apiKey struct {
	APIKey    string `json:"apiKey"`
	Name      string `json:"name"`
	Scope     string `json:"scope"`
	CreatedAt int64  `json:"createdAt"`
}

// keyring holds the api keys of the application, newest last.
type keyring struct {
	mu   sync.RWMutex
	keys []apiKey
}

func newKeyring(o Options, now time.Time) *keyring {
	k := &keyring{}
	if o.AuthKey != "" {
		k.keys = append(k.keys, apiKey{o.AuthKey, "Auth Key", authOnly, now.Unix()})
	}
	if o.APIKey != "" {
		k.keys = append(k.keys, apiKey{o.APIKey, "Rest API Key", fullAccess, now.Unix()})
	}
	return k
}

// find looks a key up in a time that depends on the number of keys only.
func (k *keyring) find(secret string) (apiKey, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	shown, at := sha256.Sum256([]byte(secret)), -1
	for i := range k.keys {
		sum := sha256.Sum256([]byte(k.keys[i].APIKey))
		at = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(shown[:], sum[:]), i, at)
	}
	if at < 0 {
		return apiKey{}, false
	}
	return k.keys[at], true
}

// edit changes the list of keys under its lock.
func (k *keyring) edit(change func(keys []apiKey) ([]apiKey, error)) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	keys, err := change(k.keys)
	if err == nil {
		k.keys = keys
	}
	return err
}

var keyRoutes = []route{
	{method: "POST", pattern: "/apikeys", side: admin, body: []string{"name", "scope"}, grade: memory,
		note: "the key is 40 random hex digits", serve: (*Handler).createKey},
	{method: "GET", pattern: "/apikeys", side: admin, query: slices.Concat([]string{"scope", "searchKey"}, pagingQuery),
		grade: memory, note: "newest first; searchKey is a part of the name", serve: (*Handler).listKeys},
	{method: "GET", pattern: "/apikeys/{apiKey}", side: admin, grade: memory, serve: (*Handler).getKey},
	{method: "PUT", pattern: "/apikeys/{apiKey}", side: admin, body: []string{"name", "scope"}, grade: memory,
		note: "a key cannot change itself", serve: (*Handler).updateKey},
	{method: "DELETE", pattern: "/apikeys/{apiKey}", side: admin, grade: memory,
		note: "a key cannot delete itself", serve: (*Handler).deleteKey},
}

func keyNotFound(key string) error {
	return fail(http.StatusNotFound, "ERR_APIKEY_NOT_FOUND", "The Api Key %s does not exist.", key)
}

// keyFields reads the name and the scope, and says what is wrong with either.
func (c *call) keyFields() (name, scope string) {
	name, scope = c.body.optional("name", maxKeyName), c.body.optional("scope", maxKeyName)
	if scope != "" && scope != fullAccess && scope != authOnly {
		c.body.wrong("scope", "The selected scope is invalid.")
	}
	return name, scope
}

func (h *Handler) createKey(c *call) (any, error) {
	name, scope := c.keyFields()
	if name == "" && c.body.broken["name"] == nil {
		c.body.wrong("name", "The name field is required.")
	}
	if err := c.body.err(); err != nil {
		return nil, err
	}
	if scope == "" {
		scope = authOnly
	}
	secret := make([]byte, 20)
	rand.Read(secret) // never fails
	key := apiKey{hex.EncodeToString(secret), name, scope, h.now().Unix()}
	err := h.keys.edit(func(keys []apiKey) ([]apiKey, error) {
		if limit := h.opts.Quotas.APIKeys; limit > 0 && len(keys) >= limit {
			return nil, overQuota("api keys", limit)
		}
		return append(keys, key), nil
	})
	return key, err
}

func (h *Handler) listKeys(c *call) (any, error) {
	p, err := c.query.paging()
	if err != nil {
		return nil, err
	}
	scope, err := c.query.choice("scope", fullAccess, authOnly)
	if err != nil {
		return nil, err
	}
	search := strings.ToLower(c.query.text("searchKey"))
	var rows []apiKey
	h.keys.mu.RLock()
	defer h.keys.mu.RUnlock()
	for _, k := range slices.Backward(h.keys.keys) {
		if (scope == "" || k.Scope == scope) && strings.Contains(strings.ToLower(k.Name), search) {
			rows = append(rows, k)
		}
	}
	return paged(rows, p), nil
}

func (h *Handler) getKey(c *call) (any, error) {
	key, ok := h.keys.find(c.arg("apiKey"))
	if !ok {
		return nil, keyNotFound(c.arg("apiKey"))
	}
	return key, nil
}

// other runs a change on the key in the path, which may not be the key that asks.
func (c *call) other(change func(keys []apiKey, i int) []apiKey) error {
	target, ok := c.h.keys.find(c.arg("apiKey"))
	if !ok {
		return keyNotFound(c.arg("apiKey"))
	}
	if target.APIKey == c.key.APIKey {
		return fail(http.StatusForbidden, "ERR_APIKEY_NO_SELF_ACTION", "A key cannot change or delete itself.")
	}
	return c.h.keys.edit(func(keys []apiKey) ([]apiKey, error) {
		i := slices.IndexFunc(keys, func(k apiKey) bool { return k.APIKey == target.APIKey })
		if i < 0 {
			return nil, keyNotFound(target.APIKey)
		}
		return change(slices.Clone(keys), i), nil
	})
}

func (h *Handler) updateKey(c *call) (any, error) {
	name, scope := c.keyFields()
	if name == "" && c.body.has("name") && c.body.broken["name"] == nil {
		c.body.wrong("name", "The name field must have a value.")
	}
	if err := c.body.err(); err != nil {
		return nil, err
	}
	var key apiKey
	err := c.other(func(keys []apiKey, i int) []apiKey {
		if name != "" {
			keys[i].Name = name
		}
		if scope != "" {
			keys[i].Scope = scope
		}
		key = keys[i]
		return keys
	})
	return key, err
}

func (h *Handler) deleteKey(c *call) (any, error) {
	err := c.other(func(keys []apiKey, i int) []apiKey { return slices.Delete(keys, i, i+1) })
	return done{true, fmt.Sprintf("The Api Key %s has been deleted successfully.", c.arg("apiKey"))}, err
}

// overQuota is the answer when the plan that the double was told of allows no more.
func overQuota(what string, limit int) error {
	return fail(http.StatusForbidden, "ERR_PLAN_QUOTA_RESTRICTION", "The plan allows no more than %d %s.", limit, what)
}
