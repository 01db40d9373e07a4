package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-3546c6b2/userstore"
)

// statsJSON is what stats says to programs.
type statsJSON struct {
	Active      int            `json:"active"`
	Deactivated int            `json:"deactivated"`
	Online      int            `json:"online"`
	Roles       map[string]int `json:"roles"`
	Tags        map[string]int `json:"tags"` // the top ones
	TagCount    int            `json:"tagCount"`
	Keys        []keysJSON     `json:"keys"`
	DiskBytes   int64          `json:"diskBytes"`
	Levels      []levelJSON    `json:"levels"`
}

type keysJSON struct {
	Kind  string `json:"kind"`
	Keys  int    `json:"keys"`
	Bytes int64  `json:"bytes"`
}

type levelJSON struct {
	Level  int   `json:"level"`
	Tables int   `json:"tables"`
	Bytes  int64 `json:"bytes"`
}

func newStatsCmd(a *app) *cobra.Command {
	var top int
	cmd := &cobra.Command{
		Use:   "stats",
		Short: "Tell what is in the store and what it takes",
		Long: `Tell how many users there are by state, role and tag, how large the indexes are, and what
the store takes on disk, by level of Badger's LSM tree. It reads every key, so it takes its
time on a large store.`,
		Example: `  userstore stats --top 20
  userstore stats --json | jq .roles`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if top < 0 {
				return usagef("--top cannot be below 0")
			}
			return a.withStore(reading, func(s *userstore.Store) error {
				st, err := s.Stats(cmd.Context())
				if err != nil {
					return err
				}
				if a.json {
					return a.emit(statsOf(st, top))
				}
				a.showStats(st, top)
				return nil
			})
		},
	}
	cmd.Flags().IntVar(&top, "top", 10, "how many tags and roles to name, the most frequent first")
	return cmd
}

func statsOf(st userstore.Stats, top int) statsJSON {
	out := statsJSON{
		Active: st.Active, Deactivated: st.Deactivated, Online: st.Online, Roles: st.Roles, Tags: map[string]int{},
		TagCount: len(st.Tags), Keys: []keysJSON{}, DiskBytes: st.DiskBytes, Levels: []levelJSON{},
	}
	for _, b := range ranked(st.Tags, top) {
		out.Tags[b.name] = int(b.n)
	}
	for _, k := range st.Keys {
		out.Keys = append(out.Keys, keysJSON(k))
	}
	for i, l := range st.Levels {
		out.Levels = append(out.Levels, levelJSON{i, l.Tables, l.Bytes})
	}
	return out
}

func (a *app) showStats(st userstore.Stats, top int) {
	a.chart("users", []bar{
		{"active", int64(st.Active), counted(st.Active)}, {"deactivated", int64(st.Deactivated), counted(st.Deactivated)},
		{"online", int64(st.Online), counted(st.Online)},
	})
	a.chart("roles"+ofAll(len(st.Roles), top), ranked(st.Roles, top))
	a.chart("tags"+ofAll(len(st.Tags), top), ranked(st.Tags, top))
	var kinds, levels []bar
	for _, k := range st.Keys {
		if k.Keys > 0 {
			kinds = append(kinds, bar{k.Kind, k.Bytes, fmt.Sprintf("%s in %s keys", size(k.Bytes), counted(k.Keys))})
		}
	}
	a.chart("keys and values", kinds)
	for i, l := range st.Levels {
		if l.Tables > 0 {
			levels = append(levels, bar{fmt.Sprintf("level %d", i), l.Bytes, fmt.Sprintf("%s in %d tables", size(l.Bytes), l.Tables)})
		}
	}
	a.chart("on disk: "+size(st.DiskBytes), levels)
}

// bar is a bar of a chart: its length, and what to write behind it.
type bar struct {
	name string
	n    int64
	text string
}

// ranked gives the largest counts, the largest first.
func ranked(counts map[string]int, top int) []bar {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	var bars []bar
	for _, name := range names[:min(top, len(names))] {
		bars = append(bars, bar{name, int64(counts[name]), counted(counts[name])})
	}
	return bars
}

func ofAll(n, top int) string {
	if n <= top {
		return ""
	}
	return fmt.Sprintf(" (top %d of %s)", top, counted(n))
}

// chart draws bars, the longest as long as the widest bar may be.
func (a *app) chart(title string, bars []bar) {
	const widest = 24
	a.printf("%s", paint(a.colour(), bold, title))
	var most int64 = 1
	for _, b := range bars {
		most = max(most, b.n)
	}
	t := &table{w: a.stdout, colour: a.colour(), widths: make([]int, 4)}
	for _, b := range bars {
		length := int((b.n*widest + most - 1) / most) // whatever is there at all is seen
		t.row(cell{"", plain}, cell{b.name, plain}, cell{strings.Repeat("█", length), dim}, cell{b.text, plain})
	}
	_ = t.flush()
	a.printf("")
}

// size writes a number of bytes for people.
func size(n int64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n)/1024, 0
	for f >= 1024 && unit < len(units)-1 {
		f /= 1024
		unit++
	}
	return fmt.Sprintf("%.1f %ciB", f, units[unit])
}
