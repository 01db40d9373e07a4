package kv

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/dgraph-io/badger/v4"
)

// prepareWrite refuses a write while it can still be refused. Badger writes into mapped files: on a full disk that is a
// SIGBUS, which ends the process, and without a file descriptor for its next log it ends the process itself.
func (h *home) prepareWrite(db *badger.DB, writes []Write) error {
	if h == nil {
		return nil
	}
	size := int64(0)
	for i := range writes {
		size += int64(len(writes[i].Key) + len(writes[i].Value))
	}
	h.written += size
	if h.untrimmed += size; h.untrimmed > trimBytes {
		h.untrimmed = 0
		h.trim(db, keepDisk)
	}
	if h.unchecked += size; h.unchecked < checkBytes && time.Since(h.checked) < checkTime {
		return nil
	}
	if h.written > h.memtable()/4 {
		h.written = 0
		h.reserve = h.reckon(levelSizes(db))
	}
	if err := h.checkSpace(h.reserve); err != nil {
		return err
	}
	if err := h.checkFiles(4); err != nil { // a log and a table may be due, and a log of ours, and to sync its directory
		return err
	}
	h.tidy(false)
	h.checked, h.unchecked = time.Now(), 0
	return nil
}

func levelSizes(db *badger.DB) (sizes []int64) {
	for _, l := range db.Levels() {
		sizes = append(sizes, l.Size)
	}
	return sizes
}

// canCompact refuses to compact everything while there is no room for it.
func (h *home) canCompact(db *badger.DB) error {
	if h == nil {
		return nil
	}
	return h.checkSpace(h.reckon(levelSizes(db)))
}

// Looking each time would be felt. In so little time, and with so few bytes, the reserve is not used up.
const (
	checkBytes = 256 << 10
	checkTime  = 2 * time.Millisecond
)

// trimBytes is what is written between two looks at the memory: little for a bulk load, but so much for a server that
// what is read there beside the writing does not have to come in again and again.
const trimBytes = 1 << 20

// reckon gives how much has to be free, so that what is written already can be put away: the logs that are mapped, the
// tables made of them, and the largest compactions, which write their outcome before they delete what they read.
func (c Config) reckon(levels []int64) uint64 {
	need := 4 * c.memtable()
	above := false // there is a level above that the first level is merged into
	for i, size := range levels {
		if above {
			size = min(size, maxCompaction)
		}
		need += size
		above = above || i > 0 && size > 0
	}
	return uint64(need)
}

// maxCompaction is about how much of a deep level one compaction rewrites: a table and the dozen that it overlaps.
const maxCompaction = 64 << 20

// canFlush refuses to close while there is no room for the tables that Badger makes of its logs then. Nothing is lost by
// that: the logs are read when the store is opened again. But this process holds on to the directory until it ends, for
// there is no other way to end Badger.
func (h *home) canFlush() error {
	if h == nil || h.ReadOnly {
		return nil
	}
	const least = 1 << 20
	need := int64(least)
	files, err := os.ReadDir(h.Dir)
	if err != nil {
		return fmt.Errorf("userstore: close: %w", err)
	}
	for _, f := range files {
		if info, err := f.Info(); err == nil && strings.HasSuffix(f.Name(), logSuffix) {
			need += allocated(info)
		}
	}
	if err := h.checkSpace(uint64(need)); err != nil {
		return fmt.Errorf("%w: the last changes stay in the log, and the directory in use until the process ends", err)
	}
	return nil
}
