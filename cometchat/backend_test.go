package cometchat

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRoles(t *testing.T) {
	b := newBench(t)
	rep := b.admin("POST", "/roles", `{"role":" Boss ","name":" The boss ","metadata":"{\"a\":1}"}`)
	require.Equal(t, map[string]any{"role": "boss", "name": "The boss", "metadata": map[string]any{"a": 1.}, "createdAt": 1.7e9}, rep.at("data"))
	for _, c := range [][]string{
		{`{}`, "role", "The role field is required.", "name", "The name field is required."},
		{`{"role":"a b","name":"x"}`, "role", "The role may only contain letters, numbers, dashes and underscores."},
		{`{"role":"` + strings.Repeat("x", 101) + `","name":"x"}`, "role", "The role may not be greater than 100 characters."},
		{`{"role":"x","name":"` + strings.Repeat("x", 101) + `"}`, "name", "The name may not be greater than 100 characters."},
		{`{"role":"x","name":"x","description":"` + strings.Repeat("x", 256) + `"}`, "description", "The description may not be greater than 255 characters."},
		{`{"role":"x","name":"x","metadata":[]}`, "metadata", "The metadata must be an object."},
		{`{"role":"x","name":"x","settings":"x"}`, "settings", "The settings must be an object."},
		{`{"role":"x","name":"x","settings":{"listUsers":"x","sendMessagesTo":7}}`, "settings.listUsers", "The selected settings.listUsers is invalid.",
			"settings.sendMessagesTo", "The settings.sendMessagesTo must be a string."},
	} {
		b.send("POST", "/roles", c[0], rest()...).invalid(c[1:]...)
	}
	b.advance(time.Second)
	rep = b.admin("PUT", "/roles/BOSS", `{"description":"d","settings":{"sendMessagesTo":"friendsOnly"}}`)
	require.Equal(t, "The boss", rep.at("data", "name"))
	require.EqualValues(t, 1_700_000_001, rep.at("data", "updatedAt"))
	rep = b.admin("PUT", "/roles/boss", `{"unset":["description","metadata","settings"]}`)
	require.Equal(t, map[string]any{"role": "boss", "name": "The boss", "createdAt": 1.7e9, "updatedAt": 1.700000001e9}, rep.at("data"))
	require.Equal(t, rep.at("data"), b.admin("GET", "/roles/boss", "").at("data"))
	b.send("PUT", "/roles/boss", `{"name":""}`, rest()...).invalid("name", "The name field must have a value.")
	b.send("PUT", "/roles/boss", `{"unset":["name"]}`, rest()...).invalid("unset.0", "The selected unset.0 is invalid.")
	for _, r := range []struct{ method, path, body string }{{"GET", "", ""}, {"PUT", "", "{}"}, {"DELETE", "", ""}, {"GET", "/restrictedfeatures", ""},
		{"POST", "/restrictedfeatures", `{"featuresToRestrict":["logout"]}`}, {"DELETE", "/restrictedfeatures", `{"allowAll":true}`}} {
		b.send(r.method, "/roles/NoSuch"+r.path, r.body, rest()...).refusal(404, "ERR_ROLE_NOT_FOUND")
	}
}

func TestARoleMadeAnewIsAnother(t *testing.T) {
	b := newBench(t)
	b.admin("POST", "/roles", `{"role":"r","name":"R","settings":{"listUsers":"friendsOnly"}}`)
	b.admin("POST", "/roles/r/restrictedfeatures", `{"featuresToRestrict":["logout"]}`)
	b.admin("DELETE", "/roles/r", "")
	require.NotContains(t, b.admin("POST", "/roles", `{"role":"r","name":"R"}`).at("data"), "settings")
	require.Empty(t, b.admin("GET", "/roles/r/restrictedfeatures", "").at("data"))
}

func TestRestrictedFeaturesAreChecked(t *testing.T) {
	b := town(t)
	b.send("POST", "/roles/manager/restrictedfeatures", "", rest()...).invalid("featuresToRestrict", "The featuresToRestrict field is required.")
	b.send("DELETE", "/roles/manager/restrictedfeatures", "", rest()...).invalid("featuresToAllow", "The featuresToAllow field is required.")
	b.send("DELETE", "/roles/manager/restrictedfeatures", `{"featuresToAllow":["x"]}`, rest()...).
		invalid("featuresToAllow.0", "The selected featuresToAllow.0 is invalid.")
	b.admin("POST", "/roles/manager/restrictedfeatures", `{"featuresToRestrict":["logout"]}`)
	b.as(b.login("bob"), "DELETE", "/me", "") // has another role
	b.admin("PUT", "/users/ann", `{"role":"default"}`)
	b.as(b.login("ann"), "DELETE", "/me", "")
}

