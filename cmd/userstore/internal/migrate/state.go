package migrate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrState says that a state file is not one of this migration.
var ErrState = errors.New("the state file is of another migration, or damaged")

// state is where a migration stands: everything before it is done.
type state struct {
	Version   int    `json:"version"`
	Direction string `json:"direction"`
	URL       string `json:"url"`
	Store     string `json:"store"`
	Phase     string `json:"phase"`
	Position  string `json:"position"` // the page to take next; empty at the start of a phase
	Report    Report `json:"report"`
}

// load reads the state of an earlier run, if there is one, into s, which says what this run is about.
func (s *state) load(file string) error {
	if file == "" {
		return nil
	}
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var old state
	if json.Unmarshal(b, &old) != nil || old.Version != s.Version || old.Direction != s.Direction || old.URL != s.URL || old.Store != s.Store {
		return fmt.Errorf("%s: %w: name another with --state, or remove it to begin anew", file, ErrState)
	}
	*s = old
	return nil
}

// save replaces the file as a whole: a crash leaves the old state or the new.
func (s *state) save(file string) error {
	if file == "" {
		return nil
	}
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(append(b, '\n'))
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		os.Remove(tmp.Name())
	}
	return err
}
