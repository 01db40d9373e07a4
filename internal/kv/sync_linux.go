package kv

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// ownSync says that the engine syncs Badger's log itself. Badger syncs its empty value log along with it, which on a
// device that is told to flush costs a third of the time of a lone change.
const ownSync = true

// logSync syncs the log that Badger writes to. What Badger maps and what is synced here are the same pages of the file.
//
// Badger makes its log as one large hole. A sync of what lies in a hole has to give it a place on the disk and to put that
// into the file system's journal, too, which is half of its time; so zeros are written ahead of Badger, some at a time.
type logSync struct {
	dir  string
	size int64    // from which on Badger goes on to the next log
	log  *os.File // nil before the first sync
	next string   // the path of the one after it

	batch int64 // bytes of the change that is to be synced next
	end   int64 // of what is in the log, about: it says when zeros are due, not where
	ahead int64 // how far the log is no hole
}

// maxAhead is the most that is written ahead at one time; a small log gets as much again as it has.
const maxAhead = 256 << 10

// zeros are written by the page: Linux keeps what comes as one piece as one piece, and would sync all of it at each change
// of a byte in it.
var zeros [4 << 10]byte

// prepare is called with what Badger is about to write, while it writes nothing.
func (l *logSync) prepare(writes []Write) {
	l.batch = logChangeSize(writes)
	if l.end += l.batch; l.log != nil && l.end > l.ahead && l.ahead < l.size {
		l.fill(l.end + min(l.end, maxAhead))
	}
}

// fill writes zeros up to there. It writes them into a hole alone, and if they cannot be written nothing is lost but time.
func (l *logSync) fill(to int64) {
	fd := int(l.log.Fd())
	from, err := syscall.Seek(fd, max(l.ahead, l.end-l.batch), seekHole)
	if err != nil {
		l.ahead = l.size // not on this file system
		return
	}
	if data, err := syscall.Seek(fd, from, seekData); err == nil { // there should be none
		to = min(to, data)
	}
	l.ahead = max(to, from)
	for ; from < l.ahead; from += int64(len(zeros)) {
		_, _ = l.log.WriteAt(zeros[:min(l.ahead-from, int64(len(zeros)))], from)
	}
}

// Linux's ways to seek for what of a file is there and what is not.
const (
	seekData = 3
	seekHole = 4
)

// sync puts on disk what was last written. Badger goes on to its next log between two changes, never within one.
func (l *logSync) sync() error {
	if !l.current() {
		if err := l.find(); err != nil {
			return err
		}
	}
	for {
		if err := syscall.Fdatasync(int(l.log.Fd())); err != syscall.EINTR {
			return err
		}
	}
}

// current tells whether the log that was synced last is the one that Badger writes to: the numbers of its logs only go up.
// It does not stat the log, since whoever has seen the times of a file makes Linux note them anew with the next write to
// it, and the sync that follows takes a third longer.
func (l *logSync) current() bool {
	return l.log != nil && syscall.Access(l.log.Name(), 0) == nil && errors.Is(syscall.Access(l.next, 0), syscall.ENOENT)
}

// find opens the newest log, and puts on disk that it is there.
func (l *logSync) find() error {
	l.close()
	files, err := listFiles(l.dir)
	if err != nil {
		return err
	}
	logs := logFiles(files)
	if len(logs) == 0 {
		return fmt.Errorf("userstore: %s: %w", l.dir, os.ErrNotExist)
	}
	name := logs[len(logs)-1].Name
	number, err := strconv.Atoi(strings.TrimSuffix(name, logSuffix))
	if err != nil {
		return err
	}
	l.next = filepath.Join(l.dir, fmt.Sprintf("%05d%s", number+1, logSuffix))
	if l.log, err = os.OpenFile(filepath.Join(l.dir, name), os.O_RDWR, 0); err != nil {
		return err
	}
	l.end, l.ahead = logHeader+l.batch, 0
	return syncDir(l.dir)
}

func (l *logSync) close() {
	if l.log != nil {
		_ = l.log.Close() // all that was written to it is on disk
		l.log = nil
	}
}
