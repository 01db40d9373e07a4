package userstore

import (
	"cmp"
	"context"
	"errors"
	"hash/maphash"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/seed-3546c6b2/userstore/internal/kv"
)

// importing stores batch after batch: while one is being stored, the next one is checked and made ready. As long as the
// store was all but empty when it began, and nobody else changes it, the batches are a load; after that each is a change.
type importing struct {
	*Store
	opts   ImportOptions
	report ImportReport
	flying chan landing // the batch that is being stored
	most   int          // writes of one batch

	batch  []importLine // is being gathered
	writes int          // that it will come to, about

	load   *kv.Load     // nil if there is none, or none any more
	loaded ImportReport // what it will have come to when it ends
	seed   maphash.Seed
	seen   map[uint64]struct{} // hashes of the uids that were loaded
	later  []importLine        // lines of users whom the load may have; a load cannot look
}

// landing is what a batch came to.
type landing struct {
	tally  ImportReport
	err    error
	loaded bool
	untold []importLine // the batch, if there was no load to take it
}

// A load that comes to either is ended, and the import goes on in changes.
const (
	maxSeen  = 1 << 22 // users, about 20 bytes each
	maxLater = importBatch
)

func (s *Store) importing(opts ImportOptions) (*importing, error) {
	if opts.Mode > ImportSkip {
		return nil, invalid("mode", ruleUnknown)
	}
	if s.readOnly {
		return nil, ErrReadOnly
	}
	if opts.Progress == nil {
		opts.Progress = func(int) {}
	}
	writes, _ := s.db.Limits()
	return &importing{Store: s, opts: opts, most: writes * 3 / 4, load: s.db.NewLoad(), seed: maphash.MakeSeed(), seen: map[uint64]struct{}{}}, nil
}

// gather adds a line to the batch and tells whether it is full.
func (in *importing) gather(l importLine) (full bool) {
	in.batch = append(in.batch, l)
	in.writes += 4 // the record, its entries, and their counters
	if l.user != nil {
		in.writes += 2 * len(l.user.Tags)
	}
	return len(in.batch) >= importBatch || in.writes >= in.most
}

// take gives the batch that was gathered and begins another.
func (in *importing) take() []importLine {
	batch := in.batch
	in.batch, in.writes = make([]importLine, 0, len(batch)), 0
	return batch
}

// store brings a batch on its way, after the one before it.
func (in *importing) store(ctx context.Context, lines []importLine) error {
	if in.load == nil {
		return in.change(ctx, lines)
	}
	if err := in.settle(ctx); err != nil || len(lines) == 0 {
		return err
	}
	switch {
	case in.load == nil: // the batch before was the last
		return in.change(ctx, lines)
	case len(in.seen) >= maxSeen, len(in.later) >= maxLater:
		if err := in.endLoad(ctx); err != nil {
			return err
		}
		return in.change(ctx, lines)
	}
	if lines = in.apart(lines); len(lines) == 0 {
		return nil
	}
	load, now, flying := in.load, in.now(), make(chan landing, 1)
	go func() {
		var l landing
		l.loaded, l.err = load.Run(ctx, func(tx *kv.Tx) error {
			return (&change{Tx: tx, store: in.Store}).importLines(lines, in.opts.Mode, now, &l.tally)
		})
		if !l.loaded {
			l.untold = lines
		}
		flying <- l
	}()
	in.flying = flying
	return nil
}

// apart puts the lines aside whose users the load may have already.
func (in *importing) apart(lines []importLine) (rest []importLine) {
	rest = lines[:0]
	for _, l := range lines {
		if l.user != nil {
			uid := maphash.String(in.seed, l.user.UID)
			if _, again := in.seen[uid]; again {
				in.later = append(in.later, l)
				continue
			}
			in.seen[uid] = struct{}{}
		}
		rest = append(rest, l)
	}
	return rest
}

// endLoad ends the load, and stores what was put aside.
func (in *importing) endLoad(ctx context.Context) error {
	if in.load == nil {
		return nil
	}
	if err := in.load.End(ctx); err != nil {
		return err
	}
	return in.afterLoad(ctx, nil)
}

// afterLoad goes on when a load has ended well, with lines that it did not take. Those that were put aside may be of users
// who are among them.
func (in *importing) afterLoad(ctx context.Context, lines []importLine) error {
	in.report.add(&in.loaded)
	in.loaded = ImportReport{}
	lines = append(lines, in.later...)
	in.load, in.seen, in.later = nil, nil, nil
	return in.change(ctx, lines)
}

