package cometchattest_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/seed-3546c6b2/userstore"
	"github.com/seed-3546c6b2/userstore/cometchat"
	"github.com/seed-3546c6b2/userstore/cometchattest"
)

// exampleT stands in for the *testing.T that an example does not have.
type exampleT struct{ cleanups []func() }

func (t *exampleT) Cleanup(fn func())                 { t.cleanups = append(t.cleanups, fn) }
func (t *exampleT) Fatalf(format string, args ...any) { log.Panicf(format, args...) }
func (t *exampleT) Helper()                           {}
func (t *exampleT) Logf(string, ...any)               {}

func (t *exampleT) end() {
	for _, fn := range slices.Backward(t.cleanups) {
		fn()
	}
}

// call is an application at work: one request to CometChat's REST API, told as "status body".
func call(client *http.Client, method, url, body string) string {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return err.Error()
	}
	req.Header.Set("apiKey", "rest")
	resp, err := client.Do(req)
	if err != nil {
		return "no answer"
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return "half an answer"
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, strings.TrimSpace(string(answer)))
}

func ExampleRunT() {
	t := &exampleT{} // in a test, its *testing.T
	defer t.end()

	srv := cometchattest.RunT(t)
	resp, err := http.Get(srv.URL + "/v3/users")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status, srv.AppID, srv.AuthKey, srv.APIKey)
	// Output: 401 Unauthorized app auth rest
}

func ExampleRunT_adjust() {
	t := &exampleT{}
	defer t.end()

	srv := cometchattest.RunT(t, func(o *cometchat.Options) {
		o.AppID, o.Region = "2550", "eu"
		o.RateLimit.Other = 1
	})
	url := "https://2550.api-eu.cometchat.io/v3/users/ann"
	fmt.Println(call(srv.Client(), "GET", url, "")[:3], call(srv.Client(), "GET", url, "")[:3])
	// Output: 404 429
}

func ExampleServer_Client() {
	t := &exampleT{}
	defer t.end()
	srv := cometchattest.RunT(t)

	// No port, no certificate, and the URL that production has.
	fmt.Println(call(srv.Client(), "GET", "https://app.api-us.cometchat.io/v3/users/ann", ""))
	// Output: 404 {"error":{"message":"The UID ann does not exist, please make sure you have created a user with UID ann.","code":"ERR_UID_NOT_FOUND"}}
}

func ExampleServer_TLS() {
	t := &exampleT{}
	defer t.end()
	srv := cometchattest.RunT(t)

	https := srv.TLS(t) // https.CA is for other programs, as in NODE_EXTRA_CA_CERTS
	fmt.Println(call(https.Client, "POST", https.URL+"/v3/users", `{"uid":"ann","name":"Ann"}`)[:3])
	// Output: 200
}

func ExampleServer_Seed() {
	t := &exampleT{}
	defer t.end()
	srv := cometchattest.RunT(t)

	srv.Seed(t,
		userstore.User{UID: "ann", Name: "Ann", Role: "doctor", CreatedAt: time.Unix(1700000000, 0)},
		userstore.User{UID: "bob", Name: "Bob", Tags: []string{"vip"}, Status: userstore.Online},
	)
	fmt.Println(call(srv.Client(), "GET", srv.URL+"/users/ann", ""))
	// Output: 200 {"data":{"uid":"ann","name":"Ann","status":"offline","role":"doctor","createdAt":1700000000}}
}

func ExampleServer_SeedLines() {
	t := &exampleT{}
	defer t.end()
	srv := cometchattest.RunT(t)

	srv.SeedLines(t, strings.NewReader(`{"uid":"ann","name":"Ann"}
{"uid":"bob","name":"Bob","deactivatedAt":1700000000}
`))
	n, err := srv.Store.Count(context.Background(), userstore.Query{Deactivated: userstore.DeactivatedInclude})
	fmt.Println(n, err)
	// Output: 2 <nil>
}

func ExampleServer_SetTime() {
	t := &exampleT{}
	defer t.end()
	srv := cometchattest.RunT(t)

	srv.SetTime(time.Unix(1800000000, 0))
	srv.Seed(t, userstore.User{UID: "ann", Name: "Ann"})
	srv.Advance(time.Hour)
	fmt.Println(call(srv.Client(), "PUT", srv.URL+"/users/ann", `{"name":"Anna"}`))
	fmt.Println(srv.Now().Unix())
	// Output:
	// 200 {"data":{"uid":"ann","name":"Anna","status":"offline","role":"default","createdAt":1800000000,"updatedAt":1800003600}}
	// 1800003600
}

