package main

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// bench measures one contender in one phase, within a child process.
type bench struct {
	Workload
	contender Contender
	dir       string
	phase     string
	length    time.Duration // of each measurement
	clock     func() time.Duration
	want      func(row string) bool
	peer      Peer
	out       map[string]float64
	fresh     int          // the number of the next user that is not there yet
	edited    atomic.Int64 // edits that were made
}

// run does the phase and returns what it measured, by row.
func (b *bench) run() (map[string]float64, error) {
	b.out, b.fresh = map[string]float64{}, b.Users
	var err error
	switch b.phase {
	case phaseLoad:
		err = b.load()
	case phaseServe:
		err = b.serve()
	case phaseRead:
		err = b.opened(true, b.read)
	case phaseWrite:
		err = b.opened(true, b.write)
	case phaseNoSync:
		err = b.opened(false, b.writeNoSync)
	case phaseEmpty:
		err = b.empty()
	default:
		err = fmt.Errorf("no phase %q", b.phase)
	}
	return b.out, err
}

func (b *bench) load() error {
	start := b.clock()
	peer, err := b.contender.Open(b.dir, true)
	if err != nil {
		return err
	}
	b.out["new-open"] = float64(b.clock() - start)
	b.out["new-disk"] = float64(diskUsage(b.dir))
	b.memory("VmRSS", "new-rss")
	start = b.clock()
	err = peer.Load(b.All())
	b.out[rowLoad] = float64(b.clock()-start) / float64(b.Users)
	b.memory("VmHWM", rowLoadRSS)
	start = b.clock()
	err = errors.Join(err, peer.Close())
	b.out["load-close"] = float64(b.clock() - start)
	b.out["disk"] = float64(diskUsage(b.dir))
	return err
}

// serve opens what was loaded and reads from it. It makes up each uid as it needs it, to keep its own memory small.
func (b *bench) serve() error {
	start := b.clock()
	peer, err := b.contender.Open(b.dir, true)
	if err != nil {
		return err
	}
	if _, err := peer.Get(b.UID(0)); err != nil {
		return err
	}
	b.out["open"] = float64(b.clock() - start)
	queries := append(b.ByTag(), b.ByPrefix()...)
	start = b.clock()
	for _, q := range queries {
		if _, _, err := peer.Page(q); err != nil {
			return err
		}
	}
	b.out[rowCold] = float64(b.clock()-start) / float64(len(queries))
	if err := b.serveGets(peer); err != nil {
		return err
	}
	b.memory("VmHWM", rowServePeak)
	start = b.clock()
	err = peer.Close()
	b.out["close"] = float64(b.clock() - start)
	return err
}

func (b *bench) serveGets(peer Peer) error {
	d := b.dice(diceKeys, 2)
	for range 20_000 {
		if _, err := peer.Get(b.UID(d.IntN(b.Users))); err != nil {
			return err
		}
	}
	b.memory("VmRSS", rowServeRSS)
	b.memory("RssAnon", "serve-anon")
	return nil
}

// opened calls fn with the peer open and loaded. What is in memory only is loaded first, and measured doing so.
func (b *bench) opened(durable bool, fn func() error) error {
	peer, err := b.contender.Open(b.dir, durable)
	if err != nil {
		return err
	}
	b.peer = peer
	if b.contender.InMemory {
		start := b.clock()
		err = peer.Load(b.All())
		if b.phase == phaseRead && err == nil {
			b.out[rowLoad] = float64(b.clock()-start) / float64(b.Users)
			b.memory("VmHWM", rowLoadRSS)
			debug.FreeOSMemory()
			err = b.serveGets(peer)
		}
	}
	if err == nil {
		err = fn()
	}
	return errors.Join(err, b.peer.Close())
}

const drawn = 1 << 16 // uids that are made up ahead of a measurement

func (b *bench) read() error {
	// Enough to go round all users some times; where they are too many for that, they are too many for any cache as well.
	uniform, skewed := b.Uniform(min(4*b.Users, 4*drawn), b.Users), b.Skewed(drawn, b.Users)
	err := errors.Join(
		b.gets(rowGet, 1, len(uniform), uniform),
		b.gets("get-uniform-2", 2, 0, uniform),
		b.gets(rowSkewed, 1, len(skewed), skewed),
		b.gets("get-skewed-2", 2, 0, skewed),
		b.pages(rowTag, b.ByTag()),
		b.pages(rowPrefix, b.ByPrefix()),
	)
	for _, row := range []string{rowRelated10, rowRelated1, rowFree10, rowFree1, rowOpposed} {
		err = errors.Join(err, b.pages(row, b.Mixes()[row]))
	}
	if b.want(rowMiddle) {
		list, failed := b.furtherOn()
		if err = errors.Join(err, failed); failed == nil {
			err = errors.Join(err, b.pages(rowMiddle, list))
		}
	}
	return errors.Join(err,
		b.time(rowCountTag, 1, topics, forever, func(n int) error {
			_, err := b.peer.Count(topicTag(n%topics), "")
			return err
		}),
		b.time(rowCountRole, 1, 1, forever, func(int) error {
			_, err := b.peer.Count("", roleModerator)
			return err
		}),
	)
}

