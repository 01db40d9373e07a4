package cometchat

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const examplesDir = "testdata/examples/"

func example(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(examplesDir + name)
	require.NoError(t, err)
	return string(b)
}

// replay brings a double into the state that a documented answer was given in, and asks for the same.
type replay struct {
	prepare      func(*bench)
	method, path string
	body         string // a body, or the name of the example that holds it
	headers      []string
	// differs names members, as paths, where CometChat's own example contradicts itself, and why.
	differs map[string]string
}

const (
	documented   = "cometchat-uid-6"
	documentedID = "0123456789abcdef0123456789abcdef01234567"
)

func rest(more ...string) []string { return append([]string{"apiKey", restKey}, more...) }

// samples makes the documented users, and the role that they have.
func samples(b *bench) {
	b.admin("POST", "/roles", `{"role":"manager","name":"manager"}`)
	for i := 1; i <= 6; i++ {
		b.add(fmt.Sprintf(`{"uid":"cometchat-uid-%d","name":"Sample User %d"}`, i, i))
	}
}

// sample6 makes the documented user number 6 as far as a documented answer shows it.
func sample6(b *bench) {
	samples(b)
	b.admin("PUT", "/users/cometchat-uid-6", `{"avatar":"https://example.com/a","link":"https://example.com/b","role":"manager"}`)
}

// listed makes the documented users of a list what its rows show, and blocks whom they show as blocked.
func listed(file, viewer string) func(*bench) {
	return func(b *bench) {
		samples(b)
		var doc struct{ Data []map[string]any }
		require.NoError(b.t, json.Unmarshal([]byte(example(b.t, file)), &doc))
		b.advance(time.Minute)
		for _, row := range doc.Data {
			edit := map[string]any{"statusMessage": ""}
			for _, name := range []string{"avatar", "link", "metadata", "role"} {
				if v, ok := row[name]; ok {
					edit[name] = v
				}
			}
			body, _ := json.Marshal(edit)
			uid := row["uid"].(string)
			b.admin("PUT", "/users/"+uid, `{"statusMessage":"x"}`)
			b.admin("PUT", "/users/"+uid, string(body))
			if row["blockedByMe"] == true {
				b.admin("POST", "/users/"+viewer+"/blockedusers", `{"blockedUids":["`+uid+`"]}`)
			}
			b.admin("POST", "/users/"+viewer+"/friends", `{"accepted":["`+uid+`"]}`)
		}
	}
}

func roleSample(b *bench) { b.admin("POST", "/roles", example(b.t, "role-create.request.json")) }

// knownKey gives the double an api key of the documented value.
func knownKey(b *bench) {
	b.h.keys.keys = append(b.h.keys.keys, apiKey{documentedID, "Sample key", authOnly, 1})
}

const (
	deleteText = "the text is pasted from the deletion of a user"
	otherOrder = "made in the other order"
)

