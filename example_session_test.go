package userstore_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-3546c6b2/userstore"
)

func ExampleStore_Login() {
	ctx, store := context.Background(), sample()
	defer store.Close()

	ada, err := store.Login(ctx, "ada")
	check(err)
	page, err := ada.List(ctx, userstore.Query{}) // everyone but Ada
	check(err)
	names(page.Users)
	// Output:
	// Bob Kahn
	// Eve Ng
}

func ExampleStore_LoginWithToken() {
	ctx, store := context.Background(), sample()
	defer store.Close()
	token, err := store.IssueToken(ctx, "ada")
	check(err)

	ada, err := store.LoginWithToken(ctx, token.Token)
	check(err)
	fmt.Println(ada.UID())

	_, err = store.LoginWithToken(ctx, "made up")
	fmt.Println(errors.Is(err, userstore.ErrNotFound))
	// Output:
	// ada
	// true
}

func ExampleSession_UID() {
	store := sample()
	defer store.Close()

	ada, err := store.Login(context.Background(), "ADA")
	check(err)
	fmt.Println(ada.UID())
	// Output: ada
}

func ExampleSession_User() {
	ctx, store := context.Background(), sample()
	defer store.Close()
	ada, err := store.Login(ctx, "ada")
	check(err)

	me, err := ada.User(ctx)
	check(err)
	fmt.Println(me.Name, me.Tags)
	// Output: Ada Lovelace [math poetry]
}

func ExampleSession_Update() {
	ctx, store := context.Background(), sample()
	defer store.Close()
	ada, err := store.Login(ctx, "ada")
	check(err)

	me, err := ada.Update(ctx, func(u *userstore.User) error {
		u.StatusMessage = "At the engine"
		return nil
	})
	check(err)
	fmt.Println(me.StatusMessage)
	// Output: At the engine
}

func ExampleSession_Get() {
	ctx, store := context.Background(), sample()
	defer store.Close()
	ada, err := store.Login(ctx, "ada")
	check(err)
	_, err = ada.Block(ctx, "eve")
	check(err)

	eve, err := ada.Get(ctx, "eve")
	check(err)
	fmt.Println(eve.Name, "blocked by me:", eve.BlockedByMe, "has blocked me:", eve.HasBlockedMe)
	// Output: Eve Ng blocked by me: true has blocked me: false
}

func ExampleSession_List() {
	ctx, store := context.Background(), sample()
	defer store.Close()
	ada, err := store.Login(ctx, "ada")
	check(err)
	_, err = ada.Block(ctx, "eve")
	check(err)

	page, err := ada.List(ctx, userstore.Query{HideBlocked: true})
	check(err)
	names(page.Users)
	// Output: Bob Kahn
}

func ExampleSession_All() {
	ctx, store := context.Background(), sample()
	defer store.Close()
	_, err := store.AddFriends(ctx, "ada", "eve")
	check(err)
	ada, err := store.Login(ctx, "ada")
	check(err)

	for u, err := range ada.All(ctx, userstore.Query{FriendsOnly: true}) {
		check(err)
		fmt.Println(u.Name)
	}
	// Output: Eve Ng
}

func ExampleSession_Count() {
	ctx, store := context.Background(), sample()
	defer store.Close()
	ada, err := store.Login(ctx, "ada")
	check(err)
	check(store.SetStatus(ctx, "bob", userstore.Online))

	n, err := ada.Count(ctx, userstore.Query{Status: userstore.Online})
	check(err)
	fmt.Println(n, "online")
	// Output: 1 online
}

func ExampleSession_Block() {
	ctx, store := context.Background(), sample()
	defer store.Close()
	ada, err := store.Login(ctx, "ada")
	check(err)

	out, err := ada.Block(ctx, "eve", "nobody", "ada")
	check(err)
	fmt.Println(out.Done, out.NotFound, out.Refused)
	// Output: [eve] [nobody] [ada]
}

func ExampleSession_Unblock() {
	ctx, store := context.Background(), sample()
	defer store.Close()
	ada, err := store.Login(ctx, "ada")
	check(err)
	_, err = ada.Block(ctx, "eve")
	check(err)

	out, err := ada.Unblock(ctx, "eve", "bob")
	check(err)
	fmt.Println(out.Done, out.Already)
	// Output: [eve] [bob]
}

func ExampleSession_Blocked() {
	ctx, store := context.Background(), sample()
	defer store.Close()
	ada, err := store.Login(ctx, "ada")
	check(err)
	_, err = ada.Block(ctx, "eve")
	check(err)
	bob, err := store.Login(ctx, "bob")
	check(err)
	_, err = bob.Block(ctx, "ada")
	check(err)

	for _, direction := range []userstore.BlockDirection{userstore.BlockBoth, userstore.BlockedByMe, userstore.HasBlockedMe} {
		page, err := ada.Blocked(ctx, userstore.BlockQuery{Direction: direction})
		check(err)
		fmt.Println(uids(page.Users))
	}
	// Output:
	// [bob eve]
	// [eve]
	// [bob]
}

func ExampleSession_BlockedAt() {
	ctx, store := context.Background(), sample()
	defer store.Close()
	ada, err := store.Login(ctx, "ada")
	check(err)
	_, err = ada.Block(ctx, "eve")
	check(err)

	at, err := ada.BlockedAt(ctx, "eve")
	check(err)
	fmt.Println(at)
	// Output: 2026-01-01 12:00:00 +0000 UTC
}

func ExampleSession_Logout() {
	ctx, store := context.Background(), sample()
	defer store.Close()
	ada, err := store.Login(ctx, "ada")
	check(err)

	check(ada.Logout(ctx))
	_, err = ada.User(ctx)
	fmt.Println(errors.Is(err, userstore.ErrLoggedOut))
	// Output: true
}