func (b *bench) gets(row string, readers, round int, uids []string) error {
	return b.time(row, readers, round, forever, func(n int) error {
		_, err := b.peer.Get(uids[n%len(uids)])
		return err
	})
}

func (b *bench) pages(row string, list []Query) error {
	return b.time(row, 1, len(list), forever, func(n int) error {
		_, _, err := b.peer.Page(list[n%len(list)])
		return err
	})
}

// furtherOn finds places within the lists of the topics: as many at each size as the smallest has, so that what differs
// between sizes is the store and not how much of it is read.
func (b *bench) furtherOn() (list []Query, err error) {
	const places = 9 // in each list
	step := max(pageSize, min(1000, b.Users/topics/20))
	for i := range topics {
		q := Query{Tag: topicTag(i), Limit: step}
		for range places {
			if _, q.After, err = b.peer.Page(q); err != nil {
				return nil, err
			}
			if q.After == "" {
				break
			}
			list = append(list, Query{Tag: q.Tag, After: q.After, Limit: pageSize})
		}
	}
	if len(list) == 0 {
		err = errors.New("too few users for a second page by tag")
	}
	return list, err
}

// Updates and gets beside writers keep to the first half of the users; deletes take the second half, durable ones its
// first part and the others its rest, since both run on the same files.

func (b *bench) write() error {
	rows := []writing{
		{rowCreate1, func(row string) error { return b.creates(row, 1, 20_000) }},
		{"create-8", func(row string) error { return b.creates(row, 8, 50_000) }},
		{rowCreate64, func(row string) error { return b.creates(row, 64, 100_000) }},
		{rowCreateLong, b.longer(func(row string) error { return b.creates(row, 64, 40_000) })},
		{"update-1", func(row string) error { return b.updates(row, 1) }},
		{rowUpdate64, func(row string) error { return b.updates(row, 64) }},
		{rowUpdateLong, b.longer(func(row string) error { return b.updates(row, 64) })},
		{"get-beside", b.getsBesideUpdates},
		{"delete-1", func(row string) error { return b.deletes(row, 1, b.Users/2, b.Users*5/8) }},
		{"delete-64", func(row string) error { return b.deletes(row, 64, b.Users*5/8, b.Users*6/8) }},
	}
	if _, ok := b.peer.(*badgerPeer); ok {
		rows = append(rows,
			writing{rowLeastCreate, func(row string) error { return b.createsAlone(row, 100_000) }},
			writing{rowLeastCreateLong, b.longer(func(row string) error { return b.createsAlone(row, 40_000) })},
			writing{rowLeastUpdate, b.updatesAlone},
			writing{rowLeastUpdateLong, b.longer(b.updatesAlone)},
			writing{rowGrouped, b.grouped},
		)
	}
	return b.fromRest(rows)
}

// writing is a measurement of writes, for one row.
type writing struct {
	row     string
	measure func(row string) error
}

