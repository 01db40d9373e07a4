package cometchat

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/seed-3546c6b2/userstore"
)

// pageState is everything the page shows.
type pageState struct {
	AppID  string           `json:"appId"`
	Users  []userstore.User `json:"users"`
	Found  int              `json:"found"`  // users the filters let through
	All    int              `json:"all"`    // users, deactivated ones included
	Online int              `json:"online"` // users online
	Roles  []string         `json:"roles"`

	Requests []pageRequest `json:"requests"` // those after the number asked for, oldest first
	Last     int           `json:"last"`     // number of the newest request
}

// pageRequest is an Exchange without its keys and tokens.
type pageRequest struct {
	Number int               `json:"number"`
	Time   time.Time         `json:"time"`
	Millis float64           `json:"millis"`
	Method string            `json:"method"`
	Path   string            `json:"path"`
	Header map[string]string `json:"header"`
	Body   string            `json:"body"`
	Status int               `json:"status"`
	Answer string            `json:"answer"`
	UID    string            `json:"uid"`
}

func (h *Handler) state(r *http.Request) (pageState, error) {
	ctx, form := r.Context(), r.URL.Query()
	q, err := pageQuery(form)
	if err != nil {
		return pageState{}, err
	}
	page, err := h.store.List(ctx, q)
	if err != nil {
		return pageState{}, err
	}
	s := pageState{AppID: h.opts.AppID, Users: page.Users}
	for n, count := range map[*int]userstore.Query{
		&s.Found:  q,
		&s.All:    {Deactivated: userstore.DeactivatedInclude},
		&s.Online: {Status: userstore.Online},
	} {
		if *n, err = h.store.Count(ctx, count); err != nil {
			return pageState{}, err
		}
	}
	roles, err := h.store.Roles(ctx)
	if err != nil {
		return pageState{}, err
	}
	for _, role := range roles {
		s.Roles = append(s.Roles, role.ID)
	}
	after, _ := strconv.Atoi(form.Get("after"))
	s.Requests, s.Last = h.journal.after(after)
	return s, nil
}

// pageQuery reads the page's filters. An empty one filters nothing.
func pageQuery(form url.Values) (userstore.Query, error) {
	q := userstore.Query{Search: form.Get("search"), Status: userstore.Status(form.Get("status")), Limit: 50}
	for _, filter := range []struct {
		name string
		to   *[]string
	}{{"role", &q.Roles}, {"tag", &q.Tags}} {
		if v := form.Get(filter.name); v != "" {
			*filter.to = []string{v}
		}
	}
	states := map[string]userstore.Deactivated{
		"": userstore.DeactivatedExclude, "with": userstore.DeactivatedInclude, "only": userstore.DeactivatedOnly,
	}
	deactivated, known := states[form.Get("deactivated")]
	if !known {
		return q, badRequest("The deactivated filter is with, only or empty.")
	}
	q.Deactivated = deactivated
	if v := form.Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			return q, badRequest("The limit is a number of users, at least 1.")
		}
		q.Limit = min(n, 1000)
	}
	return q, nil
}

// after returns the exchanges after the nth, oldest first, and the number of the newest. After Clear the numbers begin
// anew, which a reader that is ahead of them learns by getting everything.
func (j *Journal) after(n int) ([]pageRequest, int) {
	j.mu.Lock()
	total := j.total
	if n < 0 || n > total {
		n = 0
	}
	var found []Exchange
	for i := max(n, total-len(j.ring)); i < total; i++ {
		found = append(found, j.ring[i%journalSize])
	}
	j.mu.Unlock()
	requests := make([]pageRequest, len(found))
	for i, e := range found {
		requests[i] = shown(e)
		requests[i].Number = total - len(found) + i + 1
	}
	return requests, total
}

func shown(e Exchange) pageRequest {
	e = e.Redacted()
	header := map[string]string{}
	for name, values := range e.Header {
		header[name] = strings.Join(values, ", ")
	}
	path := e.Path
	if e.Query != "" {
		path += "?" + e.Query
	}
	return pageRequest{
		Time: e.Time, Millis: float64(e.Duration.Microseconds()) / 1000, Method: e.Method, Path: path, Header: header,
		Body: e.Body, Status: e.Status, Answer: e.Answer, UID: e.UID,
	}
}
