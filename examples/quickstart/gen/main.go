// Command gen makes up the users of the quickstart: people of many languages, with every field that a user can have. It
// writes the same ones each time.
//
//	go run ./examples/quickstart/gen > examples/quickstart/users.jsonl
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/seed-3546c6b2/userstore"
)

const users = 2000

func main() {
	if err := generate(os.Stdout, users); err != nil {
		log.Fatal(err)
	}
}

// generate writes n users, one JSON object to a line.
func generate(w io.Writer, n int) error {
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	r := rand.New(rand.NewPCG(2026, 7))
	taken := map[string]bool{}
	for range n {
		u := person(r)
		for base, i := u.UID, 2; taken[u.UID]; i++ {
			u.UID = fmt.Sprintf("%s-%d", base, i)
		}
		taken[u.UID] = true
		if err := enc.Encode(u); err != nil {
			return err
		}
	}
	return out.Flush()
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// in is true in n of a hundred cases.
func in(r *rand.Rand, n int) bool { return r.IntN(100) < n }

func person(r *rand.Rand) userstore.User {
	from := pick(r, peoples)
	given, family := strings.Split(pick(r, from.given), "|"), strings.Split(pick(r, from.family), "|")
	u := userstore.User{UID: given[1] + "_" + family[1], Name: given[0] + " " + family[0], Role: role(r)}
	if from.familyFirst {
		u.Name = family[0] + from.space + given[0]
	}
	if in(r, 8) {
		u.Name += " " + pick(r, emoji)
	}
	if in(r, 70) {
		u.Avatar = fmt.Sprintf("https://cdn.example.org/avatars/%s/%d.png", from.code, r.IntN(400))
	}
	if in(r, 25) {
		u.Link = "https://people.example.org/" + u.UID
	}
	if in(r, 35) {
		u.StatusMessage = pick(r, from.says)
		if in(r, 20) {
			u.StatusMessage += "\n" + pick(r, emoji)
		}
	}
	u.Tags = tags(r, from.code)
	if in(r, 80) {
		u.Metadata = metadata(r, &u, from.code)
	}
	times(r, &u)
	return u
}

// role is default for most.
func role(r *rand.Rand) string {
	switch n := r.IntN(100); {
	case n < 70:
		return "default"
	case n < 85:
		return "customer"
	case n < 94:
		return "agent"
	case n < 98:
		return "moderator"
	}
	return "admin"
}

// tags are the person's city, its language and what it likes, in any order.
func tags(r *rand.Rand, code string) []string {
	var list []string
	if in(r, 90) {
		list = append(list, pick(r, cities))
	}
	if in(r, 60) {
		list = append(list, "lang:"+code)
	}
	for _, i := range r.Perm(len(interests))[:r.IntN(4)] {
		list = append(list, interests[i])
	}
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

func metadata(r *rand.Rand, u *userstore.User, code string) json.RawMessage {
	m := map[string]any{
		"@private": map[string]any{"email": u.UID + "@example.org", "contactNumber": fmt.Sprintf("+00 %03d %06d", r.IntN(1000), r.IntN(1_000_000))},
		"language": code,
	}
	if in(r, 50) {
		m["team"] = map[string]any{"name": pick(r, interests), "floor": r.IntN(12), "remote": in(r, 40)}
	}
	if in(r, 20) {
		m["badges"] = []string{pick(r, emoji), pick(r, emoji)}
	}
	b, err := json.Marshal(m)
	if err != nil {
		log.Fatal(err)
	}
	return b
}

// times are of three years. A few people have left.
func times(r *rand.Rand, u *userstore.User) {
	after := func(t time.Time) time.Time { return t.Add(time.Duration(r.IntN(300*24*3600)) * time.Second) }
	u.CreatedAt = after(time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC))
	if in(r, 60) {
		u.UpdatedAt = after(u.CreatedAt)
	}
	if in(r, 75) {
		u.LastActiveAt = after(u.CreatedAt)
	}
	if in(r, 3) {
		u.DeactivatedAt = after(after(u.CreatedAt))
		u.UpdatedAt = u.DeactivatedAt
	}
}
