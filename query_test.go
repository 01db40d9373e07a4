package userstore_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

// crew makes seven users who differ in everything a query can ask for.
func crew(t *testing.T, w *world) {
	w.roles(t, "vip", "agent")
	for _, u := range []userstore.User{
		{UID: "u1", Name: "bob", Tags: []string{"red"}},
		{UID: "u2", Name: "Ada", Role: "vip", Tags: []string{"red", "blue"}},
		{UID: "u3", Name: "Bob", Role: "agent", Tags: []string{"Red"}},
		{UID: "x1", Name: "adam", Role: "vip", Tags: []string{"blue", "green", "red"}},
		{UID: "x2", Name: "Zoë"},
		{UID: "ada", Name: "émile", Tags: []string{"green"}},
		{UID: "gone", Name: "Carl", Role: "vip", Tags: []string{"red"}},
	} {
		w.clock.tick(time.Second)
		must(w.Create(bg, u))(t)
	}
	must(w.Deactivate(bg, "gone"))(t)
	require.NoError(t, w.SetStatus(bg, "u3", userstore.Online))
	require.NoError(t, w.SetStatus(bg, "x2", userstore.Online))
}

func TestQueryFields(t *testing.T) {
	const include, only = userstore.DeactivatedInclude, userstore.DeactivatedOnly
	hold(t, []sentence{{"each alone and some together", func(t *testing.T, w *world) {
		crew(t, w)
		for _, c := range []struct {
			q    userstore.Query
			want string
		}{
			{userstore.Query{}, "u2 x1 u1 u3 x2 ada"}, // folded names, then uid: bob is u1 and u3
			{userstore.Query{Desc: true}, "ada x2 u3 u1 x1 u2"},
			{userstore.Query{Sort: userstore.SortUID}, "ada u1 u2 u3 x1 x2"},
			{userstore.Query{Sort: userstore.SortUID, Desc: true}, "x2 x1 u3 u2 u1 ada"},
			{userstore.Query{Sort: userstore.SortCreated}, "u1 u2 u3 x1 x2 ada"},
			{userstore.Query{Sort: userstore.SortCreated, Desc: true}, "ada x2 x1 u3 u2 u1"},
			{userstore.Query{Sort: userstore.SortStatus}, "u3 x2 u2 x1 u1 ada"},
			{userstore.Query{Sort: userstore.SortStatus, Desc: true}, "ada u1 x1 u2 x2 u3"},

			{userstore.Query{Search: "B"}, "u1 u3"},
			{userstore.Query{Search: "aDa"}, "u2 x1 ada"}, // two names and a uid
			{userstore.Query{Search: "ada", SearchIn: []userstore.Field{"name"}}, "u2 x1"},
			{userstore.Query{Search: "ada", SearchIn: []userstore.Field{"uid"}}, "ada"},
			{userstore.Query{Search: "ADA", SearchIn: []userstore.Field{"uid", "name"}}, "u2 x1 ada"},
			{userstore.Query{Search: "U", SearchIn: []userstore.Field{"uid"}, Sort: userstore.SortUID, Desc: true}, "u3 u2 u1"},
			{userstore.Query{Search: "ob"}, ""}, // the start, not any part
			{userstore.Query{Search: "é"}, "ada"},
			{userstore.Query{Search: "É"}, "ada"},
			{userstore.Query{Search: strings.Repeat("x", 5000)}, ""},
			{userstore.Query{SearchIn: []userstore.Field{"uid"}}, "u2 x1 u1 u3 x2 ada"}, // nothing is searched

			{userstore.Query{Tags: []string{"red"}}, "u2 x1 u1"},
			{userstore.Query{Tags: []string{"Red"}}, "u3"},
			{userstore.Query{Tags: []string{"red", "green", "none"}}, "u2 x1 u1 ada"},
			{userstore.Query{Tags: []string{"red", "red"}}, "u2 x1 u1"},
			{userstore.Query{Tags: []string{"none"}}, ""},
			{userstore.Query{AllTags: []string{"red", "blue"}}, "u2 x1"},
			{userstore.Query{AllTags: []string{"red", "blue", "green", "red"}}, "x1"},
			{userstore.Query{AllTags: []string{"red", "Red"}}, ""},
			{userstore.Query{NoTags: []string{"red"}}, "u3 x2 ada"},
			{userstore.Query{NoTags: []string{"red", "green"}}, "u3 x2"},
			{userstore.Query{Tags: []string{"red", "green"}, AllTags: []string{"blue"}, NoTags: []string{"green"}}, "u2"},

			{userstore.Query{Roles: []string{"vip"}}, "u2 x1"},
			{userstore.Query{Roles: []string{"VIP", "agent", "ghost"}}, "u2 x1 u3"},
			{userstore.Query{Roles: []string{"ghost"}}, ""},
			{userstore.Query{Roles: []string{"default"}, Tags: []string{"red"}}, "u1"},
			{userstore.Query{Roles: []string{"vip"}, Tags: []string{"green"}, Sort: userstore.SortCreated}, "x1"},

			{userstore.Query{UIDs: []string{"x2", "U1", "nobody", "u1", "gone", "no uid"}}, "u1 x2"}, // in the query's order
			{userstore.Query{UIDs: []string{"x2", "u1"}, Tags: []string{"red"}}, "u1"},
			{userstore.Query{UIDs: []string{"nobody"}}, ""},
			{userstore.Query{UIDs: []string{"ada", "u2"}, Search: "ada", SearchIn: []userstore.Field{"uid"}}, "ada"},

			{userstore.Query{Status: userstore.Online}, "u3 x2"},
			{userstore.Query{Status: userstore.Offline}, "u2 x1 u1 ada"},
			{userstore.Query{Status: userstore.Online, Roles: []string{"agent"}}, "u3"},
			{userstore.Query{Status: userstore.Online, Sort: userstore.SortStatus, Desc: true}, "x2 u3"},
			{userstore.Query{Status: userstore.Online, Sort: userstore.SortCreated}, "u3 x2"},

			{userstore.Query{Deactivated: include}, "u2 x1 u1 u3 gone x2 ada"},
			{userstore.Query{Deactivated: only}, "gone"},
			{userstore.Query{Deactivated: only, Tags: []string{"blue"}}, ""},
			{userstore.Query{Deactivated: include, Roles: []string{"vip"}, Tags: []string{"red"}}, "u2 x1 gone"},
			{userstore.Query{Deactivated: include, Status: userstore.Offline, Sort: userstore.SortUID}, "ada gone u1 u2 x1"},
			{userstore.Query{Deactivated: only, Status: userstore.Online}, ""},
			{userstore.Query{Deactivated: include, Search: "c", Sort: userstore.SortCreated}, "gone"},

			// A blank entry matches nobody.
			{userstore.Query{Tags: []string{""}}, ""}, {userstore.Query{Tags: []string{" ", "green"}}, "x1 ada"},
			{userstore.Query{Roles: []string{""}}, ""}, {userstore.Query{Roles: []string{"", "agent"}}, "u3"},
			{userstore.Query{UIDs: []string{""}}, ""}, {userstore.Query{UIDs: []string{"", "u1"}}, "u1"},
			{userstore.Query{AllTags: []string{"red", ""}}, ""}, {userstore.Query{NoTags: []string{"", "red"}}, "u3 x2 ada"},
			{userstore.Query{Tags: []string{"\xff"}}, ""}, {userstore.Query{Search: "\xff"}, ""}, {userstore.Query{Search: "\x00"}, ""}, {userstore.Query{Search: "b\x00"}, ""},
		} {
			want := strings.Fields(c.want)
			require.Equal(t, want, found(t, w, c.q), "%+v", c.q)
			require.Equal(t, len(want), must(w.Count(bg, c.q))(t), "%+v", c.q)
			for _, limit := range []int{1, 2, 1000} {
				c.q.Limit = limit
				require.Equal(t, want, uids(paged(t, c.q, w.List)), "%+v", c.q)
			}
		}
	}}})
}

