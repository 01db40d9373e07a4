//go:build linux || darwin || freebsd

package kv

import (
	"fmt"
	"os"
	"syscall"
)

// checkSpace refuses to go on with less than so many bytes free.
func (c Config) checkSpace(reserve uint64) error {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(c.Dir, &fs); err != nil {
		return fmt.Errorf("userstore: %w", err)
	}
	if fs.Blocks == 0 { // some file systems do not tell
		return nil
	}
	if free := uint64(fs.Bavail) * uint64(fs.Bsize); free < reserve {
		return fmt.Errorf("userstore: %w: %d MiB are free, %d are needed to write safely", syscall.ENOSPC, free>>20, reserve>>20)
	}
	return nil
}

// checkFiles refuses to go on when not so many more files can be opened.
func (h *home) checkFiles(n int) error {
	syscall.ForkLock.RLock() // no child process is to inherit what is open for a moment
	defer syscall.ForkLock.RUnlock()
	for range n {
		fd, err := syscall.Dup(int(h.lock.Fd()))
		if err != nil {
			return fmt.Errorf("userstore: %w", err)
		}
		defer syscall.Close(fd)
	}
	return nil
}

func allocated(info os.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Blocks * 512
	}
	return info.Size()
}
