// Package userstore keeps an application's users inside the application's own process, on Badger, and applies
// CometChat's rules for users to them.
//
//	store, err := userstore.Open("data/users", userstore.WithRoles("admin"))
//	if err != nil { … }
//	defer store.Close()
//
//	ann, err := store.Create(ctx, userstore.User{UID: "ann", Name: "Ann", Role: "admin", Tags: []string{"berlin"}})
//	ann, err = store.Update(ctx, "ann", func(u *userstore.User) error { u.Link = "https://example.com"; return nil })
//	page, err := store.List(ctx, userstore.Query{Tags: []string{"berlin"}, Roles: []string{"admin"}})
//
// # Two callers
//
// A [Store] is what the application's back end holds: it is trusted and may do everything. A [Session] is what a logged-in
// user may do: see the others, with flags that tell who has blocked whom; change itself, but never its uid or role;
// block and unblock. Deleting is the back end's alone.
//
// # One user, three states
//
// A user is active, deactivated, or absent. Deactivate hides a user: every look-up answers as if it were absent, but its
// uid stays taken and everything about it is kept for Reactivate. Delete is for good, and takes along friendships, blocks
// and tokens.
//
// # Changes
//
// Every change is one transaction: it reads what it depends on, checks the rules, and writes the record together with
// its index entries. Changes run one after the other, so no update is ever lost; those that arrive while a commit is
// being synced share the next one, so that many writers together are several times faster than one. When a call
// returns, its change is on disk, unless [WithSync] says otherwise.
//
// # Lists
//
// Every roster (everybody, each role, each tag) is kept in the order of name and uid, so a page costs what it holds and not what the
// store holds. A page has a cursor to the next one. [Store.All] walks one snapshot, and its loop may write. Counts by a
// tag or role are kept, not counted.
//
// # Whose rules
//
// The rules are CometChat's, as far as they are known: docs/cometchat-facts.md collects them with the grade of evidence of each.
// "facts 3.4" in this documentation is its section 3.4. Where CometChat is silent, the documentation here says what was decided.
//
// # Errors
//
// Compare with errors.Is: the sentinels are few. A value that breaks a rule is a [*FieldError], which names field, rule and limit
// and never holds the value; it matches [ErrInvalid] or [ErrNotEditable]. No error or log line of this package holds a user's
// data beyond the uid.
//
// # Time
//
// Times are UTC, at the precision of the clock, which WithClock replaces. In JSON they are Unix seconds.
//
// # Beside it
//
// Package cometchat speaks CometChat's REST API over a Store; package cometchattest makes a test server of it in one line;
// cmd/userstore looks after a store from the command line.
package userstore