// fromRest makes those measurements that are wanted, each on a store that was closed and opened anew, where it can be, and
// has come to rest: what one leaves in memory, or to be done in the background, is not to be found in the next.
func (b *bench) fromRest(list []writing) error {
	for _, w := range list {
		if !b.want(w.row) {
			continue
		}
		if !b.contender.InMemory {
			if err := b.reopen(); err != nil {
				return err
			}
		}
		settle()
		if err := w.measure(w.row); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) reopen() error {
	if err := b.peer.Close(); err != nil {
		return err
	}
	peer, err := b.contender.Open(b.dir, b.phase != phaseNoSync)
	if err == nil {
		b.peer = peer
	}
	return err
}

// together is how many users go into one transaction where 64 writers are to be matched.
const together = 64

// createsAlone measures what Badger has to do for users whom 64 writers create together: what is to be written, made
// ready ahead, goes into one transaction.
func (b *bench) createsAlone(row string, perSecond int) error {
	scripts := make([]badgerScript, b.enough(perSecond))
	for i := range scripts {
		u := b.User(b.fresh + i)
		if err := badgerPut(&scripts[i], nil, &u); err != nil {
			return err
		}
	}
	b.fresh += len(scripts)
	return b.alone(row, len(scripts)/together, scripts)
}

// updatesAlone is createsAlone for updates. They come again and again, which is as much to write each time.
func (b *bench) updatesAlone(row string) error {
	scripts, d := make([]badgerScript, drawn), b.dice(diceKeys, 0)
	for i := range scripts {
		u := b.User(d.IntN(b.Users / 2)) // as of those that 64 writers update
		had := entries(&u, false)
		b.Edit(i)(&u)
		if err := badgerPut(&scripts[i], had, &u); err != nil {
			return err
		}
	}
	return b.alone(row, forever, scripts)
}

func (b *bench) alone(row string, most int, scripts []badgerScript) error {
	p, batches := b.peer.(*badgerPeer), len(scripts)/together
	err := b.time(row, 1, 0, most, func(n int) error {
		first := n % batches * together
		return p.WriteTogether(scripts[first : first+together])
	})
	b.out[row] /= together
	return err
}

// grouped measures updates that one writer reads and makes, 64 in a transaction.
func (b *bench) grouped(row string) error {
	uids, edits := b.edits()
	p := b.peer.(*badgerPeer)
	err := b.time(row, 1, 0, forever, func(n int) error {
		at, first := n*together%(len(uids)-together), n*together%(len(edits)-together)
		return p.UpdateTogether(uids[at:at+together], edits[first:first+together])
	})
	b.out[row] /= together
	return err
}

func (b *bench) writeNoSync() error {
	b.fresh += 10_000_000 // above what the durable writers made
	return b.fromRest([]writing{
		{"nosync-create-1", func(row string) error { return b.creates(row, 1, 100_000) }},
		{"nosync-create-64", func(row string) error { return b.creates(row, 64, 100_000) }},
		{"nosync-update-1", func(row string) error { return b.updates(row, 1) }},
		{"nosync-delete-1", func(row string) error { return b.deletes(row, 1, b.Users*6/8, b.Users) }},
	})
}

// creates makes up as many users as could be written in the time, and then writes them.
func (b *bench) creates(row string, writers, perSecond int) error {
	users := make([]User, b.enough(perSecond))
	for i := range users {
		users[i] = b.User(b.fresh + i)
	}
	b.fresh += len(users)
	return b.time(row, writers, 0, len(users), func(n int) error { return b.peer.Create(users[n]) })
}

// enough is how many things suffice for a measurement and its warming up at so many a second.
func (b *bench) enough(perSecond int) int {
	return max(500, int(1.3*b.length.Seconds()*float64(perSecond)))
}

// longer makes measurements take ten times as long.
func (b *bench) longer(fn func(row string) error) func(row string) error {
	return func(row string) error {
		b.length *= 10
		defer func() { b.length /= 10 }()
		return fn(row)
	}
}

func (b *bench) updates(row string, writers int) error {
	uids, edits := b.edits()
	if err := b.readAll(); err != nil {
		return err
	}
	return b.time(row, writers, 0, forever, func(int) error {
		n := int(b.edited.Add(1))
		return b.peer.Update(uids[n%len(uids)], edits[n%len(edits)])
	})
}

// readAll reads all who are updated, so that caches are as full as for other reads.
func (b *bench) readAll() error {
	for i := range b.Users / 2 {
		if _, err := b.peer.Get(b.UID(i)); err != nil {
			return err
		}
	}
	return nil
}

// edits makes up who is to be updated and how; there is not an edit for each, so that a user gets another one each time,
// and from one row to the next: an edit that changes nothing costs next to nothing.
func (b *bench) edits() (uids []string, edits []func(*User)) {
	edits = make([]func(*User), min(drawn-1, b.enough(100_000)))
	for i := range edits {
		edits[i] = b.Edit(i)
	}
	return b.Uniform(drawn, b.Users/2), edits
}

func (b *bench) deletes(row string, writers, from, to int) error {
	return b.time(row, writers, 0, to-from, func(n int) error { return b.peer.Delete(b.UID(from + n)) })
}

// getsBesideUpdates measures gets while 8 writers keep up a steady rate, the same for every peer.
func (b *bench) getsBesideUpdates(row string) error {
	const writers, perSecond = 8, 1000
	if err := b.readAll(); err != nil {
		return err
	}
	uids := b.Uniform(drawn, b.Users/2)
	stop := make(chan struct{})
	var all sync.WaitGroup
	failed := make(chan error, writers)
	done := make([]int, writers)
	start := time.Now()
	for writer := range writers {
		all.Go(func() {
			for next := start; ; next = next.Add(time.Second * writers / perSecond) {
				select {
				case <-stop:
					return
				case <-time.After(time.Until(next)):
				}
				n := int(b.edited.Add(1))
				if err := b.peer.Update(uids[n%drawn], b.Edit(n)); err != nil {
					failed <- err
					return
				}
				done[writer]++
				if late := time.Since(next); late > 100*time.Millisecond {
					next = next.Add(late) // what cannot be kept up with is not made up for
				}
			}
		})
	}
	err := b.gets(row, 2, 0, uids)
	close(stop)
	all.Wait()
	total := 0
	for _, n := range done {
		total += n
	}
	b.out[rowBesideRate] = float64(total) / time.Since(start).Seconds()
	select {
	case writeErr := <-failed:
		return errors.Join(err, writeErr)
	default:
		return err
	}
}

// empty opens many stores in memory and keeps them open.
func (b *bench) empty() error {
	const stores = 50
	heap := func() float64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // what the first one finalized
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	before, start := heap(), b.clock()
	var open []Peer
	for range stores {
		peer, err := b.contender.Open("", false)
		if err != nil {
			return err
		}
		open = append(open, peer)
	}
	b.out[rowEmptyOpen] = float64(b.clock()-start) / stores
	b.out[rowEmptyHeap] = (heap() - before) / stores
	for _, peer := range open {
		if err := peer.Close(); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) memory(field, row string) {
	if n, ok := processMemory(field); ok {
		b.out[row] = float64(n)
	}
}
