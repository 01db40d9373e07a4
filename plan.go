package userstore

import (
	"bytes"
	"math"
	"slices"
	"strings"

	"github.com/seed-3546c6b2/userstore/internal/keys"
	"github.com/seed-3546c6b2/userstore/internal/kv"
	"github.com/seed-3546c6b2/userstore/internal/roster"
)

// stream plans a walk: which index drives it, and what is asked of each row it brings. It is one of
//
//   - the users that the query names, read one by one and sorted;
//   - the roster, for the orders by name and by status: tags, roles, presence and the search are answered from keys;
//   - the index of the order, by uid or by creation, each record read and asked;
//   - for these two orders, where the roster names so few that reading all of them costs less: those, sorted.
func (s *Store) stream(v kv.View, w *walk) (rows roster.Stream, err error) {
	w.run = s.run
	switch {
	case w.nobody:
		w.by = "nothing"
		return roster.List(nil, w.Desc), nil
	case w.bounded:
		w.by = "uids"
		return s.sorted(v, w, w.among, w.Status)
	case w.Sort == SortName:
		w.by = "roster"
		return s.roster(v, w, w.Status)
	case w.Sort == SortStatus:
		w.by = "roster"
		return s.byStatus(v, w)
	}
	byUID := w.Sort == SortUID && w.inUID && !w.inName // the search is a stretch of the order
	if !byUID {
		few, ok, err := s.gather(v, w)
		if err != nil {
			return nil, err
		}
		if ok {
			w.by = "roster, sorted"
			return s.sorted(v, w, few, w.Status)
		}
	}
	if w.Sort == SortUID {
		w.by = "uid"
		rows = roster.Keys(v, []byte{keys.User}, w.Desc)
		if byUID {
			rows = roster.Within(rows, []byte(w.uid), w.Desc)
		}
	} else {
		w.by = "created"
		var parts []roster.Stream
		for _, state := range w.states {
			parts = append(parts, roster.Keys(v, keys.CreatedUnder(state), w.Desc))
		}
		rows = roster.Union(parts, w.Desc)
	}
	return s.asked(v, w, rows), nil
}

// asked keeps the rows whose records match. A record that cannot be read is let through, and the walk keeps why. The
// index by creation knows who is active, so without further wishes no record is read.
func (s *Store) asked(v kv.View, w *walk, rows roster.Stream) roster.Stream {
	if w.Sort == SortCreated && !w.choosy() {
		if len(w.hidden) == 0 {
			return rows
		}
		return roster.Filter(rows, func(pos []byte) bool { return !w.hidden[string(w.uidAt(pos))] })
	}
	var r record // of the row that is looked at
	return roster.Filter(rows, func(pos []byte) bool {
		uid := string(w.uidAt(pos))
		if w.hidden[uid] {
			return false
		}
		p, err := s.find(v, uid)
		if err == nil && p == nil && w.Sort == SortUID {
			return false // a deleted user's place holder
		}
		if w.last = p; err != nil && w.unread == nil {
			w.unread = err
		}
		if err != nil || p == nil {
			return true
		}
		p.unpack(&r)
		return w.match(&r, w.Status)
	})
}

// sorted reads some users and walks those that match in the walk's order.
func (s *Store) sorted(v kv.View, w *walk, uids []string, status Status) (roster.Stream, error) {
	var places [][]byte
	for _, uid := range uids {
		if w.hidden[uid] {
			continue
		}
		r, err := s.record(v, uid)
		if err != nil {
			return nil, err
		}
		if r != nil && w.match(r, status) {
			places = append(places, w.position(r))
		}
	}
	slices.SortFunc(places, bytes.Compare)
	if w.Desc {
		slices.Reverse(places)
	}
	return roster.List(places, w.Desc), nil
}

// gather names the users of the roster if they are few: reading n of them is cheaper than reading the order's index,
// where one row in total/n matches, as long as n² is below the page times the total.
func (s *Store) gather(v kv.View, w *walk) (uids []string, ok bool, err error) {
	if len(w.Tags)+len(w.AllTags)+len(w.Roles) == 0 && w.Search == "" && w.Status != Online {
		return nil, false, nil
	}
	all := walk{states: w.states}
	total, err := s.counters(v, &all)
	if err != nil {
		return nil, false, err
	}
	most := int(math.Sqrt(float64(w.Limit) * float64(total)))
	byName := *w
	byName.Sort, byName.Desc = SortName, false
	rows, err := s.roster(v, &byName, w.Status)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	for rows.Seek(nil); rows.Valid(); rows.Next() {
		if len(uids) == most {
			return nil, false, nil
		}
		uids = append(uids, string(byName.uidAt(rows.At())))
	}
	return uids, true, nil
}

