package main

// Row is one thing that is measured. Its value is nanoseconds for each operation, or bytes; less is better.
type Row struct {
	ID    string // for flags and results
	Title string // for tables
	Phase string // the child process that measures it
	Bytes bool
	Whole bool   // of all users together, so that fewer users cannot be compared
	Only  string // the one contender that has it; empty: all
}

// of tells whether a contender has the row.
func (r *Row) of(c Contender) bool { return r.Only == "" || r.Only == c.Key }

// Phases of a run, in this order. Each is a child process, so that none sees the memory of another.
const (
	phaseLoad   = "load"   // fill an empty directory
	phaseServe  = "serve"  // open what was filled, read a little, close
	phaseRead   = "read"   // gets, pages, counts
	phaseWrite  = "write"  // with every change on disk before it is acknowledged
	phaseNoSync = "nosync" // without
	phaseEmpty  = "empty"  // many empty stores in memory
)

var phases = []string{phaseLoad, phaseServe, phaseRead, phaseWrite, phaseNoSync, phaseEmpty}

// Names of rows that more than one place needs.
const (
	rowCreate1         = "create-1"
	rowCreate64        = "create-64"
	rowCreateLong      = "create-64-long"
	rowUpdate64        = "update-64"
	rowUpdateLong      = "update-64-long"
	rowLeastCreate     = "least-create"
	rowLeastUpdate     = "least-update"
	rowLeastCreateLong = "least-create-long"
	rowLeastUpdateLong = "least-update-long"
	rowGrouped         = "grouped-update"
	rowGet             = "get-uniform-1"
	rowSkewed          = "get-skewed-1"
	rowBesideRate      = "beside-rate"
	rowTag             = "page-tag"
	rowMiddle          = "page-tag-middle"
	rowPrefix          = "page-prefix"
	rowCold            = "page-cold"
	rowRelated10       = "page-tag-role-related-10"
	rowRelated1        = "page-tag-role-related-1"
	rowFree10          = "page-tag-role-free-10"
	rowFree1           = "page-tag-role-free-1"
	rowOpposed         = "page-tag-role-opposed"
	rowCountTag        = "count-tag"
	rowCountRole       = "count-role"
	rowLoad            = "load"
	rowLoadRSS         = "load-rss"
	rowServeRSS        = "serve-rss"
	rowServePeak       = "serve-peak"
	rowEmptyOpen       = "empty-open"
	rowEmptyHeap       = "empty-heap"
)

// Table is a group of rows that are shown together.
type Table struct {
	Title string
	Note  string
	Rows  []Row
}

