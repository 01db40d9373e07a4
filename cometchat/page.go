package cometchat

import (
	"embed"
	"io/fs"
	"net/http"
	"strings"
)

// The page a person can look at, and what it asks for once a second. None of it is CometChat's: it lies under / and
// /_double/, where the API has nothing.
const privatePath = "/_double/"

//go:embed page
var pageFS embed.FS

// pageFiles are the embedded files by the path they are served under.
var pageFiles = map[string]string{
	"/": "index.html", privatePath + "page.css": "page.css", privatePath + "page.js": "page.js",
}

// pagePolicy lets the page load its own files and, from anywhere, the avatars of the users; nothing else, and no script
// that a user's data might smuggle in.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src http: https: data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func init() {
	rawRoutes = append(rawRoutes, rawRoute{
		match: func(r *http.Request) bool {
			path := r.URL.Path
			return (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.Header.Get("Upgrade") == "" &&
				(path == "/" || path == "" || strings.HasPrefix(path, privatePath))
		},
		serve: (*Handler).servePage,
	})
}

func (h *Handler) servePage(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Del("Access-Control-Allow-Origin") // unlike the API, this asks for no key: it is for its own page alone
	header.Set("Content-Security-Policy", pagePolicy)
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	path := "/" + strings.TrimPrefix(r.URL.Path, "/")
	if path == privatePath+"state" {
		state, err := h.state(r)
		status, body := encode(state, err)
		writeJSON(w, status, body)
		return
	}
	name, known := pageFiles[path]
	if !known {
		status, body := encode(nil, apiNotFound())
		writeJSON(w, status, body)
		return
	}
	header.Set("Cache-Control", "no-cache")
	files, _ := fs.Sub(pageFS, "page")
	http.ServeFileFS(w, r, files, "/"+name)
}
