package userstore_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/seed-3546c6b2/userstore"
)

// gen makes up users and queries. The same seed gives the same ones.
type gen struct{ *rand.Rand }

func newGen(seed uint64) gen { return gen{rand.New(rand.NewPCG(seed, 0))} }

// oneIn is true once in n times.
func (g gen) oneIn(n int) bool { return g.IntN(n) == 0 }

func pick[T any](g gen, list []T) T { return list[g.IntN(len(list))] }

// some is up to n different members of a list.
func some[T any](g gen, list []T, n int) (chosen []T) {
	for _, i := range g.Perm(len(list))[:g.IntN(min(n, len(list))+1)] {
		chosen = append(chosen, list[i])
	}
	return chosen
}

var (
	givenNames = []string{"Ada", "ada", "ADA", "Émile", "émile", "E\u0301mile", "Zoë", "Иван", "иван", "Σοφία", "σοφία", "王", "王小明", "علي", "שרה", "अनिता", "たろう",
		"İpek", "ipek", "Straße", "STRASSE", "ǅemal", "𐐀𐐨", "🚀 Rita", "🚀", "O'Neil", "\"Q\"", "a", "A", "aa", "Ab", "z", "\u00a0pad", "~", "\ue000", "\U0010ffff"}
	familyNames = []string{"", " Lovelace", " lovelace", " LOVELACE", " Петров", " de la Cruz", "-Jones", " 2", " 10", " \u200d", " 😀😀", " Ünal"}
	someTags    = []string{"red", "Red", "RED", "blue", "gold member", "日本", "🏷", "a,b", "re", "x", "y", "z"}
	someRoles   = []string{"default", "vip", "agent", "Guest", "bot_1"}
	badUIDs     = []string{"", " ", "no body", "ü", "a.b", "\xff", strings.Repeat("u", 101), "\u212a"}
	someURLs    = []string{"", "https://a.example/x.png", "http://b.example", "https://例え.jp/?q=<&>"}
	someObjects = []string{"", "null", "{}", `{"a":1}`, `{ "a" : 1 }`, `{"@private":{"e":"x@y.example"},"é":"<&>"}`, `{"l":[1,2,3]}`}
)

// uid is one of few, written in any case, and now and then none at all.
func (g gen) uid() string {
	if g.oneIn(40) {
		return pick(g, badUIDs)
	}
	uid := fmt.Sprintf("%s%d", pick(g, []string{"u", "us-", "v_", "ada"}), g.IntN(12))
	switch g.IntN(5) {
	case 0:
		return strings.ToUpper(uid)
	case 1:
		return strings.ToUpper(uid[:1]) + uid[1:]
	}
	return uid
}

func (g gen) uids(n int) (list []string) {
	for range g.IntN(n + 1) {
		list = append(list, g.uid())
	}
	return list
}

func (g gen) name() string { return pick(g, givenNames) + pick(g, familyNames) }

// edit sets some of the editable fields, now and then to what is refused.
func (g gen) edit(u *userstore.User) {
	set := func(p *string, values []string, bad ...string) {
		if g.oneIn(3) {
			if *p = pick(g, values); g.oneIn(25) {
				*p = pick(g, bad)
			}
		}
	}
	set(&u.Name, []string{g.name()}, "", " ", "a\x00", "\xff", strings.Repeat("é", 101))
	set(&u.Avatar, someURLs, "ftp://x/y", "a.png", "https://", strings.Repeat("x", 3001))
	set(&u.Link, someURLs, "//x/y", "https://h\n", "http://"+strings.Repeat("x", 3000))
	set(&u.StatusMessage, []string{"", "hi", "two\nlines", strings.Repeat("s", 1000)}, "\x00", "\xff", strings.Repeat("s", 1001))
	set(&u.Role, append(someRoles, ""), "ghost", "no role")
	if g.oneIn(3) {
		if u.Metadata = json.RawMessage(pick(g, someObjects)); g.oneIn(25) {
			u.Metadata = json.RawMessage(pick(g, []string{"[]", "5", `"x"`, "{", "{}{}", `{"k":"` + strings.Repeat("x", 5113) + `"}`}))
		}
	}
	if g.oneIn(2) {
		if u.Tags = some(g, someTags, 5); g.oneIn(25) {
			u.Tags = append(u.Tags, pick(g, []string{"", " ", "a\nb", "\xff", strings.Repeat("t", 101)}))
		}
		if len(u.Tags) > 1 && g.oneIn(4) {
			u.Tags = append(u.Tags, u.Tags[0])
		}
	}
}

// user has a name, unless it is to be refused, and some of the other fields.
func (g gen) user() userstore.User {
	u := userstore.User{UID: g.uid(), Name: g.name()}
	g.edit(&u)
	return u
}

// search is the start of a name or of a uid, in any case.
func (g gen) search() string {
	s := []rune(pick(g, []string{g.name(), "u", "us-", "v_1", "ada", "ad", "nothing"}))
	s = s[:1+g.IntN(len(s))]
	switch g.IntN(3) {
	case 0:
		return strings.ToUpper(string(s))
	case 1:
		return strings.ToLower(string(s))
	}
	return string(s)
}

// query asks for anything. One for a viewer may ask for friends; one for a store for deactivated users.
func (g gen) query(viewer bool) userstore.Query {
	q := userstore.Query{Sort: userstore.Sort(g.IntN(4)), Desc: g.oneIn(2), Limit: g.IntN(25)}
	if g.oneIn(4) {
		q.Search = g.search()
		q.SearchIn = pick(g, [][]userstore.Field{nil, nil, {"name"}, {"uid"}, {"uid", "name"}})
	}
	names := func(n int, list []string) []string {
		if !g.oneIn(n) {
			return nil
		}
		chosen := some(g, list, 3)
		if g.oneIn(5) {
			chosen = append(chosen, pick(g, []string{"", "unknown", " ", "\xff"}))
		}
		return chosen
	}
	q.Tags, q.AllTags, q.NoTags = names(4, someTags), names(6, someTags[:4]), names(6, someTags)
	q.Roles = names(4, append([]string{"VIP", "vip"}, someRoles...))
	if g.oneIn(8) {
		q.UIDs = append(g.uids(15), g.uid())
	}
	if g.oneIn(4) {
		q.Status = pick(g, []userstore.Status{userstore.Online, userstore.Offline})
	}
	if viewer {
		q.FriendsOnly, q.HideBlocked = g.oneIn(4), g.oneIn(3)
	} else if g.oneIn(3) {
		q.Deactivated = pick(g, []userstore.Deactivated{userstore.DeactivatedInclude, userstore.DeactivatedOnly})
	}
	if g.oneIn(40) { // what is refused
		pick(g, []func(){
			func() { q.Sort = 4 }, func() { q.Status = "away" }, func() { q.SearchIn, q.Search = []userstore.Field{"avatar"}, "a" },
			func() { q.Deactivated = 3 }, func() { q.FriendsOnly, q.Deactivated = true, userstore.DeactivatedOnly },
			func() { q.HideBlocked, q.Deactivated = true, userstore.DeactivatedInclude },
		})()
	}
	return q
}
