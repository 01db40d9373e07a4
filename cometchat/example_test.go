package cometchat_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/seed-3546c6b2/userstore"
	"github.com/seed-3546c6b2/userstore/cometchat"
)

// An application manages its users through CometChat's REST API, and only the base URL differs.
func Example() {
	clock := func() time.Time { return time.Unix(1_700_000_000, 0) }
	store, err := userstore.OpenInMemory(userstore.WithClock(clock))
	if err != nil {
		panic(err)
	}
	defer store.Close()
	h, err := cometchat.New(store, cometchat.Options{AppID: "app", AuthKey: "auth", APIKey: "rest"})
	if err != nil {
		panic(err)
	}
	defer h.Close()
	srv := httptest.NewServer(h)
	defer srv.Close()

	baseURL := srv.URL + "/v3" // instead of https://app.api-us.cometchat.io/v3
	call := func(method, path, body string) {
		req, _ := http.NewRequest(method, baseURL+path, strings.NewReader(body))
		req.Header.Set("apiKey", "rest")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			panic(err)
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		fmt.Println(res.StatusCode, string(bytes.TrimSpace(text)))
	}
	call("POST", "/users", `{"uid":"Ann","name":"Ann","tags":["staff"]}`)
	call("DELETE", "/users/ann", "")
	call("GET", "/users/ann", "")

	// The program that runs the double sees the same users.
	back, err := store.Reactivate(context.Background(), "ann")
	fmt.Println(back.Done, err)
	// Output:
	// 200 {"data":{"uid":"ann","name":"Ann","status":"offline","role":"default","createdAt":1700000000,"tags":["staff"]}}
	// 200 {"data":{"deactivatedUids":["ann"]}}
	// 404 {"error":{"message":"The UID ann does not exist, please make sure you have created a user with UID ann.","code":"ERR_UID_NOT_FOUND"}}
	// [ann] <nil>
}

func ExampleNew() {
	store, _ := userstore.OpenInMemory(userstore.WithClock(func() time.Time { return time.Unix(1_700_000_000, 0) }))
	defer store.Close()
	h, err := cometchat.New(store, cometchat.Options{AppID: "app", APIKey: "rest", Strict: true})
	if err != nil {
		panic(err)
	}
	defer h.Close()

	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/v3/users?pagesize=5", nil)
	r.Header.Set("apiKey", "rest")
	h.ServeHTTP(w, r)
	fmt.Print(w.Code, " ", w.Body)
	// Output:
	// 400 {"error":{"message":"Failed validation","code":"ERR_BAD_REQUEST","details":{"pagesize":["The pagesize parameter is not supported."]}}}
}

func ExampleServer() {
	store, _ := userstore.OpenInMemory()
	defer store.Close()
	h, err := cometchat.New(store, cometchat.Options{APIKey: "rest"})
	if err != nil {
		panic(err)
	}
	defer h.Close()
	srv := cometchat.Server(h)
	srv.Addr = "127.0.0.1:8080"
	fmt.Println("would listen on", srv.Addr, "and give a request", srv.ReadTimeout)
	// Output:
	// would listen on 127.0.0.1:8080 and give a request 30s
}

func ExampleJournal() {
	store, _ := userstore.OpenInMemory()
	defer store.Close()
	h, err := cometchat.New(store, cometchat.Options{APIKey: "rest"})
	if err != nil {
		panic(err)
	}
	defer h.Close()
	r := httptest.NewRequest("GET", "/v3/users/nobody", nil)
	r.Header.Set("apiKey", "rest")
	h.ServeHTTP(httptest.NewRecorder(), r)

	for _, e := range h.Journal().Last(10) {
		var answer struct{ Error struct{ Code string } }
		if err := json.Unmarshal([]byte(e.Answer), &answer); err != nil {
			panic(err)
		}
		fmt.Println(e.Method, e.Path, e.Status, answer.Error.Code, e.Redacted().Header.Get("apiKey"))
	}
	// Output:
	// GET /v3/users/nobody 404 ERR_UID_NOT_FOUND [redacted]
}
