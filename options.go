package userstore

import (
	"log/slog"
	"time"
)

// Option adjusts a store when it is opened.
type Option func(*options)

type options struct {
	sync     bool
	clock    func() time.Time
	log      *slog.Logger
	roles    []string
	profile  Profile
	key      []byte
	keyGiven bool
	readOnly bool
	cache    int // bytes; -1 = the profile's
}

func (o *options) check() error {
	if n := len(o.key); o.keyGiven && n != 16 && n != 24 && n != 32 {
		return invalid("encryptionKey", ruleKeyLength)
	}
	if o.profile > ProfileEdge {
		return invalid("profile", ruleUnknown)
	}
	for i, id := range o.roles {
		o.roles[i] = foldUID(id)
		if err := checkID(FieldRole, o.roles[i]); err != nil {
			return err
		}
	}
	return nil
}

// cacheSize is how many bytes of records are kept at hand.
func (o *options) cacheSize(dir string) int {
	switch {
	case o.cache >= 0:
		return o.cache
	case dir == "":
		return 16 << 20
	case o.profile == ProfileEdge:
		return 2 << 20
	}
	return 96 << 20 // a hundred thousand users
}

func defaults() options {
	return options{sync: true, clock: time.Now, log: slog.New(slog.DiscardHandler), cache: -1}
}

// Profile is a set of memory and file sizes.
type Profile uint8

const (
	ProfileServer Profile = iota // tens of MB of memory, the fastest
	ProfileEdge                  // as little memory as Badger runs well in; reads of what is not cached cost more
)

// WithSync says whether a change is on disk before it is acknowledged, so that it outlives a loss of power. The default
// is true. With false it outlives the process, however it ends, but not always the machine.
func WithSync(on bool) Option { return func(o *options) { o.sync = on } }

// WithClock gives the store another clock than time.Now; tests use it.
func WithClock(now func() time.Time) Option {
	return func(o *options) {
		if now != nil {
			o.clock = now
		}
	}
}

// WithLogger takes the store's own log lines, and Badger's. The default is silence. No line holds a user's data beyond
// the uid.
func WithLogger(l *slog.Logger) Option {
	return func(o *options) {
		if l != nil {
			o.log = l
		}
	}
}

// WithRoles makes sure that these roles exist, each named by its id. Roles that exist already are left as they are.
func WithRoles(roles ...string) Option {
	return func(o *options) { o.roles = append(o.roles, roles...) }
}

// WithProfile chooses between memory and speed; see Profile.
func WithProfile(p Profile) Option { return func(o *options) { o.profile = p } }

// WithEncryptionKey keeps everything on disk encrypted with AES under this key of 16, 24 or 32 bytes. A store is created
// with a key or without and stays so. OpenInMemory checks the key and has no other use for it.
func WithEncryptionKey(key []byte) Option {
	return func(o *options) { o.key, o.keyGiven = append([]byte(nil), key...), true }
}

// WithCache bounds the memory for recently read records, in bytes; 0 turns the cache off. The default is the profile's:
// 96 MiB, 2 MiB at the edge, and 16 MiB in memory, where it spares decoding.
func WithCache(bytes int) Option { return func(o *options) { o.cache = max(bytes, 0) } }

// ReadOnly opens an existing store for reading; every write is ErrReadOnly.
func ReadOnly() Option { return func(o *options) { o.readOnly = true } }
