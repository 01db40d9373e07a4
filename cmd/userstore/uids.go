package main

import (
	"bufio"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-3546c6b2/userstore"
)

// uids gives the uids of the command line; "-" stands for those on the standard input, one a line.
func (a *app) uids(given []string) ([]string, error) {
	var uids []string
	for _, uid := range given {
		if uid != "-" {
			uids = append(uids, uid)
			continue
		}
		lines := bufio.NewScanner(a.stdin)
		for lines.Scan() {
			if uid := strings.TrimSpace(lines.Text()); uid != "" {
				uids = append(uids, uid)
			}
		}
		if err := lines.Err(); err != nil {
			return nil, err
		}
	}
	return uids, nil
}

// tell writes what became of a user or role: as text, or as a line of JSON. kind names the id in the JSON.
func (a *app) tell(kind, id, what string) error {
	if a.json {
		return a.emit(map[string]string{kind: id, "result": what})
	}
	a.printf("%s: %s", id, what)
	return nil
}

// outcome writes what became of each uid of a call. Uids that are not there make it an error.
func (a *app) outcome(out userstore.Outcome, done, already string) error {
	for _, list := range []struct {
		uids []string
		what string
	}{{out.Done, done}, {out.Already, already}, {out.NotFound, "not found"}, {out.Refused, "refused"}} {
		for _, uid := range list.uids {
			if err := a.tell("uid", uid, list.what); err != nil {
				return err
			}
		}
	}
	return missing(len(out.NotFound))
}

// each does one thing to each of some users, or roles; kind is as for tell. What is not there is told and makes it an error in the end.
func (a *app) each(kind string, ids []string, do func(id string) error, done string) error {
	n := 0
	for _, id := range ids {
		err := do(id)
		what := done
		if errors.Is(err, userstore.ErrNotFound) {
			what = "not found"
			n++
		} else if err != nil {
			return err
		}
		if err := a.tell(kind, id, what); err != nil {
			return err
		}
	}
	return missing(n)
}

// dryRun tells what would be done with each user, and changes nothing.
func (a *app) dryRun(cmd *cobra.Command, uids []string, would func(userstore.User) string) error {
	return a.withStore(reading, func(s *userstore.Store) error {
		n := 0
		for _, uid := range uids {
			u, err := a.find(cmd.Context(), s, uid, true)
			what := ""
			switch {
			case errors.Is(err, userstore.ErrNotFound):
				what = "not found"
				n++
			case err != nil:
				return err
			default:
				what = would(u)
			}
			if err := a.tell("uid", uid, what); err != nil {
				return err
			}
		}
		return missing(n)
	})
}

// missing is the error of a call in which n users were not found.
func missing(n int) error {
	if n == 0 {
		return nil
	}
	return fmt.Errorf("%d of them: %w", n, userstore.ErrNotFound)
}
