package userstore

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"time"
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
// Import needs bounded memory. It ends early with an error if r fails, ctx ends or the store cannot write; the report says
// what was stored until then. Lines are stored some hundred at a time, each whole. Into a store on disk in which there is
// next to nothing, and that is not encrypted, they go all at once, which takes half the time: they are sorted in a file
// in the store's directory, as large as all records and index entries together, and can be read when all are there, at
// the end, or as soon as somebody else changes the store, who waits for it; if ctx ends or the store cannot write before,
// none of them is stored.
func (s *Store) Import(ctx context.Context, r io.Reader, opts ImportOptions) (ImportReport, error) {
	if r == nil {
		return ImportReport{}, invalid("reader", ruleRequired)
	}
	in, err := s.importing(opts)
	if err != nil {
		return ImportReport{}, err
	}
	defer in.close()
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
	var unread error
	if err == nil {
		unread = <-failed
	}
	if err = in.finish(ctx, err); err == nil {
		err = unread
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
	defer in.close()
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
	err = in.finish(ctx, err)
	return in.report, err
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
