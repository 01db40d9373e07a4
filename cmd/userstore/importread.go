package main

import (
	"bytes"
	"context"

	"github.com/seed-3546c6b2/userstore/cmd/userstore/internal/records"
)

// batchSize is how many users share a call of the store: its report names every failure only among so many.
const batchSize = 100

// batch is some users of an input, as JSON lines.
type batch struct {
	lines []byte
	at    []int     // where in the input each of the lines comes from
	bad   []failure // users who could not be read
	seen  int       // users of the input up to here
	pos   int64     // bytes of the input up to here
	end   error     // why no batch follows; io.EOF at the end
}

// source reads an input in batches, ahead of who stores them.
type source struct {
	in          counting
	from        records.Reader
	size, after int
	seen        int
}

// read sends batches until one has an end, or nobody wants them any more.
func (s *source) read(ctx context.Context, to chan<- *batch) {
	for {
		b := s.batch()
		select {
		case to <- b:
		case <-ctx.Done():
			return
		}
		if b.end != nil {
			return
		}
	}
}

func (s *source) batch() *batch {
	b := new(batch)
	var lines bytes.Buffer
	for len(b.at)+len(b.bad) < s.size && b.end == nil {
		rec, err := s.from.Next()
		switch {
		case err != nil:
			b.end = err
			continue
		case s.seen < s.after:
		case rec.Err != nil:
			b.bad = append(b.bad, failure{Line: rec.Line, UID: rec.UID, Error: rec.Err.Error()})
		default:
			lines.Write(rec.JSON)
			lines.WriteByte('\n')
			b.at = append(b.at, rec.Line)
		}
		s.seen++
	}
	b.lines, b.seen, b.pos = lines.Bytes(), s.seen, s.in.n
	return b
}
