package records

import "io"

// lineReader tells on which line of its input an offset lies, and refuses to read on and on for one record: a decoder
// above it takes bounded memory, whatever the input. It needs offsets to be asked for in rising order.
type lineReader struct {
	in    io.Reader
	limit int64 // bytes that may be read beyond what allow said
	over  error // what to say when they are passed

	read   int64
	mark   int64   // as allow said
	breaks []int64 // offsets of line breaks not yet counted
	lines  int     // line breaks counted
}

func (l *lineReader) Read(p []byte) (int, error) {
	if l.read-l.mark > l.limit {
		return 0, l.over
	}
	n, err := l.in.Read(p)
	for i, c := range p[:n] {
		if c == '\n' {
			l.breaks = append(l.breaks, l.read+int64(i))
		}
	}
	l.read += int64(n)
	return n, err
}

// allow says that everything before the offset is done with.
func (l *lineReader) allow(offset int64) {
	l.mark = offset
	l.lineAt(offset) // forgets the line breaks before it
}

// lineAt gives the line of the byte at the offset, from 1.
func (l *lineReader) lineAt(offset int64) int {
	i := 0
	for i < len(l.breaks) && l.breaks[i] < offset {
		i++
	}
	l.lines += i
	l.breaks = l.breaks[:copy(l.breaks, l.breaks[i:])]
	return l.lines + 1
}