// byStatus walks those online, then those offline, each by name; backwards the other way about.
func (s *Store) byStatus(v kv.View, w *walk) (roster.Stream, error) {
	var parts []roster.Stream
	for _, status := range []Status{Online, Offline} {
		if w.Status != "" && w.Status != status {
			continue
		}
		byName := *w
		byName.Sort = SortName
		part, err := s.roster(v, &byName, status)
		if err != nil {
			roster.Union(parts, w.Desc).Close()
			return nil, err
		}
		parts = append(parts, roster.Under(statusByte(status), part, w.Desc))
	}
	return roster.Union(parts, w.Desc), nil
}

// roster walks the users of a status by name, from index keys alone but for a search among few uids.
func (s *Store) roster(v kv.View, w *walk, status Status) (roster.Stream, error) {
	var few []string // uids that start with the search, if they are few
	search := ""
	if w.inUID {
		var err error
		if few, err = uidsUnder(v, w.uid); err != nil {
			return nil, err
		}
		if search = "few"; few == nil {
			search = "many"
		}
	}
	var rows roster.Stream
	if w.inName || search != "few" {
		var err error
		if rows, err = s.shelves(v, w, status); err != nil {
			return nil, err
		}
	}
	switch {
	case search == "few":
		named, err := s.sorted(v, w, few, status)
		if err != nil && rows != nil {
			rows.Close()
		}
		if err != nil || rows == nil {
			return named, err
		}
		rows = roster.Union([]roster.Stream{roster.Within(rows, []byte(w.name), w.Desc), named}, w.Desc)
	case search == "many":
		rows = roster.Filter(rows, func(pos []byte) bool {
			name, uid := keys.SplitPosition(pos)
			return bytes.HasPrefix(uid, []byte(w.uid)) || w.inName && bytes.HasPrefix(name, []byte(w.name))
		})
	case w.inName:
		rows = roster.Within(rows, []byte(w.name), w.Desc)
	}
	if len(w.hidden) > 0 {
		rows = roster.Filter(rows, func(pos []byte) bool {
			_, uid := keys.SplitPosition(pos)
			return !w.hidden[string(uid)]
		})
	}
	return rows, nil
}

// uidsUnder lists the uids that start with prefix, or nothing at all if they are many.
func uidsUnder(v kv.View, prefix string) ([]string, error) {
	const many = 500
	it := v.Iterate(keys.Of(keys.User, prefix), false)
	defer it.Close()
	uids := []string{}
	for it.Seek(nil); it.Valid(); it.Next() {
		if len(uids) == many {
			return nil, nil
		}
		uids = append(uids, string(it.Key()[1:]))
	}
	return uids, nil
}

// share is how many users of one role, or with one tag, a roster holds.
type share struct {
	of string
	n  int
}

// manyRoles is from how many roles on a roster's counters are not read together if few of them are asked for.
const manyRoles = 64

