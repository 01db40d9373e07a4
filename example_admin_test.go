package userstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/seed-3546c6b2/userstore"
)

// tempDir is a directory for an example, and what removes it.
func tempDir() (dir string, remove func()) {
	dir, err := os.MkdirTemp("", "userstore")
	check(err)
	return dir, func() { check(os.RemoveAll(dir)) }
}

func ExampleOpen() {
	dir, remove := tempDir()
	defer remove()

	store, err := userstore.Open(dir)
	check(err)
	defer store.Close()

	_, err = userstore.Open(dir) // one at a time
	fmt.Println(errors.Is(err, userstore.ErrLocked))
	// Output: true
}

func ExampleOpenInMemory() {
	store, err := userstore.OpenInMemory(userstore.WithRoles("moderator", "guest"))
	check(err)
	defer store.Close()

	u, err := store.Create(context.Background(), userstore.User{UID: "mo", Name: "Mo", Role: "moderator"})
	check(err)
	fmt.Println(u.UID, u.Role)
	// Output: mo moderator
}

func ExampleStore_Close() {
	store := sample()
	check(store.Close())
	check(store.Close()) // a second time does no harm

	_, err := store.Get(context.Background(), "ada")
	fmt.Println(errors.Is(err, userstore.ErrClosed))
	// Output: true
}

func ExampleWithEncryptionKey() {
	dir, remove := tempDir()
	defer remove()
	key := []byte("a key of exactly thirty-two byte") // keep yours out of the program

	store, err := userstore.Open(dir, userstore.WithEncryptionKey(key))
	check(err)
	check(store.Close())

	_, err = userstore.Open(dir)
	fmt.Println(err)
	// Output: userstore: encryptionKey is missing or wrong
}

func ExampleReadOnly() {
	dir, remove := tempDir()
	defer remove()
	store, err := userstore.Open(dir)
	check(err)
	check(store.Close())

	store, err = userstore.Open(dir, userstore.ReadOnly())
	check(err)
	defer store.Close()
	fmt.Println(errors.Is(store.Delete(context.Background(), "ada"), userstore.ErrReadOnly))
	// Output: true
}

func ExampleWithClock() {
	birthday := time.Date(1815, 12, 10, 0, 0, 0, 0, time.UTC)
	store, err := userstore.OpenInMemory(userstore.WithClock(func() time.Time { return birthday }))
	check(err)
	defer store.Close()

	u, err := store.Create(context.Background(), userstore.User{UID: "ada", Name: "Ada"})
	check(err)
	fmt.Println(u.CreatedAt.Year())
	// Output: 1815
}

func ExampleWithSync() {
	dir, remove := tempDir()
	defer remove()

	// For a first load, when a loss of power means beginning anew: much quicker.
	store, err := userstore.Open(dir, userstore.WithSync(false))
	check(err)
	defer store.Close()
	_, err = store.Create(context.Background(), userstore.User{UID: "ada", Name: "Ada"})
	fmt.Println(err)
	// Output: <nil>
}

func ExampleStore_Import() {
	store := sample()
	defer store.Close()
	lines := strings.NewReader(`{"uid":"grace","name":"Grace Hopper","createdAt":1700000000}
{"uid":"ada","name":"A second Ada"}
{"uid":"nameless"}
`)
	report, err := store.Import(context.Background(), lines, userstore.ImportOptions{})
	check(err)
	fmt.Println("read", report.Read, "created", report.Created, "failed", report.Failed)
	for _, e := range report.Errors {
		fmt.Println("line", e.Line, e.Err)
	}
	// Output:
	// read 3 created 1 failed 2
	// line 2 userstore: already exists: user ada
	// line 3 userstore: name is required
}

