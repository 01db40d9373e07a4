package main

import (
	"math"
	"slices"
)

// Results holds what was measured, all repetitions of it.
type Results struct {
	Seen     map[key][]float64
	Failures []string
}

type key struct {
	users     int
	contender string
	row       string
}

func (r *Results) add(users int, contender string, measured map[string]float64) {
	if r.Seen == nil {
		r.Seen = map[key][]float64{}
	}
	for row, value := range measured {
		k := key{users, contender, row}
		r.Seen[k] = append(r.Seen[k], value)
	}
}

// median gives the median of the repetitions; NaN if there is none.
func (r *Results) median(users int, contender, row string) float64 {
	all := slices.Sorted(slices.Values(r.Seen[key{users, contender, row}]))
	if len(all) == 0 {
		return math.NaN()
	}
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

// ratio is how many times the value of one contender another one's is; NaN if either is missing.
func (r *Results) ratio(users int, row, contender, of string) float64 {
	return r.median(users, contender, row) / r.median(users, of, row)
}
