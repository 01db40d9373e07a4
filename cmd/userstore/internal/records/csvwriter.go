package records

import (
	"encoding/csv"
	"io"

	"github.com/seed-3546c6b2/userstore"
)

// CSVWriter writes users as CSV that Open reads.
type CSVWriter struct {
	csv *csv.Writer
	row []string
}

// NewCSVWriter writes the header row. Call Flush at the end.
func NewCSVWriter(w io.Writer) *CSVWriter {
	c := &CSVWriter{csv: csv.NewWriter(w), row: make([]string, len(columns))}
	for i := range columns {
		c.row[i] = columns[i].name
	}
	_ = c.csv.Write(c.row) // buffered; Flush has the error
	return c
}

// Write writes a user.
func (c *CSVWriter) Write(u userstore.User) error {
	for i := range columns {
		c.row[i] = columns[i].get(&u)
	}
	return c.csv.Write(c.row)
}

// Flush writes what is buffered, and gives the first error of all writes.
func (c *CSVWriter) Flush() error {
	c.csv.Flush()
	return c.csv.Error()
}
