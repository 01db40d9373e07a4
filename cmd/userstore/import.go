package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-3546c6b2/userstore"
	"github.com/seed-3546c6b2/userstore/cmd/userstore/internal/records"
)

func newImportCmd(a *app) *cobra.Command {
	im := &importing{app: a}
	cmd := &cobra.Command{
		Use:   "import [FILE]",
		Short: "Take users from a file",
		Long: `Take users from a file, or from the standard input if there is none or it is "-". A directory
without a store gets one.

The format is told by the file's name or first bytes, or by --format:
  jsonl      a user a line, in CometChat's JSON
  csv        a header row with any of uid, name, avatar, link, role, statusMessage,
             metadata (JSON), tags (separated by ;), createdAt, updatedAt, lastActiveAt
             and deactivatedAt (RFC 3339 or Unix seconds), then a user a row
  cometchat  the body of CometChat's data import: {"users": {"<uid>": {...}, ...}}

A user who cannot be taken is told with the line and the reason and stops no other; the
exit code is 1 then. After Ctrl-C the store is whole, and the tool says how to go on.`,
		Example: `  userstore import users.jsonl --mode upsert --errors bad.jsonl
  zcat users.csv.gz | userstore import --format csv --create-roles`,
		Args: args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			in, name, size, err := a.input(given)
			if err != nil {
				return err
			}
			defer in.Close()
			src := &source{size: batchSize, after: im.after, in: counting{Reader: in}}
			if im.stopOnError {
				src.size = 1
			}
			if src.from, err = records.Open(&src.in, name, im.format.value); err != nil {
				return usagef("%s: %w", name, err)
			}
			if im.failed, err = a.failures(im.errorsFile); err != nil {
				return usageError{err}
			}
			im.meter = a.meter("imported", "users", size, im.quiet)
			err = a.withStore(creating, func(s *userstore.Store) error {
				ctx, cancel := context.WithCancel(cmd.Context())
				defer cancel()
				batches := make(chan *batch)
				go src.read(ctx, batches)
				return im.run(cmd.Context(), s, batches)
			}, userstore.WithSync(false)) // closing the store brings all of it to the disk at once
			im.meter.end()
			return im.report(err)
		},
	}
	f := cmd.Flags()
	im.format = choice{of: []string{records.JSONLines, records.CSV, records.CometChat}}
	im.format.bind(cmd, f, "format", "instead of what the file speaks of")
	im.mode = choice{value: "insert", of: []string{"insert", "upsert", "skip"}}
	im.mode.bind(cmd, f, "mode", "a uid that is there already fails, is replaced, or is passed over")
	f.StringVar(&im.errorsFile, "errors", "", "file for everything that failed, as JSON lines")
	f.BoolVar(&im.stopOnError, "stop-on-error", false, "stop at the first user who cannot be taken; slower")
	f.BoolVar(&im.createRoles, "create-roles", false, "create the roles that users have and the store has not")
	f.IntVar(&im.after, "after", 0, "pass over so many users of the input: what an earlier run has done")
	f.BoolVar(&im.quiet, "quiet", false, "do not tell how far it is")
	return cmd
}

// input opens the file that the command line names, or the standard input. size is 0 if it is not known.
func (a *app) input(given []string) (in io.ReadCloser, name string, size int64, err error) {
	if len(given) == 0 || given[0] == "-" {
		return io.NopCloser(a.stdin), "standard input", 0, nil
	}
	f, err := os.Open(given[0])
	if err != nil {
		return nil, "", 0, usageError{err}
	}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		size = info.Size()
	}
	return f, given[0], size, nil
}

// importing is one run of import.
type importing struct {
	*app
	format, mode                    choice
	errorsFile                      string
	stopOnError, createRoles, quiet bool
	after                           int

	store  *userstore.Store
	failed *failures
	meter  *meter
	roles  map[string]bool // known to be there

	handled int // users of the input that are done with
	total   userstore.ImportReport
}

// errStopped ends an import at its first failure.
var errStopped = errors.New("stopped")

