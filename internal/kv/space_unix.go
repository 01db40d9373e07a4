//go:build linux || darwin || freebsd

package kv

import (
	"fmt"
	"os"
	"syscall"
)

// checkSpace refuses a write while there is still room. Badger writes into mapped files: on a full disk that is a
// SIGBUS, which ends the process, so it must never get there. The reserve covers the log it has mapped, the tables it
// may be flushing, and a compaction.
func (c Config) checkSpace() error {
	if c.Dir == "" {
		return nil
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs(c.Dir, &fs); err != nil {
		return fmt.Errorf("userstore: %w", err)
	}
	free := uint64(fs.Bavail) * uint64(fs.Bsize)
	if reserve := uint64(4 * c.memtable()); free < reserve {
		return fmt.Errorf("userstore: %w: %d MiB are free, %d are needed to write safely",
			syscall.ENOSPC, free>>20, reserve>>20)
	}
	return nil
}

func allocated(info os.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Blocks * 512
	}
	return info.Size()
}
