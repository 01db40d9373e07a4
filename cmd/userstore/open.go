package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/seed-3546c6b2/userstore"
)

// access is what a command wants of the store.
type access uint8

const (
	reading  access = iota // opened read-only; has to be there
	changing               // has to be there
	creating               // made if it is not there
)

// withStore opens the store, lets do work on it, and closes it.
func (a *app) withStore(want access, do func(*userstore.Store) error, more ...userstore.Option) (err error) {
	opts, err := a.options()
	if err != nil {
		return err
	}
	s, err := a.open(want, append(opts, more...))
	if err != nil {
		return openError{err}
	}
	defer func() {
		if closed := s.Close(); err == nil {
			err = closed
		}
	}()
	return do(s)
}

func (a *app) open(want access, opts []userstore.Option) (*userstore.Store, error) {
	if want != creating {
		if files, err := os.ReadDir(a.dir); err == nil && len(files) == 0 || errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("%w %s", errNoStore, a.dir)
		}
	}
	if want != reading {
		return userstore.Open(a.dir, opts...)
	}
	s, err := userstore.Open(a.dir, append(opts, userstore.ReadOnly())...)
	if errors.Is(err, userstore.ErrReadOnly) {
		a.notef("the store was not closed; opening it for writing to recover")
		return userstore.Open(a.dir, opts...)
	}
	return s, err
}

// options gives the options that the flags of every command speak of.
func (a *app) options() ([]userstore.Option, error) {
	if a.dir == "" {
		return nil, usagef("which store? Give --dir or set $USERSTORE_DIR")
	}
	opts := []userstore.Option{userstore.WithClock(a.now)}
	if a.profile.value == "edge" {
		opts = append(opts, userstore.WithProfile(userstore.ProfileEdge))
	}
	key, err := a.key()
	if err != nil {
		return nil, err
	}
	if key != nil {
		opts = append(opts, userstore.WithEncryptionKey(key))
	}
	return opts, nil
}

func (a *app) key() ([]byte, error) {
	if a.keyFile == "" {
		text := a.getenv("USERSTORE_KEY")
		if text == "" {
			return nil, nil
		}
		key, err := hex.DecodeString(text)
		if err != nil || !keyLength(len(key)) {
			return nil, usagef("$USERSTORE_KEY has to be 32, 48 or 64 hexadecimal digits")
		}
		return key, nil
	}
	b, err := os.ReadFile(a.keyFile)
	if err != nil {
		return nil, usageError{err}
	}
	if key, err := hex.DecodeString(strings.TrimSpace(string(b))); err == nil && keyLength(len(key)) {
		return key, nil
	}
	if !keyLength(len(b)) {
		b = bytes.TrimRight(b, "\r\n") // an editor's
	}
	if !keyLength(len(b)) {
		return nil, usagef("%s has to hold 16, 24 or 32 bytes, plain or in hex", a.keyFile)
	}
	return b, nil
}

func keyLength(n int) bool { return n == 16 || n == 24 || n == 32 }
