package userstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/seed-3546c6b2/userstore"
)

// sample is a store in memory with three users, whom the examples share: ada, bob and eve.
func sample() *userstore.Store {
	day := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	store, err := userstore.OpenInMemory(userstore.WithRoles("vip"), userstore.WithClock(func() time.Time { return day }))
	check(err)
	for _, u := range []userstore.User{
		{UID: "ada", Name: "Ada Lovelace", Role: "vip", Tags: []string{"math", "poetry"}},
		{UID: "bob", Name: "Bob Kahn", Tags: []string{"math"}},
		{UID: "eve", Name: "Eve Ng"},
	} {
		_, err := store.Create(context.Background(), u)
		check(err)
	}
	return store
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// names prints who is on a page.
func names(users []userstore.User) {
	for _, u := range users {
		fmt.Println(u.Name)
	}
}

// CometChat.createUser(user, authKey)
func Example_createUser() {
	ctx := context.Background()
	store, err := userstore.OpenInMemory()
	check(err)
	defer store.Close()

	user := userstore.User{UID: "user1", Name: "Kevin"}

	created, err := store.Create(ctx, user)
	if err != nil {
		fmt.Println("error", err)
		return
	}
	fmt.Println("user created", created.UID, created.Name, created.Role, created.Status)
	// Output: user created user1 Kevin default offline
}

// CometChat.updateUser(user, authKey)
func Example_updateUser() {
	ctx := context.Background()
	store, err := userstore.OpenInMemory()
	check(err)
	defer store.Close()
	_, err = store.Create(ctx, userstore.User{UID: "user1", Name: "Kevin", Link: "https://kevin.example"})
	check(err)

	updated, err := store.Update(ctx, "user1", func(u *userstore.User) error {
		u.Name = "Kevin Fernandez"
		return nil
	})
	if err != nil {
		fmt.Println("error", err)
		return
	}
	fmt.Println("user updated", updated.Name, updated.Link)
	// Output: user updated Kevin Fernandez https://kevin.example
}

// CometChat.updateCurrentUserDetails(user)
func Example_updateCurrentUserDetails() {
	ctx := context.Background()
	store, err := userstore.OpenInMemory(userstore.WithRoles("admin"))
	check(err)
	defer store.Close()
	_, err = store.Create(ctx, userstore.User{UID: "user1", Name: "Kevin"})
	check(err)

	me, err := store.Login(ctx, "user1")
	check(err)
	updated, err := me.Update(ctx, func(u *userstore.User) error {
		u.UID = "someone_else" // does not matter: a user changes itself
		u.Name = "Kevin Fernandez"
		return nil
	})
	check(err)
	fmt.Println("user updated", updated.UID, updated.Name)

	_, err = me.Update(ctx, func(u *userstore.User) error {
		u.Role = "admin"
		return nil
	})
	fmt.Println(err, errors.Is(err, userstore.ErrNotEditable))
	// Output:
	// user updated user1 Kevin Fernandez
	// userstore: role cannot be changed true
}

func ExampleStore_Create() {
	store := sample()
	defer store.Close()

	u, err := store.Create(context.Background(), userstore.User{
		UID: "Grace", Name: "Grace Hopper", Avatar: "https://cdn.example/grace.png",
		Metadata: json.RawMessage(`{"rank":"rear admiral"}`), Tags: []string{"compilers"},
	})
	check(err)
	out, err := json.Marshal(u)
	check(err)
	fmt.Println(string(out))

	_, err = store.Create(context.Background(), userstore.User{UID: "GRACE", Name: "Another"})
	fmt.Println(errors.Is(err, userstore.ErrExists))
	// Output:
	// {"uid":"grace","name":"Grace Hopper","avatar":"https://cdn.example/grace.png","metadata":{"rank":"rear admiral"},"status":"offline","role":"default","tags":["compilers"],"createdAt":1767268800}
	// true
}

func ExampleStore_Get() {
	store := sample()
	defer store.Close()

	u, err := store.Get(context.Background(), "ADA") // letter case does not matter
	check(err)
	fmt.Println(u.UID, u.Name, u.Role)

	_, err = store.Get(context.Background(), "nobody")
	fmt.Println(errors.Is(err, userstore.ErrNotFound))
	// Output:
	// ada Ada Lovelace vip
	// true
}

func ExampleStore_Update() {
	store := sample()
	defer store.Close()

	// Many may do this at once: each sees what the one before it wrote.
	u, err := store.Update(context.Background(), "ada", func(u *userstore.User) error {
		u.Tags = append(u.Tags, "engines")
		return nil
	})
	check(err)
	fmt.Println(u.Tags, "version", u.Version)
	// Output: [math poetry engines] version 2
}

func ExampleStore_Upsert() {
	store := sample()
	defer store.Close()

	for _, name := range []string{"Grace", "Grace Hopper"} {
		u, err := store.Upsert(context.Background(), userstore.User{UID: "grace", Name: name})
		check(err)
		fmt.Println(u.Name, "version", u.Version)
	}
	// Output:
	// Grace version 1
	// Grace Hopper version 2
}

func ExampleStore_Deactivate() {
	ctx, store := context.Background(), sample()
	defer store.Close()

	out, err := store.Deactivate(ctx, "bob", "nobody")
	check(err)
	fmt.Println(out.Done, out.NotFound)

	_, err = store.Get(ctx, "bob")
	fmt.Println(errors.Is(err, userstore.ErrNotFound))
	// Output:
	// [bob] [nobody]
	// true
}

func ExampleStore_Reactivate() {
	ctx, store := context.Background(), sample()
	defer store.Close()
	_, err := store.Deactivate(ctx, "bob")
	check(err)

	out, err := store.Reactivate(ctx, "bob", "ada")
	check(err)
	fmt.Println("back:", out.Done, "was active:", out.Already)
	// Output: back: [bob] was active: [ada]
}

func ExampleStore_Delete() {
	ctx, store := context.Background(), sample()
	defer store.Close()

	check(store.Delete(ctx, "bob"))
	fmt.Println(errors.Is(store.Delete(ctx, "bob"), userstore.ErrNotFound))
	// Output: true
}

func ExampleStore_SetStatus() {
	ctx, store := context.Background(), sample()
	defer store.Close()

	check(store.SetStatus(ctx, "bob", userstore.Online))
	u, err := store.Get(ctx, "bob")
	check(err)
	fmt.Println(u.Status, u.LastActiveAt)
	// Output: available 2026-01-01 12:00:00 +0000 UTC
}

func ExampleStore_List() {
	ctx, store := context.Background(), sample()
	defer store.Close()

	q := userstore.Query{Limit: 2}
	for {
		page, err := store.List(ctx, q)
		check(err)
		fmt.Println("page:")
		names(page.Users)
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	// Output:
	// page:
	// Ada Lovelace
	// Bob Kahn
	// page:
	// Eve Ng
}

func ExampleStore_All() {
	ctx, store := context.Background(), sample()
	defer store.Close()

	for u, err := range store.All(ctx, userstore.Query{Tags: []string{"math"}, Sort: userstore.SortName, Desc: true}) {
		check(err)
		fmt.Println(u.Name)
	}
	// Output:
	// Bob Kahn
	// Ada Lovelace
}

func ExampleStore_Count() {
	store := sample()
	defer store.Close()

	n, err := store.Count(context.Background(), userstore.Query{Tags: []string{"math"}, Roles: []string{"vip"}})
	check(err)
	fmt.Println(n)
	// Output: 1
}

func ExampleQuery() {
	ctx, store := context.Background(), sample()
	defer store.Close()

	page, err := store.List(ctx, userstore.Query{Search: "b"}) // start of a name or of a uid
	check(err)
	names(page.Users)

	page, err = store.List(ctx, userstore.Query{NoTags: []string{"poetry"}, Sort: userstore.SortUID})
	check(err)
	names(page.Users)
	// Output:
	// Bob Kahn
	// Bob Kahn
	// Eve Ng
}

func ExamplePatch_Apply() {
	ctx, store := context.Background(), sample()
	defer store.Close()

	var patch userstore.Patch // such as it comes from a form
	check(json.NewDecoder(strings.NewReader(`{"Name": "Ada King", "Unset": ["tags"]}`)).Decode(&patch))

	u, err := store.Update(ctx, "ada", patch.Apply)
	check(err)
	fmt.Println(u.Name, len(u.Tags), u.Role)
	// Output: Ada King 0 vip
}

func ExampleIfVersion() {
	ctx, store := context.Background(), sample()
	defer store.Close()

	shown, err := store.Get(ctx, "ada") // a person looks at this for a while
	check(err)
	_, err = store.Update(ctx, "ada", func(u *userstore.User) error { u.StatusMessage = "away"; return nil })
	check(err)

	_, err = store.Update(ctx, "ada", userstore.IfVersion(shown.Version, func(u *userstore.User) error {
		u.Name = "Ada King"
		return nil
	}))
	fmt.Println(errors.Is(err, userstore.ErrVersion))
	// Output: true
}

func ExampleFieldError() {
	store := sample()
	defer store.Close()

	_, err := store.Create(context.Background(), userstore.User{UID: "long", Name: strings.Repeat("x", 101)})
	var refusal *userstore.FieldError
	if errors.As(err, &refusal) {
		fmt.Println(refusal.Field, refusal.Rule, refusal.Limit)
	}
	fmt.Println(errors.Is(err, userstore.ErrInvalid))
	// Output:
	// name is too long 100
	// true
}
