package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/seed-3546c6b2/userstore"
)

// The exit codes; the package's documentation and docs/tool.md explain them.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitStore       = 4
	exitConflict    = 5
	exitInterrupted = 130
)

// usageError is a mistake on the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, a ...any) error { return usageError{fmt.Errorf(format, a...)} }

// openError is why the store could not be opened.
type openError struct{ error }

func (e openError) Unwrap() error { return e.error }

// errNoStore says that there is no store where one has to be.
var errNoStore = errors.New("there is no store in the directory")

func exitCode(err error) int {
	is := func(targets ...error) bool {
		for _, target := range targets {
			if errors.Is(err, target) {
				return true
			}
		}
		return false
	}
	var usage usageError
	var open openError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		return exitUsage
	case is(context.Canceled):
		return exitInterrupted
	case is(errNoStore, userstore.ErrNotFound), errors.As(err, &open) && is(fs.ErrNotExist):
		return exitNotFound
	case is(userstore.ErrLocked, userstore.ErrCorrupt), errors.As(err, &open):
		return exitStore
	case is(userstore.ErrExists, userstore.ErrInUse, userstore.ErrVersion):
		return exitConflict
	case is(userstore.ErrInvalid, userstore.ErrNotEditable):
		return exitUsage
	}
	return exitFailed
}

// errorText is an error as a person reads it: the tool's name comes once, before all.
func errorText(err error) string {
	return strings.NewReplacer("userstore: ", "", context.Canceled.Error(), "interrupted").Replace(err.Error())
}