func ExampleStore_ImportUsers() {
	store := sample()
	defer store.Close()
	copied, err := userstore.OpenInMemory(userstore.WithRoles("vip"))
	check(err)
	defer copied.Close()

	ctx := context.Background()
	everybody := userstore.Query{Deactivated: userstore.DeactivatedInclude}
	report, err := copied.ImportUsers(ctx, func(yield func(userstore.User) bool) {
		for u, err := range store.All(ctx, everybody) {
			check(err)
			if !yield(u) {
				return
			}
		}
	}, userstore.ImportOptions{})
	fmt.Println("created", report.Created, "failed", report.Failed, err)
	// Output: created 3 failed 0 <nil>
}

func ExampleStore_Export() {
	store := sample()
	defer store.Close()

	n, err := store.Export(context.Background(), os.Stdout, userstore.Query{Tags: []string{"math"}})
	check(err)
	fmt.Println(n, "users")
	// Output:
	// {"uid":"ada","name":"Ada Lovelace","status":"offline","role":"vip","tags":["math","poetry"],"createdAt":1767268800}
	// {"uid":"bob","name":"Bob Kahn","status":"offline","role":"default","tags":["math"],"createdAt":1767268800}
	// 2 users
}

func ExampleStore_Backup() {
	ctx, store := context.Background(), sample()
	defer store.Close()

	var backup bytes.Buffer // or a file
	check(store.Backup(ctx, &backup))

	copied, err := userstore.RestoreInMemory(ctx, &backup)
	check(err)
	defer copied.Close()
	n, err := copied.Count(ctx, userstore.Query{})
	fmt.Println(n, err)
	// Output: 3 <nil>
}

func ExampleRestore() {
	ctx, store := context.Background(), sample()
	defer store.Close()
	dir, remove := tempDir()
	defer remove()
	var backup bytes.Buffer
	check(store.Backup(ctx, &backup))

	check(userstore.Restore(ctx, filepath.Join(dir, "restored"), &backup))
	restored, err := userstore.Open(filepath.Join(dir, "restored"))
	check(err)
	defer restored.Close()
	u, err := restored.Get(ctx, "ada")
	fmt.Println(u.Name, err)
	// Output: Ada Lovelace <nil>
}

func ExampleRestoreInMemory() {
	ctx, store := context.Background(), sample()
	defer store.Close()
	var backup bytes.Buffer
	check(store.Backup(ctx, &backup))

	// Each test of a suite can begin with the same users.
	for range 2 {
		fresh, err := userstore.RestoreInMemory(ctx, bytes.NewReader(backup.Bytes()))
		check(err)
		check(fresh.Delete(ctx, "ada"))
		check(fresh.Close())
	}
	_, err := store.Get(ctx, "ada")
	fmt.Println(err)
	// Output: <nil>
}

func ExampleStore_Verify() {
	store := sample()
	defer store.Close()

	report, err := store.Verify(context.Background())
	check(err)
	fmt.Println(report.Users, "users, sound:", report.OK())
	// Output: 3 users, sound: true
}

func ExampleStore_Repair() {
	store := sample()
	defer store.Close()

	report, err := store.Repair(context.Background())
	check(err)
	for _, p := range report.Problems {
		fmt.Println(p.Kind, p.UID, p.Detail)
	}
	fmt.Println(len(report.Problems), "problems were found")
	// Output: 0 problems were found
}

func ExampleStore_CreateRole() {
	ctx, store := context.Background(), sample()
	defer store.Close()

	role, err := store.CreateRole(ctx, userstore.Role{ID: "Moderator", Name: "Moderator", Description: "Keeps the peace"})
	check(err)
	fmt.Println(role.ID)

	_, err = store.Create(ctx, userstore.User{UID: "mo", Name: "Mo", Role: "owner"})
	fmt.Println(err)
	// Output:
	// moderator
	// userstore: role does not exist
}

func ExampleStore_Role() {
	store := sample()
	defer store.Close()

	role, err := store.Role(context.Background(), "default")
	check(err)
	fmt.Println(role.ID, "-", role.Name)
	// Output: default - Default Role
}

func ExampleStore_UpdateRole() {
	store := sample()
	defer store.Close()

	role, err := store.UpdateRole(context.Background(), "vip", func(r *userstore.Role) error {
		r.Name = "Very important"
		return nil
	})
	check(err)
	fmt.Println(role.ID, "-", role.Name)
	// Output: vip - Very important
}