// run stores batches until there are no more. A batch that has begun is finished, so that it is known how far the
// import has come.
func (im *importing) run(ctx context.Context, s *userstore.Store, batches <-chan *batch) error {
	im.store = s
	im.roles = map[string]bool{"default": true}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case b := <-batches:
			if err := im.take(context.WithoutCancel(ctx), b); err != nil {
				return err
			}
			if b.end == io.EOF {
				return nil
			}
			if b.end != nil {
				return fmt.Errorf("after user %d of the input: %w", b.seen, b.end)
			}
		}
	}
}

// take stores a batch and tells what failed.
func (im *importing) take(ctx context.Context, b *batch) error {
	if im.createRoles {
		if err := im.makeRoles(ctx, b); err != nil {
			return err
		}
	}
	mode := map[string]userstore.ImportMode{"upsert": userstore.ImportUpsert, "skip": userstore.ImportSkip}[im.mode.value]
	done, err := im.store.Import(ctx, bytes.NewReader(b.lines), userstore.ImportOptions{Mode: mode})
	if err != nil {
		return err
	}
	for _, e := range done.Errors {
		b.bad = append(b.bad, failure{Line: b.at[e.Line-1], UID: e.UID, Error: errorText(e.Err)})
	}
	slices.SortStableFunc(b.bad, func(a, b failure) int { return a.Line - b.Line })
	im.total.Created += done.Created
	im.total.Updated += done.Updated
	im.total.Skipped += done.Skipped
	im.total.Failed += len(b.bad)
	im.handled = b.seen
	for _, f := range b.bad {
		if err := im.failed.add(f); err != nil {
			return err
		}
	}
	im.meter.at(b.pos, im.handled-im.after, im.total.Failed)
	if im.stopOnError && len(b.bad) > 0 {
		return errStopped
	}
	return nil
}

// makeRoles creates the roles that the batch speaks of. What is wrong with one is told of the users who have it.
func (im *importing) makeRoles(ctx context.Context, b *batch) error {
	for line := range bytes.Lines(b.lines) {
		var user struct {
			Role string `json:"role"`
		}
		if json.Unmarshal(line, &user) != nil || user.Role == "" || im.roles[user.Role] {
			continue
		}
		_, err := im.store.CreateRole(ctx, userstore.Role{ID: user.Role, Name: user.Role})
		if err != nil && !errors.Is(err, userstore.ErrExists) && !errors.Is(err, userstore.ErrInvalid) {
			return err
		}
		im.roles[user.Role] = err == nil || errors.Is(err, userstore.ErrExists)
	}
	return nil
}

// importSummary is what an import came to.
type importSummary struct {
	Read    int     `json:"read"`
	Created int     `json:"created"`
	Updated int     `json:"updated"`
	Skipped int     `json:"skipped"`
	Failed  int     `json:"failed"`
	Done    int     `json:"done"` // users of the input that a later run may pass over: --after
	Seconds float64 `json:"seconds"`
}

// report says what it came to, and if it ended early how to go on.
func (im *importing) report(err error) error {
	sum := importSummary{
		Read: max(im.handled-im.after, 0), Created: im.total.Created, Updated: im.total.Updated, Skipped: im.total.Skipped,
		Failed: im.total.Failed, Done: im.handled,
	}
	var rate int
	sum.Seconds, rate = im.meter.took(im.now(), sum.Read)
	if im.json {
		if err := im.emit(sum); err != nil {
			return err
		}
	}
	im.printf("%s users read, %s created, %s updated, %s skipped, %s failed in %.1f s (%s/s)", counted(sum.Read), counted(sum.Created),
		counted(sum.Updated), counted(sum.Skipped), counted(sum.Failed), sum.Seconds, counted(rate))
	failed := im.failed.close()
	if err == nil {
		return failed
	}
	if im.handled > 0 {
		im.notef("The store is whole. The first %s users of the input are done with; to go on with the rest of the same input:\n  userstore %s",
			counted(im.handled), strings.Join(resumed(im.args, im.handled), " "))
	}
	if errors.Is(err, errStopped) {
		return failed
	}
	return err
}

// resumed gives the command line that goes on after the first n users.
func resumed(args []string, n int) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		if args[i] == "--after" {
			i++
			continue
		}
		if !strings.HasPrefix(args[i], "--after=") {
			out = append(out, quote(args[i]))
		}
	}
	return append(out, "--after", strconv.Itoa(n))
}

// quote makes an argument safe to paste into a shell.
func quote(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("-_./=:@,+%", r) && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
