package main

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"time"
)

// User is the record that every peer stores: about 350 bytes, three tags, one of five roles.
type User struct {
	UID, Name, Avatar, Link, Role, StatusMessage string
	Metadata                                     []byte // a JSON object
	Tags                                         []string
	Status                                       string // presence; everybody is offline
	CreatedAt, UpdatedAt                         int64  // Unix seconds
	Version                                      uint64 // grows by one with each update
}

// Workload makes the same users and the same requests for the same seed, whatever runs them.
type Workload struct {
	Seed  uint64
	Users int // how many are loaded; user numbers above are new to the store
}

// Roles and what share of the users has each, in percent. The rest is roleDefault.
const (
	roleDefault   = "default"
	rolePremium   = "premium"   // 10 %, drawn to topic 0 and repelled by topic 1
	roleModerator = "moderator" // 10 %, any topic
	roleSupport   = "support"   // 1 %, any topic
	roleAdmin     = "admin"     // 1 %, drawn to city 0
)

var roles = []string{roleDefault, rolePremium, roleModerator, roleSupport, roleAdmin}

// Each user has a topic, which about 10 % of all share, a city (1 %) and a team (0.1 %).
const (
	topics = 10
	cities = 100
	teams  = 1000
)

func topicTag(i int) string { return fmt.Sprintf("topic-%d", i) }
func cityTag(i int) string  { return fmt.Sprintf("città-%02d", i) }
func teamTag(i int) string  { return fmt.Sprintf("команда-%03d", i) }

// UID is the uid of a user number: spread over the alphabet, and no two alike.
func (w Workload) UID(i int) string {
	x := uint64(i) + w.Seed<<40
	x *= 0x9e3779b97f4a7c15 // odd multipliers and shifted xors can be undone, so distinct numbers stay distinct
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	x ^= x >> 29
	const hex = "0123456789abcdef"
	b := []byte("user-0123456789abcdef")
	for j := range 16 {
		b[5+j] = hex[x>>(4*j)&15]
	}
	return string(b)
}

// dice gives a stream of numbers that belongs to one thing, such as a user, and to nothing else.
func (w Workload) dice(kind, i int) *rand.Rand {
	return rand.New(rand.NewPCG(w.Seed<<8|uint64(kind), uint64(i)))
}

const (
	diceUser = iota
	diceUpdate
	diceKeys
)

// User makes a user of a number, not yet stored anywhere.
func (w Workload) User(i int) User {
	d := w.dice(diceUser, i)
	u := User{UID: w.UID(i), Name: name(d), Role: role(d), StatusMessage: moods[d.IntN(len(moods))], Status: "offline"}
	u.Tags = []string{topicTag(topic(d, u.Role)), cityTag(city(d, u.Role)), teamTag(d.IntN(teams))}
	u.Avatar = "https://images.example.com/avatars/" + u.UID[5:] + ".webp"
	u.Link = "https://people.example.com/" + u.UID[5:]
	u.Metadata = metadata(u.UID, [...]string{"free", "team", "business"}[d.IntN(3)], d.IntN(1000))
	return u
}

func metadata(uid, plan string, logins int) []byte {
	return fmt.Appendf(nil, `{"email":"%s@mail.example.com","plan":"%s","locale":"pt-BR","zone":"America/Sao_Paulo","device":"web","beta":true,"logins":%d}`,
		uid[5:15], plan, logins)
}

func name(d *rand.Rand) string {
	n := d.IntN(100)
	for _, s := range scripts {
		if n -= s.weight; n < 0 {
			first, last := s.first[d.IntN(len(s.first))]+s.space, s.last[d.IntN(len(s.last))]
			if s.space != "" && d.IntN(2) == 0 {
				middle := []rune(s.last[d.IntN(len(s.last))])
				first += string(middle[0]) + ". "
			}
			return first + last
		}
	}
	panic("the weights of the scripts do not add up to 100")
}

func role(d *rand.Rand) string {
	switch n := d.IntN(100); {
	case n < 10:
		return rolePremium
	case n < 20:
		return roleModerator
	case n < 21:
		return roleSupport
	case n < 22:
		return roleAdmin
	}
	return roleDefault
}