func TestQueryRefusals(t *testing.T) {
	w := memory(t)
	w.add(t, "a", "b", "c")
	for name, q := range map[string]userstore.Query{
		"limit below 0": {Limit: -1}, "limit above 1000": {Limit: 1001}, "sort": {Sort: 4}, "status": {Status: secret}, "online is spelt available": {Status: "online"},
		"deactivated": {Deactivated: 3}, "searchIn": {Search: "a", SearchIn: []userstore.Field{"name", secret}}, "cursor": {Cursor: secret},
		"a cursor of blanks": {Cursor: " "}, "a cursor not of base64": {Cursor: "\xff\x00"},
	} {
		t.Run(name, func(t *testing.T) {
			err := fails(w.List(bg, q))
			require.ErrorIs(t, err, userstore.ErrInvalid)
			require.ErrorAs(t, err, new(*userstore.FieldError))
			require.NotContains(t, err.Error(), secret)
			_, errAll := collect(w.All(bg, q))
			errCount, errExport := fails(w.Count(bg, q)), fails(w.Export(bg, &strings.Builder{}, q))
			for _, err := range []error{errAll, errCount, errExport} {
				if strings.Contains(name, "limit") || strings.Contains(name, "cursor") {
					require.NoError(t, err, "All, Count and Export ignore limit and cursor")
				} else {
					require.ErrorIs(t, err, userstore.ErrInvalid)
				}
			}
		})
	}
	require.Equal(t, 1000, refused(t, fails(w.List(bg, userstore.Query{Limit: 5000})), "limit", userstore.ErrInvalid).Limit)
}

