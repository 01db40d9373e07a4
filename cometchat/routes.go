package cometchat

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// side is which of CometChat's two APIs a route belongs to. They share their paths; a request with an authToken means
// the client's.
type side uint8

const (
	open   side = iota // nobody is asked for
	admin              // header apiKey: the application's back end
	client             // header authToken: the logged-in user
)

func (s side) String() string { return [...]string{"none", "apiKey", "authToken"}[s] }

// grade says how far a route goes.
type grade string

const (
	full    grade = "full"    // everything CometChat documents for users
	partial grade = "partial" // see the note
	memory  grade = "memory"  // full, but the handler's memory, not the store, holds the data
)

// route is one row of the table of routes: it routes requests, and docs/support.md is made from it.
type route struct {
	method, pattern string
	side            side
	authOnly        AuthOnly // what lets an authOnly key in; 0 = nothing does
	feature         string   // the feature that a role can be denied
	query           []string // the query parameters it knows
	body            []string // the members of the body it reads
	behalf          bool     // honours the header onBehalfOf
	large           bool     // takes a body of 1 MB instead of 10 KB
	rate            rateClass
	grade           grade
	note            string
	serve           func(*Handler, *call) (any, error)
}

// routes is the table.
var routes = slices.Concat(userRoutes, tokenRoutes, roleRoutes, featureRoutes, friendRoutes, blockRoutes, keyRoutes,
	importRoutes, meRoutes, openRoutes)

// rawRoute is a route outside the API that writes its own answer: the socket, the page and its assets. Their files append
// them to rawRoutes in init; the first whose match says yes gets the request.
type rawRoute struct {
	match func(*http.Request) bool
	serve func(*Handler, http.ResponseWriter, *http.Request)
}

var rawRoutes []rawRoute

var version = regexp.MustCompile(`^v\d+(\.\d+)?$`)

// pathOf splits a path into its segments, still escaped, and takes the version off.
func pathOf(u *url.URL) ([]string, error) {
	segments := strings.Split(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
	switch first := segments[0]; {
	case first == "v3" || first == "v3.0":
		return segments[1:], nil
	case version.MatchString(first):
		return nil, fail(http.StatusNotFound, "ERR_INVALID_API_VERSION", "The API version %s is invalid.", first)
	}
	return segments, nil
}

// match tells whether the path is this route's, and what it has in place of the pattern's names, still escaped.
func (rt *route) match(segments []string) (map[string]string, bool) {
	pattern := strings.Split(rt.pattern[1:], "/")
	if len(pattern) != len(segments) {
		return nil, false
	}
	for i, p := range pattern {
		if p != segments[i] && (p[0] != '{' || segments[i] == "") {
			return nil, false
		}
	}
	args := map[string]string{}
	for i, p := range pattern {
		if p[0] == '{' {
			args[p[1:len(p)-1]] = segments[i]
		}
	}
	return args, true
}

// find gives the route of a request. Where both APIs have the path, the authToken decides.
func find(r *http.Request) (*route, map[string]string, error) {
	segments, err := pathOf(r.URL)
	if err != nil {
		return nil, nil, err
	}
	var found *route
	var args map[string]string
	for i := range routes {
		rt := &routes[i]
		if rt.method != r.Method {
			continue
		}
		a, ok := rt.match(segments)
		if !ok {
			continue
		}
		if found == nil || (rt.side == client) == (r.Header.Get("Authtoken") != "") {
			found, args = rt, a
		}
	}
	if found == nil {
		return nil, nil, apiNotFound()
	}
	return found, args, nil
}
