package cometchattest_test

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore/cometchat"
	"github.com/seed-3546c6b2/userstore/cometchattest"
)

func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // where time.Now does not move by itself
		srv := cometchattest.RunT(t)
		require.True(t, time.Now().Equal(srv.Now()), "the real clock")
		srv.Advance(time.Hour)
		require.Equal(t, time.Hour, time.Until(srv.Now()))
		time.Sleep(time.Second)
		require.Equal(t, time.Hour, time.Until(srv.Now()), "it runs on")

		stop := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
		srv.SetTime(stop)
		time.Sleep(time.Second)
		require.Equal(t, stop, srv.Now())
		srv.Advance(time.Minute)
		require.Equal(t, stop.Add(time.Minute), srv.Now())
		srv.Advance(-time.Minute)
		require.Equal(t, stop, srv.Now())
		srv.SetTime(time.Time{})
		require.True(t, time.Now().Equal(srv.Now()))
	})
}

// TestClockRulesAll reads one time in the store, in an answer and in the headers of the rate limit.
func TestClockRulesAll(t *testing.T) {
	t.Parallel()
	srv := cometchattest.RunT(t, func(o *cometchat.Options) { o.RateLimit.Core = 1 })
	stop := time.Unix(1_900_000_000, 0).UTC()
	srv.SetTime(stop)
	var created struct{ Data struct{ CreatedAt int64 } }
	require.NoError(t, json.Unmarshal([]byte(ask(srv.Client(), srv, "POST", "/users", `{"uid":"ann","name":"Ann"}`).body), &created))
	require.Equal(t, stop.Unix(), created.Data.CreatedAt)
	u, err := srv.Store.Get(t.Context(), "ann")
	require.NoError(t, err)
	require.True(t, stop.Equal(u.CreatedAt))

	srv.Advance(20 * time.Second)
	limited := ask(srv.Client(), srv, "POST", "/users", `{"uid":"bob","name":"Bob"}`)
	require.Equal(t, 429, limited.status)
	require.Equal(t, "40", limited.header.Get("Retry-After"))
	srv.Advance(40 * time.Second)
	require.Equal(t, 200, ask(srv.Client(), srv, "POST", "/users", `{"uid":"bob","name":"Bob"}`).status)
}

func TestClockOfTheCaller(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_700_000_000, 0)
	srv := cometchattest.RunT(t, func(o *cometchat.Options) { o.Clock = func() time.Time { return at } })
	require.Equal(t, at, srv.Now())
	srv.Advance(time.Second)
	require.Equal(t, at.Add(time.Second), srv.Now())
	srv.Seed(t, ann())
	u, err := srv.Store.Get(t.Context(), "ann")
	require.NoError(t, err)
	require.Equal(t, at.Add(time.Second).Unix(), u.CreatedAt.Unix())
}