func TestPageSizes(t *testing.T) {
	w := memory(t)
	var lines []string
	for i := range 1003 {
		lines = append(lines, fmt.Sprintf(`{"uid":"u%04d","name":"N"}`, i))
	}
	require.Equal(t, 1003, load(t, w.Store, userstore.ImportInsert, lines...).Created)
	for limit, want := range map[int]int{0: 100, 1: 1, 100: 100, 1000: 1000} {
		page := must(w.List(bg, userstore.Query{Limit: limit}))(t)
		require.Len(t, page.Users, want)
		require.NotEmpty(t, page.Next)
		rest := must(w.List(bg, userstore.Query{Limit: 1000, Cursor: page.Next}))(t) // a cursor does not care for the limit
		require.Equal(t, fmt.Sprintf("u%04d", want), rest.Users[0].UID)
	}
	require.Len(t, all(t, w, userstore.Query{Limit: 5}), 1003)
	require.Equal(t, 1003, must(w.Count(bg, userstore.Query{Limit: 5}))(t))
	require.Empty(t, must(w.List(bg, userstore.Query{Search: "u100", Limit: 3}))(t).Next, "the last page is known to be the last")
}

// TestSearchFolds looks for names in other letter cases, in many scripts.
func TestSearchFolds(t *testing.T) {
	w := memory(t)
	for i, c := range []struct{ name, search string }{
		{"Émile", "éM"}, {"ΣΟΦΙΑ Παπα", "σοφια π"}, {"Иван", "ИВ"}, {"Ünal", "ü"}, {"ǅemal", "ǆE"}, {"𐐀ngel", "𐐨N"}, {"ДЖ", "дж"}, {"Ստեփան", "ստԵ"},
		{"İpek", "i"}, {"王小明", "王小"}, {"علي", "عل"}, {"🚀 Rita", "🚀 r"}, {"अनिता", "अनि"}, {"ＦＵＬＬ", "ｆｕ"}, {"O'Neil", "o'n"}, {" lead", " L"},
		{"e\u0301lan", "E\u0301"}, {"<b>", "<B"}, {"%_", "%"}, {"\U0010ffff", "\U0010ffff"}, {"STRASSE", "strasse"}, {"Kelvin \u212a", "kelvin k"},
	} {
		uid := fmt.Sprintf("n%02d", i)
		must(w.Create(bg, userstore.User{UID: uid, Name: c.name}))(t)
		q := userstore.Query{Search: c.search, SearchIn: []userstore.Field{"name"}}
		require.Contains(t, found(t, w, q), uid, c.name)
		q.Search = c.name
		require.Contains(t, found(t, w, q), uid, c.name)
		q.Search = c.name + "x"
		require.NotContains(t, found(t, w, q), uid, c.name)
	}
	require.NotContains(t, found(t, w, userstore.Query{Search: "straße"}), "n20", "case folding keeps the number of letters")
}

// TestRandomQueries asks made-up questions of a larger directory, where other indexes pay than in a small one.
func TestRandomQueries(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if *modelSeed != 0 {
		seed = *modelSeed
	}
	d := &driver{t: t, gen: newGen(seed), world: memory(t, userstore.WithRoles(someRoles...))}
	defer func() {
		if t.Failed() {
			t.Logf("repeat with -model.seed %d; %q", seed, d.log)
		}
	}()
	d.model = newModel(d.clock.Now)
	for _, role := range someRoles {
		d.model.roles[fold(role)] = true
	}
	var lines []string
	for i := range 900 {
		u := d.user()
		u.UID, u.CreatedAt = fmt.Sprintf("%s%d", pick(d.gen, []string{"u", "u", "u", "us-", "v_", "ada"}), i), unix(int64(1_700_000_000+d.IntN(50)))
		if d.oneIn(6) {
			u.DeactivatedAt = unix(1_700_000_000)
		}
		settled := editable(u)
		if d.model.settle(&settled) != nil {
			continue
		}
		lines = append(lines, string(must(json.Marshal(u))(t)))
		require.NoError(t, json.Unmarshal([]byte(lines[len(lines)-1]), &u)) // as it will be read
		d.model.importLine(u, userstore.ImportInsert, new(userstore.ImportReport))
	}
	require.Equal(t, len(lines), load(t, d.Store, userstore.ImportInsert, lines...).Created)
	everybody, _ := d.model.find(userstore.Query{}, nil, nil)
	me := d.model.users[everybody[0].UID]
	for _, u := range everybody[1:] {
		if d.oneIn(5) {
			require.NoError(t, d.SetStatus(bg, u.UID, userstore.Online))
			p := d.model.users[u.UID]
			p.Status, p.LastActiveAt = userstore.Online, d.clock.Now()
		}
		if d.oneIn(6) {
			must(d.AddFriends(bg, me.UID, u.UID))(t)
			d.model.relate(me, true, true)(u.UID)
		}
		if d.oneIn(8) {
			must(login(t, d.world, me.UID).Block(bg, u.UID))(t)
			d.model.relate(me, false, true)(u.UID)
		}
	}
	session := login(t, d.world, me.UID)
	for i := range *modelOps / 150 {
		q := d.query(i%3 == 0)
		q.Limit = 50 + d.IntN(400)
		if i%3 == 0 {
			want, err := d.model.find(q, me, nil)
			d.sameAnswer(session, q, want, err)
		} else {
			want, err := d.model.find(q, nil, nil)
			d.sameAnswer(d, q, want, err)
		}
	}
}