// shares lists the roles that a roster holds users of, as far as these roles are asked for; none means all.
func (s *Store) shares(v kv.View, state keys.State, tag string, roles []string) (list []share, err error) {
	prefix := keys.CountersUnder(state, tag)
	if known, ok := s.counts.Get(string(prefix), v.Version()); ok {
		return wanted(known, roles), nil
	}
	add := func(role string, value []byte) error {
		n, err := number(value)
		if n > 0 {
			list = append(list, share{role, n})
		}
		return err
	}
	if len(roles) == 0 || s.counts != nil {
		it := v.Iterate(prefix, false)
		defer it.Close()
		for it.Seek(nil); it.Valid() && (len(roles) == 0 || len(list) < manyRoles); it.Next() {
			value, err := it.Value()
			if err == nil {
				err = add(string(it.Key()[len(prefix):]), value)
			}
			if err != nil {
				return nil, err
			}
		}
		if !it.Valid() {
			s.counts.Put(string(prefix), list, 64*len(list), v.Version(), v.Version())
			return wanted(list, roles), nil
		}
		list = nil
	}
	for _, role := range roles {
		value, _, err := v.Get(keys.CounterOf(state, tag, role))
		if err == nil && value != nil {
			err = add(role, value)
		}
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// wanted are the shares of some roles; none means all.
func wanted(list []share, roles []string) []share {
	if len(roles) == 0 {
		return list
	}
	var some []share
	for _, s := range list {
		if slices.Contains(roles, s.of) {
			some = append(some, s)
		}
	}
	return some
}

// shelf is one role's part of the roster for a query: any of some tags, and all of others.
type shelf struct {
	anyOf []string // the empty tag is everybody's
	all   []share  // tags that are required, with how many users have them
	n     int      // how many users have any of anyOf, at most
}

// shelves walks the users that have the tags, role and status that the query asks for. The roster lies role by role;
// each role's shelf is walked by itself, the smallest set leading, and the shelves are merged.
func (s *Store) shelves(v kv.View, w *walk, status Status) (roster.Stream, error) {
	var rows []roster.Stream
	for _, state := range w.states {
		if state == keys.Deactivated && status == Online {
			continue
		}
		if len(w.Tags) <= 1 && len(w.AllTags)+len(w.NoTags) == 0 && status == "" {
			tag := strings.Join(w.Tags, "")
			shares, err := s.shares(v, state, tag, w.Roles)
			if err != nil {
				roster.Union(rows, w.Desc).Close()
				return nil, err
			}
			rows = append(rows, w.sides(v, state, tag, shares)...)
			continue
		}
		shelves, err := s.plan(v, w, state)
		if err != nil {
			roster.Union(rows, w.Desc).Close()
			return nil, err
		}
		for role, shelf := range shelves {
			rows = append(rows, w.shelf(v, state, role, shelf, status))
		}
	}
	return roster.Union(rows, w.Desc), nil
}

// sides walks the shares of one roster, role by role, for a union of them: the largest by an iterator of its own, the
// others by one that they share, with as much read ahead as a page is likely to need of each.
func (w *walk) sides(v kv.View, state keys.State, tag string, shares []share) []roster.Stream {
	if len(shares) == 0 {
		return nil
	}
	largest, total := 0, 0
	for i, s := range shares {
		if total += s.n; s.n > shares[largest].n {
			largest = i
		}
	}
	var parts []roster.Part
	for i, s := range shares {
		if i != largest {
			parts = append(parts, roster.Part{Prefix: keys.RosterUnder(state, tag, s.of), Ahead: 2 + (w.Limit+1)*5/4*s.n/total})
		}
	}
	sides := []roster.Stream{roster.Keys(v, keys.RosterUnder(state, tag, shares[largest].of), w.Desc)}
	if len(parts) > 0 {
		sides = append(sides, roster.Shared(v, keys.RosterOf(state, tag), parts, w.Desc)...)
	}
	return sides
}

// plan finds the roles to look at, and the tags to look at in each.
func (s *Store) plan(v kv.View, w *walk, state keys.State) (map[string]*shelf, error) {
	anyOf := w.Tags
	if len(anyOf) == 0 {
		anyOf = []string{""}
	}
	shelves := map[string]*shelf{}
	for _, tag := range anyOf {
		shares, err := s.shares(v, state, tag, w.Roles)
		if err != nil {
			return nil, err
		}
		for _, share := range shares {
			if shelves[share.of] == nil {
				shelves[share.of] = &shelf{}
			}
			shelves[share.of].anyOf = append(shelves[share.of].anyOf, tag)
			shelves[share.of].n += share.n
		}
	}
	for i, tag := range w.AllTags {
		shares, err := s.shares(v, state, tag, w.Roles)
		if err != nil {
			return nil, err
		}
		for _, found := range shares {
			if sh := shelves[found.of]; sh != nil {
				sh.all = append(sh.all, share{tag, found.n})
			}
		}
		for role, sh := range shelves {
			if len(sh.all) <= i { // nobody of this role has the tag
				delete(shelves, role)
			}
		}
	}
	return shelves, nil
}

func (w *walk) shelf(v kv.View, state keys.State, role string, sh *shelf, status Status) roster.Stream {
	leaf := func(tag string) roster.Stream { return roster.Keys(v, keys.RosterUnder(state, tag, role), w.Desc) }
	leaves := func(tags []string) (list []roster.Stream) {
		for _, tag := range tags {
			list = append(list, leaf(tag))
		}
		return list
	}
	online := func() roster.Stream { return roster.Keys(v, keys.OnlineUnder(w.run, role), w.Desc) }

	var parts []roster.Stream
	if status == Online {
		parts = append(parts, online())
	}
	slices.SortFunc(sh.all, func(a, b share) int { return a.n - b.n })
	for _, required := range sh.all {
		parts = append(parts, leaf(required.of))
	}
	if everybody := sh.anyOf[0] == ""; !everybody || len(parts) == 0 {
		union := roster.Union(leaves(sh.anyOf), w.Desc)
		at := len(parts)
		if status != Online && len(sh.all) > 0 && sh.n < sh.all[0].n {
			at = 0
		}
		parts = slices.Insert(parts, at, union)
	}
	without := leaves(w.NoTags)
	if status == Offline && state == keys.Active {
		without = append(without, online())
	}
	return roster.Subtract(roster.Intersect(parts, w.Desc), without, w.Desc)
}
