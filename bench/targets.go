package main

import (
	"fmt"
	"math"
)

// Target is a promise about this library's place among its peers.
type Target struct {
	What, Goal string
	// Judge gives the figure and whether the goal is met; NaN if a run does not have what it takes.
	Judge func(r *Results, p *Plan) (figure float64, met bool)
	Show  func(figure float64) string
	// Most gives what the figure would be if all but Badger's own writing cost nothing; nil where that is no question.
	Most func(r *Results, p *Plan) float64
}

var (
	sqlite  = []string{"mattn", "modernc"}
	onDisk  = []string{"badger", "badgerhold", "bbolt", "buntdb", "mattn", "modernc"}
	durable = []string{"badgerhold", "bbolt", "buntdb", "mattn", "modernc"} // beside plain Badger
	all     = []string{"badger", "badgerhold", "bbolt", "buntdb", "memdb", "mattn", "modernc"}
	pages   = []string{rowTag, rowMiddle, rowPrefix, rowRelated10, rowFree10} // full pages at every size
	mixed   = []string{rowRelated10, rowRelated1, rowFree10, rowFree1, rowOpposed}
)

// best gives how many times this library's time the quickest of some peers takes.
func best(r *Results, users int, row string, peers []string) float64 {
	least := math.NaN()
	for _, peer := range peers {
		if x := r.ratio(users, row, peer, us); !(x >= least) && !math.IsNaN(x) {
			least = x
		}
	}
	return least
}

// worst gives the largest of some figures; NaN if any is missing.
func worst(figures ...float64) float64 {
	most := math.Inf(-1)
	for _, x := range figures {
		most = math.Max(most, x)
	}
	return most
}

func atLeast(goal float64, what, row string, peers ...string) Target {
	return Target{What: what, Goal: fmt.Sprintf("≥ %g ×", goal), Judge: func(r *Results, p *Plan) (float64, bool) {
		x := best(r, p.Main, row, peers)
		return x, x >= goal
	}, Show: times}
}

// shared is atLeast for what 64 writers do; another row has what Badger takes for the writes alone.
func shared(goal float64, what, row, alone string, peers ...string) Target {
	t := atLeast(goal, what, row, peers...)
	t.Most = func(r *Results, p *Plan) float64 {
		return best(r, p.Main, row, peers) * r.median(p.Main, us, row) / r.median(p.Main, "badger", alone)
	}
	return t
}

// atMost judges this library's time against that of the quickest of some peers.
func atMost(goal float64, what, row string, peers ...string) Target {
	return Target{What: what, Goal: fmt.Sprintf("≤ %g ×", goal), Judge: func(r *Results, p *Plan) (float64, bool) {
		x := 1 / best(r, p.Main, row, peers)
		return x, x <= goal
	}, Show: times}
}

func faster(what, row string, size func(*Plan) int, peers []string) Target {
	return Target{What: what, Goal: "> 1 ×", Judge: func(r *Results, p *Plan) (float64, bool) {
		x := best(r, size(p), row, peers)
		return x, x > 1
	}, Show: times}
}

// besideTag judges pages by tag and role against a page by tag.
func besideTag(what string, size func(*Plan) int) Target {
	return Target{What: what, Goal: "≤ 1.5 ×", Judge: func(r *Results, p *Plan) (float64, bool) {
		var list []float64
		for _, row := range mixed {
			list = append(list, r.median(size(p), us, row)/r.median(size(p), us, rowTag))
		}
		x := worst(list...)
		return x, x <= 1.5
	}, Show: times}
}

// growth judges rows of a contender at the large size against the same at the small one.
func growth(what, contender string, rows ...string) Target {
	return Target{What: what, Goal: "≤ 1.5 ×", Judge: func(r *Results, p *Plan) (float64, bool) {
		var list []float64
		for _, row := range rows {
			list = append(list, r.median(p.Large, contender, row)/r.median(p.Small, contender, row))
		}
		x := worst(list...)
		return x, x <= 1.5
	}, Show: times}
}

func bound(what, row, contender string, size func(*Plan) int, goal float64, show func(float64) string) Target {
	return Target{What: what, Goal: "≤ " + show(goal), Judge: func(r *Results, p *Plan) (float64, bool) {
		x := r.median(size(p), contender, row)
		return x, x <= goal
	}, Show: show}
}

func atMain(p *Plan) int  { return p.Main }
func atLarge(p *Plan) int { return p.Large }

var targets = []Target{
	shared(5, "durable create, 64 writers: plain Badger takes", rowCreate64, rowLeastCreate, "badger"),
	shared(7, "durable create, 64 writers: the best other durable peer takes", rowCreate64, rowLeastCreate, durable...),
	shared(5, "the same for ten times as long: plain Badger takes", rowCreateLong, rowLeastCreateLong, "badger"),
	shared(7, "the same for ten times as long: the best other durable peer takes", rowCreateLong, rowLeastCreateLong, durable...),
	atMost(1.1, "durable create, 1 writer, of plain Badger's time", rowCreate1, "badger"),
	shared(8, "durable update, 64 writers: plain Badger takes", rowUpdate64, rowLeastUpdate, "badger"),
	shared(10, "durable update, 64 writers: SQLite takes", rowUpdate64, rowLeastUpdate, sqlite...),
	shared(8, "the same for ten times as long: plain Badger takes", rowUpdateLong, rowLeastUpdateLong, "badger"),
	shared(10, "the same for ten times as long: SQLite takes", rowUpdateLong, rowLeastUpdateLong, sqlite...),
	atMost(0.5, "get, uniform, of SQLite's time", rowGet, sqlite...),
	atMost(0.6, "get, uniform, of plain Badger's time", rowGet, "badger"),
	faster("get, skewed: the fastest peer, in memory or not, takes", rowSkewed, atMain, all),
	faster("page of 100 by tag: the fastest on-disk peer takes", rowTag, atMain, onDisk),
	faster("page of 100 by start of the name: the fastest on-disk peer takes", rowPrefix, atMain, onDisk),
	besideTag("page by tag and role, the slowest kind, of a page by tag", atMain),
	besideTag("the same at the large size", atLarge),
	growth("full pages, the slowest kind, large size of small", us, pages...),
	growth("the same where nothing is cached", "uncached", pages...),
	growth("count by tag or role, large size of small", us, rowCountTag, rowCountRole),
	faster("bulk load: the fastest on-disk peer takes", rowLoad, atMain, onDisk),
	faster("the same at the large size", rowLoad, atLarge, onDisk),
	bound("bulk load at the large size, peak memory", rowLoadRSS, us, atLarge, 500*mb, size),
	bound("in-memory store: heap when empty", rowEmptyHeap, "memory", atMain, 2*mb, size),
	bound("in-memory store: time to open", rowEmptyOpen, "memory", atMain, 3e6, duration),
	bound("edge profile, open and serving: memory at its highest", rowServePeak, "edge", atMain, 48*mb, size),
}
