package main

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/schollz/progressbar/v3"
)

// meter tells how far a long command has come: a bar on a terminal, a line now and then elsewhere.
type meter struct {
	a           *app
	verb        string // what is done, such as "imported"
	what        string // with what, such as "users"
	total       int64  // where pos ends; 0 = not known
	bar         *progressbar.ProgressBar
	start, told time.Time
}

const (
	tellEvery = 5 * time.Second
	drawEvery = 100 * time.Millisecond
)

// meter begins to tell. With --json, and if quiet, it tells nothing.
func (a *app) meter(verb, what string, total int64, quiet bool) *meter {
	m := &meter{a: a, verb: verb, what: what, total: total, start: a.now(), told: a.now()}
	switch {
	case quiet || a.json:
		m.a = nil
	case a.errTerminal:
		if total == 0 {
			total = -1 // the bar's word for not known
		}
		m.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(a.stderr), progressbar.OptionSetPredictTime(true),
			progressbar.OptionSetElapsedTime(true), progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(30),
			progressbar.OptionSetTheme(progressbar.ThemeASCII),
			progressbar.OptionSetSpinnerChangeInterval(0)) // or a goroutine of its own would draw, and outlive the bar
	}
	return m
}

// at says how far it is: pos of the total, and so many things, some of which failed.
func (m *meter) at(pos int64, n, failed int) {
	if m.a == nil {
		return
	}
	now := m.a.now()
	every := tellEvery
	if m.bar != nil {
		every = drawEvery
	}
	if now.Sub(m.told) < every {
		return
	}
	m.told = now
	line := fmt.Sprintf("%s %s %s, %s/s", m.verb, counted(n), m.what, counted(perSecond(n, now.Sub(m.start))))
	if failed > 0 {
		line += ", " + counted(failed) + " failed"
	}
	if m.bar != nil {
		_ = m.bar.Set64(pos)
		m.bar.Describe(line)
		return
	}
	if m.total > 0 && pos > 0 {
		left := time.Duration(float64(now.Sub(m.start)) * (float64(m.total)/float64(pos) - 1))
		line += ", about " + left.Round(time.Second).String() + " left"
	}
	m.a.notef("%s", line)
}

// end takes the bar away.
func (m *meter) end() {
	if m.bar != nil {
		_ = m.bar.Clear()
	}
}

// took gives what has passed, and how many of n that is a second.
func (m *meter) took(now time.Time, n int) (seconds float64, rate int) {
	d := now.Sub(m.start)
	return float64(d.Round(time.Millisecond)) / float64(time.Second), perSecond(n, d)
}

func perSecond(n int, d time.Duration) int {
	if d <= 0 {
		return n
	}
	return int(float64(n) / d.Seconds())
}

// counted writes a number with its thousands apart.
func counted(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// counting counts what is read.
type counting struct {
	io.Reader
	n int64
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}
