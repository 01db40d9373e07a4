package userstore

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/seed-3546c6b2/userstore/internal/keys"
	"github.com/seed-3546c6b2/userstore/internal/kv"
	"github.com/seed-3546c6b2/userstore/internal/roster"
)

// walk is a query made ready: checked, folded, and with a place in its order.
type walk struct {
	Query
	run    uint64 // the store's; who is online is listed under it
	states []keys.State
	name   string // folded search; names that start with it match
	uid    string // folded search; uids that start with it match
	inName bool
	inUID  bool
	nobody bool // something in the query matches nobody at all

	bounded bool            // only these users come into question:
	among   []string        // their uids
	hidden  map[string]bool // uids that are left out

	given  Query  // as it was asked, which is what a cursor belongs to, and
	who    string // by or about whom
	after  []byte // the place in the order after which to go on; nil: from the start
	last   packed
	unread error  // what came of reading a record that may or may not belong to the walk
	by     string // what drives the walk, for those who want to know
}

// newWalk checks a query (facts 3.2 and 13.2 have what CometChat's lists can be asked). who tells apart the same query asked by or about different users.
func newWalk(q Query, who string) (*walk, error) {
	w := new(walk)
	return w, w.init(&q, who)
}

// init is newWalk for a walk that need not be on the heap.
func (w *walk) init(q *Query, who string) error {
	*w = walk{Query: *q, given: *q, who: who, inName: q.Search != "", inUID: q.Search != ""}
	switch {
	case q.Limit < 0 || q.Limit > maxPage:
		return invalid("limit", ruleRange, maxPage)
	case q.Sort > SortStatus:
		return invalid("sort", ruleUnknown)
	case q.Status != "" && q.Status != Online && q.Status != Offline:
		return invalid(FieldStatus, ruleUnknown)
	case q.Deactivated > DeactivatedOnly:
		return invalid("deactivated", ruleUnknown)
	case (q.FriendsOnly || q.HideBlocked) && who == "":
		return invalid("friendsOnly, hideBlocked", ruleViewer)
	}
	for _, f := range q.SearchIn {
		if f != FieldName && f != FieldUID {
			return invalid("searchIn", ruleUnknown)
		}
	}
	if w.Limit == 0 {
		w.Limit = defaultPage
	}
	if err := w.readCursor(q.Cursor); err != nil {
		return err
	}
	w.fold()
	return nil
}

// statesOf are the rosters that a query looks at.
var statesOf = [...][]keys.State{
	DeactivatedExclude: {keys.Active},
	DeactivatedInclude: {keys.Active, keys.Deactivated},
	DeactivatedOnly:    {keys.Deactivated},
}

// fold brings what is looked for into the form of what is stored. What cannot be stored matches nobody, and must not get
// into a key.
func (w *walk) fold() {
	w.states = statesOf[w.Deactivated]
	if w.Search != "" {
		w.name, w.uid = strings.ToLower(w.Search), foldUID(w.Search)
		in := func(f Field) bool { return len(w.SearchIn) == 0 || slices.Contains(w.SearchIn, f) }
		w.inName = in(FieldName) && utf8.ValidString(w.Search) && len(w.name) <= 4*maxName && !strings.ContainsFunc(w.name, unicode.IsControl)
		w.inUID = in(FieldUID) && validID(w.uid)
		w.nobody = !w.inName && !w.inUID
	}
	narrow := func(list []string, fold func(string) string, valid func(string) bool) []string {
		var kept []string
		for _, s := range list {
			if s = fold(s); valid(s) && !slices.Contains(kept, s) {
				kept = append(kept, s)
			}
		}
		return kept
	}
	same := func(s string) string { return s }
	tag := func(s string) bool { return !isBlank(s) && checkLine(FieldTags, s, maxTag) == nil }
	anyOf := func(list *[]string, fold func(string) string, valid func(string) bool) {
		given := len(*list) > 0
		*list = narrow(*list, fold, valid)
		w.nobody = w.nobody || given && len(*list) == 0
	}
	anyOf(&w.Tags, same, tag)
	anyOf(&w.Roles, foldUID, validID)
	w.nobody = w.nobody || slices.ContainsFunc(w.AllTags, func(s string) bool { return !tag(s) })
	w.AllTags = narrow(w.AllTags, same, tag)
	w.NoTags = narrow(w.NoTags, same, tag)
	if len(w.UIDs) > 0 {
		w.bounded = true
		seen := make(map[string]bool, len(w.UIDs))
		for _, uid := range w.UIDs {
			if uid = foldUID(uid); validID(uid) && !seen[uid] {
				seen[uid] = true
				w.among = append(w.among, uid)
			}
		}
	}
}