func ExampleStore_DeleteRole() {
	ctx, store := context.Background(), sample()
	defer store.Close()

	fmt.Println(errors.Is(store.DeleteRole(ctx, "vip"), userstore.ErrInUse)) // Ada has it
	check(store.Delete(ctx, "ada"))
	fmt.Println(store.DeleteRole(ctx, "vip"))
	// Output:
	// true
	// <nil>
}

func ExampleStore_Roles() {
	store := sample()
	defer store.Close()

	roles, err := store.Roles(context.Background())
	check(err)
	for _, role := range roles {
		fmt.Println(role.ID)
	}
	// Output:
	// default
	// vip
}

func ExampleStore_AddFriends() {
	store := sample()
	defer store.Close()

	out, err := store.AddFriends(context.Background(), "ada", "bob", "eve", "ada", "nobody")
	check(err)
	fmt.Println(out.Done, out.Refused, out.NotFound)
	// Output: [bob eve] [ada] [nobody]
}

func ExampleStore_RemoveFriends() {
	ctx, store := context.Background(), sample()
	defer store.Close()
	_, err := store.AddFriends(ctx, "ada", "bob")
	check(err)

	out, err := store.RemoveFriends(ctx, "bob", "ada", "eve") // it is mutual
	check(err)
	fmt.Println(out.Done, out.Already)
	// Output: [ada] [eve]
}

func ExampleStore_Friends() {
	ctx, store := context.Background(), sample()
	defer store.Close()
	_, err := store.AddFriends(ctx, "ada", "eve", "bob")
	check(err)

	page, err := store.Friends(ctx, "ada", userstore.Query{})
	check(err)
	names(page.Users)
	// Output:
	// Bob Kahn
	// Eve Ng
}

func ExampleStore_IssueToken() {
	ctx, store := context.Background(), sample()
	defer store.Close()

	token, err := store.IssueToken(ctx, "ada")
	check(err)
	fmt.Println(token.UID, len(token.Token))
	// Output: ada 44
}

func ExampleStore_Tokens() {
	ctx, store := context.Background(), sample()
	defer store.Close()
	for range 102 {
		_, err := store.IssueToken(ctx, "ada")
		check(err)
	}

	tokens, err := store.Tokens(ctx, "ada")
	check(err)
	fmt.Println(len(tokens), "live, the oldest dropped out")
	// Output: 100 live, the oldest dropped out
}

func ExampleStore_RevokeToken() {
	ctx, store := context.Background(), sample()
	defer store.Close()
	token, err := store.IssueToken(ctx, "ada")
	check(err)
	ada, err := store.LoginWithToken(ctx, token.Token)
	check(err)

	check(store.RevokeToken(ctx, "ada", token.Token))
	_, err = ada.User(ctx)
	fmt.Println(errors.Is(err, userstore.ErrLoggedOut))
	// Output: true
}

func ExampleStore_RevokeTokens() {
	ctx, store := context.Background(), sample()
	defer store.Close()
	for range 3 {
		_, err := store.IssueToken(ctx, "ada")
		check(err)
	}

	n, err := store.RevokeTokens(ctx, "ada")
	check(err)
	fmt.Println(n, "devices are logged out")
	// Output: 3 devices are logged out
}

func ExampleStore_Stats() {
	store := sample()
	defer store.Close()

	stats, err := store.Stats(context.Background())
	check(err)
	fmt.Println(stats.Active, "users,", stats.Roles["vip"], "of them vip,", stats.Tags["math"], "tagged math")
	// Output: 3 users, 1 of them vip, 2 tagged math
}

func ExampleStore_Compact() {
	dir, remove := tempDir()
	defer remove()
	store, err := userstore.Open(dir)
	check(err)
	defer store.Close()

	fmt.Println(store.Compact(context.Background())) // after many deletions, if the space is wanted back at once
	// Output: <nil>
}
