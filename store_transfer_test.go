package userstore_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

var everybody = userstore.Query{Deactivated: userstore.DeactivatedInclude}

// export is the users of a query as JSON lines.
func export(t testing.TB, s *userstore.Store, q userstore.Query) string {
	t.Helper()
	var b bytes.Buffer
	n := must(s.Export(bg, &b, q))(t)
	require.Equal(t, n, strings.Count(b.String(), "\n"))
	return b.String()
}

func load(t testing.TB, s *userstore.Store, mode userstore.ImportMode, lines ...string) userstore.ImportReport {
	t.Helper()
	return must(s.Import(bg, strings.NewReader(strings.Join(lines, "\n")), userstore.ImportOptions{Mode: mode}))(t)
}

// counts is a report without its errors.
func counts(r userstore.ImportReport) [5]int {
	return [5]int{r.Read, r.Created, r.Updated, r.Skipped, r.Failed}
}

func TestImport(t *testing.T) {
	hold(t, []sentence{
		{"a line is the JSON of a user; times are kept, status is not", func(t *testing.T, w *world) {
			w.roles(t, "vip")
			r := load(t, w.Store, userstore.ImportInsert,
				`{"uid":"Ada","name":"Ada","avatar":"https://a","link":"https://l","role":"VIP","metadata":{"k":1},"statusMessage":"hi","tags":["x","x"],"status":"available","createdAt":100,"updatedAt":"200","lastActiveAt":300,"hasBlockedMe":true,"blockedByMe":true,"more":1}`,
				`{"uid":"gone","name":"Gone","deactivatedAt":400}`, `{"uid":"new","name":"New"}`)
			require.Equal(t, [5]int{3, 3, 0, 0, 0}, counts(r))
			require.Equal(t, userstore.User{UID: "ada", Name: "Ada", Avatar: "https://a", Link: "https://l", Role: "vip", Metadata: json.RawMessage(`{"k":1}`), StatusMessage: "hi",
				Tags: []string{"x"}, Status: userstore.Offline, CreatedAt: unix(100), UpdatedAt: unix(200), LastActiveAt: unix(300), Version: 1}, must(w.Get(bg, "ada"))(t))
			require.Equal(t, unix(400), all(t, w, userstore.Query{Deactivated: userstore.DeactivatedOnly})[0].DeactivatedAt)
			require.Equal(t, w.clock.Now(), must(w.Get(bg, "new"))(t).CreatedAt)
			require.Equal(t, []string{"ada", "gone", "new"}, found(t, w, userstore.Query{Sort: userstore.SortCreated, Deactivated: userstore.DeactivatedInclude}))
		}},
		{"insert: an existing uid fails its line", func(t *testing.T, w *world) {
			w.add(t, "ada", "gone")
			must(w.Deactivate(bg, "gone"))(t)
			r := load(t, w.Store, userstore.ImportInsert, `{"uid":"bob","name":"B"}`, `{"uid":"ADA","name":"X"}`, `{"uid":"gone","name":"X","deactivatedAt":1}`, `{"uid":"bob","name":"again"}`)
			require.Equal(t, [5]int{4, 1, 0, 0, 3}, counts(r))
			for i, e := range r.Errors {
				require.ErrorIs(t, e.Err, userstore.ErrExists)
				require.Equal(t, i+2, e.Line)
			}
			require.Equal(t, []string{"ada", "gone", "bob"}, []string{strings.ToLower(r.Errors[0].UID), r.Errors[1].UID, r.Errors[2].UID})
			require.Equal(t, []string{"ada", "B"}, []string{must(w.Get(bg, "ada"))(t).Name, must(w.Get(bg, "bob"))(t).Name})
		}},
		{"skip: an existing uid is left as it is", func(t *testing.T, w *world) {
			w.add(t, "ada", "gone")
			must(w.Deactivate(bg, "gone"))(t)
			r := load(t, w.Store, userstore.ImportSkip, `{"uid":"Ada","name":"X"}`, `{"uid":"bob","name":"B"}`, `{"uid":"gone","name":"X"}`, `{"uid":"bob","name":"again"}`)
			require.Equal(t, [5]int{4, 1, 0, 3, 0}, counts(r))
			require.Equal(t, "ada", must(w.Get(bg, "ada"))(t).Name)
			require.Equal(t, []string{"gone"}, found(t, w, userstore.Query{Deactivated: userstore.DeactivatedOnly}))
		}},
		{"upsert: an existing uid is updated", func(t *testing.T, w *world) {
			w.add(t, "ada")
			now := w.clock.tick(time.Minute)
			r := load(t, w.Store, userstore.ImportUpsert, `{"uid":"Ada","name":"New","tags":["t"]}`, `{"uid":"bob","name":"B"}`)
			require.Equal(t, [5]int{2, 1, 1, 0, 0}, counts(r))
			ada := must(w.Get(bg, "ada"))(t)
			require.Equal(t, []any{"New", []string{"t"}, uint64(2), now}, []any{ada.Name, ada.Tags, ada.Version, ada.UpdatedAt})
			require.Equal(t, []string{"ada"}, found(t, w, userstore.Query{Tags: []string{"t"}}))
		}},
		{"upsert: no import brings anybody back", func(t *testing.T, w *world) {
			w.add(t, "gone", "kept")
			must(w.Deactivate(bg, "gone", "kept"))(t)
			r := load(t, w.Store, userstore.ImportUpsert, `{"uid":"gone","name":"Back"}`, `{"uid":"gone","name":"Back","deactivatedAt":0}`, `{"uid":"kept","name":"New","deactivatedAt":500}`)
			require.Equal(t, [5]int{3, 0, 1, 0, 2}, counts(r))
			require.ErrorIs(t, r.Errors[0].Err, userstore.ErrExists)
			require.ErrorIs(t, r.Errors[1].Err, userstore.ErrExists)
			hidden := all(t, w, userstore.Query{Deactivated: userstore.DeactivatedOnly})
			require.Equal(t, []string{"gone", "kept"}, uids(hidden))
			require.Equal(t, []any{"gone", "New", unix(500)}, []any{hidden[0].Name, hidden[1].Name, hidden[1].DeactivatedAt})
			require.Empty(t, found(t, w, userstore.Query{}))
		}},
		{"a bad line fails alone, and lines count from 1", func(t *testing.T, w *world) {
			r := load(t, w.Store, userstore.ImportInsert, `{"uid":"a","name":"A"}`, ``, `{"uid":"b"}`, `not json `+secret, `{"uid":"c","name":"C","role":"`+secret+`"}`, `{"uid":"d","name":"D"}`+"\r",
				`{"uid":"e","name":"`+secret+"\xff"+`"}`, `["`+secret+`"]`, `{"uid":"f","name":5}`, `{"uid":"`+secret+` bad","name":"N"}`, `{"uid":"g","name":"G","createdAt":-5}`,
				`{"uid":"h","name":"H"}{"uid":"i","name":"I"}`, `{"uid":"last","name":"no line break"}`)
			require.Equal(t, []int{3, 0, 0, 9}, []int{r.Created, r.Updated, r.Skipped, r.Failed})
			var lines []int
			for _, e := range r.Errors {
				lines = append(lines, e.Line)
				require.ErrorIs(t, e.Err, userstore.ErrInvalid, "line %d", e.Line)
				require.NotContains(t, e.Err.Error(), secret)
			}
			require.Equal(t, []int{3, 4, 5, 7, 8, 9, 10, 11, 12}, lines)
			require.Equal(t, "b", r.Errors[0].UID)
			require.Equal(t, []string{"a", "d", "last"}, found(t, w, userstore.Query{Sort: userstore.SortUID}))
		}},
		{"a line longer than any user fails alone", func(t *testing.T, w *world) {
			long := `{"uid":"long","name":"` + strings.Repeat("x", 3<<20) + `"}`
			r := load(t, w.Store, userstore.ImportInsert, `{"uid":"a","name":"A"}`, long, `{"uid":"b","name":"B"}`)
			require.Equal(t, [5]int{3, 2, 0, 0, 1}, counts(r))
			require.Equal(t, 2, r.Errors[0].Line)
			require.ErrorIs(t, r.Errors[0].Err, userstore.ErrInvalid)
		}},
		{"the first 100 errors are told", func(t *testing.T, w *world) {
			r := load(t, w.Store, userstore.ImportInsert, strings.Split(strings.Repeat("{}\n", 150), "\n")[:150]...)
			require.Equal(t, [5]int{150, 0, 0, 0, 150}, counts(r))
			require.Len(t, r.Errors, 100)
			require.Equal(t, 100, r.Errors[99].Line)
		}},
		{"progress tells how many lines were read", func(t *testing.T, w *world) {
			var lines []string
			for i := range 2500 {
				lines = append(lines, fmt.Sprintf(`{"uid":"u%d","name":"U"}`, i))
			}
			seen := []int{0}
			must(w.Import(bg, strings.NewReader(strings.Join(lines, "\n")), userstore.ImportOptions{Progress: func(read int) {
				require.GreaterOrEqual(t, read, seen[len(seen)-1])
				seen = append(seen, read)
			}}))(t)
			require.Greater(t, len(seen), 2)
			require.Equal(t, 2500, seen[len(seen)-1])
			require.Equal(t, 2500, must(w.Count(bg, userstore.Query{}))(t))
		}},
		{"nothing is an empty import, and a reader's error ends it", func(t *testing.T, w *world) {
			require.Zero(t, load(t, w.Store, userstore.ImportInsert))
			oops := errors.New("oops")
			in := io.MultiReader(strings.NewReader("{\"uid\":\"a\",\"name\":\"A\"}\n{\"uid\":\"b\","), iotest.ErrReader(oops))
			r, err := w.Import(bg, in, userstore.ImportOptions{})
			require.ErrorIs(t, err, oops)
			require.Equal(t, r.Created, must(w.Count(bg, userstore.Query{}))(t), "the report tells what was done")
			require.ErrorIs(t, fails(w.Import(bg, strings.NewReader("{}"), userstore.ImportOptions{Mode: 99})), userstore.ErrInvalid)
		}},
	})
}

