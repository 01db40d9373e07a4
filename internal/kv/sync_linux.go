package kv

import (
	"os"
	"syscall"
)

// syncData brings what was written to the disk, and of what Linux notes about the file only what is needed to read it.
func syncData(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); err != syscall.EINTR {
			return err
		}
	}
}
