package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// failure is one thing of many that could not be done.
type failure struct {
	Line  int    `json:"line,omitempty"`  // of the input
	Phase string `json:"phase,omitempty"` // of a migration
	UID   string `json:"uid,omitempty"`
	Error string `json:"error"`
}

// text is the failure as a person reads it.
func (f failure) text() string {
	s := f.Error
	if f.UID != "" && !strings.Contains(s, f.UID) {
		s = f.UID + ": " + s
	}
	if f.Phase != "" {
		s = f.Phase + ": " + s
	}
	if f.Line > 0 {
		s = fmt.Sprintf("line %d: %s", f.Line, s)
	}
	return s
}

// maxShown is how many failures a person is shown; a program, and a file, get all.
const maxShown = 20

// failures takes what could not be done: to a file if there is one, and to the standard error.
type failures struct {
	a    *app
	file *os.File
	n    int
}

// failures begins a list, in a file unless its name is empty.
func (a *app) failures(file string) (*failures, error) {
	f := &failures{a: a}
	if file == "" {
		return f, nil
	}
	var err error
	f.file, err = os.Create(file)
	return f, err
}

func (f *failures) add(one failure) error {
	f.n++
	switch {
	case f.a.json && f.file == nil:
		if err := writeJSON(f.a.stderr, one); err != nil {
			return err
		}
	case !f.a.json && f.n <= maxShown:
		f.a.notef("%s", printable(one.text()))
	case !f.a.json && f.n == maxShown+1 && f.file == nil:
		f.a.notef("there are more failures: --errors FILE keeps them all")
	}
	if f.file == nil {
		return nil
	}
	return writeJSON(f.file, one)
}

// close ends the list. Failures in it make it an error that says how many there were.
func (f *failures) close() error {
	var err error
	if f.file != nil {
		err = f.file.Close()
	}
	switch {
	case f.n == 0 || err != nil:
		return err
	case f.file != nil:
		return fmt.Errorf("%d failed; see %s", f.n, f.file.Name())
	}
	return errors.New(counted(f.n) + " failed")
}
