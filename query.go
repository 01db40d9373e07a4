package userstore

import (
	"context"
	"fmt"
	"iter"

	"github.com/seed-3546c6b2/userstore/internal/kv"
)

// Query says which users, in which order, and how many of them. The zero Query is every active user by name, a hundred
// to a page.
type Query struct {
	Search   string  // start of the name or of the uid, letter case ignored
	SearchIn []Field // FieldName, FieldUID or, as when empty, both

	Tags    []string // users with any of these
	AllTags []string // users with all of these
	NoTags  []string // users with none of these
	Roles   []string // users with any of these
	UIDs    []string // exactly these users

	Status      Status      // Online, Offline, or empty for either
	Deactivated Deactivated // which of active and deactivated users

	FriendsOnly bool // friends of the session's user; needs a Session
	HideBlocked bool // leave out whom the session's user has blocked; needs a Session

	Sort Sort
	Desc bool // turns the whole order round

	Limit  int    // users in a page, 1 to 1000; 0 = 100
	Cursor string // Next of the page before; empty for the first page
}

// Page is one page of a list.
type Page struct {
	Users []User
	Next  string // the cursor of the next page; empty at the end
}

// Sort is an order of users.
type Sort uint8

const (
	SortName    Sort = iota // name in lower case, then uid
	SortUID                 // uid
	SortCreated             // time of creation, then uid
	SortStatus              // online first, then name, then uid
)

// Deactivated says what a query does with deactivated users.
type Deactivated uint8

const (
	DeactivatedExclude Deactivated = iota // active users only
	DeactivatedInclude                    // active and deactivated users
	DeactivatedOnly                       // deactivated users only
)

// List returns one page of the users that the query describes, and the cursor of the next page. A page is of one moment;
// across pages, who was there throughout is listed exactly once. A *FieldError matching ErrInvalid: a field of the query
// has a value it cannot have, or the cursor is damaged or of another query.
func (s *Store) List(ctx context.Context, q Query) (Page, error) {
	w, err := newWalk(q, "")
	if err != nil {
		return Page{}, err
	}
	var page Page
	err = s.read(ctx, func(v kv.View) error {
		page, err = s.page(ctx, v, w)
		return err
	})
	return page, err
}

// All walks every user that the query describes, all of one moment, in order; Limit and Cursor do not matter. An error
// ends the walk. The loop may write to the store.
func (s *Store) All(ctx context.Context, q Query) iter.Seq2[User, error] {
	q.Limit, q.Cursor = 0, ""
	return func(yield func(User, error) bool) {
		w, err := newWalk(q, "")
		if err != nil {
			yield(User{}, err)
			return
		}
		s.walk(ctx, func(kv.View) (*walk, error) { return w, nil }, nil, yield)
	}
}

// walk yields all rows of a walk, which begin makes of the snapshot; see, if not nil, completes them.
func (s *Store) walk(ctx context.Context, begin func(kv.View) (*walk, error), see func(kv.View, []User) error, yield func(User, error) bool) {
	v, err := s.db.Pin()
	if err != nil {
		yield(User{}, err)
		return
	}
	defer v.Release()
	var w *walk
	var page Page
	more := true
	for chunk := 64; more; chunk = min(2*chunk, 2048) {
		// Only here inside the gate: the loop's body may do as it likes.
		err := s.db.Step(func() (err error) {
			if err := ctx.Err(); err != nil {
				return err
			}
			if w == nil {
				if w, err = begin(v); err != nil {
					return err
				}
			}
			w.Limit = chunk
			if page, err = s.page(ctx, v, w); err == nil && see != nil {
				err = see(v, page.Users)
			}
			return err
		})
		if err != nil {
			yield(User{}, err)
			return
		}
		more = page.Next != ""
		for _, u := range page.Users {
			if !yield(u, nil) {
				return
			}
		}
	}
}

// Count says how many users All would yield. It reads no records, and for a query by nothing but at most one tag, and
// roles, no index either: those are counted as they change.
func (s *Store) Count(ctx context.Context, q Query) (int, error) {
	q.Limit, q.Cursor = 0, ""
	var w walk
	if err := w.init(&q, ""); err != nil {
		return 0, err
	}
	n := 0
	err := s.read(ctx, func(v kv.View) (err error) {
		if w.counted() {
			n, err = s.counters(v, &w)
			return err
		}
		w := w // a copy on the heap, where only a walk over an index needs it
		n, err = s.count(ctx, v, &w)
		return err
	})
	return n, err
}

