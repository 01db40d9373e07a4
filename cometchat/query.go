package cometchat

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// query holds the parameters of a request, their values still escaped: the SDK joins tags by a bare comma and escapes
// the commas inside them, so a list has to be taken apart first.
type query map[string][]string

func parseQuery(raw string) query {
	q := query{}
	for _, pair := range strings.Split(raw, "&") {
		if name, value, _ := strings.Cut(pair, "="); name != "" {
			name = unescape(name)
			q[name] = append(q[name], value)
		}
	}
	return q
}

// unescape takes text that is no valid escape as it stands: the SDK does not escape roles and uids.
func unescape(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

// text gives the last value of a parameter, trimmed; empty if there is none.
func (q query) text(name string) string {
	v := q[name]
	if len(v) == 0 {
		return ""
	}
	return strings.TrimSpace(unescape(v[len(v)-1]))
}

// flag reads a boolean: OpenAPI says true and false, the SDK sends 1.
func (q query) flag(name string) (bool, error) {
	switch strings.ToLower(q.text(name)) {
	case "1", "true":
		return true, nil
	case "0", "false", "":
		return false, nil
	}
	return false, refused(map[string][]string{name: {fmt.Sprintf("The %s field must be true or false.", name)}})
}

// number reads a whole number between low and high; absent and empty are the fallback.
func (q query) number(name string, low, high, fallback int) (int, error) {
	s := q.text(name)
	if s == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < low || n > high {
		return 0, refused(map[string][]string{name: {fmt.Sprintf("The %s must be between %d and %d.", name, low, high)}})
	}
	return n, nil
}

// choice reads one of several words; absent and empty are the empty word.
func (q query) choice(name string, words ...string) (string, error) {
	s := q.text(name)
	if s == "" || slices.Contains(words, s) {
		return s, nil
	}
	return "", refused(map[string][]string{name: {fmt.Sprintf("The selected %s is invalid.", name)}})
}

// words reads a list: comma separated, the parameter repeated, or both. An escaped comma separates too, as generic HTTP
// clients escape it, unless bare is set, which only takes the unescaped ones for separators, as the SDK means them.
func (q query) words(name string, bare bool) []string {
	var out []string
	for _, v := range q[name] {
		if !bare {
			v = strings.NewReplacer("%2C", ",", "%2c", ",").Replace(v)
		}
		for _, w := range strings.Split(v, ",") {
			if w = strings.TrimSpace(unescape(w)); w != "" {
				out = append(out, w)
			}
		}
	}
	return out
}

// checkQuery holds the parameters against those that the route knows, and takes the others out.
func (c *call) checkQuery() error {
	unknown := map[string][]string{}
	for name := range c.query {
		if !slices.Contains(c.route.query, name) {
			unknown[name] = []string{fmt.Sprintf("The %s parameter is not supported.", name)}
		}
	}
	if len(unknown) > 0 && c.h.opts.Strict {
		return refused(unknown)
	}
	for name := range unknown {
		delete(c.query, name)
		c.h.log.Warn("cometchat: unknown query parameter", "method", c.route.method, "route", c.route.pattern, "name", clipName(name))
	}
	return nil
}

func clipName(s string) string { return s[:min(len(s), 100)] }

// page is where in a list a request wants to be.
type page struct{ number, size int }

const (
	defaultPage = 100
	maxPage     = 1000
	lastPage    = 1 << 31 / maxPage // so that no row number overflows
)

// paging reads page and perPage. The SDK's per_page means the same and may be 0, which is the default.
func (q query) paging() (page, error) {
	name := "perPage"
	if q.text("per_page") != "" {
		name = "per_page"
	}
	size, err := q.number(name, 0, maxPage, defaultPage)
	if err != nil {
		return page{}, err
	}
	if size == 0 {
		size = defaultPage
	}
	number, err := q.number("page", 1, lastPage, 1)
	return page{number, size}, err
}

func (p page) skip() int { return (p.number - 1) * p.size }

type meta struct {
	Pagination pagination `json:"pagination"`
	Count      *int       `json:"count,omitempty"`
	Cursor     *cursor    `json:"cursor,omitempty"`
}

type pagination struct {
	Total   int `json:"total"`
	Count   int `json:"count"`
	PerPage int `json:"per_page"`
	Page    int `json:"current_page"`
	Pages   int `json:"total_pages"`
}

// cursor stands in the lists of users. It is the newest change among the rows; no route takes it back.
type cursor struct {
	UpdatedAt int64  `json:"updatedAt"`
	Affix     string `json:"affix"`
}

func (p page) pagination(total, count int) pagination {
	return pagination{total, count, p.size, p.number, (total + p.size - 1) / p.size}
}

// paged cuts a page out of all rows.
func paged[T any](rows []T, p page) list {
	total := len(rows)
	rows = rows[min(p.skip(), total):]
	rows = rows[:min(p.size, len(rows))]
	if rows == nil {
		rows = []T{}
	}
	return list{Data: rows, Meta: meta{Pagination: p.pagination(total, len(rows))}}
}

// pagingQuery are the parameters of every list.
var pagingQuery = []string{"perPage", "per_page", "page"}
