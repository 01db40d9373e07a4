package kv

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/dgraph-io/badger/v4"
)

// home is the directory of an open store: its lock, its mark, and what else Badger does not look after. A nil home is
// that of a store in memory.
type home struct {
	Config
	lock *os.File
	mark *mark
	last *os.File // the mark, for what is rewritten in place; nil if that is not done

	before *keepsake // that Open has to go back to, or nil

	changed time.Time // the directory, when its files were last looked at

	reserve   uint64    // bytes that have to be free
	written   int64     // bytes since the reserve was reckoned
	checked   time.Time // when it was last seen that there is room
	unchecked int64     // bytes since then

	resident  resident
	untrimmed int64 // bytes written since it was last looked at
}

// OpenBadger opens or creates the files in cfg.Dir.
func OpenBadger(cfg Config) (Engine, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Dir != "" { // the process may go to another directory
		dir, err := filepath.Abs(cfg.Dir)
		if err != nil {
			return nil, fmt.Errorf("userstore: %w", err)
		}
		cfg.Dir = dir
	}
	h, err := enter(cfg)
	if err != nil {
		return nil, err
	}
	if h != nil {
		cfg = h.Config
	}
	db, err := badger.OpenManaged(cfg.badger())
	if err != nil {
		return nil, errors.Join(openError(cfg, err), h.unlock())
	}
	e := &badgerEngine{db: db, cfg: cfg, limit: 15 * cfg.memtable() / 100, home: h, wal: wal{Config: cfg}}
	version := db.MaxVersion()
	if h != nil && h.before != nil {
		version = h.before.version
		err = e.goBack(h.before)
	}
	if err == nil {
		err = h.settle(version)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close(), h.unlock())
	}
	s := &state{version: version}
	s.refs.Store(1)
	e.current.Store(s)
	db.SetDiscardTs(version)
	return e, nil
}

// enter takes a directory over, once it is sure that everything is there that has to be.
func enter(c Config) (_ *home, err error) {
	if c.Dir == "" {
		return nil, nil
	}
	if err := c.prepareDir(); err != nil {
		return nil, err
	}
	h := &home{Config: c}
	if h.lock, err = lockDir(c.Dir, c.ReadOnly); err != nil {
		return nil, err
	}
	if err = h.take(); err != nil {
		return nil, errors.Join(err, h.unlock())
	}
	return h, nil
}

// badgersFiles is how many files Badger opens besides those of the tables and logs that are there.
const badgersFiles = 16

func (h *home) take() (err error) {
	files, err := listFiles(h.Dir)
	if err != nil {
		return err
	}
	if err := h.checkFiles(len(files) + badgersFiles); err != nil { // where Badger has none left it ends the process
		return err
	}
	if h.before, err = readKeepsake(h.Dir); err != nil {
		return h.damage(err)
	}
	switch {
	case h.before == nil:
	case h.ReadOnly:
		return fmt.Errorf("%w: a load into %s was broken off; open it once for writing to recover", ErrReadOnly, h.Dir)
	default:
		if err := h.clearAway(); err != nil {
			return err
		}
	}
	found, err := h.check()
	if err != nil {
		return err
	}
	if h.mark = found.mark; h.ReadOnly {
		return nil
	}
	h.reserve = h.reckon(found.levels)
	if err := h.checkSpace(h.reserve); err != nil {
		return err
	}
	if err := h.settleLogs(found.adopted); err != nil { // before the mark tells of all that they have
		return err
	}
	if h.mark.Open { // a log that was filled with a larger memtable needs one to be read
		h.least = h.mark.Memtable
	}
	h.mark.Open, h.mark.Memtable, h.mark.format = true, h.memtable(), h.Format
	h.mark.Files = keep(h.mark.Files, registryName)
	if err := h.mark.write(h.Dir); err != nil {
		return err
	}
	return removeIdle(h.Dir)
}

// removeIdle removes files that hold nothing, and that Badger could fail on: logs that were being created or deleted when
// a crash came, the value log, in which this engine puts nothing and which Badger makes anew, and what was to be sorted.
func removeIdle(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		name := e.Name()
		idle := strings.HasSuffix(name, valuesSuffix) || name == discardName || strings.HasPrefix(name, scratchPrefix)
		if strings.HasSuffix(name, logSuffix) && err == nil {
			var info os.FileInfo
			if info, err = e.Info(); err == nil {
				idle = info.Size() == 0
			}
		}
		if idle && err == nil {
			err = os.Remove(filepath.Join(dir, name))
		}
	}
	if err != nil {
		return fmt.Errorf("userstore: open: %w", err)
	}
	return nil
}

// settle goes on when Badger has opened the files.
func (h *home) settle(version uint64) (err error) {
	if h == nil {
		return nil
	}
	if version < h.mark.last {
		return h.damage(fmt.Errorf("%w: %s", ErrCorrupt, gap(version+1, h.mark.last)))
	}
	if h.ReadOnly {
		return nil
	}
	h.tidy(true)
	if len(h.mark.Files) == 0 { // now there is one
		files, err := listFiles(h.Dir)
		if err == nil {
			h.mark.Files = keep(files, registryName)
			err = sumFiles(h.Dir, h.mark.Files)
		}
		if err == nil {
			err = h.mark.write(h.Dir)
		}
		if err != nil {
			return err
		}
	}
	if h.Sync {
		h.last, err = openMark(h.Dir)
	}
	return err
}

