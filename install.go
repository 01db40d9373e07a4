package userstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/seed-3546c6b2/userstore/internal/kv"
)

// install lets build make a store in a directory beside or below dir, and puts it into dir when that went well: whole or
// not at all. dir must not exist, or be empty. verb is for the errors.
func install(verb, dir string, build func(tmp string) error) (err error) {
	if dir == "" {
		return invalid("dir", ruleRequired)
	}
	defer func() {
		var path *fs.PathError
		var link *os.LinkError
		if errors.As(err, &path) || errors.As(err, &link) {
			err = fmt.Errorf("userstore: %s: %w", verb, err)
		}
	}()
	files, err := os.ReadDir(dir)
	switch {
	case err == nil && len(files) > 0:
		return fmt.Errorf("%w: %s is not empty", ErrExists, dir)
	case err == nil: // it may be where a disk is mounted, or all that may be written to: fill it from within
		return installIn(dir, verb, build)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	parent := filepath.Dir(filepath.Clean(dir))
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(parent, filepath.Base(dir)+"."+verb+"-")
	if err != nil {
		return err
	}
	if err = build(tmp); err == nil {
		err = os.Rename(tmp, dir)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(tmp))
	}
	syncDir(parent)
	return nil
}

// installIn builds below dir and moves the files up. The mark is the last: without it no store is opened, and as long as
// the directory below is there, no new one made.
func installIn(dir, verb string, build func(tmp string) error) (err error) {
	tmp, err := os.MkdirTemp(dir, kv.PartPrefix+verb+"-")
	if err != nil {
		return err
	}
	var moved []string
	defer func() {
		if err != nil {
			for _, name := range moved {
				err = errors.Join(err, os.Remove(filepath.Join(dir, name)))
			}
		}
		err = errors.Join(err, os.RemoveAll(tmp))
		syncDir(dir)
	}()
	if err := build(tmp); err != nil {
		return err
	}
	files, err := os.ReadDir(tmp)
	if err != nil {
		return err
	}
	move := func(name string) error {
		err := os.Rename(filepath.Join(tmp, name), filepath.Join(dir, name))
		if err == nil {
			moved = append(moved, name)
		}
		return err
	}
	for _, f := range files {
		if f.Name() != kv.MarkName {
			if err := move(f.Name()); err != nil {
				return err
			}
		}
	}
	syncDir(dir)
	return move(kv.MarkName)
}

// syncDir makes what was created, renamed or removed in a directory last, where that can be asked for.
func syncDir(dir string) {
	if f, err := os.Open(dir); err == nil {
		_ = f.Sync()
		_ = f.Close()
	}
}
