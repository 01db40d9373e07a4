package kv

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// mapped adds up some figures, in bytes, of how a directory's files of a kind are mapped, such as Rss.
func mapped(t testing.TB, dir, suffix string, figures ...string) (total int) {
	maps, err := os.ReadFile("/proc/self/smaps")
	require.NoError(t, err)
	ours := false
	for line := range strings.Lines(string(maps)) {
		first, value, _ := strings.Cut(line, ":")
		switch {
		case !strings.HasSuffix(strings.Fields(line)[0], ":"): // the start of a mapping
			ours = strings.Contains(line, dir) && strings.HasSuffix(line, suffix+"\n")
		case ours && slices.Contains(figures, first):
			var kib int
			_, err := fmt.Sscanf(value, "%d kB", &kib)
			require.NoError(t, err)
			total += kib << 10
		}
	}
	return total
}

// tablesInMemory is how much of a directory's tables is in the process's memory.
func tablesInMemory(t testing.TB, dir string) int { return mapped(t, dir, tableSuffix, "Rss") }

const (
	manyKeys  = 600 // in a family
	families  = 20  // 46 MiB
	few       = 5
	valueSize = 4000
)

func manyKey(family, i int) []byte { return fmt.Appendf(nil, "%02d-%04d", family, i) }
func manyValue(key []byte) []byte  { return bytes.Repeat(key, valueSize/len(key)) }

// putFamily writes the keys of a family, with what they have to hold.
func putFamily(t testing.TB, e Engine, family int) {
	for i := 0; i < manyKeys; {
		var writes []Write
		for ; len(writes) < 50; i++ {
			key := manyKey(family, i)
			writes = append(writes, Write{Key: key, Value: manyValue(key)})
		}
		_, err := e.Apply(writes, nil)
		require.NoError(t, err)
	}
}

// readAll reads the keys of so many families and gives the most that was in memory.
func readAll(t testing.TB, e Engine, dir string, families int) (most int) {
	for family := range families {
		for i := range manyKeys {
			key := manyKey(family, i)
			v := e.View()
			value, _, err := v.Get(key)
			v.Release()
			require.NoError(t, err)
			require.True(t, bytes.Equal(manyValue(key), value), "%s", key)
		}
		most = max(most, tablesInMemory(t, dir))
	}
	return most
}

// makeTables makes a closed store of so many families. Its path has a space in it and leads through a link.
func makeTables(t testing.TB, families int) (dir, link string) {
	above := t.TempDir()
	dir, link = filepath.Join(above, "a store"), filepath.Join(above, "link")
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.Symlink(dir, link))
	e, err := OpenBadger(Config{Dir: link, Small: true})
	require.NoError(t, err)
	for family := range families {
		putFamily(t, e, family)
	}
	require.NoError(t, e.Close())
	return dir, link
}

func TestTablesAreGivenBack(t *testing.T) {
	dir, link := makeTables(t, families)
	e, err := OpenBadger(Config{Dir: link, ReadOnly: true})
	require.NoError(t, err)
	all := readAll(t, e, dir, families)
	require.NoError(t, e.Close())
	require.Greater(t, all, 2*keepSmall)

	e, err = OpenBadger(Config{Dir: link, Small: true})
	require.NoError(t, err)
	most := readAll(t, e, dir, families)
	t.Log("of", all>>20, "MiB", most>>20, "in memory at most")
	require.Less(t, most, 2*keepSmall)
	v := e.View()
	walk := v.Iterate(nil, false)
	for walk.Seek(nil); walk.Valid(); walk.Next() {
		_, err := walk.Value()
		require.NoError(t, err)
	}
	walk.Close()
	v.Release()
	before := tablesInMemory(t, dir)
	require.Less(t, before, all*2/3)
	giveBack(e.(*badgerEngine).db, e.(*badgerEngine).home.lock)
	require.LessOrEqual(t, tablesInMemory(t, dir), before)
	require.Less(t, tablesInMemory(t, dir), all/8)
	require.NoError(t, e.Close())
}

// TestTablesAreGivenBackAtWork gives tables back again and again while they are read, written and compacted away.
func TestTablesAreGivenBackAtWork(t *testing.T) {
	dir, link := makeTables(t, few)
	opened, err := OpenBadger(Config{Dir: link, Small: true})
	require.NoError(t, err)
	e := opened.(*badgerEngine)
	var done atomic.Bool
	var all sync.WaitGroup
	rounds := 0
	all.Go(func() {
		for ; !done.Load(); rounds++ {
			giveBack(e.db, e.home.lock)
		}
	})
	for range 2 {
		all.Go(func() {
			for !done.Load() {
				readAll(t, e, dir, few)
			}
		})
	}
	for family := range few {
		putFamily(t, e, family)
	}
	require.NoError(t, e.Compact())
	done.Store(true)
	all.Wait()
	t.Log("given back", rounds, "times")
	readAll(t, e, dir, few)
	require.NoError(t, e.Close())
}

// TestTablesOfTwoStores demands that what another Store has mapped too is left alone.
func TestTablesOfTwoStores(t *testing.T) {
	dir, link := makeTables(t, few)
	open := func() *badgerEngine {
		e, err := OpenBadger(Config{Dir: link, ReadOnly: true})
		require.NoError(t, err)
		readAll(t, e, dir, few)
		return e.(*badgerEngine)
	}
	one, other := open(), open()
	both := tablesInMemory(t, dir)
	giveBack(one.db, one.home.lock)
	require.Equal(t, both, tablesInMemory(t, dir))
	require.NoError(t, other.Close())
	giveBack(one.db, one.home.lock)
	require.Less(t, tablesInMemory(t, dir), both/8)
	require.NoError(t, one.Close())
}
