package cometchattest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
)

// uidLists are the members of request bodies that hold uids.
var uidLists = []string{"uid", "accepted", "friends", "blockedUids", "uidsToDeactivate", "uidsToActivate"}

// named are all users that a request names: who acts, and whom its path, query and body are about.
func named(r *http.Request, body []byte) []string {
	uids := []string{actor(r)}
	if path := segments(r.URL.EscapedPath()); len(path) > 1 && path[0] == "users" {
		uids = append(uids, path[1])
	}
	uids = append(uids, strings.Split(r.URL.Query().Get("uids"), ",")...)
	var members map[string]json.RawMessage
	_ = json.Unmarshal(body, &members) // what is no object names nobody
	for _, name := range uidLists {
		var one string
		var many []string
		if json.Unmarshal(members[name], &one) == nil {
			many = append(many, one)
		} else {
			_ = json.Unmarshal(members[name], &many)
		}
		uids = append(uids, many...)
	}
	var imported map[string]json.RawMessage
	_ = json.Unmarshal(members["users"], &imported)
	for uid := range imported {
		uids = append(uids, uid)
	}
	for i := range uids {
		uids[i] = strings.ToLower(strings.TrimSpace(uids[i]))
	}
	return slices.DeleteFunc(uids, func(uid string) bool { return uid == "" })
}

// actor is the user that a request says it acts for. A token begins with its owner's uid.
func actor(r *http.Request) string {
	if token := r.Header.Get("Authtoken"); token != "" {
		if end := strings.LastIndexByte(token, '_'); end > 0 {
			return strings.ToLower(token[:end])
		}
	}
	return strings.ToLower(strings.TrimSpace(r.Header.Get("Onbehalfof")))
}

// peek reads the body, at most 1 MiB of it, and puts it back.
func peek(r *http.Request) []byte {
	read, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20)) // who reads on meets the error too
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(read), r.Body), r.Body}
	return read
}
