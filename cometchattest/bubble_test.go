package cometchattest_test

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

// TestBubble does everything a test may want to do in a bubble, and lets time pass in between.
func TestBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := cometchattest.RunT(t)
		require.Equal(t, "https://app.api-us.cometchat.io", srv.URL)
		token := furnish(t, srv)
		snap := srv.Snapshot(t)
		start := time.Now()
		time.Sleep(time.Minute)
		require.Equal(t, time.Minute, time.Since(start))

		require.Equal(t, http.StatusOK, ask(srv.Client(), srv, "POST", "/users", `{"uid":"new","name":"New"}`).status)
		u, err := srv.Store.Get(t.Context(), "new")
		require.NoError(t, err)
		require.True(t, u.CreatedAt.Equal(start.Add(time.Minute)), "the bubble's time")
		session, err := srv.Store.LoginWithToken(t.Context(), token)
		require.NoError(t, err)
		page, err := session.List(t.Context(), userstore.Query{})
		require.NoError(t, err)
		require.Len(t, page.Users, 2)

		done := make(chan answer)
		for i := range 20 { // changes that share a commit
			go func() {
				done <- ask(srv.Client(), srv, "POST", "/users", fmt.Sprintf(`{"uid":"u%d","name":"N"}`, i))
			}()
		}
		for range 20 {
			require.Equal(t, http.StatusOK, (<-done).status)
		}
		srv.Restore(t, snap)
		require.Equal(t, []string{"ann", "bob", "gone"}, uids(t, srv.Store))
		srv.Reset(t)
		require.Empty(t, uids(t, srv.Store))
		synctest.Wait()
	})
}

// TestBubblesBesideOthers has the store's pools pass their objects between bubbles and the world outside.
func TestBubblesBesideOthers(t *testing.T) {
	use := func(t *testing.T) {
		srv := cometchattest.RunT(t)
		for i := range 20 {
			srv.Seed(t, userstore.User{UID: fmt.Sprint("u", i), Name: "N"})
			require.Equal(t, http.StatusOK, ask(srv.Client(), srv, "GET", "/users", "").status)
		}
	}
	for i := range 16 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			if i%2 == 0 {
				use(t)
			} else {
				synctest.Test(t, use)
			}
		})
	}
}

// TestBubbleEndsBusy ends a bubble while net/http still lingers on a connection whose request was too long to read.
func TestBubbleEndsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := cometchattest.RunT(t)
		require.GreaterOrEqual(t, ask(srv.Client(), srv, "POST", "/users", strings.Repeat("x", 1<<20)).status, 400)
		req, err := http.NewRequest("GET", srv.URL+"/users", nil)
		require.NoError(t, err)
		req.Header.Set("X-Flood", strings.Repeat("x", 1<<20))
		send(srv.Client(), req)
	})
}

// TestBubbleEndsDuringCall ends a bubble while a request still waits.
func TestBubbleEndsDuringCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := cometchattest.RunT(t)
		srv.Inject(t, cometchattest.Fault{Latency: 1000 * time.Hour})
		go ask(srv.Client(), srv, "POST", "/users", `{"uid":"ann","name":"Ann"}`)
		synctest.Wait()
		srv.AssertCalled(t, "POST /users", 1)
	})
}

func TestServerFromOutside(t *testing.T) {
	srv := cometchattest.RunT(t)
	synctest.Test(t, func(t *testing.T) {
		require.ErrorContains(t, ask(srv.Client(), srv, "GET", "/users", "").err, "call RunT inside it")
	})
	require.Equal(t, http.StatusOK, ask(srv.Client(), srv, "GET", "/users", "").status)
}

func TestNoTLSInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		require.Contains(t, failure(func(f cometchattest.T) { cometchattest.RunT(f).TLS(f) }), "no TLS in a synctest bubble")
	})
}
