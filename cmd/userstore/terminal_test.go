package main

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

func TestListOnATerminal(t *testing.T) {
	o := newTool(t)
	o.fill()
	o.out = true
	const table = `UID  NAME        ROLE     STATUS       TAGS  CREATED
ann  Ann Ärcher  manager  offline      vip   2023-11-14
eve  Eve         default  deactivated        2023-11-14
ben  二郎        default  offline            2023-11-14
`
	for _, quiet := range []map[string]string{{"NO_COLOR": "1"}, {"TERM": "dumb"}} {
		o.env = quiet
		require.Equal(t, table, o.must("list", "--deactivated", "include"))
	}
	o.env = nil
	coloured := o.must("list", "--deactivated", "include")
	require.Contains(t, coloured, "\x1b[1mUID\x1b[0m")
	require.Contains(t, coloured, "\x1b[31mdeactivated\x1b[0m")
	strip := strings.NewReplacer("\x1b[0m", "", "\x1b[1m", "", "\x1b[2m", "", "\x1b[31m", "", "\x1b[32m", "")
	require.Equal(t, table, strip.Replace(coloured))

	require.NotContains(t, o.must("list", "--json"), "\x1b", "JSON has no colour")
	require.NotContains(t, o.must("list", "--format", "csv"), "\x1b", "nor has CSV")
	o.out = false
	require.Equal(t, table, o.must("list", "--deactivated", "include", "--format", "table"), "a pipe has no colour")
	require.True(t, strings.HasPrefix(o.must("list"), `{"uid"`), "and JSON lines when not told otherwise")
}

func TestShownOnATerminal(t *testing.T) {
	o := newTool(t)
	o.fill()
	o.out = true
	o.env["NO_COLOR"] = "1"
	require.Equal(t, `uid            ben
name           二郎
role           default
status         offline
statusMessage  line one
createdAt      2023-11-14T22:13:21Z
version        1

`, o.must("get", "ben"))
	require.Contains(t, o.must("get", "--deactivated", "eve"), "deactivatedAt  2023-11-14T22:13:29Z\n")
	require.Contains(t, o.must("role", "get", "manager"), "role           manager\n")
	require.Regexp(t, `(?m)^ROLE +NAME +DESCRIPTION +CREATED\ndefault +Default Role +`, o.must("role", "list"))
	o.must("token", "issue", "ann")
	require.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ  ann_\w+\n$`, o.must("token", "list", "ann"))
	require.Contains(t, o.must("stats"), "█")
	_, stderr, code := o.run("backup")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "not for a terminal")
}

func TestNobodySteersTheTerminal(t *testing.T) {
	require.Equal(t, "a b\uFFFD[2Jc\uFFFDd\uFFFDe", printable("a\nb\x1b[2Jc\u009bd\u202Ee"))
	require.Equal(t, "Zoë 二郎", printable("Zoë 二郎"))
}

func TestFit(t *testing.T) {
	for _, c := range []struct {
		in, want string
		columns  int
	}{{"abc", "abc", 3}, {"abcd", "ab…", 3}, {"二郎丸", "二…", 4}, {"", "", 0}, {"é́é́x", "é́…", 2}} {
		require.Equal(t, c.want, fit(c.in, c.columns), c.in)
	}
}

func TestTableKeepsItsWidthInParts(t *testing.T) {
	var b strings.Builder
	tab := &table{w: &b, widths: make([]int, 2)}
	tab.row(cell{"wide name", plain}, cell{"1", plain})
	require.NoError(t, tab.flush())
	tab.row(cell{"x", plain}, cell{"2", plain})
	require.NoError(t, tab.flush())
	require.Equal(t, "wide name  1\nx          2\n", b.String())
}

// ticking is a clock that moves at every look.
func ticking(step time.Duration) func() time.Time {
	now := time.Unix(1700000000, 0)
	var mu sync.Mutex
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(step)
		return now
	}
}

func TestProgress(t *testing.T) {
	var in strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&in, `{"uid":"u%d","name":"N"}`+"\n", i)
	}
	t.Run("lines", func(t *testing.T) {
		o := newTool(t)
		o.stdin = in.String()
		o.clock = ticking(time.Second)
		_, stderr, code := o.run("import", "--mode", "skip")
		require.Zero(t, code)
		require.Regexp(t, `(?m)^imported [\d,]+ users, \d+/s$`, stderr)
		o.must("import", "--mode", "skip", "--quiet")
		_, stderr, _ = o.run("import", "--mode", "skip", "--quiet")
		require.Empty(t, stderr)
		_, stderr, _ = o.run("import", "--mode", "skip", "--json")
		require.Empty(t, stderr)
		_, stderr, code = o.run("export", "-o", t.TempDir()+"/out")
		require.Zero(t, code)
		require.Regexp(t, `(?m)^exported [\d,]+ users, \d+/s, about \d+s left$`, stderr)
		_, stderr, code = o.run("import")
		require.Equal(t, exitFailed, code)
		require.Regexp(t, `(?m)^imported [\d,]+ users, \d+/s, [\d,]+ failed$`, stderr)
		require.Contains(t, stderr, "there are more failures: --errors FILE keeps them all")
	})
	t.Run("bar", func(t *testing.T) {
		o := newTool(t)
		o.stdin = in.String()
		o.err = true
		o.clock = ticking(10 * time.Millisecond)
		_, stderr, code := o.run("import")
		require.Zero(t, code)
		require.Contains(t, stderr, "\r")
		require.Contains(t, stderr, "imported")
		_, stderr, code = o.run("export", "-o", t.TempDir()+"/out")
		require.Zero(t, code)
		require.Regexp(t, `exported 500 users, \d+/s +\d+% \[=+>\.+\] +\[\d+s:\d+s\]`, stderr)
	})
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -999: "-999"} {
		require.Equal(t, want, counted(n))
	}
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1 << 20: "1.0 MiB", 5 << 40: "5.0 TiB", 1 << 62: "4.0 EiB"} {
		require.Equal(t, want, size(n))
	}
	require.Equal(t, 7, perSecond(7, 0))
	require.Equal(t, 14, perSecond(7, time.Second/2))
}

func TestState(t *testing.T) {
	require.Equal(t, cell{"online", green}, state(userstore.User{Status: userstore.Online}))
	require.Equal(t, cell{"deactivated", red}, state(userstore.User{Status: userstore.Online, DeactivatedAt: time.Unix(1, 0)}))
}
