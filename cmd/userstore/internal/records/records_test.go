package records

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

// got is a Record that outlives the next call.
type got struct {
	line      int
	uid, json string
	err       error
}

func readAll(t testing.TB, in io.Reader, name, format string) ([]got, error) {
	t.Helper()
	r, err := Open(in, name, format)
	if err != nil {
		return nil, err
	}
	var all []got
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, got{rec.Line, rec.UID, string(rec.JSON), rec.Err})
	}
}

func TestRecords(t *testing.T) {
	long := strings.Repeat("x", MaxRecord+10)
	for name, c := range map[string]struct {
		in, format string
		want       []got
		err        error
	}{
		"json lines": {"{\"uid\":\"a\"}\n\n  {\"uid\":\"b\"}  \r\n{\"uid\":\"c\"}", JSONLines, []got{
			{1, "", `{"uid":"a"}`, nil}, {3, "", `{"uid":"b"}`, nil}, {4, "", `{"uid":"c"}`, nil}}, nil},
		"json lines with a byte order mark": {"\uFEFF{\"uid\":\"a\"}\n", "", []got{{1, "", `{"uid":"a"}`, nil}}, nil},
		"a line that is too long is one error": {"{}\n" + long + "\n{\"uid\":\"b\"}\n", JSONLines, []got{
			{1, "", "{}", nil}, {2, "", "", ErrTooLong}, {3, "", `{"uid":"b"}`, nil}}, nil},
		"a long last line": {"{}\n" + long, JSONLines, []got{{1, "", "{}", nil}, {2, "", "", ErrTooLong}}, nil},
		"nothing":          {"", "", nil, nil},
		"blank":            {"\n \n", "", nil, nil},

		"import JSON": {"{\"users\": {\n \"a\": {\"uid\": \"a\",\n \"name\": \"A\"},\n \"b\": {\"uid\":\"B\"}}}", "", []got{
			{2, "a", `{"uid":"a","name":"A"}`, nil}, {4, "B", `{"uid":"B"}`, nil}}, nil},
		"import JSON, other members first": {`{"v": {"users": 1}, "users": {"a": {"uid": "a"}}}`, CometChat, []got{{1, "a", `{"uid":"a"}`, nil}}, nil},
		"import JSON as an array":          {`{"users": [{"uid": "a"}]}`, "", []got{{1, "a", `{"uid":"a"}`, nil}}, nil},
		"a bare array":                     {"[\n{\"uid\":\"a\"},\n{\"uid\":\"b\"}\n]", "", []got{{2, "a", `{"uid":"a"}`, nil}, {3, "b", `{"uid":"b"}`, nil}}, nil},
		"no users":                         {`{"users": {}}`, "", nil, nil},
		"wrong entries": {"{\"users\": {\"a\": {\"uid\": \"b\"},\n\"c\": 7,\n\"d\": {\"uid\": 7},\n\"e\": {},\n\"f\": {\"uid\": \"f\"}}}", "", []got{
			{1, "a", "", ErrKey}, {2, "c", "", ErrForm}, {3, "d", "", ErrForm}, {4, "e", "", ErrKey}, {5, "f", `{"uid":"f"}`, nil}}, nil},
		"import JSON cut between users": {`{"users": {"a": {"uid": "a"}`, "", []got{{1, "a", `{"uid":"a"}`, nil}}, ErrCut},
		"import JSON cut in a user":     {`{"users": {"a": {"uid": `, "", nil, ErrCut},
		"import JSON broken":            {`{"users": {"a": {"uid" "a"}}}`, "", nil, ErrForm},
		"import JSON without users":     {`{"people": {}}`, CometChat, nil, ErrNoUsers},
		"users is no object":            {`{"users": 7}`, CometChat, nil, ErrForm},
		"import JSON, endless user":     {`{"users": {"a": {"uid": "` + long + strings.Repeat("y", MaxRecord), "", nil, ErrTooLong},

		"CSV": {"uid,name,tags,metadata\na,Ann,x; y\\;z;;,\"{\"\"k\"\": 1}\"\n\n\"b\",\"B\n2\",,\nc,C,,\n", "", []got{
			{2, "a", `{"uid":"a","name":"Ann","metadata":{"k":1},"status":"offline","role":"default","tags":["x","y;z"]}`, nil},
			{4, "b", `{"uid":"b","name":"B\n2","status":"offline","role":"default"}`, nil},
			{6, "c", `{"uid":"c","name":"C","status":"offline","role":"default"}`, nil}}, nil},
		"CSV, any order and case of the columns": {"\uFEFFName, UID ,STATUSmessage\nAnn,a,hi\n", "", []got{
			{2, "a", `{"uid":"a","name":"Ann","status":"offline","role":"default","statusMessage":"hi"}`, nil}}, nil},
		"CSV times": {"uid,createdAt,deactivatedAt\na,1700000000,2023-11-14T23:13:20+01:00\nb,yesterday,\nc,-1,\nd,,1969-01-01T00:00:00Z\n", "", []got{
			{2, "a", `{"uid":"a","name":"","status":"offline","role":"default","createdAt":1700000000,"deactivatedAt":1700000000}`, nil},
			{3, "b", "", ErrTime}, {4, "c", "", ErrTime}, {5, "d", "", ErrTime}}, nil},
		"CSV rows that are wrong": {"uid,name,metadata\na\nb,\"B\"b,\nc,C,[1]\nd,D,{\ne,\xff,\nf,F,\n", "", []got{
			{2, "a", "", errAny}, {3, "b", "", errAny}, {4, "c", "", ErrMetadata}, {5, "d", "", ErrMetadata}, {6, "e", "", ErrUTF8},
			{7, "f", `{"uid":"f","name":"F","status":"offline","role":"default"}`, nil}}, nil},
		"CSV, a quotation mark left open": {"uid,name\na,A\nb,\"" + long + "\n" + long, "", []got{
			{2, "a", `{"uid":"a","name":"A","status":"offline","role":"default"}`, nil}}, ErrOpen},
	} {
		t.Run(name, func(t *testing.T) {
			for way, in := range map[string]io.Reader{"at once": strings.NewReader(c.in), "in pieces": iotest.HalfReader(strings.NewReader(c.in))} {
				all, err := readAll(t, in, "", c.format)
				require.ErrorIs(t, err, c.err, way)
				require.Len(t, all, len(c.want), way)
				for i, want := range c.want {
					require.Equal(t, want.line, all[i].line, way)
					require.Equal(t, want.json, all[i].json, way)
					if want.err == errAny {
						require.Error(t, all[i].err, way)
						continue
					}
					require.ErrorIs(t, all[i].err, want.err, way)
					require.Equal(t, want.uid, all[i].uid, way)
				}
			}
		})
	}
}

