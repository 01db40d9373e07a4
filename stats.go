package userstore

import (
	"context"

	"github.com/seed-3546c6b2/userstore/internal/keys"
	"github.com/seed-3546c6b2/userstore/internal/kv"
)

// Stats describes what is in a store and what it takes.
type Stats struct {
	Active, Deactivated, Online int
	Roles, Tags                 map[string]int // active users by role and by tag
	Keys                        []KeyStats     // by what the keys are for
	DiskBytes                   int64          // all files together; 0 in memory
	Levels                      []LevelStats   // of Badger's LSM tree
}

// KeyStats counts the keys of one kind.
type KeyStats struct {
	Kind  string
	Keys  int
	Bytes int64 // keys and values, before Badger packs them
}

// LevelStats is a level of the LSM tree.
type LevelStats struct {
	Tables int
	Bytes  int64
}

var statKinds = []struct {
	kind byte
	name string
}{
	{keys.User, "records"}, {keys.Roster, "roster"}, {keys.Counter, "counters"}, {keys.Created, "by creation"},
	{keys.Online, "online"}, {keys.Role, "roles"}, {keys.Friend, "friends"}, {keys.Block, "blocks"},
	{keys.BlockRev, "blocks, other side"}, {keys.Token, "tokens"}, {keys.Guard, "guards"}, {keys.Aside, "put aside"},
}

// Stats reads every key of the store as of one moment; it takes as long as that takes.
func (s *Store) Stats(ctx context.Context) (Stats, error) {
	st := Stats{Roles: map[string]int{}, Tags: map[string]int{}}
	err := s.read(ctx, func(v kv.View) error {
		for _, k := range statKinds {
			ks := KeyStats{Kind: k.name}
			it := v.Iterate([]byte{k.kind}, false)
			for it.Seek(nil); it.Valid(); it.Next() {
				value, err := it.Value()
				if err == nil && k.kind == keys.Counter {
					err = st.count(it.Key(), value)
				}
				if err == nil && ks.Keys%1024 == 0 {
					err = ctx.Err()
				}
				if err != nil {
					it.Close()
					return err
				}
				ks.Keys++
				ks.Bytes += int64(len(it.Key()) + len(value))
			}
			it.Close()
			if k.kind == keys.Online {
				st.Online = ks.Keys
			}
			st.Keys = append(st.Keys, ks)
		}
		engine := s.db.Engine().Stats()
		st.DiskBytes = engine.DiskBytes
		for _, l := range engine.Levels {
			st.Levels = append(st.Levels, LevelStats(l))
		}
		return nil
	})
	return st, err
}

// count adds what a counter counts.
func (st *Stats) count(key, value []byte) error {
	n, err := number(value)
	state, tag, role := keys.SplitCounter(key)
	switch {
	case state == keys.Deactivated && tag == "":
		st.Deactivated += n
	case state == keys.Active && tag == "":
		st.Active += n
		st.Roles[role] += n
	case state == keys.Active:
		st.Tags[tag] += n
	}
	return err
}

// Compact gives back the disk space of what was deleted or replaced. It is not needed in the course of things: the store
// compacts itself in the background.
func (s *Store) Compact(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.db.Step(func() error { return s.db.Engine().Compact() })
}
