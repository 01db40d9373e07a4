package userstore

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/seed-3546c6b2/userstore/internal/kv"
)

// ImportMode says what an import does with a uid that is there already.
type ImportMode uint8

const (
	ImportInsert ImportMode = iota // its line fails with ErrExists
	ImportUpsert                   // the line replaces the user's editable fields and the times it gives
	ImportSkip                     // the line is passed over
)

// ImportOptions adjusts Import.
type ImportOptions struct {
	Mode     ImportMode
	Progress func(read int) // called now and then with the number of lines dealt with so far
}

// ImportReport says what an import came to.
type ImportReport struct {
	Read, Created, Updated, Skipped, Failed int
	Errors                                  []LineError // the first 100
}

// LineError says why a line was not imported.
type LineError struct {
	Line int    // counted from 1
	UID  string // if it could be read
	Err  error
}

const (
	maxLineErrors = 100
	maxLine       = 1 << 20 // bytes
	importBatch   = 1024    // lines that share a commit, at most
)

// Import reads users, one JSON object to a line in CometChat's shape, and stores them; blank lines are passed over. The
// times of a line are kept, its status is not. A line with deactivatedAt stays or becomes a deactivated user; no line
// brings one back: an upsert line without it meets a deactivated user with ErrExists. A line that fails stops no other.
//
// Lines are stored some hundred at a time, each whole, in bounded memory. Import ends early with an error if r fails,
// ctx ends or the store cannot write; the report says what was stored until then.
func (s *Store) Import(ctx context.Context, r io.Reader, opts ImportOptions) (ImportReport, error) {
	if r == nil {
		return ImportReport{}, invalid("reader", ruleRequired)
	}
	in, err := s.importing(opts)
	if err != nil {
		return ImportReport{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	batches := make(chan []importLine, 2) // parsing goes on while a batch is stored
	failed := make(chan error, 1)
	go func() {
		defer close(batches)
		failed <- in.readLines(ctx, r, batches)
	}()
	for batch := range batches {
		if err = in.store(ctx, batch); err != nil {
			break
		}
	}
	if err = errors.Join(err, in.settle()); err == nil {
		err = <-failed
	}
	return in.report, err
}

// ImportUsers is Import of users instead of lines, counted from 1: what All gives can be copied into another store with
// it. The store takes copies; users is walked in the caller's goroutine.
func (s *Store) ImportUsers(ctx context.Context, users iter.Seq[User], opts ImportOptions) (ImportReport, error) {
	if users == nil {
		return ImportReport{}, invalid("users", ruleRequired)
	}
	in, err := s.importing(opts)
	if err != nil {
		return ImportReport{}, err
	}
	number := 0
	for u := range users {
		if err = ctx.Err(); err != nil {
			break
		}
		number++
		if in.gather(newLine(number, u)) {
			if err = in.store(ctx, in.take()); err != nil {
				break
			}
		}
	}
	if err == nil {
		err = in.store(ctx, in.take())
	}
	err = errors.Join(err, in.settle())
	return in.report, err
}

// importing stores batch after batch: while one is being committed, the next one is checked and made ready.
type importing struct {
	*Store
	opts   ImportOptions
	report ImportReport
	flying chan landing // the batch that is being committed
	most   int          // writes of one batch

	batch  []importLine // is being gathered
	writes int          // that it will come to, about
}

// landing is what a batch came to.
type landing struct {
	tally ImportReport
	err   error
}

func (s *Store) importing(opts ImportOptions) (*importing, error) {
	if opts.Mode > ImportSkip {
		return nil, invalid("mode", ruleUnknown)
	}
	if opts.Progress == nil {
		opts.Progress = func(int) {}
	}
	writes, _ := s.db.Limits()
	return &importing{Store: s, opts: opts, most: writes * 3 / 4}, nil
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
	if len(lines) == 0 {
		return nil
	}
	var tally ImportReport
	wait, err := in.begin(ctx, func(c *change) error { return c.importLines(lines, in.opts.Mode, &tally) })
	if errors.Is(err, kv.ErrTooLarge) && len(lines) > 1 {
		half := len(lines) / 2
		if err := in.store(ctx, lines[:half]); err != nil {
			return err
		}
		return in.store(ctx, lines[half:])
	}
	if err != nil {
		return err
	}
	flying := make(chan landing, 1)
	go func() {
		err := wait()
		flying <- landing{tally, err}
	}()
	err = in.settle()
	in.flying = flying
	return err
}

// settle waits until what was begun is committed, and reports it.
func (in *importing) settle() error {
	if in.flying == nil {
		return nil
	}
	l := <-in.flying
	in.flying = nil
	if l.err == nil {
		in.report.add(&l.tally)
		in.opts.Progress(in.report.Read)
	}
	return l.err
}

// importLine is a line that was read: a user, or why it is none.
type importLine struct {
	number int
	uid    string  // as the line gives it, if it can be read
	user   *record // nil if it is none
	err    error
}

func (in *importing) readLines(ctx context.Context, r io.Reader, to chan<- []importLine) error {
	from := bufio.NewReaderSize(r, 64<<10)
	send := func() error {
		if len(in.batch) == 0 {
			return nil
		}
		select {
		case to <- in.take():
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for number := 1; ; number++ {
		line, tooLong, err := readLine(from)
		if line = bytes.TrimSpace(line); len(line) > 0 || tooLong {
			if in.gather(parseLine(number, line, tooLong)) {
				if err := send(); err != nil {
					return err
				}
			}
		}
		if err != nil {
			if err == io.EOF {
				err = nil
			}
			return errors.Join(send(), err)
		}
	}
}

// readLine gives the next line; of one that is too long it gives nothing but that it is.
func readLine(in *bufio.Reader) (line []byte, tooLong bool, err error) {
	for {
		part, err := in.ReadSlice('\n')
		if len(line)+len(part) > maxLine {
			line, tooLong = nil, true
		}
		if !tooLong {
			line = append(line, part...)
		}
		if err != bufio.ErrBufferFull {
			return line, tooLong, err
		}
	}
}

func parseLine(number int, line []byte, tooLong bool) importLine {
	if tooLong {
		return importLine{number: number, err: invalid("line", ruleTooLong, maxLine)}
	}
	var u User
	if err := u.UnmarshalJSON(line); err != nil {
		return importLine{number: number, uid: lineUID(line), err: err}
	}
	return newLine(number, u)
}

func newLine(number int, u User) importLine {
	l := importLine{number: number, uid: u.UID}
	r, err := newRecord(u)
	if err != nil {
		l.err = err
		return l
	}
	for _, t := range []struct {
		field     Field
		to, given *time.Time
	}{
		{FieldCreatedAt, &r.CreatedAt, &u.CreatedAt}, {FieldUpdatedAt, &r.UpdatedAt, &u.UpdatedAt},
		{FieldLastActiveAt, &r.LastActiveAt, &u.LastActiveAt}, {FieldDeactivatedAt, &r.DeactivatedAt, &u.DeactivatedAt},
	} {
		if t.given.IsZero() {
			continue
		}
		if sec := t.given.Unix(); sec < 1 || sec > maxUnix { // what an export could not bring back
			l.err = invalid(t.field, ruleRange, maxUnix)
			return l
		}
		*t.to = t.given.Round(0).UTC()
	}
	l.user = r
	return l
}

// lineUID makes what it can of a line that is no user.
func lineUID(line []byte) string {
	var who struct {
		UID string `json:"uid"`
	}
	if json.Unmarshal(line, &who) != nil {
		return ""
	}
	return who.UID
}

// importLines stores lines, each whole or not at all.
func (c *change) importLines(lines []importLine, mode ImportMode, tally *ImportReport) error {
	*tally = ImportReport{Read: len(lines)}
	now := c.store.now()
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
	r.Errors = append(r.Errors, t.Errors[:min(len(t.Errors), maxLineErrors-len(r.Errors))]...)
}

func (c *change) importLine(l *importLine, mode ImportMode, now time.Time, tally *ImportReport) error {
	old, clears, err := c.find(l.user.UID)
	switch {
	case err != nil:
		return err
	case old == nil:
		r := *l.user // the change may run again
		r.born = rand.Uint64()
		tally.Created++
		if err := c.settle(&r, clears, now); err != nil {
			tally.Created--
			return err
		}
		return nil
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

// Export writes the users that the query describes, all of one moment, one JSON object to a line, and returns how many
// they were. Limit and Cursor do not matter.
func (s *Store) Export(ctx context.Context, w io.Writer, q Query) (int, error) {
	if w == nil {
		return 0, invalid("writer", ruleRequired)
	}
	out := bufio.NewWriterSize(w, 64<<10)
	n := 0
	for u, err := range s.All(ctx, q) {
		if err != nil {
			return n, err
		}
		line, err := u.MarshalJSON()
		if err != nil {
			return n, err
		}
		out.Write(line)
		if err := out.WriteByte('\n'); err != nil {
			return n, err
		}
		n++
	}
	return n, out.Flush()
}
