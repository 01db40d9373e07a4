package userstore

import "github.com/seed-3546c6b2/userstore/internal/kv"

// OpenOn starts a store on an engine, which may be one that fails.
func OpenOn(engine kv.Engine, opts ...Option) (*Store, error) {
	s := &Store{options: defaults()}
	for _, opt := range opts {
		opt(&s.options)
	}
	return s, s.start(engine, "")
}

// DB lets tests reach below the store.
func (s *Store) DB() *kv.DB { return s.db }

// Run is the number of this run of the store.
func (s *Store) Run() uint64 { return s.run }

// Encode gives the record of a user, which may break any rule.
func Encode(u User) []byte {
	r := record{User: u}
	b, err := r.encode()
	if err != nil {
		panic(err)
	}
	return b
}
