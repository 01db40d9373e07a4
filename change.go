package userstore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed-3546c6b2/userstore/internal/keys"
	"github.com/seed-3546c6b2/userstore/internal/kv"
)

// change is one change under way: a transaction that knows what a user is and keeps the indexes in step.
type change struct {
	*kv.Tx
	store *Store
}

// present is the value of an entry whose key says it all; no value is empty.
var present = []byte{1}

// clearing stands in place of the record of a deleted user whose relations are still being cleared away: nobody by that
// uid is there, but none can be created before they are gone. The uid is listed too, for Open to go on after a crash.
var clearing = []byte{0}

// user reads any user; nil if there is none. Nobody may change it.
func (c *change) user(uid string) (*record, error) {
	r, _, err := c.find(uid)
	return r, err
}

// find is user, and tells whether a uid that nobody has still is to be cleared; see clearing.
func (c *change) find(uid string) (r *record, clears bool, err error) {
	if !validID(uid) {
		return nil, false, nil
	}
	key := keys.Of(keys.User, uid)
	if w, pending := c.Pending(key); !pending {
		if p, ok := c.store.cache.Get(uid, c.Version()); ok {
			return p.record(), false, nil
		}
	} else if d, ok := w.Known.(*draft); ok {
		return d.now, false, nil
	}
	value, err := c.Get(key)
	if value == nil || err != nil {
		return nil, false, err
	}
	if bytes.Equal(value, clearing) {
		return nil, true, nil
	}
	r, err = decodeRecord(uid, value, c.store.run)
	return r, false, err
}

// active reads a user that is not deactivated.
func (c *change) active(uid string) (*record, error) {
	r, err := c.user(foldUID(uid))
	if err == nil {
		err = isActive(r, uid)
	}
	return r, err
}

// draft is what storing a user comes to, worked out ahead of the turn as far as it depends on the user alone.
type draft struct {
	old, now   *record // old is nil for a new user
	key, value []byte
	gone, come []entry
}

func newDraft(old, now *record) (*draft, error) {
	value, err := now.encode()
	if err != nil {
		return nil, err
	}
	d := &draft{old: old, now: now, key: keys.Of(keys.User, now.UID), value: value}
	d.gone, d.come = moved(old, now)
	return d, nil
}

// firstDraft is the draft of a user that is created at that time, unless the record says otherwise.
func firstDraft(r *record, now time.Time) (*draft, error) {
	r.Status, r.Version = Offline, 1
	if r.CreatedAt.IsZero() {
		r.CreatedAt = now
	}
	return newDraft(nil, r)
}

// create stores a user that is not there yet, given what was seen of it ahead of the turn.
func (c *change) create(d *draft, seen sight) error {
	if c.holds(seen) {
		return c.settle(d, false)
	}
	old, clears, err := c.find(d.now.UID)
	switch {
	case err != nil:
		return err
	case old != nil:
		return exists(old.UID)
	}
	return c.settle(d, clears)
}

// settle is create where it is known that nobody has the uid.
func (c *change) settle(d *draft, clears bool) error {
	for clears {
		var err error
		if clears, err = c.purge(d.now.UID); err != nil {
			return err
		}
	}
	return c.save(d)
}

// edited works out what an edit by somebody comes to; nil if it changes nothing.
func (s *Store) edited(old *record, by editor, edit func(*User) error) (*draft, error) {
	edited := old.clone()
	if err := edit(&edited); err != nil {
		return nil, err
	}
	r := *old
	r.User = edited.clone() // edit may have kept all that it was given and what it set
	changed, err := checkEdit(&old.User, &r.User, by)
	if err != nil || !changed {
		return nil, err
	}
	r.UpdatedAt, r.Version = s.now(), old.Version+1
	return newDraft(old, &r)
}

// put writes a record and moves its index entries and their counters from where old was.
func (c *change) put(old, r *record) error {
	d, err := newDraft(old, r)
	if err != nil {
		return err
	}
	return c.write(d)
}

// save is write where the role may be new to the user.
func (c *change) save(d *draft) error {
	if d.old == nil || d.old.Role != d.now.Role {
		if err := c.needRole(d.now.Role); err != nil {
			return err
		}
	}
	return c.write(d)
}

func (c *change) write(d *draft) error {
	c.SetKnown(d.key, d.value, d)
	return c.move(d.gone, d.come)
}

// move takes index entries away and puts others there.
func (c *change) move(gone, come []entry) error {
	for i := range gone {
		if err := c.entry(&gone[i], -1); err != nil {
			return err
		}
	}
	for i := range come {
		if err := c.entry(&come[i], +1); err != nil {
			return err
		}
	}
	return nil
}

// moved tells which index entries of a user are no longer there and which are new, from old, which may be nil, to r.
func moved(old, r *record) (gone, come []entry) {
	switch {
	case old == nil:
		return nil, r.entries()
	case old.place() == r.place():
		return r.rosters(old.Tags, r.Tags), r.rosters(r.Tags, old.Tags)
	}
	before, after := old.entries(), r.entries()
	in := func(list []entry) func(entry) bool {
		return func(e entry) bool { return contains(list, &e) }
	}
	return slices.DeleteFunc(slices.Clone(before), in(after)), slices.DeleteFunc(after, in(before))
}

// rosters are the entries of a user in those rosters of some tags that are not those of others.
func (r *record) rosters(tags, but []string) (list []entry) {
	var p place
	for _, tag := range tags {
		if slices.Contains(but, tag) {
			continue
		}
		if list == nil {
			p = r.place()
			p.name = strings.ToLower(p.name)
		}
		list = append(list, p.roster(tag))
	}
	return list
}

