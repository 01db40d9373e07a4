package kv

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/skl"
)

// Config says how OpenBadger opens its files.
type Config struct {
	Dir      string // empty: in memory
	Sync     bool   // Apply returns when the writes are on disk
	ReadOnly bool
	Key      []byte // encryption key, or nil
	Small    bool   // as little memory as Badger runs well in
	Log      *slog.Logger
	Format   int // what the files are written for; those of a higher one are refused

	least int64 // memtable that an unfinished log needs
}

// Sizes were chosen by measurement: small memtables read faster, close faster and hold less memory than Badger's
// defaults, and an uncompressed table needs no block cache, since its blocks are read where they are mapped.
const (
	memtableDisk   = 16 << 20
	memtableSmall  = 2 << 20
	memtableMemory = 1 << 20
	encryptedCache = 16 << 20

	// A compaction is split by tables, and as many of its parts as there are run beside the changes: with fewer and larger
	// ones more changes get through. A load's are smaller, since Badger keeps what eight of them were built in; they
	// take more files, one each, but load in less memory and as fast.
	tableDisk  = 4 << 20
	tableLoad  = 2 << 20
	tableSmall = 1 << 20
	blockSize  = 4 << 10

	// The first level below holds as much as comes down to it at once. With Badger's 10 MiB there is one level more that
	// everything has to be written through.
	levelDisk  = 4 * memtableDisk
	levelSmall = 10 << 20
)

func (c Config) memtable() int64 {
	switch {
	case c.Dir == "":
		return memtableMemory
	case c.Small:
		return max(memtableSmall, c.least)
	}
	return max(memtableDisk, c.least)
}

// maxValue is the size from which on Badger would keep a value apart.
func (c Config) maxValue() int64 { return min(1<<20, c.memtable()/8) }

func (c Config) tableSize() int64 {
	if c.Small || c.Dir == "" {
		return tableSmall
	}
	return tableDisk
}

// loadSize is about the size of the tables that a load makes.
func (c Config) loadSize() int64 { return min(c.tableSize(), tableLoad) }

func (c Config) badger() badger.Options {
	o := badger.DefaultOptions(c.Dir).
		WithInMemory(c.Dir == "").
		WithReadOnly(c.ReadOnly).
		WithLogger(badgerLog{c.Log}).
		WithDetectConflicts(false). // DB runs one change after the other
		WithMetricsEnabled(false).
		WithNumVersionsToKeep(1).
		WithCompression(options.None).
		WithBlockCacheSize(0).
		WithMemTableSize(c.memtable()).
		WithNumMemtables(3).
		WithBaseTableSize(c.tableSize()).
		WithBaseLevelSize(levelDisk).
		WithBlockSize(blockSize).
		WithNumLevelZeroTables(4).
		WithNumLevelZeroTablesStall(12).
		WithNumCompactors(2).
		WithValueLogFileSize(1 << 20). // stays empty: every value is kept beside its key
		WithValueThreshold(c.maxValue()).
		WithChecksumVerificationMode(options.NoVerification). // see check
		WithBypassLockGuard(ownLock).
		WithExternalMagic(magic)
	o.TableSizeMultiplier = 1
	if len(c.Key) > 0 {
		o = o.WithEncryptionKey(c.Key).WithBlockCacheSize(encryptedCache).WithIndexCacheSize(encryptedCache)
	}
	if c.Small || c.Dir == "" {
		o = o.WithNumMemtables(2).WithBaseLevelSize(levelSmall)
	}
	return o
}

// On 32-bit machines Badger's tables come out damaged, so this must not compile there.
const _ uint = 1 << 32

// badgerEngine keeps everything in a Badger in managed mode: it gives out the timestamps itself, so that a state
// becomes visible only when it is durable, and reading needs no watermarks.
type badgerEngine struct {
	db      *badger.DB
	cfg     Config
	limit   int64 // bytes
	current atomic.Pointer[state]

	mu     sync.Mutex
	old    []*state // states before the current one that may still be read, oldest first
	closed bool
	broken error // an Apply that ended unknown, or a Fill halfway; nothing is written after it

	exclusive sync.Mutex // held by what Badger does not do beside anything else of the kind: Fill and Compact

	home *home // nil in memory
	wal  wal   // used by one Apply or Fill at a time
}

func (e *badgerEngine) Limits() (writes, bytes int) {
	// Badger's own limits, less room for its end marks and for the versions it adds to keys.
	return int(e.limit/int64(skl.MaxNodeSize)) - 8, int(e.limit) * 3 / 4
}

