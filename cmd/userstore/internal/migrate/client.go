package migrate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

const (
	maxBody    = 64 << 20         // bytes of an answer
	maxBackoff = 30 * time.Second // between two attempts
	noWait     = 10 * time.Second // for a 429 that does not say how long
)

// ErrAddress says that Options.URL cannot be the address of a service.
var ErrAddress = errors.New("the service's address has to be an http or https URL, such as https://APPID.api-us.cometchat.io/v3")

// client asks the service, at the agreed rate, until an answer is final.
type client struct {
	base, appID, key string
	http             *http.Client
	gate             *gate
	attempts         int
	requests, again  atomic.Int64 // requests sent, and how many of them again
}

func newClient(o *Options) (*client, error) {
	base, err := url.Parse(o.URL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, ErrAddress
	}
	c := *o.HTTP
	// The key goes to the service that was named and to no other.
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client{
		base: strings.TrimRight(o.URL, "/"), appID: o.AppID, key: o.Key, http: &c, attempts: o.Attempts,
		gate: &gate{every: time.Minute / time.Duration(o.PerMinute), now: o.Now, sleep: o.Sleep},
	}, nil
}

// call sends in as JSON, if it is not nil, and reads the answer's data into out, if that is not nil. A final answer
// other than Done is a *Refusal of class Stop or Skip.
func (c *client) call(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	for attempt := 1; ; {
		if err := c.gate.wait(ctx); err != nil {
			return err
		}
		c.requests.Add(1)
		refusal := c.once(ctx, method, path, body, out)
		switch {
		case refusal == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case refusal.Class == Wait:
			if refusal.After == 0 {
				refusal.After = noWait
			}
			c.gate.hold(refusal.After)
		case refusal.Class == Retry && attempt < c.attempts:
			pause := max(refusal.After, min(maxBackoff, time.Second/2<<min(attempt, 10)))
			attempt++
			if err := c.gate.sleep(ctx, pause); err != nil {
				return err
			}
		case refusal.Class == Retry:
			refusal.Class = Stop
			return fmt.Errorf("after %d attempts: %w", attempt, refusal)
		default:
			return refusal
		}
		c.again.Add(1)
	}
}

func (c *client) once(ctx context.Context, method, path string, body []byte, out any) *Refusal {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return &Refusal{Class: Stop, Err: errors.New("the address cannot be used")}
	}
	req.Header.Set("apikey", c.key)
	req.Header.Set("Accept", "application/json")
	if c.appID != "" {
		req.Header.Set("appid", c.appID)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return &Refusal{Class: Retry, Err: err}
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return &Refusal{Class: Retry, Status: resp.StatusCode, Err: err}
	}
	if resp.StatusCode != http.StatusOK {
		return classify(resp.StatusCode, resp.Header, got, c.gate.now())
	}
	var envelope struct {
		Data json.RawMessage `json:"data"`
		Meta json.RawMessage `json:"meta"`
	}
	if json.Unmarshal(got, &envelope) != nil || envelope.Data == nil {
		return &Refusal{Class: Retry, Status: resp.StatusCode} // cut, or a proxy's page
	}
	switch out := out.(type) {
	case nil:
		return nil
	case *page:
		out.Meta = meta{}
		_ = json.Unmarshal(envelope.Meta, &out.Meta) // a list without it ends with its first empty page
		err = json.Unmarshal(envelope.Data, &out.Rows)
	default:
		err = json.Unmarshal(envelope.Data, out)
	}
	if err != nil {
		return &Refusal{Class: Retry, Status: resp.StatusCode}
	}
	return nil
}

// page is one page of a list.
type page struct {
	Rows []json.RawMessage
	Meta meta
}

type meta struct {
	Pagination struct {
		TotalPages int `json:"total_pages"`
	} `json:"pagination"`
}

// list reads the page with the given number and tells whether another may follow.
func (c *client) list(ctx context.Context, path string, query url.Values, number int) (rows []json.RawMessage, more bool, err error) {
	q := url.Values{"perPage": {fmt.Sprint(pageSize)}, "page": {fmt.Sprint(number)}}
	for name, value := range query {
		q[name] = value
	}
	var p page
	if err := c.call(ctx, http.MethodGet, path+"?"+q.Encode(), nil, &p); err != nil {
		return nil, false, err
	}
	return p.Rows, len(p.Rows) > 0 && (p.Meta.Pagination.TotalPages <= 0 || number < p.Meta.Pagination.TotalPages), nil
}