var replays = map[string]replay{
	"apikey-create.200.json": {nil, "POST", "/apikeys", `{"name":"Sample key","scope":"authOnly"}`, rest(), nil},
	"apikey-list.200.json": {knownKey, "GET", "/apikeys", "", rest(), map[string]string{
		"data.1.name": otherOrder, "data.2.name": otherOrder, "data.1.scope": otherOrder, "data.2.scope": otherOrder}},
	"apikey-get.200.json":    {knownKey, "GET", "/apikeys/" + documentedID, "", rest(), nil},
	"apikey-update.200.json": {knownKey, "PUT", "/apikeys/" + documentedID, `{"name":"Sample key"}`, rest(), nil},
	"apikey-delete.200.json": {knownKey, "DELETE", "/apikeys/" + documentedID, "", rest(), nil},

	"user-create-with-auth-token.200.json": {func(b *bench) { b.admin("POST", "/roles", `{"role":"manager","name":"m"}`) },
		"POST", "/users", "user-create.request.json", rest(), map[string]string{
			"data.statusMessage": "the request has one, the answer does not", "data.metadata.@private": "not the request's metadata",
			"data.metadata.rawMetadata": "not the request's metadata", "data.tags.0": "not the request's tag"}},
	"user-list.200.json": {listed("user-list.200.json", "cometchat-uid-4"), "GET", "/users?uids=cometchat-uid-6,cometchat-uid-2,cometchat-uid-3", "",
		rest("onBehalfOf", "cometchat-uid-4"), map[string]string{"order": "not compared"}},
	"user-get.200.json": {sample6, "GET", "/users/" + documented, "", rest(), map[string]string{"data.updatedAt": "updated by the preparation"}},
	"user-update.200.json": {sample6, "PUT", "/users/" + documented, "user-update.request.json", rest(), map[string]string{
		"data.statusMessage": "the request has one, the answer does not", "data.metadata.@private": "not the request's metadata",
		"data.metadata.email": "not the request's metadata", "data.metadata.contactNumber": "not the request's metadata", "data.tags.0": "not the request's tag"}},
	"user-delete-permanent.200.json":     {samples, "DELETE", "/users/" + documented, `{"permanent":true}`, rest(), nil},
	"user-delete-soft.observed.200.json": {samples, "DELETE", "/users/" + documented, "user-delete.request.json", rest(), nil},
	"users-deactivate.200.json":          {samples, "DELETE", "/users", "users-deactivate.request.json", rest(), nil},
	"users-deactivate-mixed.observed.200.json": {func(b *bench) { samples(b); b.admin("DELETE", "/users/cometchat-uid-3", "") },
		"DELETE", "/users", `{"uidsToDeactivate":["cometchat-uid-2","cometchat-uid-3","InvalidUserUID"]}`, rest(), nil},
	"users-reactivate.200.json": {samples, "PUT", "/users", "users-reactivate.request.json", rest(), nil},
	"users-reactivate-ok.observed.200.json": {func(b *bench) { samples(b); b.admin("DELETE", "/users/cometchat-uid-2", "") },
		"PUT", "/users", `{"uidsToActivate":["cometchat-uid-2"]}`, rest(), nil},
	"users-reactivate-not-found.observed.200.json": {samples, "PUT", "/users", `{"uidsToActivate":["InvalidUID"]}`, rest(), nil},

	"auth-token-create.200.json": {samples, "POST", "/users/cometchat-uid-1/auth_tokens", "auth-token-create.request.json", rest(), nil},
	"auth-token-list.200.json":   {oneToken, "GET", "/users/cometchat-uid-1/auth_tokens", "", rest(), nil},
	"auth-token-get.200.json":    {oneToken, "GET", "/users/cometchat-uid-1/auth_tokens/{token}", "", rest(), nil},
	"auth-token-update.200.json": {oneToken, "PUT", "/users/cometchat-uid-1/auth_tokens/{token}", "auth-token-update.request.json", rest(),
		map[string]string{"data.platform": "noted", "data.userAgent": "noted", "data.appInfo": "noted"}},
	"auth-token-delete.200.json": {oneToken, "DELETE", "/users/cometchat-uid-1/auth_tokens/{token}", "", rest(), map[string]string{"data.message": deleteText}},
	"auth-token-flush.200.json":  {oneToken, "DELETE", "/users/cometchat-uid-1/auth_tokens", "", rest(), nil},

	"role-create.200.json": {nil, "POST", "/roles", "role-create.request.json", rest(), nil},
	"role-list.200.json": {func(b *bench) {
		roleSample(b)
		b.admin("PUT", "/roles/default", `{"description":"Sample default role"}`)
	}, "GET", "/roles", "", rest(), map[string]string{"order": "not compared"}},
	"role-get.200.json":    {roleSample, "GET", "/roles/manager", "", rest(), nil},
	"role-update.200.json": {roleSample, "PUT", "/roles/manager", "role-update.request.json", rest(), nil},
	"role-delete.200.json": {roleSample, "DELETE", "/roles/manager", "", rest(), nil},
	"role-restrict-features.200.json": {roleSample, "POST", "/roles/manager/restrictedfeatures", `{"featuresToRestrict":["u.listUsers"]}`,
		rest(), nil},
	"role-list-restricted-features.200.json": {func(b *bench) {
		roleSample(b)
		b.admin("POST", "/roles/manager/restrictedfeatures", `{"featuresToRestrict":["u.getUser","u.listUsers"]}`)
	}, "GET", "/roles/manager/restrictedfeatures", "", rest(), map[string]string{
		"data.0": "a feature of groups", "data.1.description": "its text"}},
	"role-allow-features.200.json": {roleSample, "DELETE", "/roles/manager/restrictedfeatures", `{"featuresToAllow":["u.listUsers"]}`, rest(), nil},

	"friends-add.200.json": {samples, "POST", "/users/cometchat-uid-1/friends", "friends-add.request.json", rest(), nil},
	"friends-add-mixed.weak.200.json": {func(b *bench) {
		samples(b)
		b.admin("POST", "/users/cometchat-uid-1/friends", `{"accepted":["cometchat-uid-2"]}`)
	},
		"POST", "/users/cometchat-uid-1/friends", `{"accepted":["cometchat-uid-2","cometchat-uid-1","nosuchuser"]}`, rest(), nil},
	"friends-list.200.json": {listed("friends-list.200.json", "cometchat-uid-4"), "GET", "/users/cometchat-uid-4/friends", "", rest(),
		map[string]string{"order": "not compared"}},
	"friends-remove.200.json": {samples, "DELETE", "/users/cometchat-uid-1/friends", "friends-remove.request.json", rest(), nil},

	"block-users.200.json": {samples, "POST", "/users/cometchat-uid-1/blockedusers", "block-users.request.json", rest(),
		map[string]string{"data.cometchat-uid-4": "the request and the text name number 3", "data.cometchat-uid-3": "as before"}},
	"unblock-users.200.json": {samples, "DELETE", "/users/cometchat-uid-1/blockedusers", `{"blockedUids":["cometchat-uid-4"]}`, rest(),
		map[string]string{"data.cometchat-uid-4.message": "the text is pasted from blocking"}},
	"block-users-mixed.weak.200.json": {func(b *bench) {
		samples(b)
		b.admin("POST", "/users/cometchat-uid-1/blockedusers", example(b.t, "block-users.request.json"))
	}, "POST", "/users/cometchat-uid-1/blockedusers", `{"blockedUids":["cometchat-uid-3","cometchat-uid-1","nosuchuser"]}`, rest(), nil},
	"blocked-users-list.200.json": {listed("blocked-users-list.200.json", "cometchat-uid-1"), "GET", "/users/cometchat-uid-1/blockedusers", "", rest(),
		map[string]string{"order": "not compared", "data.cometchat-uid-6.conversationId": "not of these two"}},

	"data-import-users.200.json": {nil, "POST", "/data_import/users", "data-import-users.request.json", rest(), nil},

	"error-api-not-found.observed.404.json":          {nil, "PATCH", "/users", "", rest(), nil},
	"error-apikey-not-found.404.json":                {nil, "GET", "/users", "", []string{"apiKey", "<apikey>"}, nil},
	"error-auth-token-invalid-client.401.json":       {nil, "GET", "/me", "", []string{"authToken", "<token>"}, nil},
	"error-auth-token-not-found.404.json":            {samples, "GET", "/users/cometchat-uid-1/auth_tokens/x", "", rest(), map[string]string{"error.message": "not known"}},
	"error-create-user-empty-name.observed.400.json": {nil, "POST", "/users", `{"uid":"a","name":""}`, rest(), nil},
	"error-create-user-empty-uid.observed.400.json":  {nil, "POST", "/users", `{"uid":"","name":"a"}`, rest(), nil},
	"error-create-user-unknown-role.400.json": {nil, "POST", "/users", `{"uid":"a","name":"a","role":"x"}`, rest(),
		map[string]string{"error.details.role.0": "not known"}},
	"error-no-access.403.json":                       {func(b *bench) { b.h.keys.keys[0].APIKey = "<apikey>" }, "GET", "/users", "", []string{"apiKey", "<apikey>"}, nil},
	"error-too-many-requests.429.json":               {func(b *bench) { b.h.limiter = newLimiter(RateLimit{Other: 1}); b.admin("GET", "/users", "") }, "GET", "/users", "", rest(), map[string]string{"error.message": "not known"}},
	"error-uid-already-exists.observed.400.json":     {samples, "POST", "/users", `{"uid":"COMETCHAT-uid-6","name":"a"}`, rest(), nil},
	"error-uid-not-found.observed.404.json":          {nil, "GET", "/users/NoSuchUser", "", rest(), nil},
	"error-update-user-bad-avatar.observed.400.json": {samples, "PUT", "/users/" + documented, `{"avatar":"x"}`, rest(), nil},
	"error-update-user-blank-tag.observed.400.json":  {samples, "PUT", "/users/" + documented, `{"tags":[" "]}`, rest(), nil},
	"error-update-user-empty-name.observed.400.json": {samples, "PUT", "/users/" + documented, `{"name":""}`, rest(), nil},
}

