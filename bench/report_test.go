package main

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFigures(t *testing.T) {
	for want, got := range map[string]string{
		"412 ns":    duration(412),
		"1.07 µs":   duration(1067),
		"33.3 ms":   duration(33.3e6),
		"2.50 s":    duration(2.5e9),
		"0 B":       size(0),
		"1.50 KB":   size(1536),
		"48.0 MB":   size(48 * mb),
		"× 0.83":    times(0.834),
		"1,000,000": thousands(1_000_000),
		"999":       thousands(999),
	} {
		require.Equal(t, want, got)
	}
}

func TestMedian(t *testing.T) {
	var r Results
	for _, x := range []float64{9, 1, 5, 3} {
		r.add(10, "a", map[string]float64{"row": x})
	}
	require.EqualValues(t, 4, r.median(10, "a", "row"))
	require.True(t, math.IsNaN(r.median(10, "b", "row")))
	require.True(t, math.IsNaN(r.ratio(10, "row", "a", "b")))
}

// made gives results in which every row of every contender has a value.
func made(p Plan, value func(users int, c Contender, row string) float64) *Results {
	r := &Results{}
	for _, users := range []int{p.Small, p.Main, p.Large} {
		for _, c := range contenders {
			for _, table := range tables {
				for _, row := range table.Rows {
					r.add(users, c.Key, map[string]float64{row.ID: value(users, c, row.ID)})
				}
			}
		}
	}
	return r
}

func TestTargetsAreJudged(t *testing.T) {
	p := Plan{Small: 1, Main: 2, Large: 3, Contenders: contenders}
	ours := func(c Contender) bool { return c.Module == "" || c.Key == us }
	good := made(p, func(_ int, c Contender, _ string) float64 {
		if ours(c) {
			return 100
		}
		return 2000
	})
	bad := made(p, func(users int, c Contender, row string) float64 {
		switch {
		case ours(c) && row == rowTag && users != p.Large, ours(c) && row == rowCountTag && users == p.Small:
			return 100 * mb
		case ours(c):
			return 1000 * mb
		}
		return 100 * mb
	})
	for _, target := range targets {
		x, met := target.Judge(good, &p)
		require.True(t, met, "%s: %v", target.What, x)
		x, met = target.Judge(bad, &p)
		if target.What == "the same at the large size" && target.Goal == "≤ 1.5 ×" {
			continue // all pages are alike there
		}
		require.False(t, met, "%s: %v", target.What, x)
		x, met = target.Judge(&Results{}, &p)
		require.True(t, math.IsNaN(x) && !met, "%s", target.What)
	}
}

func TestWhatBadgerAloneComesTo(t *testing.T) {
	p := Plan{Small: 1, Main: 2, Large: 3, Contenders: contenders}
	r := made(p, func(_ int, c Contender, row string) float64 {
		switch {
		case strings.HasPrefix(row, "least-"):
			return 40
		case c.Key == us:
			return 80
		}
		return 200
	})
	asked := 0
	for _, target := range targets {
		if target.Most == nil {
			continue
		}
		asked++
		require.EqualValues(t, 5, target.Most(r, &p), target.What)
		require.True(t, math.IsNaN(target.Most(&Results{}, &p)), target.What)
	}
	require.Equal(t, 8, asked)
}

func TestReport(t *testing.T) {
	p := Plan{Small: 2000, Main: 10_000, Large: 20_000, Reps: 3, Length: time.Second, Contenders: contenders}
	r := made(p, func(_ int, c Contender, row string) float64 {
		if c.Key == "bbolt" && row == rowTag {
			return 50
		}
		return 100
	})
	r.Failures = []string{"something went wrong"}
	text := render(p, Machine{CPU: "a processor", Cores: 2}, r, time.Unix(0, 0), time.Minute)
	require.Contains(t, text, "**50.0 ns (× 0.50)**", "a peer that wins shows")
	require.Contains(t, text, "badgerhold (5,000 users only)")
	require.Contains(t, text, "something went wrong")
	require.Contains(t, text, "a processor, 2 cores")
	require.Contains(t, text, "| bulk load at the large size, peak memory | ≤ 500 MB | 100 B |  | met |")
	require.NotContains(t, text, "NaN")
}