// Apply writes everything in one Badger transaction, and syncs once beside it.
func (e *badgerEngine) Apply(writes []Write, meanwhile func()) (version uint64, err error) {
	if e.cfg.ReadOnly {
		return 0, ErrReadOnly
	}
	if e.broken != nil {
		return 0, e.stopped()
	}
	if err := e.home.prepareWrite(e.db, writes); err != nil {
		return 0, err
	}
	before := e.current.Load()
	if !slices.ContainsFunc(writes, func(w Write) bool { return w.Value != nil }) { // or compaction could drop all that shows this version was there
		writes = append(slices.Clip(writes), stamp)
	}
	var beside sync.WaitGroup
	if meanwhile != nil {
		beside.Go(meanwhile)
	}
	err = e.commit(before.version+1, writes, e.cfg.Sync && e.home != nil)
	beside.Wait()
	switch {
	case err == nil:
	case errors.Is(err, ErrTooLarge):
		return 0, err
	case errors.Is(err, badger.ErrBlockedWrites), errors.Is(err, badger.ErrDBClosed):
		return 0, ErrClosed
	default:
		e.broken = fmt.Errorf("%w: %w", ErrUncertain, err)
		return 0, e.broken
	}
	e.succeed(&state{version: before.version + 1})
	e.home.note(before.version + 1)
	return before.version + 1, nil
}

func (e *badgerEngine) stopped() error {
	return fmt.Errorf("userstore: writing has stopped until the store is opened anew: %w", e.broken)
}

// stamp is the engine's own, and hidden from views.
var stamp = Write{Key: []byte{0}, Value: []byte{1}}

// commit is one transaction of Badger's. ErrTooLarge: nothing was written; any other error is Badger's own,
// or the system's where our log cannot be written or synced.
func (e *badgerEngine) commit(version uint64, writes []Write, durable bool) error {
	txn := e.db.NewTransactionAt(version-1, true)
	defer txn.Discard()
	for _, w := range writes {
		if err := e.set(txn, w); err != nil {
			return err
		}
	}
	if !durable {
		return txn.CommitAt(version, nil)
	}
	done := make(chan error, 1)
	if err := txn.CommitAt(version, func(err error) { done <- err }); err != nil {
		return err
	}
	err := e.wal.write(version, writes)
	return errors.Join(<-done, err)
}

func (e *badgerEngine) set(txn *badger.Txn, w Write) (err error) {
	switch {
	case w.Value == nil:
		err = txn.Delete(w.Key)
	case int64(len(w.Value)) >= e.cfg.maxValue():
		return ErrTooLarge
	default:
		err = txn.Set(w.Key, w.Value)
	}
	if err != nil { // never Badger's own text: it holds the bytes
		return ErrTooLarge
	}
	return nil
}

// succeed puts a state in the place of the current one.
func (e *badgerEngine) succeed(next *state) {
	next.refs.Store(1)
	before := e.current.Swap(next)
	e.mu.Lock()
	e.old = append(e.old, before)
	e.mu.Unlock()
	e.release(before)
}

// release gives back one hold on a state. When the oldest states are no longer read, Badger may drop what only they saw.
func (e *badgerEngine) release(s *state) {
	if s.refs.Add(-1) > 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return
	}
	n := 0
	for n < len(e.old) && e.old[n].refs.Load() == 0 {
		n++
	}
	if n == 0 {
		return
	}
	e.old = append(e.old[:0], e.old[n:]...)
	oldest := e.current.Load()
	if len(e.old) > 0 {
		oldest = e.old[0]
	}
	e.db.SetDiscardTs(oldest.version)
}

func (e *badgerEngine) Stats() Stats {
	var s Stats
	for _, level := range e.db.Levels() {
		s.Levels = append(s.Levels, Level{Tables: level.NumTables, Bytes: level.Size})
	}
	if e.cfg.Dir != "" {
		s.DiskBytes = diskUsage(e.cfg.Dir)
	}
	return s
}

func (e *badgerEngine) Compact() error {
	if e.cfg.ReadOnly {
		return ErrReadOnly
	}
	if err := e.home.canCompact(e.db); err != nil {
		return err
	}
	e.exclusive.Lock()
	defer e.exclusive.Unlock()
	return e.db.Flatten(2)
}

func (e *badgerEngine) Close() error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	if err := e.home.canFlush(); err != nil {
		return err
	}
	e.wal.close()
	err := e.closeBadger()
	return e.home.leave(err, e.current.Load().version)
}

func (e *badgerEngine) closeBadger() (err error) {
	defer caught(&err)
	return e.db.Close()
}

// diskUsage adds up what the files really take; Badger's logs are sparse.
func diskUsage(dir string) (total int64) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return 0
	}
	for _, f := range files {
		if info, err := os.Stat(filepath.Join(dir, f.Name())); err == nil {
			total += allocated(info)
		}
	}
	return total
}

// badgerLog hands Badger's lines on. Its errors can quote keys and values, so those above a warning come as their
// format alone.
type badgerLog struct{ log *slog.Logger }

func (l badgerLog) Errorf(format string, _ ...any) {
	l.log.Error("badger: " + strings.TrimSpace(format))
}
func (l badgerLog) Warningf(format string, _ ...any) {
	l.log.Warn("badger: " + strings.TrimSpace(format))
}
func (l badgerLog) Infof(format string, a ...any) {
	l.log.Debug("badger: " + strings.TrimSpace(fmt.Sprintf(format, a...)))
}
func (l badgerLog) Debugf(string, ...any) {}
