package cometchat

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/seed-3546c6b2/userstore"
)

const (
	bodyLimit       = 10 << 10 // bytes of a request's body, as the service has it
	importBodyLimit = 1 << 20
)

// call is one request on its way through its route.
type call struct {
	h     *Handler
	r     *http.Request
	route *route
	args  map[string]string // what stands in the path, still escaped
	query query
	raw   []byte // the body
	body  fields

	key     apiKey             // admin: the key that was shown
	token   string             // client: the auth token that was shown
	session *userstore.Session // client: its session; admin: that of onBehalfOf, or nil
	uid     string             // the session's user
	role    string             // client: its role, where the route's feature was looked up
}

func (c *call) ctx() context.Context { return c.r.Context() }

// arg gives a segment of the path unescaped.
func (c *call) arg(name string) string {
	s, _ := url.PathUnescape(c.args[name]) // what cannot be unescaped names nobody
	return s
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, raw := range rawRoutes {
		if raw.match(r) {
			allowCORS(w, r)
			raw.serve(h, w, r)
			return
		}
	}
	start := time.Now()
	allowCORS(w, r)
	if r.Method == http.MethodOptions {
		writeJSON(w, http.StatusOK, []byte(`{"data":{}}`))
		return
	}
	c := &call{h: h, r: r}
	ex := exchange(r, h.now())
	result, err := h.answer(w.Header(), c)
	status, answer := encode(result, err)
	if status >= http.StatusInternalServerError {
		h.log.Error("cometchat: call failed", "method", r.Method, "path", ex.Redacted().Path, "err", err)
	}
	ex.Body, ex.Status, ex.Answer, ex.UID = clip(c.raw), status, clip(answer), c.uid
	ex.Duration = time.Since(start)
	h.journal.add(ex)
	writeJSON(w, status, answer)
}

// answer carries the call out. A panic is a defect of the handler, and still an answer to its caller.
func (h *Handler) answer(header http.Header, c *call) (result any, err error) {
	defer func() {
		if p := recover(); p != nil {
			h.log.Error("cometchat: panic", "value", p, "stack", string(debug.Stack()))
			result, err = nil, fail(http.StatusInternalServerError, "ERR_EXCEPTION", "The operation failed.")
		}
	}()
	route, args, err := find(c.r)
	limit := bodyLimit
	if err == nil && route.large {
		limit = importBodyLimit
	}
	var bodyErr error
	if c.raw, bodyErr = readBody(c.r.Body, limit); bodyErr != nil && err == nil {
		err = bodyErr
	}
	if err != nil {
		h.log.Warn("cometchat: request refused", "method", c.r.Method, "err", err)
		return nil, err
	}
	c.route, c.args, c.query = route, args, parseQuery(c.r.URL.RawQuery)
	if err := h.checkApp(c.r); err != nil {
		return nil, err
	}
	if err := h.limiter.take(route.rate, h.now(), header); err != nil {
		return nil, err
	}
	if err := c.authenticate(); err != nil {
		return nil, err
	}
	if err := c.actFor(); err != nil {
		return nil, err
	}
	if err := c.checkQuery(); err != nil {
		return nil, err
	}
	if c.body, err = parseFields(c.raw); err != nil {
		return nil, err
	}
	return route.serve(h, c)
}

// actFor opens the session of the user that a back end's call is made on behalf of, where the route honours that.
func (c *call) actFor() error {
	uid := strings.TrimSpace(c.r.Header.Get("Onbehalfof"))
	if c.route.side != admin || !c.route.behalf || uid == "" {
		return nil
	}
	s, err := c.h.store.Login(c.ctx(), uid)
	if errors.Is(err, userstore.ErrNotFound) || errors.Is(err, userstore.ErrInvalid) {
		return uidNotFound(uid)
	}
	if err == nil {
		c.session, c.uid = s, s.UID()
	}
	return err
}

// readBody reads no more than it may keep.
func readBody(r io.Reader, limit int) ([]byte, error) {
	if r == nil {
		return nil, nil
	}
	body, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return body, fail(http.StatusRequestTimeout, "ERR_BAD_REQUEST", "The request body did not arrive in time.")
	case err != nil:
		return body, badRequest("The request body could not be read.")
	case len(body) > limit:
		return body[:limit], fail(http.StatusRequestEntityTooLarge, "ERR_BAD_REQUEST",
			"The request body may not be greater than %d kilobytes.", limit>>10)
	case !utf8.Valid(body):
		return body, badRequest("The request body is not valid UTF-8.")
	}
	return body, nil
}

// list is the answer of a route that gives many: rows and where they stand.
type list struct {
	Data   any     `json:"data"`
	Meta   meta    `json:"meta"`
	Cursor *cursor `json:"cursor,omitempty"`
}

// encode gives the status and the body of an answer.
func encode(result any, err error) (int, []byte) {
	status := http.StatusOK
	var v any
	switch l, ok := result.(list); {
	case err != nil:
		e := asAPIError(err)
		status, v = e.status, struct {
			Error *apiError `json:"error"`
		}{e}
	case ok:
		v = l
	default:
		v = struct {
			Data any `json:"data"`
		}{result}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return encode(nil, fail(http.StatusInternalServerError, "ERR_OPERATION_FAILED", "The operation failed."))
	}
	return status, b.Bytes()
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that is gone cannot be told
}

// done is the answer of calls that have nothing else to say.
type done struct {
	Success bool   `json:"success"`
	Message string `json:"message"`
}
