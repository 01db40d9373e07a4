package kv

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

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
}

// Sizes were chosen by measurement: small memtables read faster, close faster and hold less memory than Badger's
// defaults, and an uncompressed table needs no block cache, since its blocks are read where they are mapped.
const (
	memtableDisk   = 16 << 20
	memtableSmall  = 4 << 20
	memtableMemory = 1 << 20
	encryptedCache = 16 << 20
)

func (c Config) memtable() int64 {
	switch {
	case c.Dir == "":
		return memtableMemory
	case c.Small:
		return memtableSmall
	}
	return memtableDisk
}

func (c Config) badger() badger.Options {
	o := badger.DefaultOptions(c.Dir).
		WithInMemory(c.Dir == "").
		WithReadOnly(c.ReadOnly).
		WithSyncWrites(c.Sync).
		WithLogger(badgerLog{c.Log}).
		WithDetectConflicts(false). // DB runs one change after the other
		WithMetricsEnabled(false).
		WithNumVersionsToKeep(1).
		WithCompression(options.None).
		WithBlockCacheSize(0).
		WithMemTableSize(c.memtable()).
		WithNumMemtables(3).
		WithNumLevelZeroTables(4).
		WithNumLevelZeroTablesStall(12).
		WithNumCompactors(2).
		WithValueLogFileSize(1 << 20). // stays empty: every value is kept beside its key
		WithValueThreshold(min(1<<20, c.memtable()/8)).
		WithChecksumVerificationMode(options.OnTableRead)
	if len(c.Key) > 0 {
		o = o.WithEncryptionKey(c.Key).WithBlockCacheSize(encryptedCache).WithIndexCacheSize(encryptedCache)
	}
	if c.Dir == "" {
		o = o.WithNumMemtables(2)
	}
	return o
}

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
	broken error // an Apply that ended unknown; nothing is written after it
}

// OpenBadger opens or creates the files in cfg.Dir.
func OpenBadger(cfg Config) (Engine, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if err := cfg.prepareDir(); err != nil {
		return nil, err
	}
	db, err := badger.OpenManaged(cfg.badger())
	if err != nil {
		return nil, openError(cfg, err)
	}
	e := &badgerEngine{db: db, cfg: cfg, limit: 15 * cfg.memtable() / 100}
	s := &state{version: db.MaxVersion()}
	s.refs.Store(1)
	e.current.Store(s)
	db.SetDiscardTs(s.version)
	return e, nil
}

// prepareDir makes the directory, readable by its owner alone, and refuses what cannot be one before Badger litters it.
func (c Config) prepareDir() error {
	if c.Dir == "" {
		return nil
	}
	info, err := os.Stat(c.Dir)
	switch {
	case err == nil && !info.IsDir():
		return fmt.Errorf("userstore: open %s: %w", c.Dir, syscall.ENOTDIR)
	case err == nil:
		return nil
	case !errors.Is(err, os.ErrNotExist) || c.ReadOnly:
		return fmt.Errorf("userstore: open: %w", err)
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return fmt.Errorf("userstore: open: %w", err)
	}
	return nil
}

func openError(cfg Config, err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "Cannot acquire directory lock"):
		return fmt.Errorf("%w: %s (close the other one first, or open a directory of your own)", ErrLocked, cfg.Dir)
	case errors.Is(err, badger.ErrEncryptionKeyMismatch), errors.Is(err, badger.ErrInvalidEncryptionKey),
		strings.Contains(text, badger.ErrEncryptionKeyMismatch.Error()):
		return ErrKey
	case errors.Is(err, badger.ErrTruncateNeeded), strings.Contains(text, "Log truncate required"):
		return fmt.Errorf("%w: %s was not closed; open it once for writing to recover", ErrReadOnly, cfg.Dir)
	case errors.Is(err, os.ErrPermission), errors.Is(err, syscall.EROFS), errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("userstore: open %s: %w", cfg.Dir, err)
	}
	return fmt.Errorf("%w: open %s: %v", ErrCorrupt, cfg.Dir, err)
}

func (e *badgerEngine) Limits() (writes, bytes int) {
	// Badger's own limits, less room for its end marks and for the versions it adds to keys.
	return int(e.limit/int64(skl.MaxNodeSize)) - 8, int(e.limit) * 3 / 4
}

// Apply writes everything in one Badger transaction, which Badger syncs once.
func (e *badgerEngine) Apply(writes []Write) (version uint64, err error) {
	if e.cfg.ReadOnly {
		return 0, ErrReadOnly
	}
	if e.broken != nil {
		return 0, fmt.Errorf("userstore: writing has stopped until the store is opened anew: %w", e.broken)
	}
	if err := e.cfg.checkSpace(); err != nil {
		return 0, err
	}
	before := e.current.Load()
	txn := e.db.NewTransactionAt(before.version, true)
	defer txn.Discard()
	for _, w := range writes {
		var err error
		if w.Value == nil {
			err = txn.Delete(w.Key)
		} else {
			err = txn.Set(w.Key, w.Value)
		}
		if err != nil { // never Badger's own text: it holds the bytes
			return 0, ErrTooLarge
		}
	}
	if err := txn.CommitAt(before.version+1, nil); err != nil {
		if errors.Is(err, badger.ErrBlockedWrites) || errors.Is(err, badger.ErrDBClosed) {
			return 0, ErrClosed
		}
		e.broken = fmt.Errorf("%w: %w", ErrUncertain, err)
		return 0, e.broken
	}
	e.publish(before)
	return before.version + 1, nil
}

func (e *badgerEngine) publish(before *state) {
	next := &state{version: before.version + 1}
	next.refs.Store(1)
	e.current.Store(next)
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
	return e.db.Flatten(2)
}

func (e *badgerEngine) Close() error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
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