func oneToken(b *bench) { samples(b); b.login("cometchat-uid-1") }

// notReplayed are examples that are no answers of a route.
var notReplayed = []string{"_index.json", "error-envelope.unverified.json", "webhook-user-blocked.json", "webhook-user-unblocked.json",
	"webhook-user-connection-status-changed.json"}

func TestExamplesAreReplayed(t *testing.T) {
	files, err := filepath.Glob(examplesDir + "*.json")
	require.NoError(t, err)
	used := maps.Clone(replays)
	for _, rp := range replays {
		used[rp.body] = rp
	}
	require.NotEmpty(t, files)
	for _, f := range files {
		name := filepath.Base(f)
		_, ok := used[name]
		require.True(t, ok || slices.Contains(notReplayed, name), "%s is not replayed", name)
	}
	for name, rp := range replays {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			if rp.prepare != nil {
				rp.prepare(b)
			}
			if strings.Contains(rp.path, "{token}") {
				rp.path = strings.ReplaceAll(rp.path, "{token}", b.admin("GET", "/users/cometchat-uid-1/auth_tokens", "").at("data", 0, "authToken").(string))
			}
			if strings.HasSuffix(rp.body, ".json") {
				rp.body = example(t, rp.body)
			}
			rep := b.send(rp.method, rp.path, rp.body, rp.headers...)
			var status int
			parts := strings.Split(name, ".")
			_, err := fmt.Sscan(parts[len(parts)-2], &status)
			require.NoError(t, err)
			require.Equal(t, status, rep.status, rep.text)
			var want map[string]any
			require.NoError(t, json.Unmarshal([]byte(example(t, name)), &want))
			got := rep.body
			if _, unordered := rp.differs["order"]; unordered {
				byID(want)
				byID(got)
			}
			same(t, "", want, got, rp.differs)
		})
	}
}

