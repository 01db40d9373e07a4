package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
	"github.com/seed-3546c6b2/userstore/cometchattest"
)

// TestCommands runs the program against a double. Only the base URL tells it from production.
func TestCommands(t *testing.T) {
	t.Parallel()
	srv := cometchattest.RunT(t)
	client := &Client{BaseURL: srv.URL + "/v3", APIKey: srv.APIKey, HTTP: http.DefaultClient}
	for _, tt := range []struct {
		args string
		out  string
		err  string
	}{
		{args: "create Ann Ann vip beta", out: "ann\tAnn\tdefault\tvip,beta\n"},
		{args: "create ann Again", err: "ERR_UID_ALREADY_EXISTS (400)"},
		{args: "get ann", out: "ann\tAnn\tdefault\tvip,beta\n"},
		{args: "rename ann Anna", out: "ann\tAnna\tdefault\tvip,beta\n"},
		{args: "create bob Bob", out: "bob\tBob\tdefault\t\n"},
		{args: "search an", out: "ann\tAnna\tdefault\tvip,beta\n"},
		{args: "deactivate ann"},
		{args: "get ann", err: "ERR_UID_NOT_FOUND (404)"},
		{args: "search an"},
		{args: "delete bob"},
		{args: "delete bob", err: "ERR_UID_NOT_FOUND"},
		{args: "create a/b Ann", err: "ERR_BAD_REQUEST"},
		{args: "get a/b?c", err: "ERR_UID_NOT_FOUND"},
		{args: "", err: "usage"},
		{args: "rename ann", err: "usage"},
		{args: "fly", err: "usage"},
	} {
		var out strings.Builder
		err := run(t.Context(), client, strings.Fields(tt.args), &out)
		if tt.err == "" {
			require.NoError(t, err, tt.args)
		} else {
			require.ErrorContains(t, err, tt.err, tt.args)
		}
		require.Equal(t, tt.out, out.String(), tt.args)
	}
	srv.AssertCalled(t, "POST /users", 4)
	_, err := srv.Store.Reactivate(t.Context(), "ann") // the data were only hidden
	require.NoError(t, err)
	ann, err := srv.Store.Get(t.Context(), "ann")
	require.NoError(t, err)
	require.Equal(t, "Anna", ann.Name)
}

// TestProductionURL uses the very URL of production, through a client that needs no network.
func TestProductionURL(t *testing.T) {
	t.Parallel()
	srv := cometchattest.RunT(t)
	srv.Seed(t, userstore.User{UID: "ann", Name: "Ann"})
	client := &Client{BaseURL: "https://app.api-us.cometchat.io/v3", APIKey: srv.APIKey, HTTP: srv.Client()}
	u, err := client.Get(t.Context(), "ann")
	require.NoError(t, err)
	require.Equal(t, "Ann", u.Name)
}

func TestSearchReadsAllPages(t *testing.T) {
	t.Parallel()
	srv := cometchattest.RunT(t)
	var users []userstore.User
	for i := range 250 {
		users = append(users, userstore.User{UID: fmt.Sprint("u", i), Name: "N"})
	}
	srv.Seed(t, users...)
	client := &Client{BaseURL: srv.URL, APIKey: srv.APIKey, HTTP: srv.Client()}
	found, err := client.Search(t.Context(), "U")
	require.NoError(t, err)
	require.Len(t, found, 250)
	srv.AssertCalled(t, "GET /users", 4)
}

// TestTooManyRequests meets a rate limit and waits it out, in no time.
func TestTooManyRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := cometchattest.RunT(t)
		limit := srv.Inject(t, cometchattest.Fault{Route: "POST /users", Nth: 1, RetryAfter: 30 * time.Second})
		client := &Client{BaseURL: srv.URL, APIKey: srv.APIKey, HTTP: srv.Client()}
		start := time.Now()
		_, err := client.Create(t.Context(), User{UID: "ann", Name: "Ann"})
		require.NoError(t, err)
		require.Equal(t, 30*time.Second, time.Since(start))
		require.Equal(t, 1, limit.Hits())

		srv.Inject(t, cometchattest.Fault{Status: 429}) // for good
		_, err = client.Get(t.Context(), "ann")
		require.ErrorContains(t, err, "ERR_TOO_MANY_REQUESTS (429)")
		srv.AssertCalled(t, "GET /users/{uid}", maxTries)
	})
}

func TestServiceIsDown(t *testing.T) {
	t.Parallel()
	srv := cometchattest.RunT(t)
	client := &Client{BaseURL: srv.URL, APIKey: srv.APIKey, HTTP: srv.Client()}
	srv.Inject(t, cometchattest.Fault{Drop: true})
	_, err := client.Get(t.Context(), "ann")
	require.Error(t, err)
}
