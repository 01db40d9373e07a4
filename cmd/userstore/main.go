// Command userstore looks after a store from the command line: it moves users in and out, lists and changes them, and
// keeps the files in good order.
//
// Exit codes: 0 done; 1 it failed, or some of it; 2 the command line or a value is wrong; 3 no such user, role, token or
// store; 4 the store is in use, damaged, or locked with another key; 5 the uid or role is taken, in use, or has moved on;
// 130 interrupted.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	a := &app{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, args: os.Args[1:], getenv: os.Getenv, now: time.Now,
		outTerminal: term.IsTerminal(int(os.Stdout.Fd())), errTerminal: term.IsTerminal(int(os.Stderr.Fd())),
	}
	os.Exit(a.run(ctx))
}
