package cometchat

import (
	"maps"
	"slices"
	"time"
)

// State is what a Handler remembers beside its store: api keys, the settings and restricted features of roles, what
// clients told about the devices that hold tokens, and the key that signs JWTs. It holds secrets, never changes, and may
// be used by many at once; the zero State is nothing.
type State struct {
	jwtKey          []byte // nil = nothing is remembered
	authKey, apiKey string // the keys that the handler was made with
	keys            []apiKey
	settings        map[string]roleSettings
	denied          map[string]map[string]int64
	notes           map[string]map[string]tokenNote
}

// State returns what the handler remembers by now. A later Handler over the same store, or over a copy of it, goes on
// from there when it is in its Options.
func (h *Handler) State() State {
	s := State{jwtKey: h.jwtKey, authKey: h.opts.AuthKey, apiKey: h.opts.APIKey}
	h.keys.mu.RLock()
	s.keys = slices.Clone(h.keys.keys)
	h.keys.mu.RUnlock()
	h.roles.mu.RLock()
	s.settings, s.denied = maps.Clone(h.roles.settings), cloneNested(h.roles.denied)
	h.roles.mu.RUnlock()
	h.notes.mu.Lock()
	s.notes = cloneNested(h.notes.of)
	h.notes.mu.Unlock()
	return s
}

// recall makes a new handler go on from s.
func (h *Handler) recall(s State) {
	if s.jwtKey == nil {
		return
	}
	h.jwtKey = s.jwtKey
	h.keys.keys = s.keysOf(h.opts, h.now())
	h.roles.settings, h.roles.denied = maps.Clone(s.settings), cloneNested(s.denied)
	h.notes.of = cloneNested(s.notes)
}

// keysOf gives the keys of s to a handler with options o, in which that handler's own AuthKey and APIKey stand for those
// of the handler that s is from.
func (s State) keysOf(o Options, now time.Time) []apiKey {
	var keys []apiKey
	for _, k := range newKeyring(o, now).keys { // those that s cannot know
		if k.APIKey == o.AuthKey && s.authKey == "" || k.APIKey == o.APIKey && s.apiKey == "" {
			keys = append(keys, k)
		}
	}
	for _, k := range s.keys {
		switch k.APIKey {
		case s.authKey:
			k.APIKey = o.AuthKey
		case s.apiKey:
			k.APIKey = o.APIKey
		}
		if k.APIKey != "" {
			keys = append(keys, k)
		}
	}
	return keys
}

// cloneNested copies both levels of maps; the values are never changed in place.
func cloneNested[V any](m map[string]map[string]V) map[string]map[string]V {
	out := make(map[string]map[string]V, len(m))
	for key, inner := range m {
		out[key] = maps.Clone(inner)
	}
	return out
}