var errAny = errors.New("any")

func TestOpenRefuses(t *testing.T) {
	for name, c := range map[string]struct{ in, format, says string }{
		"format":          {"", "xml", "unknown format"},
		"empty CSV":       {"", CSV, "empty"},
		"unknown column":  {"uid,nmae\n", CSV, "column 2"},
		"column twice":    {"uid,Name,name\n", CSV, "name twice"},
		"no uid":          {"name\n", CSV, "no column uid"},
		"broken header":   {"uid,\"name\n", CSV, "cannot be read"},
		"no header, data": {"alice,Alice\n", CSV, "column 1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(strings.NewReader(c.in), "", c.format)
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), "Alice")
		})
	}
}

func TestReaderErrorIsPassedOn(t *testing.T) {
	boom := errors.New("boom")
	for format, start := range map[string]string{JSONLines: "{}\n", CSV: "uid\na\n", CometChat: `{"users":{"a":{"uid":"a"}`} {
		_, err := readAll(t, io.MultiReader(strings.NewReader(start), iotest.ErrReader(boom)), "", format)
		require.ErrorIs(t, err, boom, format)
	}
}

func TestDetect(t *testing.T) {
	for _, c := range []struct{ in, name, want string }{
		{`{"uid":"a"}`, "users.csv", CSV}, {`uid`, "USERS.JSONL", JSONLines}, {`uid`, "x.ndjson", JSONLines},
		{"uid,name\n", "users.json", CSV}, {" \n{ \"users\" :\n {", "", CometChat}, {`{"users": []}`, "", CometChat},
		{`{"users": "x"}`, "", JSONLines}, {`{"uid":"a"}`, "users.json", JSONLines}, {`{`, "", JSONLines}, {``, "", JSONLines},
		{strings.Repeat(" ", 1<<17), "", JSONLines},
	} {
		r, err := Open(iotest.OneByteReader(strings.NewReader(c.in)), c.name, "")
		if c.want == CSV && err != nil {
			require.ErrorContains(t, err, "header", c.in)
			continue
		}
		require.NoError(t, err, c.in)
		require.IsType(t, map[string]Reader{CSV: &csvReader{}, JSONLines: &jsonLines{}, CometChat: &cometChat{}}[c.want], r, c.in)
	}
}

func TestCSVRoundTrip(t *testing.T) {
	at := time.Unix(1700000000, 0).UTC()
	users := []userstore.User{
		{UID: "a", Name: "Ann, \"the\" first", Avatar: "https://x.io/a", Link: "https://x.io", Role: "manager", StatusMessage: "two\nlines",
			Metadata: json.RawMessage(`{"a":"<b>, \"c\""}`), Tags: []string{"x;y", `back\slash`, `end\`, "plain"},
			CreatedAt: at, UpdatedAt: at, LastActiveAt: at, DeactivatedAt: at},
		{UID: "b", Name: "B", Role: "default"},
	}
	var b bytes.Buffer
	w := NewCSVWriter(&b)
	for _, u := range users {
		require.NoError(t, w.Write(u))
	}
	require.NoError(t, w.Flush())
	back, err := readAll(t, &b, "", CSV)
	require.NoError(t, err)
	require.Len(t, back, len(users))
	for i, u := range users {
		require.NoError(t, back[i].err)
		want, err := json.Marshal(u)
		require.NoError(t, err)
		require.JSONEq(t, string(want), back[i].json)
	}
}

func TestCSVWriterError(t *testing.T) {
	w := NewCSVWriter(failing{})
	require.NoError(t, w.Write(userstore.User{UID: "a"}))
	require.ErrorIs(t, w.Flush(), io.ErrClosedPipe)
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
