package userstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/seed-3546c6b2/userstore/internal/keys"
	"github.com/seed-3546c6b2/userstore/internal/kv"
)

// SalvageReport says what Salvage could and could not read.
type SalvageReport struct {
	Users  int       // brought out, deactivated ones included
	Unread []Problem // of Kind "file"; Detail names the file and says what is wrong with it
	Mended []Problem // what was put right afterwards, as Repair does
}

// Salvage makes a new store in dir, which must not exist or be empty, of whatever can still be read in the directory of
// a store that is damaged, which it does not change. It reads table by table and log by log, past what is damaged, and
// takes the newest it finds of each user, role, friendship, block and token; then it puts right what belongs together.
// Where the newest was lost that is an older one, and of a deletion that was lost it is who was deleted: look the report
// over before you go on with the new store.
//
// opts are those of Open; the encryption key is that of both. ErrLocked: the damaged store is open. ErrExists: there is
// something in dir. ErrNotFound: nothing of a store can be read.
func Salvage(ctx context.Context, damaged, dir string, opts ...Option) (SalvageReport, error) {
	var report SalvageReport
	err := install("salvage", dir, func(tmp string) error {
		s, engine, err := newStore(tmp, append(slices.Clip(opts), WithSync(false))) // Close puts it all on disk
		if err != nil {
			return err
		}
		var found int
		report.Unread, found, err = s.salvage(ctx, damaged, engine)
		if err == nil && found == 0 {
			err = fmt.Errorf("%w: nothing of a store can be read in %s", ErrNotFound, damaged)
		}
		if err != nil {
			return errors.Join(err, engine.Close())
		}
		if err := s.start(engine, tmp); err != nil {
			return err
		}
		mended, err := s.Repair(ctx)
		report.Users, report.Mended = mended.Users, indexless(mended.Problems)
		for _, p := range mended.Problems {
			if p.Kind == "record" {
				report.Users--
			}
		}
		return errors.Join(err, s.Close())
	})
	return report, err
}

// salvage copies what everything else follows from: no index entries, no counters, and nobody's presence.
func (s *Store) salvage(ctx context.Context, damaged string, engine kv.Engine) (unread []Problem, found int, err error) {
	l := newLoader(ctx, engine)
	run := false
	want := func(key []byte) bool {
		return len(key) > 1 && bytes.IndexByte([]byte{keys.Meta, keys.User, keys.Role, keys.Friend, keys.Block, keys.BlockRev,
			keys.Token, keys.Guard, keys.Clearing, keys.Aside}, key[0]) >= 0
	}
	files, err := kv.Salvage(kv.Config{Dir: damaged, Key: s.key, Log: slog.New(slog.DiscardHandler)}, want, func(w kv.Write) error {
		switch {
		case bytes.Equal(w.Key, formatKey):
			if n, err := number(w.Value); err != nil || n > format {
				return invalid("format", ruleNewer, format)
			}
			return nil
		case bytes.Equal(w.Key, runKey):
			run = true
		default:
			found++
		}
		return l.add(w)
	})
	for _, f := range files {
		unread = append(unread, Problem{Kind: "file", Detail: f.File + " " + f.What})
	}
	if err == nil {
		err = l.add(kv.Write{Key: formatKey, Value: binary.AppendUvarint(nil, format)})
	}
	if err == nil && !run { // later than any, so that nobody is online
		err = l.add(kv.Write{Key: runKey, Value: binary.AppendUvarint(nil, 1<<40)})
	}
	if err == nil {
		err = l.flush()
	}
	return unread, found, openError(err)
}

// indexless leaves out what is made anew in any case.
func indexless(problems []Problem) []Problem {
	var rest []Problem
	for _, p := range problems {
		if p.Kind != "missing entry" && p.Kind != "counter" {
			rest = append(rest, p)
		}
	}
	return rest
}
