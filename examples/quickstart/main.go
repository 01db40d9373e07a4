// Command quickstart shows what userstore does, with two thousand made-up users, in a directory that it removes again.
//
//	go run ./examples/quickstart
package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"github.com/seed-3546c6b2/userstore"
)

//go:generate sh -c "go run ./gen > users.jsonl"

// people is the directory that ships with this example, one user to a line.
//
//go:embed users.jsonl
var people []byte

func main() {
	dir, err := os.MkdirTemp("", "quickstart")
	if err != nil {
		log.Fatal(err)
	}
	err = run(context.Background(), dir, os.Stdout)
	if err := errors.Join(err, os.RemoveAll(dir)); err != nil {
		log.Fatal(err)
	}
}

// tour is the quickstart on its way: the store, and what it says.
type tour struct {
	*userstore.Store
	out io.Writer
}

// run does everything there is to show, in dir, and tells it to out.
func run(ctx context.Context, dir string, out io.Writer) error {
	t := &tour{out: out}
	if err := t.open(dir); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{t.load, t.createAndUpdate, t.currentUser, t.lists, t.blocks, t.leave} {
		if err := step(ctx); err != nil {
			return errors.Join(err, t.Close())
		}
	}
	return t.reopen(ctx, dir)
}

func (t *tour) title(s string) {
	fmt.Fprintf(t.out, "\n%s\n%s\n", s, strings.Repeat("─", len([]rune(s))))
}

func (t *tour) say(format string, args ...any) { fmt.Fprintf(t.out, "  "+format+"\n", args...) }

// table prints users, a line each.
func (t *tour) table(users []userstore.User) {
	for _, u := range users {
		t.say("  %-22s %-10s %s  %s", u.UID, u.Role, u.Name, strings.Join(u.Tags, ", "))
	}
}

// expect makes sure that a call was refused as it should be, and says how.
func (t *tour) expect(err, want error, what string) error {
	if !errors.Is(err, want) {
		return fmt.Errorf("%s: expected %v, got %v", what, want, err)
	}
	t.say("%s: refused (%v)", what, err)
	return nil
}
