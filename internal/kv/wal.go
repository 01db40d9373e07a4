package kv

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// wal is a second log of changes beside Badger's, in the same form. Badger writes each entry to its log and then to its
// memtable, so its log could be synced only when all of that is done. Ours is written and synced while Badger is at work,
// and Badger's is left to the system. After a crash, Open goes by whichever reaches further (see settleLogs).
//
// It lies in files that are small enough to become logs of Badger's. One that is full stays until all that is in it is in
// tables, and goes when the next one begins after that.
type wal struct {
	Config
	file   *os.File // nil before the first change
	number int      // of the file
	full   []fullWAL

	id  uint64 // of the key
	key []byte // that it is encrypted with; nil if it is not

	end   int64  // of what is in the file
	ahead int64  // of the zeros behind that
	head  []byte // of the file
	buf   []byte // for a change
}

// fullWAL is a file that takes no more changes. They are in tables, or in Badger's logs up to this one.
type fullWAL struct{ path, log string }

// A change that comes when the file has as much as this goes to the next. What takes a byte in a log takes about two in a
// memtable at the most, and a memtable has room for 1.3 times its size.
func (w *wal) most() int64 { return w.memtable() / 2 }

// write appends a change and brings it to the disk. Badger has been given all those before it.
func (w *wal) write(version uint64, writes []Write) error {
	began := w.file == nil || w.end >= w.most()
	if began {
		if err := w.begin(); err != nil {
			return err
		}
	}
	b, err := appendLogChange(w.buf[:0], w.head, w.end, w.key, version, writes)
	if err != nil {
		return err
	}
	if cap(b) <= maxAhead {
		w.buf = b
	}
	end := w.end + int64(len(b))
	if end > w.ahead {
		w.fill(end + min(end, maxAhead))
	}
	if _, err := w.file.WriteAt(b, w.end); err != nil {
		return err
	}
	w.end = end
	if err := syncData(w.file); err != nil || !began {
		return err
	}
	return syncDir(w.Dir)
}

// begin goes on to a new file, and removes those that nobody needs any more.
func (w *wal) begin() error {
	logs, err := logNames(w.Dir, logSuffix)
	if err == nil && len(logs) == 0 {
		err = fmt.Errorf("userstore: %s has no log: %w", w.Dir, os.ErrNotExist)
	}
	if err != nil {
		return err
	}
	if w.file != nil {
		w.full = append(w.full, fullWAL{w.file.Name(), logs[len(logs)-1]})
		w.close()
	}
	w.full = slices.DeleteFunc(w.full, func(f fullWAL) bool {
		return byNumber(f.log, logs[0]) < 0 && os.Remove(f.path) == nil
	})
	if len(w.Key) > 0 && w.key == nil {
		keys, err := w.dataKeys()
		if err == nil && len(keys) == 1 {
			err = fmt.Errorf("%w: the file %s has no key", ErrCorrupt, registryName)
		}
		if err != nil {
			return err
		}
		w.id, w.key = uint64(len(keys)-1), keys[len(keys)-1]
	}
	w.number++
	name := filepath.Join(w.Dir, fmt.Sprintf("%05d%s", w.number, walSuffix))
	if w.file, err = os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600); err != nil {
		return err
	}
	w.head = make([]byte, logHeader)
	binary.BigEndian.PutUint64(w.head, w.id)
	_, _ = rand.Read(w.head[8:]) // never fails
	w.end, w.ahead = logHeader, 0
	w.fill(logHeader)
	_, err = w.file.WriteAt(w.head, 0)
	return err
}

// maxAhead is the most that is written ahead at one time; a small file gets as much again as it has.
const maxAhead = 256 << 10

// zeros are written by the page: Linux keeps what comes as one piece as one piece, and would sync all of it at each change
// of a byte in it.
var zeros [4 << 10]byte

// fill writes zeros up to there. To sync what makes a file longer, its length and where it lies have to be put into the
// file system's journal, too, which is half of the time. If they cannot be written, nothing is lost but time.
func (w *wal) fill(to int64) {
	for ; w.ahead < to; w.ahead += int64(len(zeros)) {
		_, _ = w.file.WriteAt(zeros[:], w.ahead)
	}
}

// forget begins anew, when everything is in tables or in what is synced. A file that went on over that could become a log of
// Badger's, and bring back what was dropped.
func (w *wal) forget() error {
	w.close()
	w.full = nil
	if err := w.removeWALs(); err != nil {
		return err
	}
	return syncDir(w.Dir)
}

func (w *wal) close() {
	if w.file != nil {
		_ = w.file.Close() // all that was acknowledged is on the disk
		w.file = nil
	}
}

// settleLogs brings to the disk what Badger's logs have, and makes logs of Badger's of those of ours that have what they lack,
// so that ours are needed no more. They are given numbers behind Badger's: what is in both is the same.
func (c Config) settleLogs(adopted []string) error {
	logs, err := logNames(c.Dir, logSuffix)
	if err == nil && len(logs)+len(adopted) == 0 {
		return c.removeWALs()
	}
	for _, name := range append(slices.Clone(logs), adopted...) {
		if err == nil {
			err = syncFile(filepath.Join(c.Dir, name), os.O_RDWR)
		}
	}
	last := 0
	if err == nil && len(logs) > 0 {
		last, err = logNumber(logs[len(logs)-1])
	}
	for _, name := range adopted {
		if last++; err == nil {
			err = os.Rename(filepath.Join(c.Dir, name), filepath.Join(c.Dir, fmt.Sprintf("%05d%s", last, logSuffix)))
		}
	}
	if err == nil {
		err = syncDir(c.Dir)
	}
	if err != nil {
		return fmt.Errorf("userstore: open: %w", err)
	}
	return c.removeWALs()
}

// removeWALs removes our logs.
func (c Config) removeWALs() error {
	logs, err := logNames(c.Dir, walSuffix)
	for _, name := range logs {
		if err == nil {
			err = os.Remove(filepath.Join(c.Dir, name))
		}
	}
	if err != nil {
		return fmt.Errorf("userstore: %w", err)
	}
	return nil
}

// logNames gives the logs of a kind in the order in which they were written: their names are growing numbers.
func logNames(dir, suffix string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("userstore: %w", err)
	}
	var logs []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), suffix) {
			logs = append(logs, e.Name())
		}
	}
	slices.SortFunc(logs, byNumber)
	return logs, nil
}

func byNumber(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }
