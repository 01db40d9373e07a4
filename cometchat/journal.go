package cometchat

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	journalSize = 256      // exchanges kept
	journalBody = 16 << 10 // bytes kept of a body and of an answer; more than any body but an import's
)

// Exchange is one request and its answer.
type Exchange struct {
	Time     time.Time
	Method   string
	Path     string
	Query    string      // as sent
	Header   http.Header // those that matter: appId, apiKey, authToken, onBehalfOf, Content-Type, sdk, resource, Authorization
	Body     string      // its first 16 KiB
	Status   int         // of the answer; 0 = the connection was closed without one
	Answer   string      // its first 16 KiB
	Duration time.Duration
	UID      string // who acted: the logged-in user, or the one named by onBehalfOf; empty for the back end
}

// journalHeaders are the request headers that an Exchange keeps.
var journalHeaders = []string{"Appid", "Apikey", "Authtoken", "Onbehalfof", "Content-Type", "Sdk", "Resource", "Authorization"}

var (
	secretMember = regexp.MustCompile(`"(authToken|apiKey|jwt|secret|auth)"\s*:\s*"[^"]*"?`)
	secretPath   = regexp.MustCompile(`/(auth_tokens|apikeys)/([^/]+)`)
)

const redacted = "[redacted]"

// Redacted returns the exchange without its keys and tokens, fit to be shown to a person.
func (e Exchange) Redacted() Exchange {
	var secrets []string
	e.Header = e.Header.Clone()
	for _, name := range []string{"Apikey", "Authtoken", "Authorization"} {
		if v := e.Header.Get(name); v != "" {
			secrets = append(secrets, spellings(strings.TrimPrefix(v, "Bearer "))...)
			e.Header.Set(name, redacted)
		}
	}
	if m := secretPath.FindStringSubmatch(e.Path); m != nil {
		secrets = append(secrets, m[2])
		secrets = append(secrets, spellings(unescape(m[2]))...)
	}
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) }) // one may hold another
	hide := func(s string) string {
		for _, secret := range secrets {
			s = hideWord(s, secret)
		}
		return s
	}
	e.Path, e.Query = hide(e.Path), hide(e.Query)
	e.Body = secretMember.ReplaceAllString(hide(e.Body), `"$1":"`+redacted+`"`)
	e.Answer = secretMember.ReplaceAllString(hide(e.Answer), `"$1":"`+redacted+`"`)
	return e
}

// hideWord takes secret out of s where it stands alone: a key may be as short as "auth", and the path auth_tokens is to
// stay what it is.
func hideWord(s, secret string) string {
	inWord := func(c byte) bool {
		return c == '_' || c == '-' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
	}
	var b strings.Builder
	for from := 0; ; {
		at := strings.Index(s[from:], secret)
		if at < 0 {
			return b.String() + s[from:]
		}
		start, end := from+at, from+at+len(secret)
		b.WriteString(s[from:start])
		if start > 0 && inWord(s[start-1]) || end < len(s) && inWord(s[end]) {
			b.WriteString(secret)
		} else {
			b.WriteString(redacted)
		}
		from = end
	}
}

// spellings gives a secret as it stands in a header and as it stands in JSON.
func spellings(secret string) []string {
	quoted, _ := json.Marshal(secret)
	return slices.DeleteFunc([]string{secret, string(quoted[1 : len(quoted)-1])}, func(s string) bool { return s == "" })
}

// Journal remembers the last 256 exchanges of a Handler. It is safe for use by many goroutines at once.
type Journal struct {
	mu     sync.Mutex
	ring   []Exchange
	total  int // exchanges ever added; ring[total%journalSize] is the next to be overwritten
	subs   map[chan Exchange]struct{}
	closed bool
}

func newJournal() *Journal { return &Journal{subs: map[chan Exchange]struct{}{}} }

// Last returns the newest n exchanges, oldest first; fewer if there are not as many, all that are kept if n is negative.
func (j *Journal) Last(n int) []Exchange {
	j.mu.Lock()
	defer j.mu.Unlock()
	if n < 0 || n > len(j.ring) {
		n = len(j.ring)
	}
	out := make([]Exchange, 0, n)
	for i := j.total - n; i < j.total; i++ {
		out = append(out, j.ring[i%journalSize])
	}
	return out
}

// Total returns how many exchanges there have been, those no longer kept included.
func (j *Journal) Total() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.total
}

// Clear forgets all exchanges.
func (j *Journal) Clear() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ring, j.total = nil, 0
}

// Subscribe returns a channel of the exchanges from now on, and a function that ends the subscription and closes the
// channel. A subscriber that is more than 64 exchanges behind misses some; the handler waits for nobody. Closing the
// Handler closes the channel too.
func (j *Journal) Subscribe() (<-chan Exchange, func()) {
	ch := make(chan Exchange, 64)
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		close(ch)
		return ch, func() {}
	}
	j.subs[ch] = struct{}{}
	return ch, func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		if _, ok := j.subs[ch]; ok {
			delete(j.subs, ch)
			close(ch)
		}
	}
}

// Add records an exchange that something in front of the Handler has answered, with a Status of 0 if nobody has. It
// keeps as much of it as it keeps of others.
func (j *Journal) Add(e Exchange) {
	e.Header = keptHeader(e.Header)
	e.Body, e.Answer = clip([]byte(e.Body)), clip([]byte(e.Answer))
	j.add(e)
}

func (j *Journal) add(e Exchange) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.ring) < journalSize {
		j.ring = append(j.ring, e)
	} else {
		j.ring[j.total%journalSize] = e
	}
	j.total++
	for ch := range j.subs {
		select {
		case ch <- e:
		default:
		}
	}
}

func (j *Journal) close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	for ch := range j.subs {
		delete(j.subs, ch)
		close(ch)
	}
}

// exchange is what the journal keeps of a request; the answer is added when it is known.
func exchange(r *http.Request, at time.Time) Exchange {
	return Exchange{Time: at, Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Header: keptHeader(r.Header)}
}

func keptHeader(h http.Header) http.Header {
	kept := http.Header{}
	for _, name := range journalHeaders {
		if v := h.Values(name); len(v) > 0 {
			kept[name] = slices.Clone(v)
		}
	}
	return kept
}

func clip(b []byte) string { return string(b[:min(len(b), journalBody)]) }
