package userstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/seed-3546c6b2/userstore/internal/keys"
	"github.com/seed-3546c6b2/userstore/internal/kv"
)

// relate puts or takes away a relation between two active users, seen from both sides. A relation's value is when it
// came to be.
func (c *change) relate(kind byte, from, to string, put bool) (verdict, error) {
	target, err := c.user(to)
	switch {
	case err != nil:
		return 0, err
	case from == to:
		return refused, nil
	case target == nil || !target.DeactivatedAt.IsZero():
		return missing, nil
	}
	key, back := keys.Pair(kind, from, to), keys.Pair(mirror[kind], to, from)
	value, err := c.Get(key)
	if err != nil {
		return 0, err
	}
	if (value != nil) == put {
		return already, nil
	}
	for _, uid := range []string{from, to} {
		if _, err := c.guard(uid); err != nil {
			return 0, err
		}
	}
	if !put {
		c.Delete(key)
		c.Delete(back)
		return done, nil
	}
	value = keys.AppendTime(nil, c.store.now())
	c.Set(key, value)
	c.Set(back, value)
	return done, nil
}

// relatedAt reads when a relation came to be; zero if there is none.
func relatedAt(v kv.View, kind byte, from, to string) (time.Time, error) {
	value, _, err := v.Get(keys.Pair(kind, from, to))
	if value == nil || err != nil {
		return time.Time{}, err
	}
	at, _, ok := keys.CutTime(value)
	if !ok {
		err = fmt.Errorf("%w: a relation of %s is not readable", ErrCorrupt, from)
	}
	return at, err
}

// related reads with whom a user has a relation, up to limit of them (0 = all).
func related(v kv.View, kind byte, from string, limit int) (others []string, err error) {
	prefix := keys.PairsOf(kind, from)
	it := v.Iterate(prefix, false)
	defer it.Close()
	for it.Seek(nil); it.Valid() && (limit == 0 || len(others) < limit); it.Next() {
		others = append(others, string(it.Key()[len(prefix):]))
	}
	return others, nil
}

// AddFriends makes users friends of an active user, and it theirs. Each is a change of its own; deactivated users count
// as not found, the user itself is refused. ErrNotFound: uid is absent or deactivated (facts 6).
func (s *Store) AddFriends(ctx context.Context, uid string, friends ...string) (Outcome, error) {
	return s.befriend(ctx, uid, friends, true)
}

// RemoveFriends ends friendships; see AddFriends. Who was no friend is Already.
func (s *Store) RemoveFriends(ctx context.Context, uid string, friends ...string) (Outcome, error) {
	return s.befriend(ctx, uid, friends, false)
}

func (s *Store) befriend(ctx context.Context, uid string, friends []string, put bool) (Outcome, error) {
	if _, err := s.Get(ctx, uid); err != nil { // says so even where there is no friend to add
		return Outcome{}, err
	}
	return s.each(ctx, friends, func(c *change, friend string) (verdict, error) {
		u, err := c.active(uid)
		if err != nil {
			return 0, err
		}
		return c.relate(keys.Friend, u.UID, friend, put)
	})
}

// Friends lists the friends of an active user; every field of the query filters and sorts as in List. ErrNotFound: uid
// is absent or deactivated.
func (s *Store) Friends(ctx context.Context, uid string, q Query) (Page, error) {
	if q.FriendsOnly || q.HideBlocked {
		return Page{}, invalid("friendsOnly, hideBlocked", ruleViewer)
	}
	w, err := newWalk(q, "friends "+foldUID(uid))
	if err != nil {
		return Page{}, err
	}
	var page Page
	err = s.read(ctx, func(v kv.View) error {
		p, err := s.active(v, uid)
		if err != nil {
			return err
		}
		friends, err := related(v, keys.Friend, p.uid(), 0)
		if err != nil {
			return err
		}
		w.restrict(friends)
		page, err = s.page(ctx, v, w)
		return err
	})
	return page, err
}

// distinct sorts uids and drops repeats.
func distinct(uids []string) []string {
	slices.Sort(uids)
	return slices.Compact(uids)
}