// topic is 0 for 80 % of the premium users and few others, 1 for 0.1 % of them, and otherwise has nothing to do with the
// role; each topic has about a tenth of all users.
func topic(d *rand.Rand, role string) int {
	n := d.IntN(1000)
	if role == rolePremium {
		switch {
		case n < 800:
			return 0
		case n < 801:
			return 1
		}
		return 2 + n%8
	}
	if role == roleModerator || role == roleSupport {
		return n % topics
	}
	if n < 10 {
		return 0
	}
	return 1 + n%9
}

// city is 0 for 80 % of the admins and few others.
func city(d *rand.Rand, role string) int {
	if role == roleAdmin && d.IntN(10) < 8 {
		return 0
	}
	return d.IntN(cities)
}

// All makes the users that are loaded, one after the other.
func (w Workload) All() iter.Seq[User] {
	return func(yield func(User) bool) {
		for i := range w.Users {
			if !yield(w.User(i)) {
				return
			}
		}
	}
}

// Edit is the change number i makes: always the status message and the metadata, one time in four a tag, one in sixteen
// the name.
func (w Workload) Edit(i int) func(*User) {
	d := w.dice(diceUpdate, i)
	mood, logins, team, fresh := moods[d.IntN(len(moods))], d.IntN(1000), teamTag(d.IntN(teams)), name(d)
	return func(u *User) {
		u.StatusMessage = mood
		u.Metadata = metadata(u.UID, "team", logins)
		if i%4 == 0 {
			u.Tags = append(append([]string(nil), u.Tags[:2]...), team)
		}
		if i%16 == 0 {
			u.Name = fresh
		}
	}
}

// Uniform draws n uids of the first users, each as likely as the other.
func (w Workload) Uniform(n, users int) []string {
	d := w.dice(diceKeys, 0)
	uids := make([]string, n)
	for i := range uids {
		uids[i] = w.UID(d.IntN(users))
	}
	return uids
}

// Skewed draws n uids as readers of a real service do: few users are asked for often, most hardly ever (Zipf, 1.1).
func (w Workload) Skewed(n, users int) []string {
	d := w.dice(diceKeys, 1)
	zipf := rand.NewZipf(d, 1.1, 1, uint64(users-1))
	uids := make([]string, n)
	for i := range uids {
		const prime = 1_000_003 // larger than any store and no factor of its size, so every rank is another user
		uids[i] = w.UID(int(zipf.Uint64() * prime % uint64(users)))
	}
	return uids
}

const pageSize = 100

// ByTag asks for first pages by the larger tags: all topics and as many cities.
func (w Workload) ByTag() (list []Query) {
	for i := range topics {
		list = append(list, Query{Tag: topicTag(i), Limit: pageSize}, Query{Tag: cityTag(i), Limit: pageSize})
	}
	return list
}

// ByPrefix asks for first pages of people whose name starts with what somebody typed.
func (w Workload) ByPrefix() (list []Query) {
	for _, s := range scripts[:3] {
		for _, first := range s.first {
			list = append(list, Query{Prefix: strings.ToLower(first), Limit: pageSize})
		}
	}
	return list
}

// Mixes are the pages by tag and role, by how the two go together.
func (w Workload) Mixes() map[string][]Query {
	and := func(tag, role string) Query { return Query{Tag: tag, Role: role, Limit: pageSize} }
	mixes := map[string][]Query{
		rowRelated10: {and(topicTag(0), rolePremium)},
		rowRelated1:  {and(cityTag(0), roleAdmin)},
		rowOpposed:   {and(topicTag(1), rolePremium)},
	}
	for i := 2; i < topics; i++ {
		mixes[rowFree10] = append(mixes[rowFree10], and(topicTag(i), roleModerator))
		mixes[rowFree1] = append(mixes[rowFree1], and(topicTag(i), roleSupport))
	}
	return mixes
}

// stamp does to a new or changed user what every store does.
func stamp(u *User) {
	now := time.Now().Unix()
	if u.Version == 0 {
		u.CreatedAt = now
	} else {
		u.UpdatedAt = now
	}
	u.Version++
}