// remark marks a change as acknowledged that is on disk whatever Sync says.
func (h *home) remark(version uint64) (err error) {
	h.mark.last = version
	if err := h.mark.write(h.Dir); err != nil || h.last == nil {
		return err
	}
	if err := h.last.Close(); err != nil { // it was that of the mark before
		h.last = nil
		return fmt.Errorf("userstore: %w", err)
	}
	h.last, err = openMark(h.Dir)
	return err
}

// note marks a change as acknowledged.
func (h *home) note(version uint64) {
	if h == nil || h.last == nil {
		return
	}
	if err := note(h.last, version); err != nil { // the change stands; only its loss would not be noticed
		h.Log.Warn("userstore: cannot write the mark of the last change", "error", err)
	}
}

// leave gives the directory back. failed is what Badger's closing came to.
func (h *home) leave(failed error, version uint64) error {
	if h == nil {
		return failed
	}
	err := failed
	if !h.ReadOnly {
		h.tidy(true)
		if h.last != nil {
			err = errors.Join(err, h.last.Close())
		}
		if err == nil {
			err = h.removeWALs()
		}
		if err == nil {
			err = h.writeClosed(version)
		}
	}
	return errors.Join(err, h.unlock())
}

func (h *home) writeClosed(version uint64) error {
	files, err := listFiles(h.Dir)
	if err == nil {
		err = sumFiles(h.Dir, files)
	}
	if err != nil {
		return err
	}
	closed := &mark{format: h.Format, last: version, markedFiles: markedFiles{Files: files}}
	return closed.write(h.Dir)
}

func (h *home) unlock() error {
	if h == nil || h.lock == nil {
		return nil
	}
	return h.lock.Close()
}

// prepareDir makes the directory, for its owner alone, and refuses what cannot be one. An empty one that is there
// already is closed to others too; what is in any other is the business of whoever put it there.
func (c Config) prepareDir() error {
	info, err := os.Stat(c.Dir)
	switch {
	case err == nil && !info.IsDir():
		return fmt.Errorf("userstore: open %s: %w", c.Dir, syscall.ENOTDIR)
	case err == nil && (c.ReadOnly || info.Mode().Perm()&0o077 == 0):
		return nil
	case err == nil:
		if entries, err := os.ReadDir(c.Dir); err != nil {
			return fmt.Errorf("userstore: open: %w", err)
		} else if len(entries) > 0 {
			return nil
		}
		if err := os.Chmod(c.Dir, 0o700); err != nil {
			c.Log.Warn("userstore: others can look into the directory", "error", err)
		}
		return nil
	case !errors.Is(err, os.ErrNotExist) || c.ReadOnly:
		return fmt.Errorf("userstore: open: %w", err)
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return fmt.Errorf("userstore: open: %w", err)
	}
	return nil
}

// tidy takes away the rights of others from files that Badger has made since the last look. The umask would be surer, but
// it is the whole process's.
func (h *home) tidy(always bool) {
	info, err := os.Stat(h.Dir)
	if err != nil || !always && info.ModTime().Equal(h.changed) {
		return
	}
	if h.changed = info.ModTime(); time.Since(h.changed) < 50*time.Millisecond {
		h.changed = time.Time{} // more may come that the clock of the file system does not tell apart
	}
	entries, _ := os.ReadDir(h.Dir)
	for _, e := range entries {
		switch filepath.Ext(e.Name()) {
		case tableSuffix, logSuffix, valuesSuffix, "":
		default:
			continue
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
			_ = os.Chmod(filepath.Join(h.Dir, e.Name()), 0o600) // a file that has just gone is no loss
		}
	}
}

// openError says what Badger's failure comes to, but not in its own words, which can hold keys.
func openError(cfg Config, err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "Cannot acquire directory lock"):
		return fmt.Errorf("%w: %s (close the other one first, or open a directory of your own)", ErrLocked, cfg.Dir)
	case errors.Is(err, badger.ErrInvalidEncryptionKey):
		return ErrKey
	}
	if number := numberOf(err); number != 0 {
		return fmt.Errorf("userstore: open %s: %w", cfg.Dir, number)
	}
	return fmt.Errorf("%w: Badger cannot open the files in %s", ErrCorrupt, cfg.Dir)
}

// diskError says what Badger's failure to write comes to.
func diskError(doing string, err error) error {
	if number := numberOf(err); number != 0 {
		return fmt.Errorf("userstore: %s: %w", doing, number)
	}
	return fmt.Errorf("userstore: %s: Badger cannot write", doing)
}

// numberOf gives the system's number of a failure, or 0. Badger does not wrap all of them.
func numberOf(err error) syscall.Errno {
	text := err.Error()
	for _, number := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOSPC, syscall.EROFS, syscall.EACCES, syscall.ENOMEM, syscall.EIO} {
		if errors.Is(err, number) || strings.Contains(text, number.Error()) {
			return number
		}
	}
	return 0
}
