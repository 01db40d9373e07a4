//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package kv

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ownLock says that Badger's lock is the one that holds; lockDir only looks at it, so that nothing of a store that is
// open elsewhere is taken for damage.
const ownLock = false

func lockDir(dir string, shared bool) (*os.File, error) {
	f, err := os.Open(filepath.Join(dir, "LOCK")) // held open so that nobody else can open it
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s (close the other one first, or open a directory of your own)", ErrLocked, dir)
	}
	return nil, f.Close()
}
