package records

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

// check holds for every input: records come in the order of lines, each is JSON on one line or an error.
func check(t *testing.T, data []byte, format string) []got {
	all, _ := readAll(t, bytes.NewReader(data), "", format)
	last := 0
	for _, rec := range all {
		require.GreaterOrEqual(t, rec.line, max(last, 1))
		require.LessOrEqual(t, rec.line, 1+bytes.Count(data, []byte("\n")))
		last = rec.line
		require.NotEqual(t, rec.err == nil, rec.json == "", "either JSON or an error")
		require.NotContains(t, rec.json, "\n")
	}
	return all
}

func FuzzCSV(f *testing.F) {
	f.Add([]byte("uid,name,tags,metadata\na,\"A\n\",x;y,{}\n"))
	f.Add([]byte("uid,createdAt\n\na,1\nb,0\nc,\"\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var b bytes.Buffer
		w := NewCSVWriter(&b)
		var want []string
		for _, rec := range check(t, data, CSV) {
			if rec.err != nil {
				continue
			}
			var u userstore.User
			require.True(t, json.Valid([]byte(rec.json)))
			if u.UnmarshalJSON([]byte(rec.json)) != nil || strings.Contains(rec.json, `\r`) {
				continue // a carriage return before a line feed does not outlive CSV
			}
			require.NoError(t, w.Write(u))
			want = append(want, rec.json)
		}
		require.NoError(t, w.Flush())
		back := check(t, b.Bytes(), CSV)
		require.Len(t, back, len(want))
		for i := range want {
			require.NoError(t, back[i].err)
			require.Equal(t, want[i], back[i].json)
		}
	})
}

func FuzzImportJSON(f *testing.F) {
	f.Add([]byte(`{"users": {"a": {"uid": "a", "name": "A"}}}`))
	f.Add([]byte("{\"x\":1,\n\"users\": [\n{}, 7, {\"uid\":\"b\"}]}"))
	f.Add([]byte(`[{"uid":"a"}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, rec := range check(t, data, CometChat) {
			require.True(t, rec.err != nil || json.Valid([]byte(rec.json)))
		}
	})
}

func FuzzDetect(f *testing.F) {
	f.Add([]byte("{\"uid\":\"a\"}\n\n{}"))
	f.Add([]byte("uid\na"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if format := formatOf(data); format == JSONLines {
			for _, rec := range mustRead(t, data) {
				require.True(t, rec.err != nil || rec.json == strings.TrimSpace(rec.json))
			}
		}
	})
}

func mustRead(t *testing.T, data []byte) []got {
	all, err := readAll(t, bytes.NewReader(data), "", JSONLines)
	require.NoError(t, err)
	return all
}
