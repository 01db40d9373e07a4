package kv

import (
	"fmt"
	"runtime"
	"strings"
)

// caught, deferred, makes an error of a panic that is Badger's: it panics on some damage to a table, such as a byte that
// flipped while the store is open. A panic of anybody else goes on.
func caught(err *error) {
	p := recover()
	if p == nil {
		return
	}
	if !badgerPanics() {
		panic(p)
	}
	*err = fmt.Errorf("%w: Badger cannot read a table; close the store and restore a backup, or see Salvage", ErrCorrupt)
}

// badgerPanics tells whether the innermost code that is neither Go's own nor a helper of Badger's is Badger.
func badgerPanics() bool {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(0, pcs)])
	panicking := false
	for {
		f, more := frames.Next()
		switch {
		case f.Function == "runtime.gopanic":
			panicking = true
		case !panicking || strings.HasPrefix(f.Function, "runtime."):
		case strings.HasPrefix(f.Function, "github.com/dgraph-io/"):
			return true
		case strings.Contains(f.Function, "userstore"):
			return false
		}
		if !more {
			return false
		}
	}
}
