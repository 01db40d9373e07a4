package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

func TestWorkloadIsTheSameForASeed(t *testing.T) {
	a, b := Workload{Seed: 4, Users: 1000}, Workload{Seed: 4, Users: 50_000}
	for i := range 100 {
		require.Equal(t, a.User(i), b.User(i), "a user does not depend on how many there are")
	}
	require.NotEqual(t, a.User(0), Workload{Seed: 5, Users: 1000}.User(0))
	require.Equal(t, a.Skewed(100, 1000), a.Skewed(100, 1000))
}

func TestWorkloadIsWhatItSaysItIs(t *testing.T) {
	w := Workload{Seed: 1, Users: 50_000}
	uids := make(map[string]bool, w.Users)
	tags, roles, scripts := map[string]float64{}, map[string]float64{}, map[bool]float64{}
	both := map[[2]string]float64{}
	bytes := 0
	share := 100 / float64(w.Users)
	for u := range w.All() {
		require.False(t, uids[u.UID], "uids are unique")
		uids[u.UID] = true
		require.True(t, json.Valid(u.Metadata))
		require.Len(t, u.Tags, 3)
		bytes += len(u.UID) + len(u.Name) + len(u.Avatar) + len(u.Link) + len(u.Role) + len(u.StatusMessage) + len(u.Metadata)
		for _, tag := range u.Tags {
			bytes += len(tag)
			tags[tag] += share
			both[[2]string{tag, u.Role}] += share
		}
		roles[u.Role] += share
		scripts[strings.IndexFunc(u.Name, func(r rune) bool { return unicode.IsLetter(r) && !unicode.Is(unicode.Latin, r) }) >= 0] += share
	}
	require.InDelta(t, 350, float64(bytes)/float64(w.Users), 10, "bytes of a user")
	require.InDelta(t, 54, scripts[true], 2, "percent of the names that are not in Latin letters")
	require.Len(t, tags, topics+cities+teams)
	for i := range topics {
		require.InDelta(t, 10, tags[topicTag(i)], 0.6)
	}
	require.InDelta(t, 1, tags[cityTag(50)], 0.15)
	require.InDelta(t, 0.1, tags[teamTag(50)], 0.05)
	for role, percent := range map[string]float64{roleDefault: 78, rolePremium: 10, roleModerator: 10, roleSupport: 1, roleAdmin: 1} {
		require.InDelta(t, percent, roles[role], 0.4, role)
	}
	require.InDelta(t, 8, both[[2]string{topicTag(0), rolePremium}], 0.3, "related")
	require.InDelta(t, 0.8, both[[2]string{cityTag(0), roleAdmin}], 0.1, "related")
	require.InDelta(t, 1, both[[2]string{topicTag(5), roleModerator}], 0.15, "unrelated")
	require.InDelta(t, 0.1, both[[2]string{topicTag(5), roleSupport}], 0.05, "unrelated")
	require.InDelta(t, 0.01, both[[2]string{topicTag(1), rolePremium}], 0.0099, "opposed")
}

func TestKeysAreThoseOfTheWorkload(t *testing.T) {
	w := Workload{Seed: 2, Users: 10_000}
	all := map[string]bool{}
	for i := range w.Users {
		all[w.UID(i)] = true
	}
	times := map[string]int{}
	for _, uid := range w.Skewed(100_000, w.Users) {
		require.True(t, all[uid])
		times[uid]++
	}
	counts := make([]int, 0, len(times))
	for _, n := range times {
		counts = append(counts, n)
	}
	slices.Sort(counts)
	slices.Reverse(counts)
	sum := func(list []int) (n int) {
		for _, x := range list {
			n += x
		}
		return n
	}
	require.Greater(t, sum(counts[:w.Users/100]), 50_000, "one user in a hundred gets more than half of the gets")
	require.Greater(t, len(times), 3000, "but many others get some")
	for _, uid := range w.Uniform(1000, w.Users) {
		require.True(t, all[uid])
	}
}

func TestQueriesFillTheirPages(t *testing.T) {
	w := Workload{Seed: 1, Users: 20_000}
	m := model{}
	for u := range w.All() {
		m[u.UID] = u
	}
	for _, q := range slices.Concat(w.ByTag(), w.ByPrefix(), w.Mixes()[rowFree10], w.Mixes()[rowRelated10]) {
		n := 0
		for _, u := range m {
			if q.matches(&u) {
				n++
			}
		}
		require.GreaterOrEqual(t, n, pageSize, "%+v", q)
	}
	require.Len(t, w.Mixes(), 5)
}

func TestEditsChangeWhatTheySay(t *testing.T) {
	w := Workload{Seed: 1, Users: 100}
	names, teams := 0, 0
	for i := range 1600 {
		old := w.User(i % 100)
		u := old
		w.Edit(i)(&u)
		require.Equal(t, old.UID, u.UID)
		require.Equal(t, old.Role, u.Role)
		require.True(t, json.Valid(u.Metadata))
		require.Len(t, u.Tags, 3)
		if u.Name != old.Name {
			names++
		}
		if !slices.Equal(u.Tags, old.Tags) {
			teams++
		}
	}
	require.InDelta(t, 100, names, 5)
	require.InDelta(t, 400, teams, 5)
}
