package records

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/seed-3546c6b2/userstore"
)

// columns are the columns of a CSV file, in the order in which they are written. The header of a file that is read may
// have any of them, in any order.
var columns = []struct {
	name string
	get  func(*userstore.User) string
	set  func(*userstore.User, string) error
}{
	{"uid", func(u *userstore.User) string { return u.UID }, text(func(u *userstore.User) *string { return &u.UID })},
	{"name", func(u *userstore.User) string { return u.Name }, text(func(u *userstore.User) *string { return &u.Name })},
	{"avatar", func(u *userstore.User) string { return u.Avatar }, text(func(u *userstore.User) *string { return &u.Avatar })},
	{"link", func(u *userstore.User) string { return u.Link }, text(func(u *userstore.User) *string { return &u.Link })},
	{"role", func(u *userstore.User) string { return u.Role }, text(func(u *userstore.User) *string { return &u.Role })},
	{"statusMessage", func(u *userstore.User) string { return u.StatusMessage }, text(func(u *userstore.User) *string { return &u.StatusMessage })},
	{"metadata", func(u *userstore.User) string { return string(u.Metadata) }, setMetadata},
	{"tags", func(u *userstore.User) string { return joinTags(u.Tags) },
		func(u *userstore.User, s string) error { u.Tags = splitTags(s); return nil }},
	{"createdAt", func(u *userstore.User) string { return formatTime(u.CreatedAt) }, moment(func(u *userstore.User) *time.Time { return &u.CreatedAt })},
	{"updatedAt", func(u *userstore.User) string { return formatTime(u.UpdatedAt) }, moment(func(u *userstore.User) *time.Time { return &u.UpdatedAt })},
	{"lastActiveAt", func(u *userstore.User) string { return formatTime(u.LastActiveAt) }, moment(func(u *userstore.User) *time.Time { return &u.LastActiveAt })},
	{"deactivatedAt", func(u *userstore.User) string { return formatTime(u.DeactivatedAt) }, moment(func(u *userstore.User) *time.Time { return &u.DeactivatedAt })},
}

func text(field func(*userstore.User) *string) func(*userstore.User, string) error {
	return func(u *userstore.User, s string) error { *field(u) = s; return nil }
}

func moment(field func(*userstore.User) *time.Time) func(*userstore.User, string) (err error) {
	return func(u *userstore.User, s string) (err error) { *field(u), err = parseTime(s); return err }
}

func setMetadata(u *userstore.User, s string) error {
	if s = strings.TrimSpace(s); s == "" {
		return nil
	}
	if s[0] != '{' || !json.Valid([]byte(s)) {
		return ErrMetadata
	}
	u.Metadata = json.RawMessage(s)
	return nil
}

func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// parseTime takes what formatTime writes, and the Unix seconds that other programs write. As in the JSON of a user, 0
// means never.
func parseTime(s string) (time.Time, error) {
	if s = strings.TrimSpace(s); s == "" {
		return time.Time{}, nil
	}
	sec, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return time.Time{}, ErrTime
		}
		sec = t.Unix()
	}
	switch {
	case sec == 0:
		return time.Time{}, nil
	case sec < 0 || sec >= 253402300800: // the year 10000
		return time.Time{}, ErrTime
	}
	return time.Unix(sec, 0).UTC(), nil
}

var escapeTag = strings.NewReplacer(`\`, `\\`, `;`, `\;`)

func joinTags(tags []string) string {
	escaped := make([]string, len(tags))
	for i, tag := range tags {
		escaped[i] = escapeTag.Replace(tag)
	}
	return strings.Join(escaped, ";")
}

// splitTags undoes joinTags. Blanks around a tag go, as people write "a; b"; so do the blank tags of "a;;b".
func splitTags(s string) (tags []string) {
	var tag strings.Builder
	end := func() {
		if t := strings.TrimSpace(tag.String()); t != "" {
			tags = append(tags, t)
		}
		tag.Reset()
	}
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == ';' || s[i+1] == '\\'):
			i++
			tag.WriteByte(s[i])
		case s[i] == ';':
			end()
		default:
			tag.WriteByte(s[i])
		}
	}
	end()
	return tags
}

// csvReader reads users from CSV.
type csvReader struct {
	in     *lineReader
	csv    *csv.Reader
	fields []int // index in columns of each field of a row
	uid    int   // the field that holds the uid
}

// newCSV reads CSV: a header row that names the columns, then a user a row. Tags are separated by semicolons (a
// semicolon in a tag is written \;), metadata is JSON, times are RFC 3339 or Unix seconds. An unknown or repeated
// column, or a header without uid, is an error.
func newCSV(r io.Reader) (Reader, error) {
	in := &lineReader{in: r, limit: MaxRecord, over: ErrOpen}
	c := &csvReader{in: in, csv: csv.NewReader(in)}
	c.csv.ReuseRecord = true
	header, err := c.csv.Read()
	if err != nil {
		return nil, headerError(err)
	}
	for i, name := range header {
		name = strings.TrimSpace(name)
		at := -1
		for j := range columns {
			if strings.EqualFold(columns[j].name, name) {
				at = j
			}
		}
		if at < 0 {
			// Not its name: a file without a header would show a user's data here.
			return nil, fmt.Errorf("column %d of the header is not known; known are %s", i+1, columnNames())
		}
		for _, earlier := range c.fields {
			if earlier == at {
				return nil, fmt.Errorf("the header has the column %s twice", columns[at].name)
			}
		}
		if at == 0 {
			c.uid = i
		}
		c.fields = append(c.fields, at)
	}
	if c.fields[c.uid] != 0 {
		return nil, errors.New("the header has no column uid")
	}
	return c, nil
}

func headerError(err error) error {
	var parse *csv.ParseError
	switch {
	case err == io.EOF:
		return errors.New("the file is empty: a header row is needed")
	case errors.As(err, &parse):
		return fmt.Errorf("the header cannot be read: %w", parse.Err)
	}
	return err
}

func columnNames() string {
	names := make([]string, len(columns))
	for i := range columns {
		names[i] = columns[i].name
	}
	return strings.Join(names, ", ")
}

func (c *csvReader) Next() (Record, error) {
	c.in.allow(c.csv.InputOffset())
	row, err := c.csv.Read()
	var parse *csv.ParseError
	switch {
	case errors.As(err, &parse):
		return Record{Line: parse.StartLine, UID: c.uidOf(row), Err: parse.Err}, nil
	case err != nil:
		return Record{}, err
	}
	line, _ := c.csv.FieldPos(0)
	rec := Record{Line: line, UID: c.uidOf(row)}
	var user userstore.User
	for i, field := range row {
		col := &columns[c.fields[i]]
		if !utf8.ValidString(field) {
			rec.Err = fmt.Errorf("%s %w", col.name, ErrUTF8)
			return rec, nil
		}
		if err := col.set(&user, field); errors.Is(err, ErrTime) {
			rec.Err = fmt.Errorf("%s %w", col.name, err)
			return rec, nil
		} else if err != nil {
			rec.Err = err
			return rec, nil
		}
	}
	rec.JSON, rec.Err = user.MarshalJSON()
	return rec, nil
}

func (c *csvReader) uidOf(row []string) string {
	if c.uid < len(row) && utf8.ValidString(row[c.uid]) {
		return row[c.uid]
	}
	return ""
}