func ExampleServer_Advance() {
	t := &exampleT{}
	defer t.end()
	srv := cometchattest.RunT(t, func(o *cometchat.Options) { o.RateLimit.Other = 1 })
	srv.SetTime(time.Unix(1800000000, 0))

	for range 2 {
		fmt.Println(call(srv.Client(), "GET", srv.URL+"/users/ann", "")[:3])
	}
	srv.Advance(time.Minute) // the limit is one a minute
	fmt.Println(call(srv.Client(), "GET", srv.URL+"/users/ann", "")[:3])
	// Output:
	// 404
	// 429
	// 404
}

func ExampleServer_Inject() {
	t := &exampleT{}
	defer t.end()
	srv := cometchattest.RunT(t)

	// The second user that is created meets a service that is overloaded.
	in := srv.Inject(t, cometchattest.Fault{Route: "POST /users", Nth: 2, RetryAfter: 30 * time.Second})
	for _, uid := range []string{"ann", "bob", "cyd"} {
		fmt.Println(uid, call(srv.Client(), "POST", srv.URL+"/users", `{"uid":"`+uid+`","name":"N"}`)[:3])
	}
	fmt.Println(in.Hits())
	// Output:
	// ann 200
	// bob 429
	// cyd 200
	// 1
}

// A create whose answer is lost is the case that decides whether an application may simply try again.
func ExampleFault_after() {
	t := &exampleT{}
	defer t.end()
	srv := cometchattest.RunT(t)

	in := srv.Inject(t, cometchattest.Fault{Route: "POST /users", After: true, Drop: true})
	fmt.Println(call(srv.Client(), "POST", srv.URL+"/users", `{"uid":"ann","name":"Ann"}`))
	in.Remove()
	fmt.Println(call(srv.Client(), "POST", srv.URL+"/users", `{"uid":"ann","name":"Ann"}`)[:3])
	// Output:
	// no answer
	// 400
}

func ExampleServer_Requests() {
	t := &exampleT{}
	defer t.end()
	srv := cometchattest.RunT(t)

	call(srv.Client(), "POST", srv.URL+"/v3/users", `{"uid":"ann","name":"Ann"}`)
	call(srv.Client(), "GET", srv.URL+"/v3/users/ann", "")
	for _, r := range srv.Requests("POST /users") {
		fmt.Println(r.Method, r.Path, r.Body, r.Status)
	}
	// Output: POST /v3/users {"uid":"ann","name":"Ann"} 200
}

func ExampleServer_AssertCalled() {
	t := &exampleT{}
	defer t.end()
	srv := cometchattest.RunT(t)

	call(srv.Client(), "DELETE", srv.URL+"/users/ann", `{"permanent":true}`)
	srv.AssertCalled(t, "DELETE /users/{uid}", 1) // fails the test if it was not
	srv.AssertCalled(t, "POST /users", 0)
	// Output:
}

func ExampleServer_Snapshot() {
	t := &exampleT{}
	defer t.end()
	srv := cometchattest.RunT(t)
	srv.Seed(t, userstore.User{UID: "ann", Name: "Ann"})

	snap := srv.Snapshot(t)
	fmt.Println(call(srv.Client(), "DELETE", srv.URL+"/users/ann", `{"permanent":true}`))
	srv.Restore(t, snap)
	fmt.Println(call(srv.Client(), "GET", srv.URL+"/users/ann", "")[:3])
	// Output:
	// 200 {"data":{"success":true,"message":"User with ann has been deleted successfully."}}
	// 200
}

// One seed for many tests: each begins with the same users in a double of its own.
func ExampleServer_Restore() {
	t := &exampleT{}
	defer t.end()
	first := cometchattest.RunT(t)
	first.Seed(t, userstore.User{UID: "ann", Name: "Ann"})
	snap := first.Snapshot(t)

	srv := cometchattest.RunT(t)
	srv.Restore(t, snap)
	fmt.Println(call(srv.Client(), "GET", srv.URL+"/users/ann", "")[:3])
	// Output: 200
}

func ExampleServer_Reset() {
	t := &exampleT{}
	defer t.end()
	srv := cometchattest.RunT(t)
	srv.Seed(t, userstore.User{UID: "ann", Name: "Ann"})
	srv.Inject(t, cometchattest.Fault{Status: 503})

	srv.Reset(t)
	fmt.Println(call(srv.Client(), "GET", srv.URL+"/users/ann", "")[:3], len(srv.Requests("")))
	// Output: 404 1
}
