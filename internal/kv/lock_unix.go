//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package kv

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// ownLock says that lockDir locks. Badger's own lock would come too late, since the files are read before Badger opens
// them, and it would leave a file that everybody can read. Both lock the directory itself, so each sees the other.
const ownLock = true

// lockDir keeps others from opening the directory until the file is closed; those who only read share it.
func lockDir(dir string, shared bool) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("userstore: open: %w", err)
	}
	how := syscall.LOCK_EX
	if shared {
		how = syscall.LOCK_SH
	}
	for {
		err = syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		if err != syscall.EINTR {
			break
		}
	}
	if err == nil {
		return f, nil
	}
	f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("%w: %s (close the other one first, or open a directory of your own)", ErrLocked, dir)
	}
	return nil, fmt.Errorf("userstore: lock %s: %w", dir, err)
}
