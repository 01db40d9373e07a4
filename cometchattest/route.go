package cometchattest

import (
	"net/http"
	"slices"
	"strings"
)

// route is what a caller writes as "POST /users/{uid}", "/users", "DELETE" or "": a method, or any; a path, or any.
type route struct {
	method string
	path   []string // nil = any
}

var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

// parseRoute reads a route. It is not ok if no request could ever be meant.
func parseRoute(s string) (rt route, ok bool) {
	method, path, hasPath := strings.Cut(s, "/")
	rt.method = strings.ToUpper(strings.TrimSpace(method))
	if hasPath {
		rt.path = segments("/" + strings.TrimSpace(path))
	}
	return rt, rt.method == "" || slices.Contains(methods, rt.method)
}

func (rt route) matches(method, path string) bool {
	if rt.method != "" && rt.method != method {
		return false
	}
	if rt.path == nil {
		return true
	}
	got := segments(path)
	if len(got) != len(rt.path) {
		return false
	}
	for i, want := range rt.path {
		wild := strings.HasPrefix(want, "{") && strings.HasSuffix(want, "}")
		if want != got[i] && (!wild || got[i] == "") {
			return false
		}
	}
	return true
}

// isPage tells whether a request is of the page for people. It asks every second while somebody looks, and that must not
// change what a test sees.
func isPage(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/_double/") ||
		r.URL.Path == "/" && r.Method == http.MethodGet && r.Header.Get("Upgrade") == ""
}

// segments splits an escaped path and takes the version of the API off.
func segments(path string) []string {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if parts[0] == "v3" || parts[0] == "v3.0" {
		return parts[1:]
	}
	return parts
}