func TestAPIKeys(t *testing.T) {
	b := newBench(t)
	key := b.admin("POST", "/apikeys", `{"name":"Third","scope":"fullAccess"}`).at("data", "apiKey").(string)
	require.Regexp(t, `^[0-9a-f]{40}$`, key)
	require.Equal(t, 200, b.send("GET", "/users", "", "apiKey", key).status)
	require.Equal(t, "authOnly", b.admin("PUT", "/apikeys/"+key, `{"scope":"authOnly"}`).at("data", "scope"))
	b.send("GET", "/users", "", "apiKey", key).refusal(403, "AUTH_ERR_NO_ACCESS")
	require.Equal(t, []any{"Third", "Rest API Key", "Auth Key"}, b.admin("GET", "/apikeys", "").member("name"))
	require.Equal(t, []any{"Third", "Auth Key"}, b.admin("GET", "/apikeys?scope=authOnly", "").member("name"))
	require.Equal(t, []any{"Rest API Key"}, b.admin("GET", "/apikeys?searchKey=API", "").member("name"))
	b.send("GET", "/apikeys?scope=x", "", rest()...).invalid("scope", "The selected scope is invalid.")
	for _, c := range []struct{ method, path, body, field, text string }{
		{"POST", "/apikeys", `{}`, "name", "The name field is required."}, {"POST", "/apikeys", `{"name":" "}`, "name", "The name field is required."},
		{"POST", "/apikeys", `{"name":7}`, "name", "The name must be a string."}, {"POST", "/apikeys", `{"name":"x","scope":"x"}`, "scope", "The selected scope is invalid."},
		{"PUT", "/apikeys/" + key, `{"name":""}`, "name", "The name field must have a value."},
		{"PUT", "/apikeys/" + key, `{"scope":"x"}`, "scope", "The selected scope is invalid."},
	} {
		b.send(c.method, c.path, c.body, rest()...).invalid(c.field, c.text)
	}
	b.admin("DELETE", "/apikeys/"+loginKey, "")
	b.send("POST", "/users", "", "apiKey", loginKey).refusal(404, "AUTH_ERR_APIKEY_NOT_FOUND")
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		b.send(method, "/apikeys/"+loginKey, "", rest()...).refusal(404, "ERR_APIKEY_NOT_FOUND")
	}
}

func TestImport(t *testing.T) {
	b := newBench(t)
	rep := b.admin("POST", "/data_import/users", `{"users":{
		"Ann":{"uid":"Ann","name":"Ann","tags":["a"],"metadata":{"h":"<&>"},"createdAt":"1673421419","lastActiveAt":1673421425,"deactivatedAt":"1673421430","statusMessage":"not imported"},
		"bob":{"uid":"bob","name":"Bob","createdAt":null,"lastActiveAt":0},
		"cem":{"uid":"dee","name":"Cem"}, "eva":{"name":"Eva"}, "fay":7, "gus":{"uid":"gus","name":"Gus","createdAt":"soon"},
		"hal":{"uid":"hal","name":"Hal","role":"nosuch"}, "ida":{"uid":"ida","name":"Ida","createdAt":-1}, "n o":{"uid":"n o","name":"No"}}}`)
	require.Equal(t, map[string]any{"uid": "ann", "name": "Ann", "tags": []any{"a"}, "metadata": map[string]any{"h": "<&>"}, "status": "offline",
		"role": "default", "createdAt": 1673421419., "lastActiveAt": 1673421425., "deactivatedAt": 1673421430.}, rep.at("data", "Ann", "data"))
	require.Equal(t, true, rep.at("data", "bob", "success"))
	require.EqualValues(t, 1.7e9, rep.at("data", "bob", "data", "createdAt"))
	for uid, want := range map[string]map[string]any{
		"cem": {"uid": []any{"The uid must be the key of the user."}}, "eva": {"uid": []any{"The uid field is required."}},
		"gus": {"createdAt": []any{"The createdAt must be an integer."}}, "hal": {"role": []any{"The selected role is invalid."}},
		"ida": {"createdAt": []any{"The createdAt must be an integer between 0 and 253402300799."}},
		"n o": {"uid": []any{"The uid may only contain letters, numbers, dashes and underscores."}},
	} {
		require.Equal(t, false, rep.at("data", uid, "success"), uid)
		require.Equal(t, want, rep.at("data", uid, "error", "details"), uid)
	}
	require.Equal(t, "ERR_BAD_REQUEST", rep.at("data", "fay", "error", "code"))
	require.Len(t, rep.at("data"), 9)
	require.Len(t, b.admin("GET", "/users?withDeactivated=1", "").uids(), 2)
	rep = b.admin("POST", "/data_import/users", `{"users":{`+imports(50)+`}}`)
	require.Len(t, rep.at("data"), 50)
	require.NotContains(t, rep.text, "false")
	large := `{"users":{"big":{"uid":"big","name":"Big","filler":"` + strings.Repeat("x", 500_000) + `"}}}`
	require.Equal(t, true, b.admin("POST", "/data_import/users", large).at("data", "big", "success"))
}

// The texts of the map of a call over many uids.
func TestBlockAndFriendTexts(t *testing.T) {
	b := town(t)
	token := b.login("cem")
	want := map[string]any{
		"bob": map[string]any{"success": true, "message": "The user with UID cem has blocked user with UID bob successfully."},
		"X":   map[string]any{"success": false, "message": "The uid x does not exist, please make sure you have created a uid with uid x."},
	}
	require.Equal(t, want, b.as(token, "POST", "/blockedusers", `{"blockedUids":["bob","X"]}`).at("data"))
	require.Equal(t, []string{"bob"}, b.admin("GET", "/users/CEM/blockedusers", "").uids())
	require.Equal(t, "The user with UID cem has not blocked user with UID dee.",
		b.as(token, "DELETE", "/blockedusers", `{"blockedUids":["dee"]}`).at("data", "dee", "message"))
	require.Equal(t, "Self friend relationship cannot be formed.",
		b.admin("POST", "/users/cem/friends", `{"accepted":["cem"]}`).at("data", "accepted", "cem", "message"))
	require.Equal(t, []string{"ann"}, b.admin("GET", "/users/cem/friends?searchKey=A", "").uids())
	b.admin("DELETE", "/users/cem/friends", `{"friends":["ann"]}`)
	require.Empty(t, b.admin("GET", "/users/ann/friends", "").uids())
}
