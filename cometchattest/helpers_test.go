package cometchattest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
	"github.com/seed-3546c6b2/userstore/cometchattest"
)

// fakeT is a test that can be watched while it fails.
type fakeT struct {
	mu       sync.Mutex
	cleanups []func()
	failure  string
	logged   []string
}

func (f *fakeT) Helper() {}

func (f *fakeT) Cleanup(fn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cleanups = append(f.cleanups, fn)
}

func (f *fakeT) Logf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.logged = append(f.logged, fmt.Sprintf(format, args...))
}

func (f *fakeT) Fatalf(format string, args ...any) {
	f.failure = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (f *fakeT) end() {
	for _, fn := range slices.Backward(f.cleanups) {
		fn()
	}
}

// failure runs fn as a test to its end and returns what it failed with.
func failure(fn func(cometchattest.T)) string {
	f := &fakeT{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer f.end()
		fn(f)
	}()
	<-done
	return f.failure
}

// answer is what a request came to.
type answer struct {
	status int
	header http.Header
	body   string
	err    error
}

// code is the error code in the answer.
func (a answer) code() string {
	var body struct{ Error struct{ Code string } }
	_ = json.Unmarshal([]byte(a.body), &body)
	return body.Error.Code
}

// ask makes a request as the application's back end.
func ask(client *http.Client, srv *cometchattest.Server, method, path, body string) answer {
	req, err := http.NewRequest(method, srv.URL+path, strings.NewReader(body))
	if err != nil {
		return answer{err: err}
	}
	req.Header.Set("apiKey", srv.APIKey)
	return send(client, req)
}

func send(client *http.Client, req *http.Request) answer {
	resp, err := client.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(body), err}
}

func ann() userstore.User { return userstore.User{UID: "ann", Name: "Ann"} }

// uids are the users of a store, deactivated ones included, by name.
func uids(t testing.TB, s *userstore.Store) []string {
	var found []string
	for u, err := range s.All(t.Context(), userstore.Query{Deactivated: userstore.DeactivatedInclude}) {
		require.NoError(t, err)
		found = append(found, u.UID)
	}
	return found
}

func jsonBody(format string, args ...any) io.Reader {
	return strings.NewReader(fmt.Sprintf(format, args...))
}
