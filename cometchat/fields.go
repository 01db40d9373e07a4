package cometchat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/seed-3546c6b2/userstore"
)

// fields reads the members of a body. Each reader notes what is wrong, so that one answer can name it all; err gives
// that answer. A JSON null is an empty value, as it is to the service.
type fields struct {
	raw    map[string]json.RawMessage
	broken map[string][]string
}

// parseFields takes a JSON object. No body at all is an empty one: clients leave it out where nothing is required.
func parseFields(body []byte) (fields, error) {
	f := fields{broken: map[string][]string{}}
	if len(bytes.TrimSpace(body)) == 0 {
		return f, nil
	}
	if err := json.Unmarshal(body, &f.raw); err != nil {
		return f, badRequest("The request body is not a JSON object.")
	}
	return f, nil
}

func (f *fields) has(name string) bool { _, ok := f.raw[name]; return ok }

func (f *fields) wrong(name, format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(f.broken[name], text) {
		f.broken[name] = append(f.broken[name], text)
	}
}

func (f *fields) err() error {
	if len(f.broken) == 0 {
		return nil
	}
	return refused(f.broken)
}

func isNull(raw json.RawMessage) bool { return string(raw) == "null" }

// text reads a string and trims it; nil if it is absent.
func (f *fields) text(name string) *string {
	raw, ok := f.raw[name]
	if !ok {
		return nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		f.wrong(name, "The %s must be a string.", name)
		return nil
	}
	s = strings.TrimSpace(s)
	return &s
}

// required reads a string that may be neither absent nor blank.
func (f *fields) required(name string) string {
	s := f.text(name)
	if s != nil && *s != "" {
		return *s
	}
	if s != nil || !f.has(name) {
		f.wrong(name, "The %s field is required.", name)
	}
	return ""
}

// optional reads a string that may be absent.
func (f *fields) optional(name string, limit int) string {
	s := f.text(name)
	if s == nil {
		return ""
	}
	f.limit(name, *s, limit)
	return *s
}

func (f *fields) limit(name, s string, limit int) {
	if utf8.RuneCountInString(s) > limit {
		f.wrong(name, "The %s may not be greater than %d characters.", name, limit)
	}
}

func (f *fields) flag(name string) bool {
	raw, ok := f.raw[name]
	if !ok {
		return false
	}
	switch strings.ToLower(strings.Trim(string(raw), `"`)) {
	case "true", "1":
		return true
	case "false", "0", "", "null":
		return false
	}
	f.wrong(name, "The %s field must be true or false.", name)
	return false
}

// object reads a JSON object, or one written into a string; nil if it is absent.
func (f *fields) object(name string) *json.RawMessage {
	raw, ok := f.raw[name]
	if !ok {
		return nil
	}
	var s string
	if raw[0] == '"' && json.Unmarshal(raw, &s) == nil {
		raw = json.RawMessage(strings.TrimSpace(s))
	}
	if len(raw) == 0 || isNull(raw) {
		raw = nil
	} else if raw[0] != '{' || !json.Valid(raw) {
		f.wrong(name, "The %s must be an object.", name)
		return nil
	}
	return &raw
}

// strings reads a list of strings, each trimmed; nil if it is absent. Entries are named as CometChat does: tags.0.
func (f *fields) strings(name string) *[]string {
	raw, ok := f.raw[name]
	if !ok {
		return nil
	}
	var entries []json.RawMessage
	if err := json.Unmarshal(raw, &entries); err != nil {
		f.wrong(name, "The %s must be an array.", name)
		return nil
	}
	out := make([]string, len(entries))
	for i, e := range entries {
		at := fmt.Sprintf("%s.%d", name, i)
		if err := json.Unmarshal(e, &out[i]); err != nil {
			f.wrong(at, "The %s must be a string.", at)
		} else if out[i] = strings.TrimSpace(out[i]); out[i] == "" {
			f.wrong(at, "The %s field is required.", at)
		}
	}
	return &out
}

// uids reads a list that may be neither absent nor empty; limit 0 is none.
func (f *fields) uids(name string, limit int) []string {
	list := f.strings(name)
	switch {
	case list == nil && f.broken[name] != nil:
		return nil
	case list == nil || len(*list) == 0:
		f.wrong(name, "The %s field is required.", name)
		return nil
	case limit > 0 && len(*list) > limit:
		f.wrong(name, "The %s may not have more than %d items.", name, limit)
	}
	return *list
}

const maxTag = 100 // characters; checked here as well as in the store, to name the tag

// patch reads the fields of a user that may be edited.
func (f *fields) patch() userstore.Patch {
	p := userstore.Patch{
		Name: f.text("name"), Avatar: f.text("avatar"), Link: f.text("link"), Role: f.text("role"),
		StatusMessage: f.text("statusMessage"), Metadata: f.object("metadata"), Tags: f.strings("tags"),
	}
	if p.Name != nil && *p.Name == "" && f.broken["name"] == nil {
		f.wrong("name", "The name field must have a value.")
	}
	if p.Tags != nil {
		for i, tag := range *p.Tags {
			at := fmt.Sprintf("tags.%d", i)
			f.limit(at, tag, maxTag)
		}
	}
	return p
}

// unset reads the names in unset, each of which has to be one of these. CometChat's own example both sets and unsets the
// avatar, and the avatar stays: where there is a value, it wins.
func (f *fields) unset(names ...string) []string {
	list := f.strings("unset")
	if list == nil {
		return nil
	}
	var unset []string
	for i, name := range *list {
		if !slices.Contains(names, name) {
			at := fmt.Sprintf("unset.%d", i)
			f.wrong(at, "The selected %s is invalid.", at)
		} else if !f.has(name) {
			unset = append(unset, name)
		}
	}
	return unset
}

func (f *fields) hasAny(names ...string) bool { return slices.ContainsFunc(names, f.has) }