func TestImportUsers(t *testing.T) {
	hold(t, []sentence{
		{"what All gives makes the same store", func(t *testing.T, w *world) {
			w.roles(t, "vip")
			must(w.Create(bg, full("ada")))(t)
			w.clock.tick(time.Nanosecond)
			var many []userstore.User
			for i := range 3000 { // several batches, on disk as in memory
				many = append(many, userstore.User{UID: fmt.Sprint(i), Name: "N", Tags: []string{fmt.Sprint("t", i%40), "all"}})
			}
			require.Equal(t, 3000, must(w.ImportUsers(bg, slices.Values(many), userstore.ImportOptions{}))(t).Created)
			must(w.Deactivate(bg, "1"))(t)
			must(w.Update(bg, "0", rename("0")))(t)
			require.NoError(t, w.SetStatus(bg, "0", userstore.Online))
			copied := memory(t, userstore.WithRoles("vip"))
			seen := 0
			r := must(copied.ImportUsers(bg, slices.Values(all(t, w, everybody)), userstore.ImportOptions{Progress: func(read int) {
				require.Greater(t, read, seen)
				seen = read
			}}))(t)
			require.Equal(t, [5]int{3001, 3001, 0, 0, 0}, counts(r), "%+v", r.Errors)
			require.Equal(t, 3001, seen)
			require.NoError(t, w.SetStatus(bg, "0", userstore.Offline))
			want := all(t, w, everybody)
			for i := range want {
				want[i].Version = 1 // a copy begins anew
			}
			got := all(t, copied, everybody)
			for i := range got { // the import came before the last of presence
				got[i].LastActiveAt, want[i].LastActiveAt = time.Time{}, time.Time{}
			}
			require.Equal(t, want, got)
			sound(t, copied.Store)
		}},
		{"each mode does as it does with lines, and users count from 1", func(t *testing.T, w *world) {
			for mode, want := range [][5]int{
				userstore.ImportInsert: {4, 1, 0, 0, 3}, userstore.ImportUpsert: {4, 1, 1, 0, 2}, userstore.ImportSkip: {4, 1, 0, 1, 2},
			} {
				w := memory(t)
				w.add(t, "ada")
				r := must(w.ImportUsers(bg, slices.Values([]userstore.User{{UID: "ADA", Name: "New"}, {UID: "bob", Name: "B"}, {UID: "no uid"}, {UID: "cy", Name: "C", Role: "none"}}),
					userstore.ImportOptions{Mode: userstore.ImportMode(mode)}))(t)
				require.Equal(t, want, counts(r), "mode %d: %+v", mode, r.Errors)
				last := r.Errors[len(r.Errors)-1]
				require.Equal(t, []any{4, "cy"}, []any{last.Line, last.UID})
				require.ErrorIs(t, last.Err, userstore.ErrInvalid)
			}
		}},
		{"times are kept within what an export brings back", func(t *testing.T, w *world) {
			berlin := time.FixedZone("Berlin", 3600)
			r := must(w.ImportUsers(bg, slices.Values([]userstore.User{
				{UID: "ok", Name: "N", CreatedAt: time.Date(2001, 2, 3, 4, 5, 6, 7, berlin)}, {UID: "early", Name: "N", UpdatedAt: unix(-1)},
				{UID: "never", Name: "N", LastActiveAt: unix(0)}, {UID: "late", Name: "N", DeactivatedAt: unix(1 << 40)},
			}), userstore.ImportOptions{}))(t)
			require.Equal(t, [5]int{4, 1, 0, 0, 3}, counts(r))
			require.Equal(t, time.Date(2001, 2, 3, 3, 5, 6, 7, time.UTC), must(w.Get(bg, "ok"))(t).CreatedAt)
			var field *userstore.FieldError
			require.ErrorAs(t, r.Errors[0].Err, &field)
			require.Equal(t, userstore.FieldUpdatedAt, field.Field)
		}},
		{"ends with its context, and tells what was stored", func(t *testing.T, w *world) {
			ctx, cancel := context.WithCancel(bg)
			r, err := w.ImportUsers(ctx, func(yield func(userstore.User) bool) {
				for i := 0; yield(userstore.User{UID: fmt.Sprint(i), Name: "N"}); i++ {
					if i == 5000 {
						cancel()
					}
				}
			}, userstore.ImportOptions{})
			require.ErrorIs(t, err, context.Canceled)
			require.Equal(t, w.dir == "", r.Created > 0) // what is loaded onto a disk is loaded whole
			require.Equal(t, r.Created, must(w.Count(bg, userstore.Query{}))(t))
		}},
		{"nothing is an empty import, nil and an unknown mode are refused", func(t *testing.T, w *world) {
			require.Zero(t, must(w.ImportUsers(bg, slices.Values([]userstore.User(nil)), userstore.ImportOptions{Progress: func(int) { t.Error("there is none") }}))(t))
			require.ErrorIs(t, fails(w.ImportUsers(bg, nil, userstore.ImportOptions{})), userstore.ErrInvalid)
			require.ErrorIs(t, fails(w.ImportUsers(bg, slices.Values([]userstore.User{}), userstore.ImportOptions{Mode: 9})), userstore.ErrInvalid)
		}},
	})
}