var tables = []Table{
	{"Durable writes", "What is acknowledged is on disk. Time for each write, over all writers.", []Row{
		{ID: rowCreate1, Title: "create, 1 writer", Phase: phaseWrite},
		{ID: "create-8", Title: "create, 8 writers", Phase: phaseWrite},
		{ID: rowCreate64, Title: "create, 64 writers", Phase: phaseWrite},
		{ID: rowCreateLong, Title: "the same, ten times as long", Phase: phaseWrite},
		{ID: "update-1", Title: "update, 1 writer", Phase: phaseWrite},
		{ID: rowUpdate64, Title: "update, 64 writers", Phase: phaseWrite},
		{ID: rowUpdateLong, Title: "the same, ten times as long", Phase: phaseWrite},
		{ID: "delete-1", Title: "delete, 1 writer", Phase: phaseWrite},
		{ID: "delete-64", Title: "delete, 64 writers", Phase: phaseWrite},
		{ID: rowLeastCreate, Title: "create, made ready ahead, 64 in a transaction", Phase: phaseWrite, Only: "badger"},
		{ID: rowLeastCreateLong, Title: "the same, ten times as long", Phase: phaseWrite, Only: "badger"},
		{ID: rowLeastUpdate, Title: "update, made ready ahead, 64 in a transaction", Phase: phaseWrite, Only: "badger"},
		{ID: rowLeastUpdateLong, Title: "the same, ten times as long", Phase: phaseWrite, Only: "badger"},
		{ID: rowGrouped, Title: "update, 64 in a transaction of one writer", Phase: phaseWrite, Only: "badger"},
	}},
	{"Writes that are not synced", "They outlive the process, but for the in-memory peers, and not always the machine.", []Row{
		{ID: "nosync-create-1", Title: "create, 1 writer", Phase: phaseNoSync},
		{ID: "nosync-create-64", Title: "create, 64 writers", Phase: phaseNoSync},
		{ID: "nosync-update-1", Title: "update, 1 writer", Phase: phaseNoSync},
		{ID: "nosync-delete-1", Title: "delete, 1 writer", Phase: phaseNoSync},
	}},
	{"Gets by uid", "Time for each get, over all readers.", []Row{
		{ID: rowGet, Title: "uniform, 1 reader", Phase: phaseRead},
		{ID: "get-uniform-2", Title: "uniform, 2 readers", Phase: phaseRead},
		{ID: rowSkewed, Title: "skewed, 1 reader", Phase: phaseRead},
		{ID: "get-skewed-2", Title: "skewed, 2 readers", Phase: phaseRead},
		{ID: "get-beside", Title: "uniform, 2 readers, beside 1,000 durable updates a second", Phase: phaseWrite},
	}},
	{"Pages of 100 and counts", "Complete users, by name and uid. *x % of the tag*: how many of those with the tag have the role.", []Row{
		{ID: rowTag, Title: "by tag, first page", Phase: phaseRead},
		{ID: rowMiddle, Title: "by tag, a page further on", Phase: phaseRead},
		{ID: rowPrefix, Title: "by start of the name", Phase: phaseRead},
		{ID: rowRelated10, Title: "tag and role related, both 10 % of all", Phase: phaseRead},
		{ID: rowRelated1, Title: "tag and role related, both 1 % of all", Phase: phaseRead},
		{ID: rowFree10, Title: "tag and role unrelated, 10 % of the tag", Phase: phaseRead},
		{ID: rowFree1, Title: "tag and role unrelated, 1 % of the tag", Phase: phaseRead},
		{ID: rowOpposed, Title: "tag and role opposed, 0.1 % of the tag", Phase: phaseRead},
		{ID: rowCold, Title: "by tag or name, each read once after opening", Phase: phaseServe},
		{ID: rowCountTag, Title: "count by tag, 10 % of all", Phase: phaseRead},
		{ID: rowCountRole, Title: "count by role, 10 % of all", Phase: phaseRead},
	}},
	{"Loading, files and memory", "Loading is time for each user, durable at the end. A new store is open and has nobody in it.", []Row{
		{ID: "new-open", Title: "open a new store", Phase: phaseLoad},
		{ID: "new-disk", Title: "disk space of a new store", Phase: phaseLoad, Bytes: true},
		{ID: "new-rss", Title: "memory with a new store (RSS)", Phase: phaseLoad, Bytes: true},
		{ID: rowLoad, Title: "bulk load into an empty store", Phase: phaseLoad},
		{ID: rowLoadRSS, Title: "peak memory while loading (RSS)", Phase: phaseLoad, Bytes: true, Whole: true},
		{ID: "load-close", Title: "close after loading", Phase: phaseLoad, Whole: true},
		{ID: "disk", Title: "disk space after that", Phase: phaseLoad, Bytes: true, Whole: true},
		{ID: "open", Title: "open and get one user", Phase: phaseServe, Whole: true},
		{ID: rowServeRSS, Title: "memory, open and serving (RSS)", Phase: phaseServe, Bytes: true, Whole: true},
		{ID: "serve-anon", Title: "of that, not backed by files", Phase: phaseServe, Bytes: true, Whole: true},
		{ID: rowServePeak, Title: "at its highest since opening (RSS)", Phase: phaseServe, Bytes: true, Whole: true},
		{ID: "close", Title: "close after reading", Phase: phaseServe, Whole: true},
		{ID: rowEmptyOpen, Title: "open an empty store in memory", Phase: phaseEmpty},
		{ID: rowEmptyHeap, Title: "heap of an empty store in memory", Phase: phaseEmpty, Bytes: true, Whole: true},
	}},
}
