package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// User is a user of the application, as far as this program cares.
type User struct {
	UID  string   `json:"uid"`
	Name string   `json:"name"`
	Role string   `json:"role,omitempty"`
	Tags []string `json:"tags,omitempty"`
}

// Client manages users through CometChat's REST API v3.
type Client struct {
	BaseURL string // "https://APP_ID.api-REGION.cometchat.io/v3", or wherever a double listens
	APIKey  string // of the scope fullAccess
	HTTP    *http.Client
}

// APIError is an error that CometChat answered with.
type APIError struct {
	Status  int
	Code    string
	Message string
}

func (e *APIError) Error() string { return fmt.Sprintf("%s (%d): %s", e.Code, e.Status, e.Message) }

// Create makes a user; a uid that is taken is an APIError with the code ERR_UID_ALREADY_EXISTS.
func (c *Client) Create(ctx context.Context, u User) (User, error) {
	var created User
	return created, c.call(ctx, "POST", "/users", u, &created)
}

// Get gives a user; an unknown or deactivated one is an APIError with the code ERR_UID_NOT_FOUND.
func (c *Client) Get(ctx context.Context, uid string) (User, error) {
	var u User
	return u, c.call(ctx, "GET", "/users/"+url.PathEscape(uid), nil, &u)
}

// Rename changes a user's name and leaves the rest of it.
func (c *Client) Rename(ctx context.Context, uid, name string) (User, error) {
	var u User
	return u, c.call(ctx, "PUT", "/users/"+url.PathEscape(uid), map[string]string{"name": name}, &u)
}

// Search gives all users whose name or uid begins with key, page by page.
func (c *Client) Search(ctx context.Context, key string) ([]User, error) {
	var all []User
	for page := 1; ; page++ {
		q := url.Values{"searchKey": {key}, "withTags": {"true"}, "perPage": {"100"}, "page": {strconv.Itoa(page)}}
		var users []User
		if err := c.call(ctx, "GET", "/users?"+q.Encode(), nil, &users); err != nil || len(users) == 0 {
			return all, err
		}
		all = append(all, users...)
	}
}

// Deactivate hides a user until it is reactivated.
func (c *Client) Deactivate(ctx context.Context, uid string) error {
	return c.call(ctx, "DELETE", "/users/"+url.PathEscape(uid), map[string]bool{"permanent": false}, nil)
}

// Delete removes a user for good.
func (c *Client) Delete(ctx context.Context, uid string) error {
	return c.call(ctx, "DELETE", "/users/"+url.PathEscape(uid), map[string]bool{"permanent": true}, nil)
}

const maxTries = 3

// call makes a request and reads data out of the answer. When there have been too many requests, it waits as long as
// CometChat says and tries again.
func (c *Client) call(ctx context.Context, method, path string, body, data any) error {
	for try := 1; ; try++ {
		wait, err := c.try(ctx, method, path, body, data)
		if wait == 0 || try == maxTries {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (c *Client) try(ctx context.Context, method, path string, body, data any) (wait time.Duration, err error) {
	var sent io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return 0, err
		}
		sent = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.BaseURL+path, sent)
	if err != nil {
		return 0, err
	}
	req.Header.Set("apikey", c.APIKey)
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var answer struct {
		Data  json.RawMessage
		Error APIError
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return 0, fmt.Errorf("%s %s: %s, and no JSON: %w", method, path, resp.Status, err)
	}
	if resp.StatusCode != http.StatusOK {
		if resp.StatusCode == http.StatusTooManyRequests {
			seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
			wait = max(time.Duration(seconds)*time.Second, time.Second)
		}
		answer.Error.Status = resp.StatusCode
		return wait, &answer.Error
	}
	if data == nil {
		return 0, nil
	}
	return 0, json.Unmarshal(answer.Data, data)
}