// entry adds or removes an index entry and counts it.
func (c *change) entry(e *entry, by int) error {
	if by > 0 {
		c.Set(e.key, present)
	} else {
		c.Delete(e.key)
	}
	if e.counter == nil {
		return nil
	}
	return c.count(e.counter, by)
}

// count adds to a counter. One that comes to nothing is removed.
func (c *change) count(key []byte, by int) error {
	n, err := c.counter(key)
	if err != nil {
		return err
	}
	if n += by; n <= 0 {
		c.Delete(key)
		return nil
	}
	c.Set(key, binary.AppendUvarint(nil, uint64(n)))
	return nil
}

func (c *change) counter(key []byte) (int, error) {
	value, err := c.Get(key)
	if value == nil || err != nil {
		return 0, err
	}
	return number(value)
}

// number reads what a counter or guard holds.
func number(value []byte) (int, error) {
	n, read := binary.Uvarint(value)
	if read != len(value) || n > 1<<53 {
		return 0, fmt.Errorf("%w: a counter is not readable", ErrCorrupt)
	}
	return int(n), nil
}

// entry is an index entry and the counter that counts it, if one does.
type entry struct{ key, counter []byte }

func contains(list []entry, e *entry) bool {
	return slices.ContainsFunc(list, func(other entry) bool { return bytes.Equal(other.key, e.key) })
}

// place is all that decides where the entries of a user lie, but its tags.
type place struct {
	state   keys.State
	role    string
	name    string // folded where entries are made of it
	uid     string
	created time.Time
	online  uint64
}

func (r *record) place() place {
	return place{r.state(), r.Role, r.Name, r.UID, r.CreatedAt, r.seen}
}

// roster is the entry of a user in a tag's roster, or, with the empty tag, in everybody's.
func (p *place) roster(tag string) entry {
	return entry{keys.RosterEntry(p.state, tag, p.role, p.name, p.uid), keys.CounterOf(p.state, tag, p.role)}
}

func (r *record) state() keys.State {
	if r.DeactivatedAt.IsZero() {
		return keys.Active
	}
	return keys.Deactivated
}

// setOnline makes the user online in this run of the store, or, with 0, offline.
func (r *record) setOnline(run uint64) {
	r.seen, r.Status = run, statusOf(run)
}

// statusOf is the status of who came online in a run of the store, or, with 0, in none that counts.
func statusOf(run uint64) Status {
	if run == 0 {
		return Offline
	}
	return Online
}

// entries lists all index entries of a user.
func (r *record) entries() []entry {
	p := r.place()
	p.name = strings.ToLower(p.name)
	list := append(make([]entry, 0, 3+len(r.Tags)), p.roster(""))
	for _, tag := range r.Tags {
		list = append(list, p.roster(tag))
	}
	list = append(list, entry{key: keys.CreatedEntry(p.state, p.created, p.uid)})
	if p.online != 0 {
		list = append(list, entry{key: keys.OnlineEntry(p.online, p.role, p.name, p.uid)})
	}
	return list
}

// maxClear is how many relations of a deleted user one change clears away.
const maxClear = 256

// remove deletes a user. rest says that not all relations could be cleared away yet.
func (c *change) remove(old *record) (rest bool, err error) {
	if err := c.move(old.entries(), nil); err != nil {
		return false, err
	}
	guard, err := c.Get(keys.Of(keys.Guard, old.UID))
	if guard == nil && err == nil { // there never was a relation or a token
		c.Delete(keys.Of(keys.User, old.UID))
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return c.purge(old.UID)
}

// purge clears away some relations of a deleted user, and with the last of them its record.
func (c *change) purge(uid string) (rest bool, err error) {
	left := maxClear
	for _, kind := range []byte{keys.Friend, keys.Block, keys.BlockRev, keys.Token} {
		found, err := c.Scan(keys.PairsOf(kind, uid), left)
		if err != nil {
			return false, err
		}
		for _, w := range found {
			c.Delete(w.Key)
			if other := string(w.Key[len(uid)+2:]); kind != keys.Token {
				c.Delete(keys.Pair(mirror[kind], other, uid))
			}
		}
		if left -= len(found); left <= 0 {
			c.Set(keys.Of(keys.User, uid), clearing)
			c.Set(keys.Of(keys.Clearing, uid), present)
			return true, nil
		}
	}
	c.Delete(keys.Of(keys.Guard, uid))
	c.Delete(keys.Of(keys.User, uid))
	listed, err := c.Get(keys.Of(keys.Clearing, uid))
	if listed != nil {
		c.Delete(keys.Of(keys.Clearing, uid))
	}
	return false, err
}

// mirror is the kind of key that says the same from the other user's side.
var mirror = map[byte]byte{keys.Friend: keys.Friend, keys.Block: keys.BlockRev, keys.BlockRev: keys.Block}

// guard is read and written by each change of a user's relations, so that an engine which tells conflicts from written
// keys sees such a change and a deletion of the user collide. It gives how many such changes there have been. Who has no
// guard has nothing of the kind.
func (c *change) guard(uid string) (int, error) {
	key := keys.Of(keys.Guard, uid)
	n, err := c.counter(key)
	if err != nil {
		return 0, err
	}
	c.Set(key, binary.AppendUvarint(nil, uint64(n)+1))
	return n, nil
}
