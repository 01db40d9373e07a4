package main

import (
	"bufio"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// processMemory reads a figure of this process, in bytes; Linux alone has it.
func processMemory(field string) (int64, bool) {
	value, ok := lookUp("/proc/self/status", field)
	kb, err := strconv.ParseInt(strings.TrimSuffix(value, " kB"), 10, 64)
	return kb << 10, ok && err == nil
}

// lookUp finds the first "field: value" line of a file.
func lookUp(file, field string) (string, bool) {
	f, err := os.Open(file)
	if err != nil {
		return "", false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == field {
			return strings.TrimSpace(value), true
		}
	}
	return "", false
}

// processorTime is how long this process has kept processors busy.
func processorTime() time.Duration {
	var used syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &used) != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// diskUsage adds up what the files in a directory really take; some are sparse.
func diskUsage(dir string) (total int64) {
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			if stat, ok := info.Sys().(*syscall.Stat_t); ok {
				total += stat.Blocks * 512
			}
		}
		return nil
	})
	return total
}

// Machine says where a run took place.
type Machine struct {
	CPU, OS, Go, FileSystem, Revision string
	Cores                             int
	MemoryGB                          int64
	Sync                              time.Duration     // a page appended to a file and synced, on average
	Versions                          map[string]string // of the modules linked in
}

func describeMachine(dir string) Machine {
	m := Machine{CPU: runtime.GOARCH, OS: runtime.GOOS, Go: runtime.Version(), Cores: runtime.NumCPU(), Versions: map[string]string{}}
	if model, ok := lookUp("/proc/cpuinfo", "model name"); ok {
		m.CPU = model
	}
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.OS += " " + strings.TrimSpace(string(release))
	}
	if total, ok := lookUp("/proc/meminfo", "MemTotal"); ok {
		kb, _ := strconv.ParseInt(strings.TrimSuffix(total, " kB"), 10, 64)
		m.MemoryGB = kb >> 20
	}
	var stat syscall.Statfs_t
	if syscall.Statfs(dir, &stat) == nil {
		known := map[int64]string{0xef53: "ext4", 0x01021994: "tmpfs", 0x9123683e: "btrfs", 0x58465342: "xfs", 0x794c7630: "overlayfs"}
		if m.FileSystem = known[int64(stat.Type)]; m.FileSystem == "" {
			m.FileSystem = "0x" + strconv.FormatInt(int64(stat.Type), 16)
		}
	}
	m.Sync = syncTime(dir)
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			m.Versions[dep.Path] = dep.Version
		}
	}
	if out, err := exec.Command("git", "describe", "--always", "--dirty").Output(); err == nil {
		m.Revision = strings.TrimSpace(string(out))
	}
	return m
}

// syncTime appends pages to a file for a second, and syncs each; 0 if that cannot be done.
func syncTime(dir string) time.Duration {
	f, err := os.CreateTemp(dir, "userstore-bench-sync-")
	if err != nil {
		return 0
	}
	defer os.Remove(f.Name())
	defer f.Close()
	page, pages, start := make([]byte, 4096), 0, time.Now()
	for ; time.Since(start) < time.Second; pages++ {
		if _, err := f.Write(page); err != nil {
			return 0
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			return 0
		}
	}
	return time.Since(start) / time.Duration(pages)
}
