package userstore

import (
	"cmp"
	"context"
	"slices"
	"sync"
)

// Outcome tells what became of each uid of a call over many, as the caller wrote it; a repeated uid is named once.
type Outcome struct {
	Done     []string // changed now
	Already  []string // was so before
	NotFound []string // malformed, unknown, or, where that matters, deactivated
	Refused  []string // not allowed, such as blocking oneself
}

// verdict is what became of one uid of a call over many.
type verdict uint8

const (
	done verdict = iota
	already
	missing
	refused
)

// eachAtOnce is how many changes of one call are on their way together, to share commits.
const eachAtOnce = 64

// each makes one change for each uid, one after the other, and sorts the uids by what the change came to. An error ends
// it when those that were on their way have ended, too.
func (s *Store) each(ctx context.Context, uids []string, fn func(c *change, uid string) (verdict, error)) (Outcome, error) {
	var out Outcome
	buckets := [...]*[]string{done: &out.Done, already: &out.Already, missing: &out.NotFound, refused: &out.Refused}
	seen := make(map[string]bool, len(uids))
	for some := range slices.Chunk(uids, eachAtOnce) {
		var verdicts [eachAtOnce]verdict
		var failed [eachAtOnce]error
		var begun []int
		var all sync.WaitGroup
		for i, given := range some {
			uid := foldUID(given)
			if seen[uid] {
				continue
			}
			seen[uid] = true
			begun = append(begun, i)
			wait, err := s.begin(ctx, func(c *change) (err error) {
				verdicts[i], err = fn(c, uid)
				return err
			})
			if failed[i] = err; err != nil {
				break
			}
			if i < len(some)-1 {
				all.Go(func() { failed[i] = wait() })
			} else { // there is nothing to do meanwhile
				failed[i] = wait()
			}
		}
		all.Wait()
		for _, i := range begun {
			if failed[i] == nil {
				*buckets[verdicts[i]] = append(*buckets[verdicts[i]], some[i])
			}
		}
		if err := cmp.Or(failed[:]...); err != nil {
			return out, err
		}
	}
	return out, nil
}