// change brings a batch on its way as a change.
func (in *importing) change(ctx context.Context, lines []importLine) error {
	if len(lines) == 0 {
		return nil
	}
	var tally ImportReport
	wait, err := in.begin(ctx, func(c *change) error { return c.importLines(lines, in.opts.Mode, in.now(), &tally) })
	if errors.Is(err, kv.ErrTooLarge) && len(lines) > 1 {
		half := len(lines) / 2
		if err := in.change(ctx, lines[:half]); err != nil {
			return err
		}
		return in.change(ctx, lines[half:])
	}
	if err != nil {
		return err
	}
	flying := make(chan landing, 1)
	go func() {
		err := wait()
		flying <- landing{tally: tally, err: err}
	}()
	err = in.settle(ctx)
	in.flying = flying
	return err
}

// settle waits until what was begun is stored, and reports it.
func (in *importing) settle(ctx context.Context) error {
	if in.flying == nil {
		return nil
	}
	l := <-in.flying
	in.flying = nil
	switch {
	case l.err != nil:
		return l.err
	case l.loaded:
		in.loaded.add(&l.tally)
	case l.untold != nil:
		return in.afterLoad(ctx, l.untold)
	default:
		in.report.add(&l.tally)
	}
	in.opts.Progress(in.report.Read + in.loaded.Read)
	return nil
}

// finish waits for the end of all that was begun. failed is why there was no more to begin, or nil.
func (in *importing) finish(ctx context.Context, failed error) error {
	if err := errors.Join(failed, in.settle(ctx)); err != nil {
		return errors.Join(err, in.settle(ctx)) // the first may have begun another
	}
	err := in.endLoad(ctx)
	return errors.Join(err, in.settle(ctx))
}

// close leaves nothing behind, however the import ended.
func (in *importing) close() {
	if in.flying != nil {
		<-in.flying
		in.flying = nil
	}
	if in.load != nil {
		in.load.Drop()
	}
}

// importLines stores lines, each whole or not at all.
func (c *change) importLines(lines []importLine, mode ImportMode, now time.Time, tally *ImportReport) error {
	*tally = ImportReport{Read: len(lines)}
	for i := range lines {
		l := &lines[i]
		err := l.err
		if err == nil {
			err = c.importLine(l, mode, now, tally)
		}
		if err == nil {
			continue
		}
		if !isRefusal(err) {
			return err
		}
		tally.Failed++
		uid := foldUID(l.uid)
		if !validID(uid) {
			uid = ""
		}
		tally.Errors = append(tally.Errors, LineError{Line: l.number, UID: uid, Err: err})
	}
	return nil
}

// isRefusal tells an error of a line, which is checked before anything of it is written, from one of the store.
func isRefusal(err error) bool { return errors.Is(err, ErrInvalid) || errors.Is(err, ErrExists) }

func (r *ImportReport) add(t *ImportReport) {
	r.Read += t.Read
	r.Created += t.Created
	r.Updated += t.Updated
	r.Skipped += t.Skipped
	r.Failed += t.Failed
	r.Errors = append(r.Errors, t.Errors...)
	slices.SortStableFunc(r.Errors, func(a, b LineError) int { return cmp.Compare(a.Line, b.Line) }) // a load puts lines aside
	r.Errors = r.Errors[:min(len(r.Errors), maxLineErrors)]
}

func (c *change) importLine(l *importLine, mode ImportMode, now time.Time, tally *ImportReport) error {
	old, clears, err := c.find(l.user.UID)
	switch {
	case err != nil:
		return err
	case old == nil:
		r := *l.user // the change may run again
		r.born = rand.Uint64()
		d, err := firstDraft(&r, now)
		if err == nil {
			err = c.settle(d, clears)
		}
		if err == nil {
			tally.Created++
		}
		return err
	case mode == ImportSkip:
		tally.Skipped++
		return nil
	case mode == ImportInsert, !old.DeactivatedAt.IsZero() && l.user.DeactivatedAt.IsZero():
		return exists(old.UID)
	}
	if err := c.importOver(old, l.user, now); err != nil {
		return err
	}
	tally.Updated++
	return nil
}

// importOver replaces a user by a line.
func (c *change) importOver(old, line *record, now time.Time) error {
	if line.Role != old.Role {
		if err := c.needRole(line.Role); err != nil {
			return err
		}
	}
	r := *old
	r.setEditable(&line.User)
	keep := func(t *time.Time, given time.Time) {
		if !given.IsZero() {
			*t = given
		}
	}
	keep(&r.CreatedAt, line.CreatedAt)
	keep(&r.LastActiveAt, line.LastActiveAt)
	keep(&r.DeactivatedAt, line.DeactivatedAt)
	keep(&r.UpdatedAt, line.UpdatedAt)
	if !r.DeactivatedAt.IsZero() {
		r.setOnline(0)
	}
	if !differ(&old.User, &r.User) {
		return nil
	}
	if r.Version++; line.UpdatedAt.IsZero() {
		r.UpdatedAt = now
	}
	return c.put(old, &r)
}
