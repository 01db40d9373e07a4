package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// render writes the report of a run in Markdown.
func render(p Plan, m Machine, r *Results, began time.Time, took time.Duration) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Measured\n\nWritten by `go run .` in `bench/`, which measures all of it anew; [README.md](README.md) says what is measured and how.\n\n")
	fmt.Fprintf(&b, "%s, %d cores, %d GB, %s, %s, %s. Revision %s, %s. Medians of %d repetitions, %v for each measurement; %v in all.\n\n",
		m.CPU, m.Cores, m.MemoryGB, m.FileSystem, m.OS, m.Go, m.Revision, began.UTC().Format("2006-01-02"), p.Reps, p.Length, took.Round(time.Second))
	if m.Sync > 0 {
		fmt.Fprintf(&b, "To append a page of 4 KiB to a file and sync it takes %s on this disk.\n\n", duration(float64(m.Sync)))
	}
	if p.Processor {
		fmt.Fprintf(&b, "**Processor time**: waiting, as for a disk, is left out.\n\n")
	}
	var versions []string
	for _, c := range contenders {
		if v := m.Versions[c.Module]; v != "" && c.Key != us {
			versions = append(versions, c.Module+" "+v)
		}
	}
	fmt.Fprintf(&b, "%s.\n\n", strings.Join(versions, ", "))
	fmt.Fprintf(&b, "In a table, *(× n)* is how many times this library's time or space a peer takes. **Bold: better than this library.** "+
		"An empty cell: it does not apply; go-memdb and this library in memory have nothing durable, nothing to open and no files.\n")
	writeTargets(&b, &p, r)
	for _, users := range []int{p.Main, p.Large, p.Small} {
		if users > 0 {
			writeTables(&b, &p, r, users)
		}
	}
	if len(r.Failures) > 0 {
		fmt.Fprintf(&b, "\n## Failed\n\n- %s\n", strings.Join(r.Failures, "\n- "))
	}
	return b.String()
}

func writeTargets(b *strings.Builder, p *Plan, r *Results) {
	fmt.Fprintf(b, "\n## Targets\n\nAt %s users; large is %s and small %s. *Badger alone*: what the ratio would be if all but Badger's own writing, made ready ahead "+
		"and 64 users at a time, cost nothing.\n\n| | goal | measured | Badger alone | |\n|---|---|---|---|---|\n",
		thousands(p.Main), thousands(p.Large), thousands(p.Small))
	for _, t := range targets {
		figure, met := t.Judge(r, p)
		if math.IsNaN(figure) || math.IsInf(figure, 0) {
			fmt.Fprintf(b, "| %s | %s | | | not measured |\n", t.What, t.Goal)
			continue
		}
		verdict, alone := "**not met**", ""
		if met {
			verdict = "met"
		}
		if t.Most != nil {
			if most := t.Most(r, p); !math.IsNaN(most) {
				alone = t.Show(most)
			}
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", t.What, t.Goal, t.Show(figure), alone, verdict)
	}
}

func writeTables(b *strings.Builder, p *Plan, r *Results, users int) {
	var there []Contender
	for _, c := range p.Contenders {
		if slices.ContainsFunc(tables, func(t Table) bool {
			return slices.ContainsFunc(t.Rows, func(row Row) bool { return !math.IsNaN(r.median(users, c.Key, row.ID)) })
		}) {
			there = append(there, c)
		}
	}
	fmt.Fprintf(b, "\n## %s users\n", thousands(users))
	if users == p.Large && p.Reps > 1 {
		fmt.Fprintf(b, "\nLoaded once. The in-memory stores are left out: at this size they need gigabytes.\n")
	}
	for _, t := range tables {
		writeTable(b, r, users, t, there)
	}
	if users == p.Main {
		writeBesideRates(b, r, users, there)
	}
}

func writeTable(b *strings.Builder, r *Results, users int, t Table, there []Contender) {
	var shown []Contender
	var lines []Row
	for _, c := range there {
		if slices.ContainsFunc(t.Rows, func(row Row) bool { return !math.IsNaN(r.median(users, c.Key, row.ID)) }) {
			shown = append(shown, c)
		}
	}
	for _, row := range t.Rows {
		if slices.ContainsFunc(shown, func(c Contender) bool { return !math.IsNaN(r.median(users, c.Key, row.ID)) }) {
			lines = append(lines, row)
		}
	}
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(b, "\n### %s\n\n%s\n\n|", t.Title, t.Note)
	for _, c := range shown {
		title := c.Title
		if n := c.users(users); n != users {
			title += fmt.Sprintf(" (%s users only)", thousands(n))
		}
		fmt.Fprintf(b, " | %s", title)
	}
	fmt.Fprintf(b, " |\n|---%s|\n", strings.Repeat("|---", len(shown)))
	for _, row := range lines {
		fmt.Fprintf(b, "| %s", row.Title)
		for _, c := range shown {
			fmt.Fprintf(b, " | %s", cell(r, users, row, c))
		}
		b.WriteString(" |\n")
	}
}

// cell is what one contender came to in one row: bold where a peer is better than this library.
func cell(r *Results, users int, row Row, c Contender) string {
	value := r.median(users, c.Key, row.ID)
	if math.IsNaN(value) {
		return ""
	}
	show := duration
	if row.Bytes {
		show = size
	}
	text := show(value)
	ratio := r.ratio(users, row.ID, c.Key, us)
	if c.Key == us || math.IsNaN(ratio) || row.Whole && c.users(users) != users {
		return text
	}
	text += " (" + times(ratio) + ")"
	if ratio < 1 && c.Module != "" {
		return "**" + text + "**"
	}
	return text
}

// writeBesideRates tells which peers could not keep up the updates beside which gets were measured.
func writeBesideRates(b *strings.Builder, r *Results, users int, there []Contender) {
	var slow []string
	for _, c := range there {
		if rate := r.median(users, c.Key, rowBesideRate); rate < 900 {
			slow = append(slow, fmt.Sprintf("%s %.0f", c.Title, rate))
		}
	}
	if len(slow) > 0 {
		fmt.Fprintf(b, "\nDid not keep up 1,000 durable updates a second beside the gets: %s.\n", strings.Join(slow, ", "))
	}
}

const mb = 1 << 20

// digits gives a number with about three digits.
func digits(x float64) string {
	switch {
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

func times(x float64) string { return "× " + digits(x) }

func duration(ns float64) string {
	switch {
	case ns < 1e3:
		return digits(ns) + " ns"
	case ns < 1e6:
		return digits(ns/1e3) + " µs"
	case ns < 1e9:
		return digits(ns/1e6) + " ms"
	}
	return digits(ns/1e9) + " s"
}

func size(bytes float64) string {
	switch {
	case math.Abs(bytes) < 1<<10:
		return fmt.Sprintf("%.0f B", bytes)
	case math.Abs(bytes) < mb:
		return digits(bytes/(1<<10)) + " KB"
	}
	return digits(bytes/mb) + " MB"
}

func thousands(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
