package kv

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/table"
)

// resident keeps down what counts as the process's memory. Badger maps its tables whole, and each page that was touched
// counts until the system takes it back. On a device with little memory, or with a limit on the process, that is late.
type resident struct {
	sync.Mutex
	reads atomic.Uint32
	low   int // bytes of files in memory, at their least since tables were last given back
}

const (
	keepSmall = 8 << 20  // when so much of files has come into memory, tables are given back
	keepFill  = 32 << 20 // while tables are made that nobody reads yet
	keepDisk  = 128 << 20
)

// sawRead is called for every read and every so many steps of an iterator; only the edge minds them.
func (h *home) sawRead(db *badger.DB) {
	if h != nil && h.Small && h.resident.reads.Add(1)%readsSeen == 0 {
		h.trim(db, keepSmall)
	}
}

// trim gives tables back when the mapped part of the process has grown by keep, or on a small machine by less. It goes by
// growth, not by size, so that it is never busy with what others have mapped, which is not its to give.
func (h *home) trim(db *badger.DB, keep int) {
	r := &h.resident
	if !r.TryLock() { // somebody is at it
		return
	}
	defer r.Unlock()
	if h.Small {
		keep = keepSmall
	}
	now := mappedBytes()
	if r.low = min(r.low, now); now-r.low < keep || db.IsClosed() {
		return
	}
	giveBack(db, h.lock)
	r.low = mappedBytes()
}

// mappedBytes is how much of mapped files is in the process's memory; 0 if that cannot be known.
func mappedBytes() int {
	fd, err := syscall.Open("/proc/self/statm", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	defer syscall.Close(fd)
	var b [128]byte
	n, _ := syscall.Read(fd, b[:])
	fields := strings.Fields(string(b[:max(n, 0)]))
	if len(fields) < 3 {
		return 0
	}
	pages, _ := strconv.Atoi(fields[2])
	return pages * os.Getpagesize()
}

// giveBack takes the pages of tables out of the process. They stay in the page cache while the system has room, and come
// back when they are read. Nothing is lost: the mappings are shared, so what was written through one is in the page
// cache as well, and Badger has synced it before it lists the table.
//
// What must not happen is that a table is unmapped meanwhile: what is mapped in its place would be wiped. An open
// iterator over everything holds the tables that are in a level when it comes by. Tables stay in their level and numbers
// are not used again (but by a fill, which calls this itself or not at all), so those listed before and after are held, and each is mapped throughout. A file that is mapped
// twice is left alone: the other mapping may be that of another Store, which nobody holds.
func giveBack(db *badger.DB, dir *os.File) {
	before := map[uint64]bool{}
	for _, t := range db.Tables() {
		before[t.ID] = true
	}
	txn := db.NewTransactionAt(0, false)
	defer txn.Discard()
	it := txn.NewIterator(badger.IteratorOptions{})
	defer it.Close()
	path, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(dir.Fd()))) // named as in the list of mappings
	if err != nil {
		return
	}
	type place struct {
		addresses string
		index     int
	}
	held := map[string]place{} // by path
	for _, t := range db.Tables() {
		if before[t.ID] {
			held[table.NewFilename(t.ID, path)] = place{index: t.IndexSz}
		}
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(maps)) {
		fields, file, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "/")
		p, ok := held["/"+file]
		switch {
		case !ok:
		case p.addresses == "":
			p.addresses, _, _ = strings.Cut(fields, " ")
			held["/"+file] = p
		default:
			delete(held, "/"+file)
		}
	}
	page := os.Getpagesize()
	for _, p := range held {
		from, to, _ := strings.Cut(p.addresses, "-")
		start, err1 := strconv.ParseUint(from, 16, 64)
		end, err2 := strconv.ParseUint(to, 16, 64)
		size := int(end-start) - p.index - 2*page // the index is at the end, a thirtieth of the table, and every read needs it
		if err1 == nil && err2 == nil && size > 0 {
			_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, uintptr(start), uintptr(size), syscall.MADV_DONTNEED)
		}
	}
}