func TestExport(t *testing.T) {
	hold(t, []sentence{
		{"export then import into an empty store gives the same export", func(t *testing.T, w *world) {
			w.roles(t, "vip")
			must(w.Create(bg, full("ada")))(t)
			for i, raw := range []string{`{"a":"` + strings.Repeat("<", 5112) + `"}`, `{ "b" : "\u2028 ` + "\u2028" + `" }`, `{"c":1e3}`} {
				w.clock.tick(time.Hour)
				must(w.Create(bg, userstore.User{UID: fmt.Sprint(i), Name: `"<&>\` + "\u2029", Metadata: json.RawMessage(raw)}))(t)
			}
			must(w.Deactivate(bg, "1"))(t)
			must(w.Update(bg, "0", rename("😀")))(t)
			require.NoError(t, w.SetStatus(bg, "0", userstore.Online))
			require.NoError(t, w.SetStatus(bg, "0", userstore.Offline))
			for _, q := range []userstore.Query{everybody, {Deactivated: userstore.DeactivatedInclude, Sort: userstore.SortCreated, Desc: true}} {
				first := export(t, w.Store, q)
				anew := memory(t, userstore.WithRoles("vip"))
				r := must(anew.Import(bg, strings.NewReader(first), userstore.ImportOptions{}))(t)
				require.Equal(t, [5]int{4, 4, 0, 0, 0}, counts(r), "%+v", r.Errors)
				require.Equal(t, first, export(t, anew.Store, q))
				sound(t, anew.Store)
			}
		}},
		{"an export is of a query, and ignores limit and cursor", func(t *testing.T, w *world) {
			w.add(t, "a", "b", "c")
			require.Equal(t, 2, strings.Count(export(t, w.Store, userstore.Query{UIDs: []string{"a", "c"}, Limit: 1, Cursor: "x"}), "\n"))
			require.Empty(t, export(t, w.Store, userstore.Query{Search: "z"}))
			require.ErrorIs(t, fails(w.Export(bg, io.Discard, userstore.Query{Sort: 99})), userstore.ErrInvalid)
		}},
		{"a writer's error is given back", func(t *testing.T, w *world) {
			w.add(t, "a")
			closed := must(os.Create(filepath.Join(t.TempDir(), "out")))(t)
			require.NoError(t, closed.Close())
			require.ErrorIs(t, fails(w.Export(bg, closed, userstore.Query{})), os.ErrClosed)
			require.ErrorIs(t, w.Backup(bg, closed), os.ErrClosed)
		}},
	})
}