// Skip gives the cursor behind the first n users that the query describes, counted from its own cursor; if they are
// fewer, behind the last. It is for faces that number their pages: List with the cursor gives the page that begins there.
// Keys are walked over, but no more records read than the order and the filters need.
func (s *Store) Skip(ctx context.Context, q Query, n int) (cursor string, err error) {
	w, err := newWalk(q, "")
	if err != nil {
		return "", err
	}
	err = s.read(ctx, func(v kv.View) error {
		cursor, err = s.skip(ctx, v, w, n)
		return err
	})
	return cursor, err
}

func (s *Store) skip(ctx context.Context, v kv.View, w *walk, n int) (string, error) {
	rows, err := s.stream(v, w)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	for w.start(rows); rows.Valid() && n > 0; rows.Next() {
		if n--; n%1024 == 0 && ctx.Err() != nil {
			return "", ctx.Err()
		}
		w.after = append(w.after[:0], rows.At()...)
	}
	if w.unread != nil {
		return "", w.unread
	}
	if w.after == nil {
		return "", nil
	}
	return w.cursor(), nil
}

// page reads the rows after the walk's place, moves the place on, and names it if there are more.
func (s *Store) page(ctx context.Context, v kv.View, w *walk) (Page, error) {
	rows, err := s.stream(v, w)
	if err != nil {
		return Page{}, err
	}
	defer rows.Close()
	found := newRowList(min(w.Limit, 128))
	for w.start(rows); rows.Valid() && len(found.uids) < w.Limit; rows.Next() {
		if err := ctx.Err(); err != nil {
			return Page{}, err
		}
		found.add(w.uidAt(rows.At()), w.last)
		w.after = append(w.after[:0], rows.At()...)
	}
	if w.unread != nil {
		return Page{}, w.unread
	}
	var page Page
	if rows.Valid() {
		page.Next = w.cursor()
	}
	page.Users, err = s.users(v, found)
	return page, err
}

// rowList is a list of users by uid, with the records that had to be read to find them.
type rowList struct {
	uids []string
	text []byte // of the uids
	read []packed
}

func newRowList(n int) *rowList {
	return &rowList{uids: make([]string, 0, n), text: make([]byte, 0, 16*n)}
}

// add appends a user. last is the record that was read last, of this user or not.
func (l *rowList) add(uid []byte, last packed) {
	if last != nil && last.uid() == string(uid) {
		l.read = append(append(l.read, make([]packed, len(l.uids)-len(l.read))...), last)
	}
	start := len(l.text)
	l.text = append(l.text, uid...)
	l.uids = append(l.uids, kv.Text(l.text[start:]))
}

// users reads the users of a list. An index named them, so each is there.
func (s *Store) users(v kv.View, list *rowList) ([]User, error) {
	users := make([]User, len(list.uids))
	found := list.read
	if len(found) < len(users) {
		found = s.cache.GetAll(list.uids, v.Version())
	}
	room := room{many: true}
	for i, p := range found {
		if p == nil {
			var err error
			if p, err = s.find(v, list.uids[i]); err == nil && p == nil {
				err = fmt.Errorf("%w: an index names user %s, who has no record", ErrCorrupt, list.uids[i])
			}
			if err != nil {
				return nil, err
			}
		}
		p.user(&users[i], &room)
	}
	return users, nil
}

func (s *Store) count(ctx context.Context, v kv.View, w *walk) (int, error) {
	if w.counted() {
		n, err := s.counters(v, w)
		for uid := range w.hidden {
			r, readErr := s.record(v, uid)
			if readErr != nil {
				return 0, readErr
			}
			if r != nil && w.match(r, w.Status) {
				n--
			}
		}
		return n, err
	}
	w.Sort = SortName // the one order that needs no records
	rows, err := s.stream(v, w)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	n := 0
	for w.start(rows); rows.Valid(); rows.Next() {
		if n++; n%1024 == 0 && ctx.Err() != nil {
			return 0, ctx.Err()
		}
	}
	return n, nil
}
