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
type logSync struct {
	dir  string
	log  *os.File // nil before the first sync
	next string   // the path of the one after it
}

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
	return syncDir(l.dir)
}

func (l *logSync) close() {
	if l.log != nil {
		_ = l.log.Close() // all that was written to it is on disk
		l.log = nil
	}
}
