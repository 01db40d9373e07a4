package main

import (
	"io"
	"strings"
	"unicode"

	"github.com/rivo/uniseg"
)

// The colours, as a terminal knows them.
const (
	plain = ""
	bold  = "1"
	dim   = "2"
	red   = "31"
	green = "32"
)

// maxCell is how many columns of the terminal a cell may take.
const maxCell = 40

// table writes rows in aligned columns. Rows are kept until flush, so that a long list is written in parts; later parts
// are at least as wide as the earlier ones.
type table struct {
	w      io.Writer
	colour bool
	widths []int
	rows   [][]cell
}

type cell struct{ text, colour string }

// newTable begins a table. Colour is for terminals, and there only if nobody asked for none.
func (a *app) newTable(header ...string) *table {
	t := &table{w: a.stdout, colour: a.colour(), widths: make([]int, len(header))}
	row := make([]cell, len(header))
	for i, h := range header {
		row[i] = cell{h, bold}
	}
	t.row(row...)
	return t
}

func (a *app) colour() bool {
	return a.outTerminal && a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb"
}

func (t *table) row(cells ...cell) {
	for i := range cells {
		cells[i].text = fit(printable(cells[i].text), maxCell)
		t.widths[i] = max(t.widths[i], uniseg.StringWidth(cells[i].text))
	}
	t.rows = append(t.rows, cells)
}

func (t *table) flush() error {
	var b strings.Builder
	for _, row := range t.rows {
		for i, c := range row {
			b.WriteString(paint(t.colour, c.colour, c.text))
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", t.widths[i]-uniseg.StringWidth(c.text)+2))
			}
		}
		b.WriteByte('\n')
	}
	t.rows = t.rows[:0]
	_, err := io.WriteString(t.w, b.String())
	return err
}

func paint(on bool, colour, text string) string {
	if !on || colour == plain || text == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// printable keeps what users wrote from steering the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
			return '\uFFFD'
		}
		return r
	}, s)
}

// fit cuts s to a number of columns.
func fit(s string, columns int) string {
	if uniseg.StringWidth(s) <= columns {
		return s
	}
	var b strings.Builder
	width := 1 // of the dots
	for g := uniseg.NewGraphemes(s); g.Next(); {
		if width += g.Width(); width > columns {
			break
		}
		b.WriteString(g.Str())
	}
	return b.String() + "…"
}
