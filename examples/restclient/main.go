// Command restclient manages the users of an application through CometChat's REST API with nothing but net/http. It
// knows nothing of userstore; its test runs it against the double of package cometchattest, where only the base URL
// differs:
//
//	export COMETCHAT_URL=https://APP_ID.api-us.cometchat.io/v3 COMETCHAT_API_KEY=...
//	restclient create ann Ann vip
//	restclient get ann
//	restclient rename ann "Ann Lee"
//	restclient search an
//	restclient deactivate ann
//	restclient delete ann
//
// Or against a double that listens: start "userstore serve" and set COMETCHAT_URL to its url and COMETCHAT_API_KEY to
// its apiKey.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	client := &Client{
		BaseURL: os.Getenv("COMETCHAT_URL"),
		APIKey:  os.Getenv("COMETCHAT_API_KEY"),
		HTTP:    &http.Client{Timeout: 30 * time.Second},
	}
	if err := run(ctx, client, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "restclient:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage: restclient create UID NAME [TAG...] | get UID | rename UID NAME | search TEXT | " +
	"deactivate UID | delete UID")

// commands are the verbs with the least number of their arguments.
var commands = map[string]struct {
	least int
	run   func(context.Context, *Client, []string) ([]User, error)
}{
	"create": {2, func(ctx context.Context, c *Client, a []string) ([]User, error) {
		return one(c.Create(ctx, User{UID: a[0], Name: a[1], Tags: a[2:]}))
	}},
	"get": {1, func(ctx context.Context, c *Client, a []string) ([]User, error) { return one(c.Get(ctx, a[0])) }},
	"rename": {2, func(ctx context.Context, c *Client, a []string) ([]User, error) {
		return one(c.Rename(ctx, a[0], a[1]))
	}},
	"search": {1, func(ctx context.Context, c *Client, a []string) ([]User, error) { return c.Search(ctx, a[0]) }},
	"deactivate": {1, func(ctx context.Context, c *Client, a []string) ([]User, error) {
		return nil, c.Deactivate(ctx, a[0])
	}},
	"delete": {1, func(ctx context.Context, c *Client, a []string) ([]User, error) { return nil, c.Delete(ctx, a[0]) }},
}

// run carries out one command and prints the users that it gives, one a line.
func run(ctx context.Context, c *Client, args []string, out io.Writer) error {
	if len(args) == 0 {
		return errUsage
	}
	command, known := commands[args[0]]
	if !known || len(args)-1 < command.least {
		return errUsage
	}
	users, err := command.run(ctx, c, args[1:])
	for _, u := range users {
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\n", u.UID, u.Name, u.Role, strings.Join(u.Tags, ","))
	}
	return err
}

func one(u User, err error) ([]User, error) {
	if err != nil {
		return nil, err
	}
	return []User{u}, nil
}
