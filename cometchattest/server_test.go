package cometchattest_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
	"github.com/seed-3546c6b2/userstore/cometchat"
	"github.com/seed-3546c6b2/userstore/cometchattest"
)

func TestRunT(t *testing.T) {
	t.Parallel()
	srv := cometchattest.RunT(t)
	network := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for i, tt := range []struct {
		name   string
		client *http.Client
		base   string
	}{
		{"network", network, srv.URL},
		{"network, version", network, srv.URL + "/v3"},
		{"no port", srv.Client(), srv.URL + "/v3.0"},
		{"CometChat's own URL", srv.Client(), "https://app.api-us.cometchat.io/v3"},
		{"CometChat's own client URL", srv.Client(), "https://app.apiclient-us.cometchat.io/v3.0"},
		{"any host", srv.Client(), "http://anywhere.example:1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			uid := fmt.Sprint("u", i)
			req, err := http.NewRequest("POST", tt.base+"/users", jsonBody(`{"uid":"%s","name":"N"}`, uid))
			require.NoError(t, err)
			req.Header.Set("apiKey", srv.APIKey)
			a := send(tt.client, req)
			require.NoError(t, a.err)
			require.Equal(t, http.StatusOK, a.status, a.body)
			u, err := srv.Store.Get(t.Context(), uid)
			require.NoError(t, err)
			require.Equal(t, "N", u.Name)
		})
	}
	t.Run("another application's URL", func(t *testing.T) {
		req, err := http.NewRequest("GET", "https://other.api-us.cometchat.io/v3/users", nil)
		require.NoError(t, err)
		req.Header.Set("apiKey", srv.APIKey)
		require.Equal(t, "AUTH_ERR_INVALID_APPID", send(srv.Client(), req).code())
	})
}

func TestKeys(t *testing.T) {
	t.Parallel()
	srv := cometchattest.RunT(t, func(o *cometchat.Options) { o.AppID, o.AuthKey, o.APIKey = "mine", "k1", "k2" })
	require.Equal(t, []string{"mine", "k1", "k2"}, []string{srv.AppID, srv.AuthKey, srv.APIKey})
	for key, want := range map[string]string{"k2": "", "k1": "AUTH_ERR_NO_ACCESS", "rest": "AUTH_ERR_APIKEY_NOT_FOUND"} {
		req, err := http.NewRequest("GET", srv.URL+"/users", nil)
		require.NoError(t, err)
		req.Header.Set("apiKey", key)
		require.Equal(t, want, send(srv.Client(), req).code(), key)
	}
}

func TestStrict(t *testing.T) {
	t.Parallel()
	strict := cometchattest.RunT(t)
	require.Equal(t, http.StatusBadRequest, ask(strict.Client(), strict, "GET", "/users?limit=3", "").status)

	f := &fakeT{}
	lax := cometchattest.RunT(f, func(o *cometchat.Options) { o.Strict = false })
	require.Equal(t, http.StatusOK, ask(lax.Client(), lax, "GET", "/users?limit=3", "").status)
	f.end()
	require.Contains(t, fmt.Sprint(f.logged), "limit", "what is not refused is logged to the test")
}

func TestEnd(t *testing.T) {
	t.Parallel()
	f := &fakeT{}
	srv := cometchattest.RunT(f)
	client := srv.Client()
	require.Equal(t, http.StatusOK, ask(client, srv, "GET", "/users", "").status)
	f.end()
	require.ErrorContains(t, ask(client, srv, "GET", "/users", "").err, "the double has been closed")
	require.Error(t, ask(&http.Client{Transport: &http.Transport{}}, srv, "GET", "/users", "").err)
	_, err := srv.Store.Get(t.Context(), "ann")
	require.ErrorIs(t, err, userstore.ErrClosed)
	require.Empty(t, f.failure)
}

func TestBadOptions(t *testing.T) {
	t.Parallel()
	require.Contains(t, failure(func(f cometchattest.T) {
		cometchattest.RunT(f, func(o *cometchat.Options) { o.AuthKey = o.APIKey })
	}), "same key")
}

func TestTLS(t *testing.T) {
	t.Parallel()
	srv := cometchattest.RunT(t)
	https := srv.TLS(t)
	require.Equal(t, https, srv.TLS(t), "asked twice, it is the same")
	u, err := url.Parse(https.URL)
	require.NoError(t, err)
	require.Equal(t, "https", u.Scheme)

	req, err := http.NewRequest("GET", https.URL+"/v3/users", nil)
	require.NoError(t, err)
	req.Header.Set("apiKey", srv.APIKey)
	require.Equal(t, http.StatusOK, send(https.Client, req).status)
	require.ErrorContains(t, send(&http.Client{Transport: &http.Transport{}}, req).err, "certificate")

	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(https.CA))
	for _, name := range []string{"127.0.0.1", "localhost", "app.api-us.cometchat.io", "app.apiclient-us.cometchat.io"} {
		conn, err := tls.Dial("tcp", u.Host, &tls.Config{RootCAs: pool, ServerName: name})
		require.NoError(t, err, name)
		require.NoError(t, conn.Close())
	}
}

// TestManyServers shows that hundreds of doubles run side by side, each alone with its users.
func TestManyServers(t *testing.T) {
	const many = 200
	before := memory()
	start := time.Now()
	fakes, servers := make([]*fakeT, many), make([]*cometchattest.Server, many)
	var wg sync.WaitGroup
	for i := range many {
		fakes[i] = &fakeT{}
		wg.Go(func() {
			servers[i] = cometchattest.RunT(fakes[i])
			ask(servers[i].Client(), servers[i], "POST", "/users", fmt.Sprintf(`{"uid":"u%d","name":"N"}`, i))
		})
	}
	wg.Wait()
	t.Logf("a server and its first user take %v and %d KiB", time.Since(start)/many, (memory()-before)/many/1024)
	for i, srv := range servers {
		require.Equal(t, []string{fmt.Sprint("u", i)}, uids(t, srv.Store))
	}
	start = time.Now()
	for _, f := range fakes {
		wg.Go(f.end)
	}
	wg.Wait()
	t.Logf("its end takes %v", time.Since(start)/many)
}

// TestParallel is the same from the point of view of tests that know nothing of each other.
func TestParallel(t *testing.T) {
	for i := range 200 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			srv := cometchattest.RunT(t)
			srv.Seed(t, ann())
			require.Equal(t, http.StatusOK, ask(srv.Client(), srv, "PUT", "/users/ann", `{"name":"Anna"}`).status)
			srv.AssertCalled(t, "PUT /users/{uid}", 1)
			require.Equal(t, []string{"ann"}, uids(t, srv.Store))
		})
	}
}

func memory() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

func TestNothingIsLeftRunning(t *testing.T) {
	f := &fakeT{}
	before := runtime.NumGoroutine()
	srv := cometchattest.RunT(f)
	for range 10 {
		require.Equal(t, http.StatusOK, ask(srv.Client(), srv, "GET", "/users", "").status)
	}
	f.end()
	require.NotEmpty(t, failure(func(f cometchattest.T) { // nor after a start that failed
		cometchattest.RunT(f, func(o *cometchat.Options) { o.AuthKey = o.APIKey })
	}))
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		require.True(t, time.Now().Before(deadline), "%d goroutines before, %d after", before, runtime.NumGoroutine())
	}
}
