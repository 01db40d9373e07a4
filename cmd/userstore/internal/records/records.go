// Package records reads and writes files of users: JSON lines, CSV, and the JSON of CometChat's data import. Every
// reader gives one record at a time in bounded memory, and a record that cannot be read does not end the file.
package records

import (
	"bytes"
	"encoding/json"
	"errors"
)

// MaxRecord bounds what one record may take in its file, in bytes. The longest user that the rules allow stays well
// below it, whatever the escaping.
const MaxRecord = 1 << 20

// The ways in which a record can be unreadable. No text holds what was read.
var (
	ErrTooLong  = errors.New("is longer than 1 MiB")
	ErrForm     = errors.New("is not a JSON object")
	ErrUTF8     = errors.New("is not valid UTF-8")
	ErrOpen     = errors.New("is longer than 1 MiB: a quotation mark may be open")
	ErrKey      = errors.New("stands under another uid than its own")
	ErrNoUsers  = errors.New(`has no member "users"`)
	ErrCut      = errors.New("the input ends inside a JSON value")
	ErrMetadata = errors.New("metadata is not a JSON object")
	ErrTime     = errors.New("is neither RFC 3339 nor Unix seconds")
)

// Record is one user of a file, in CometChat's JSON on one line, or the reason why it could not be read.
type Record struct {
	Line int    // where the record begins, from 1
	UID  string // as far as it is known without decoding; may be empty
	JSON []byte // valid until the next call of Next; nil if Err is not
	Err  error
}

// Reader gives the records of a file in their order.
type Reader interface {
	// Next gives the next record and io.EOF after the last. A record with an Err does not end the file; an error of
	// Next does.
	Next() (Record, error)
}

// oneLine brings a JSON value to one line, and says no to what is not JSON.
func oneLine(raw []byte) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(len(raw))
	if err := json.Compact(&b, raw); err != nil {
		return nil, ErrForm
	}
	return b.Bytes(), nil
}
