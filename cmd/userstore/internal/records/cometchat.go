package records

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// cometChat reads the body of CometChat's data import: {"users": {"<uid>": {…}, …}}. The service's own error text
// speaks of an array, so {"users": […]} is taken too, and so is the bare array that other programs write.
type cometChat struct {
	in    *lineReader
	dec   *json.Decoder
	array bool
	begun bool
}

// newCometChat reads the JSON of CometChat's data import; Line is where a user's entry begins.
func newCometChat(r io.Reader) Reader {
	in := &lineReader{in: r, limit: MaxRecord, over: ErrTooLong}
	return &cometChat{in: in, dec: json.NewDecoder(in)}
}

func (c *cometChat) Next() (Record, error) {
	if !c.begun {
		if err := c.begin(); err != nil {
			return Record{}, plain(err)
		}
		c.begun = true
	}
	c.in.allow(c.dec.InputOffset())
	if !c.dec.More() {
		// What closes the users has to be there, or the file was cut.
		if _, err := c.dec.Token(); err != nil {
			return Record{}, plain(err)
		}
		return Record{}, io.EOF
	}
	rec, err := c.entry()
	return rec, plain(err)
}

func (c *cometChat) entry() (Record, error) {
	var key string
	if !c.array {
		tok, err := c.dec.Token()
		if err != nil {
			return Record{}, err
		}
		key, _ = tok.(string) // where a member begins, the decoder gives no other token
	}
	var raw json.RawMessage
	if err := c.dec.Decode(&raw); err != nil {
		return Record{}, err
	}
	rec := Record{Line: c.in.lineAt(c.dec.InputOffset() - int64(len(raw))), UID: key}
	var user struct {
		UID string `json:"uid"`
	}
	if raw[0] != '{' || json.Unmarshal(raw, &user) != nil {
		rec.Err = ErrForm
		return rec, nil
	}
	if !c.array && !strings.EqualFold(user.UID, key) {
		rec.Err = ErrKey
		return rec, nil
	}
	rec.UID = user.UID
	rec.JSON, rec.Err = oneLine(raw)
	return rec, nil
}

// begin reads up to the first user. Members before "users" are passed over.
func (c *cometChat) begin() error {
	tok, err := c.dec.Token()
	if c.array = tok == json.Delim('['); c.array {
		return nil
	}
	if err != nil || tok != json.Delim('{') {
		return either(err, ErrForm)
	}
	for c.dec.More() {
		name, err := c.dec.Token()
		if err != nil {
			return err
		}
		if name != "users" {
			var skipped json.RawMessage
			if err := c.dec.Decode(&skipped); err != nil {
				return err
			}
			c.in.allow(c.dec.InputOffset())
			continue
		}
		tok, err = c.dec.Token()
		if err != nil || tok != json.Delim('{') && tok != json.Delim('[') {
			return either(err, ErrForm)
		}
		c.array = tok == json.Delim('[')
		return nil
	}
	_, err = c.dec.Token()
	return either(err, ErrNoUsers)
}

// plain drops the texts of encoding/json, which quote what they read.
func plain(err error) error {
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return ErrForm
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return ErrCut
	}
	return err
}

func either(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
