package cometchattest

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/seed-3546c6b2/userstore"
	"github.com/seed-3546c6b2/userstore/cometchat"
)

// Snapshot is a state of a double: users, who of them is online, roles with their settings and restricted features,
// friends, blocks, tokens, JWTs and api keys. It outlives its Server and may be restored into another, by many tests at
// once.
type Snapshot struct {
	backup []byte
	online []userstore.User // a backup leaves presence out
	memory cometchat.State  // what the store has no place for
}

// Snapshot takes the state of the double as it is now; what requests change meanwhile may be in it or not.
func (s *Server) Snapshot(t T) Snapshot {
	t.Helper()
	snap := Snapshot{memory: s.handler().State()}
	for u, err := range s.Store.All(context.Background(), userstore.Query{Status: userstore.Online}) {
		if err != nil {
			t.Fatalf("cometchattest: snapshot: %v", err)
		}
		snap.online = append(snap.online, u)
	}
	var b bytes.Buffer
	if err := s.Store.Backup(context.Background(), &b); err != nil {
		t.Fatalf("cometchattest: snapshot: %v", err)
	}
	snap.backup = b.Bytes()
	return snap
}

// Restore puts the double into the state of a snapshot. It closes all sockets and puts a new Store in the place of
// s.Store, so no other goroutine may use that field meanwhile; requests under way are answered from before, from after,
// or with 503. Of a snapshot of another double it takes the api keys too, but for AuthKey and APIKey, which stay its
// own. The clock, faults and Requests stay as they are; rate limits and the requests on the page begin anew.
func (s *Server) Restore(t T, snap Snapshot) {
	t.Helper()
	store, err := s.revive(snap)
	if err == nil {
		err = s.replace(store, snap.memory)
	}
	if err != nil {
		t.Fatalf("cometchattest: restore: %v", err)
	}
}

// Reset brings the double back to how RunT returned it, in the way of Restore: with no users and no api keys but its
// own. It forgets faults, Requests and changes of the clock too.
func (s *Server) Reset(t T) {
	t.Helper()
	store, err := userstore.OpenInMemory(s.storeOptions()...)
	if err == nil {
		err = s.replace(store, s.opts.State)
	}
	if err != nil {
		t.Fatalf("cometchattest: reset: %v", err)
	}
	s.mu.Lock()
	s.faults = nil
	s.mu.Unlock()
	s.journal.clear()
	s.clock.set(time.Time{})
}

// replace lets another store take over, with a handler that remembers memory, and closes those before.
func (s *Server) replace(store *userstore.Store, memory cometchat.State) error {
	opts := s.opts
	opts.State = memory
	api, err := cometchat.New(store, opts)
	if err != nil {
		return errors.Join(err, store.Close())
	}
	s.mu.Lock()
	oldAPI, oldStore := s.api, s.Store
	s.api, s.Store = api, store
	s.mu.Unlock()
	return errors.Join(oldAPI.Close(), oldStore.Close())
}

// revive opens a store in the state of a snapshot.
func (s *Server) revive(snap Snapshot) (*userstore.Store, error) {
	var then atomic.Pointer[time.Time] // what the store is told in place of the time
	opts := append(s.storeOptions(), userstore.WithClock(func() time.Time {
		if t := then.Load(); t != nil {
			return *t
		}
		return s.clock.now()
	}))
	ctx := context.Background()
	store, err := userstore.RestoreInMemory(ctx, bytes.NewReader(snap.backup), opts...)
	if err != nil {
		return nil, err
	}
	for _, u := range snap.online {
		then.Store(&u.LastActiveAt)
		if err := store.SetStatus(ctx, u.UID, userstore.Online); err != nil && !errors.Is(err, userstore.ErrNotFound) {
			return nil, errors.Join(err, store.Close())
		}
	}
	then.Store(nil)
	return store, nil
}
