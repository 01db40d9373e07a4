package userstore

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/seed-3546c6b2/userstore/internal/keys"
	"github.com/seed-3546c6b2/userstore/internal/kv"
)

// Role is something a user can be. Every user has exactly one; "default" always exists (facts 5).
type Role struct {
	ID          string          `msgpack:"-"`           // formed and folded like a uid; never changes
	Name        string          `msgpack:"n"`           // required; one line, at most 100 characters
	Description string          `msgpack:"d"`           // at most 255 characters
	Metadata    json.RawMessage `msgpack:"m"`           // a JSON object of at most 5,120 bytes, or nil
	CreatedAt   time.Time       `msgpack:"c"`           // read-only
	UpdatedAt   time.Time       `msgpack:"u,omitempty"` // read-only; zero until the first update
}

func (r *Role) normalize() (err error) {
	r.ID = foldUID(r.ID)
	if err := checkID(FieldRole, r.ID); err != nil {
		return err
	}
	if isBlank(r.Name) {
		return invalid(FieldName, ruleRequired)
	}
	if err := checkLine(FieldName, r.Name, maxRoleName); err != nil {
		return err
	}
	if err := checkText("description", r.Description, maxRoleText); err != nil {
		return err
	}
	r.Metadata, err = normObject(FieldMetadata, bytes.Clone(r.Metadata), maxMetadata)
	return err
}

func (c *change) role(id string) (*Role, error) {
	if !validID(id) {
		return nil, ErrNotFound
	}
	value, err := c.Get(keys.Of(keys.Role, id))
	if err != nil {
		return nil, err
	}
	return decodeRole(id, value)
}

func decodeRole(id string, value []byte) (*Role, error) {
	if value == nil {
		return nil, fmt.Errorf("%w: role %s", ErrNotFound, id)
	}
	r := &Role{}
	if err := msgpack.Unmarshal(value, r); err != nil {
		return nil, fmt.Errorf("%w: role %s is not readable", ErrCorrupt, id)
	}
	r.ID, r.CreatedAt, r.UpdatedAt = id, r.CreatedAt.UTC(), r.UpdatedAt.UTC()
	return r, nil
}

func (c *change) putRole(r *Role) error {
	value, err := msgpack.Marshal(r)
	if err == nil {
		c.Set(keys.Of(keys.Role, r.ID), value)
	}
	return err
}

// needRole refuses a role that does not exist. One that active users hold does, and how many do is at hand, since
// whoever asks is about to count one more.
func (c *change) needRole(id string) error {
	if n, err := c.counter(keys.CounterOf(keys.Active, "", id)); n > 0 || err != nil {
		return err
	}
	value, err := c.Get(keys.Of(keys.Role, id))
	if value == nil && err == nil {
		err = invalid(FieldRole, ruleUnknown)
	}
	return err
}

// CreateRole stores a new role and returns it. ErrExists: the id is taken.
func (s *Store) CreateRole(ctx context.Context, r Role) (Role, error) {
	if err := r.normalize(); err != nil {
		return Role{}, err
	}
	err := s.update(ctx, func(c *change) error {
		value, err := c.Get(keys.Of(keys.Role, r.ID))
		switch {
		case err != nil:
			return err
		case value != nil:
			return fmt.Errorf("%w: role %s", ErrExists, r.ID)
		}
		r.CreatedAt, r.UpdatedAt = s.now(), time.Time{}
		return c.putRole(&r)
	})
	if err != nil {
		return Role{}, err
	}
	return r, nil
}

// Role returns one role, or ErrNotFound.
func (s *Store) Role(ctx context.Context, id string) (Role, error) {
	id = foldUID(id)
	if !validID(id) {
		return Role{}, ErrNotFound
	}
	var r *Role
	err := s.read(ctx, func(v kv.View) error {
		value, _, err := v.Get(keys.Of(keys.Role, id))
		if err == nil {
			r, err = decodeRole(id, value)
		}
		return err
	})
	if err != nil {
		return Role{}, err
	}
	return *r, nil
}

// UpdateRole changes name, description and metadata of a role and returns it as stored; the rest is ErrNotEditable.
// ErrNotFound: no such role. What Update says of edit holds here too.
func (s *Store) UpdateRole(ctx context.Context, id string, edit func(*Role) error) (Role, error) {
	if edit == nil {
		return Role{}, invalid("edit", ruleRequired)
	}
	var stored Role
	err := s.update(ctx, func(c *change) error {
		old, err := c.role(foldUID(id))
		if err != nil {
			return err
		}
		stored = *old
		stored.Metadata = bytes.Clone(old.Metadata)
		if err := edit(&stored); err != nil {
			return err
		}
		switch {
		case foldUID(stored.ID) != old.ID:
			return invalid(FieldRole, ruleNotEditable)
		case !stored.CreatedAt.Equal(old.CreatedAt):
			return invalid(FieldCreatedAt, ruleNotEditable)
		case !stored.UpdatedAt.Equal(old.UpdatedAt):
			return invalid(FieldUpdatedAt, ruleNotEditable)
		}
		if err := stored.normalize(); err != nil {
			return err
		}
		if stored.Name == old.Name && stored.Description == old.Description && bytes.Equal(stored.Metadata, old.Metadata) {
			return nil
		}
		stored.UpdatedAt = s.now()
		return c.putRole(&stored)
	})
	if err != nil {
		return Role{}, err
	}
	return stored, nil
}

// DeleteRole removes a role. ErrInUse: somebody has it, deactivated users included, or it is "default". ErrNotFound: no
// such role.
func (s *Store) DeleteRole(ctx context.Context, id string) error {
	id = foldUID(id)
	return s.update(ctx, func(c *change) error {
		if _, err := c.role(id); err != nil {
			return err
		}
		held := id == defaultRole
		for _, state := range []keys.State{keys.Active, keys.Deactivated} {
			counter := keys.CounterOf(state, "", id)
			n, err := c.counter(counter)
			if err != nil {
				return err
			}
			held = held || n > 0
			if !held {
				c.Delete(counter) // a user that takes the role meanwhile writes the same key
			}
		}
		if held {
			return fmt.Errorf("%w: role %s", ErrInUse, id)
		}
		c.Delete(keys.Of(keys.Role, id))
		return nil
	})
}

// Roles returns all roles by id.
func (s *Store) Roles(ctx context.Context) ([]Role, error) {
	var roles []Role
	err := s.read(ctx, func(v kv.View) error {
		it := v.Iterate([]byte{keys.Role}, false)
		defer it.Close()
		for it.Seek(nil); it.Valid(); it.Next() {
			value, err := it.Value()
			if err != nil {
				return err
			}
			r, err := decodeRole(string(it.Key()[1:]), value)
			if err != nil {
				return err
			}
			roles = append(roles, *r)
		}
		return nil
	})
	return roles, err
}
