package records

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// The formats of a file of users.
const (
	JSONLines = "jsonl"
	CSV       = "csv"
	CometChat = "cometchat" // the JSON of CometChat's data import
)

// Open reads r in a format, or, when the format is empty, in the one that the name of the file or else its first bytes
// speak of. The name may be empty.
func Open(r io.Reader, name, format string) (Reader, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	if mark, _ := in.Peek(3); string(mark) == "\uFEFF" { // the byte order mark that spreadsheets write
		_, _ = in.Discard(3)
	}
	if format == "" {
		format = detect(in, name)
	}
	switch format {
	case JSONLines:
		return newJSONLines(in), nil
	case CSV:
		return newCSV(in)
	case CometChat:
		return newCometChat(in), nil
	}
	return nil, fmt.Errorf("unknown format %q: use jsonl, csv or cometchat", format)
}

func detect(in *bufio.Reader, name string) string {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".csv":
		return CSV
	case ".jsonl", ".ndjson":
		return JSONLines
	}
	// A pipe gives its bytes as they come: no more of them are waited for than are needed to tell.
	for n := 1; ; n = in.Buffered() + 1 {
		_, err := in.Peek(n)
		start, _ := in.Peek(in.Buffered())
		if format := formatOf(start); format != "" {
			return format
		}
		if err != nil || n > 1<<10 {
			return JSONLines
		}
	}
}

// formatOf gives the format that begins with start, or nothing if more has to be seen.
func formatOf(start []byte) string {
	const users = `{"users":`
	seen := string(bytes.Join(bytes.Fields(start), nil))
	switch {
	case seen == "":
		return ""
	case seen[0] == '[':
		return CometChat
	case seen[0] != '{':
		return CSV
	case len(seen) <= len(users) && strings.HasPrefix(users, seen):
		return ""
	case strings.HasPrefix(seen, users) && (seen[len(users)] == '{' || seen[len(users)] == '['):
		return CometChat
	}
	return JSONLines
}