// restrict leaves only these users in question, besides what the query says.
func (w *walk) restrict(uids []string) {
	if w.bounded {
		allowed := make(map[string]bool, len(uids))
		for _, uid := range uids {
			allowed[uid] = true
		}
		uids = slices.DeleteFunc(w.among, func(uid string) bool { return !allowed[uid] })
	}
	w.bounded, w.among = true, uids
}

// hide leaves these users out.
func (w *walk) hide(uids ...string) {
	if w.hidden == nil {
		w.hidden = make(map[string]bool, len(uids))
	}
	for _, uid := range uids {
		w.hidden[uid] = true
	}
}

// match tells whether a record is one of those looked for. It is the query in its plainest form; the indexes only
// spare asking it of everybody.
func (w *walk) match(r *record, status Status) bool {
	return !w.nobody &&
		slices.Contains(w.states, r.state()) &&
		(status == "" || r.Status == status) &&
		(len(w.Roles) == 0 || slices.Contains(w.Roles, r.Role)) &&
		(len(w.Tags) == 0 || slices.ContainsFunc(r.Tags, func(t string) bool { return slices.Contains(w.Tags, t) })) &&
		!slices.ContainsFunc(w.AllTags, func(t string) bool { return !slices.Contains(r.Tags, t) }) &&
		!slices.ContainsFunc(r.Tags, func(t string) bool { return slices.Contains(w.NoTags, t) }) &&
		(w.Search == "" || w.inName && strings.HasPrefix(strings.ToLower(r.Name), w.name) || w.inUID && strings.HasPrefix(r.UID, w.uid))
}

// choosy tells whether the query wants anything but active or deactivated users.
func (w *walk) choosy() bool {
	return len(w.Tags)+len(w.AllTags)+len(w.NoTags)+len(w.Roles) > 0 || w.Search != "" || w.Status != ""
}

// position is the place of a user in the walk's order, as bytes that sort so.
func (w *walk) position(r *record) []byte {
	switch w.Sort {
	case SortUID:
		return []byte(r.UID)
	case SortCreated:
		return append(keys.AppendTime(nil, r.CreatedAt), r.UID...)
	case SortStatus:
		return keys.AppendPosition([]byte{statusByte(r.Status)}, strings.ToLower(r.Name), r.UID)
	}
	return keys.AppendPosition(nil, strings.ToLower(r.Name), r.UID)
}

// statusByte puts those who are online first.
func statusByte(st Status) byte {
	if st == Online {
		return '0'
	}
	return '1'
}

// uidAt is the uid in a place.
func (w *walk) uidAt(pos []byte) []byte {
	switch w.Sort {
	case SortUID:
		return pos
	case SortCreated:
		return pos[min(keys.TimeLen, len(pos)):]
	}
	_, uid := keys.SplitPosition(pos)
	return uid
}

// start brings a stream to the first row after the walk's place.
func (w *walk) start(rows roster.Stream) {
	rows.Seek(w.after)
	if w.after != nil && rows.Valid() && bytes.Equal(rows.At(), w.after) {
		rows.Next()
	}
}

const sumBytes = 8

// cursor names the walk's place: a checksum of query and place, then the place.
func (w *walk) cursor() string {
	return base64.RawURLEncoding.EncodeToString(append(w.sum(w.after), w.after...))
}

func (w *walk) sum(place []byte) []byte {
	h, q := sha256.New(), &w.given
	fmt.Fprintf(h, "%q %q %q %q %q %q %q %q %q %d %t %t %d %t\x00", w.who, q.Search, q.SearchIn, q.Tags, q.AllTags,
		q.NoTags, q.Roles, q.UIDs, q.Status, q.Deactivated, q.FriendsOnly, q.HideBlocked, q.Sort, q.Desc)
	h.Write(place)
	return h.Sum(nil)[:sumBytes]
}

func (w *walk) readCursor(cursor string) error {
	if cursor == "" {
		return nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	intact := err == nil && base64.RawURLEncoding.EncodeToString(b) == cursor // line breaks are passed over in decoding
	if !intact || len(b) <= sumBytes || !bytes.Equal(w.sum(b[sumBytes:]), b[:sumBytes]) {
		return invalid("cursor", ruleQuery)
	}
	w.after = b[sumBytes:]
	return nil
}

// counted tells whether counters alone answer how many.
func (w *walk) counted() bool {
	return !w.bounded && w.Search == "" && w.Status == "" && len(w.NoTags) == 0 && len(w.Tags)+len(w.AllTags) <= 1
}

func (s *Store) counters(v kv.View, w *walk) (total int, err error) {
	if w.nobody {
		return 0, nil
	}
	tag := strings.Join(append(slices.Clone(w.Tags), w.AllTags...), "") // one at most
	for _, state := range w.states {
		shares, err := s.shares(v, state, tag, w.Roles)
		if err != nil {
			return 0, err
		}
		for _, share := range shares {
			total += share.n
		}
	}
	return total, nil
}
