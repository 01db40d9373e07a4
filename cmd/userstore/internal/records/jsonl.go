package records

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// jsonLines reads one JSON value a line. It does not look into the lines: the store does, and says what is wrong.
type jsonLines struct {
	in   *bufio.Reader
	line int
	long []byte // a line that does not fit the buffer of in
}

// newJSONLines reads JSON lines. Blank lines are passed over, and counted.
func newJSONLines(in *bufio.Reader) Reader { return &jsonLines{in: in} }

func (j *jsonLines) Next() (Record, error) {
	for {
		line, err := j.readLine()
		if err != nil && !errors.Is(err, ErrTooLong) {
			return Record{}, err
		}
		j.line++
		if err != nil {
			return Record{Line: j.line, Err: err}, nil
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			return Record{Line: j.line, JSON: line}, nil
		}
	}
}

// readLine gives a line; of one that is too long it keeps nothing, and reads on to its end.
func (j *jsonLines) readLine() ([]byte, error) {
	part, err := j.in.ReadSlice('\n')
	if err == nil {
		return part, nil
	}
	j.long = j.long[:0]
	tooLong := false
	for {
		if tooLong = tooLong || len(j.long)+len(part) > MaxRecord; !tooLong {
			j.long = append(j.long, part...)
		}
		switch {
		case err == nil || err == io.EOF && (tooLong || len(j.long) > 0):
			if tooLong {
				return nil, ErrTooLong
			}
			return j.long, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
		part, err = j.in.ReadSlice('\n')
	}
}