// byID turns the rows of a list into an object, so that their order does not matter.
func byID(doc map[string]any) {
	rows := map[string]any{}
	for _, r := range doc["data"].([]any) {
		row := r.(map[string]any)
		id, ok := row["uid"]
		if !ok {
			id = row["role"]
		}
		rows[id.(string)] = r
	}
	doc["data"] = rows
}

// varies tells of which members the values are of their own time and place: only their types are compared.
func varies(path string, v any) bool {
	_, number := v.(float64)
	last := path[strings.LastIndexByte(path, '.')+1:]
	return number || last == "authToken" || last == "apiKey" || strings.HasPrefix(path, "data.") && last == "avatar" || last == "link"
}

// same holds an answer against an example: the same members with values of the same type and, unless they are times,
// counts or random, the same values.
func same(t *testing.T, path string, want, got any, differs map[string]string) {
	t.Helper()
	if _, ok := differs[path]; ok {
		return
	}
	join := func(name string) string { return strings.TrimPrefix(path+"."+name, ".") }
	switch want := want.(type) {
	case map[string]any:
		require.IsType(t, want, got, path)
		got := got.(map[string]any)
		for name, v := range want {
			if _, ok := differs[join(name)]; !ok {
				require.Contains(t, got, name, path)
				same(t, join(name), v, got[name], differs)
			}
		}
		for name := range got {
			if _, ok := differs[join(name)]; !ok {
				require.Contains(t, want, name, "%s has what the example has not", path)
			}
		}
	case []any:
		require.IsType(t, want, got, path)
		require.Len(t, got, len(want), path)
		for i := range want {
			same(t, join(fmt.Sprint(i)), want[i], got.([]any)[i], differs)
		}
	default:
		require.IsType(t, want, got, path)
		if !varies(path, want) {
			require.Equal(t, want, got, path)
		}
	}
}

// The double sends no webhooks; what they say of users has to be what it says of users. Its errors have members of
// CometChat's only.
func TestOtherExamplesHaveOurShapes(t *testing.T) {
	strict := func(text any, into any) {
		b, err := json.Marshal(text)
		require.NoError(t, err)
		dec := json.NewDecoder(strings.NewReader(string(b)))
		dec.DisallowUnknownFields()
		require.NoError(t, dec.Decode(into), "%s", b)
	}
	for _, name := range []string{"webhook-user-blocked.json", "webhook-user-unblocked.json", "webhook-user-connection-status-changed.json"} {
		var hook struct {
			Data struct {
				Users    map[string]any
				By, User any
			}
		}
		require.NoError(t, json.Unmarshal([]byte(example(t, name)), &hook))
		users := append(slices.Collect(maps.Values(hook.Data.Users)), hook.Data.By, hook.Data.User)
		users = slices.DeleteFunc(users, func(u any) bool { return u == nil })
		require.NotEmpty(t, users, name)
		for _, u := range users {
			var r userRow
			strict(u, &r)
			require.NotEmpty(t, r.UID)
		}
	}
	var doc map[string]map[string]any
	require.NoError(t, json.Unmarshal([]byte(example(t, "error-envelope.unverified.json")), &doc))
	b, err := json.Marshal(refused(map[string][]string{"f": {"x"}}))
	require.NoError(t, err)
	var ours map[string]any
	require.NoError(t, json.Unmarshal(b, &ours))
	for name := range ours {
		require.Contains(t, doc["error"], name)
	}
}
