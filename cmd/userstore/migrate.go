package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/seed-3546c6b2/userstore"
	"github.com/seed-3546c6b2/userstore/cmd/userstore/internal/migrate"
)

func newMigrateCmd(a *app) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "migrate",
		Short: "Move users between the store and CometChat's REST API",
		Long: `Move roles, users, friends and blocks between the store and an app at CometChat, or the
double that serve runs. Either way it can be run again: what is there already is brought
up to date, nobody is deleted, and nobody who is deactivated comes back. Auth tokens do not
move.

After Ctrl-C, or when the service sends it away, the same command goes on where it was:
the state file keeps the place.`,
		Example: `  COMETCHAT_API_KEY=... userstore migrate pull --app-id APPID --region us
  userstore migrate push --url http://127.0.0.1:8080/v3 --api-key rest`,
	})
	cmd.AddCommand(
		newMigration(a, "pull", "Take everything from the service into the store", creating, migrate.Pull,
			`Take everything from the service into the store, times of creation, change and
deactivation included. A directory without a store gets one.`),
		newMigration(a, "push", "Bring everything from the store to the service", reading, migrate.Push,
			`Bring everything from the store to the service. The service gives its own times of creation
and change. Friends and blocks of deactivated users are not seen, and do not move.`),
	)
	return cmd
}

type migration func(context.Context, *userstore.Store, migrate.Options) (migrate.Report, error)

func newMigration(a *app, name, short string, want access, do migration, long string) *cobra.Command {
	var o migrate.Options
	var region, errorsFile string
	var quiet bool
	cmd := &cobra.Command{
		Use:   name,
		Short: short,
		Long: long + `

Answers of the service are told apart: done; try again, for its own faults and the
network's; wait, when there were too many requests, for as long as it says; stop, for a
wrong key or address or an exhausted plan; skip, with the reason, for what it refuses. The
exit code is 1 if something was skipped.`,
		Example: fmt.Sprintf(`  COMETCHAT_API_KEY=... userstore migrate %[1]s --app-id APPID --region us
  userstore migrate %[1]s --url http://127.0.0.1:8080/v3 --api-key rest --users-only`, name),
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.address(&o, region); err != nil {
				return err
			}
			if a.dir == "" {
				_, err := a.options() // says so
				return err
			}
			dir, err := filepath.Abs(a.dir)
			if err != nil {
				return err
			}
			o.Store = dir
			if o.State == "" {
				o.State = dir + ".migrate-" + name + ".json"
			}
			failed, err := a.failures(errorsFile)
			if err != nil {
				return usageError{err}
			}
			o.Skipped = func(s migrate.Skipped) {
				_ = failed.add(failure{Phase: s.Phase, UID: s.ID, Error: errorText(errors.New(s.Reason))})
			}
			m := a.meter("moved", "users and relations", 0, quiet)
			moved := func(r migrate.Report) int { return r.Roles + r.Users + r.Friends + r.Blocks }
			o.Progress = func(r migrate.Report) { m.at(int64(moved(r)), moved(r), r.Skipped) }
			o.Now = a.now
			var report migrate.Report
			err = a.withStore(want, func(s *userstore.Store) error {
				report, err = do(cmd.Context(), s, o)
				return err
			})
			m.end()
			return a.migrated(report, o.State, failed, err)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.URL, "url", a.getenv("COMETCHAT_URL"), "address of the API with its version; $COMETCHAT_URL")
	f.StringVar(&o.AppID, "app-id", a.getenv("COMETCHAT_APP_ID"), "app at CometChat; $COMETCHAT_APP_ID")
	f.StringVar(&region, "region", a.getenv("COMETCHAT_REGION"), "the app's region: us, eu or in; $COMETCHAT_REGION")
	f.StringVar(&o.Key, "api-key", "", "REST API key with full access; $COMETCHAT_API_KEY, which others on the machine cannot see")
	f.IntVar(&o.PerMinute, "rate", 6000, "requests a minute at most")
	f.IntVar(&o.Workers, "workers", 4, "requests under way at once")
	f.IntVar(&o.Attempts, "attempts", 8, "how often a request that fails is tried")
	f.BoolVar(&o.UsersOnly, "users-only", false, "leave out friends and blocks, which take one or two requests a user")
	f.StringVar(&o.State, "state", "", "file that keeps the place (default DIR.migrate-"+name+".json)")
	f.StringVar(&errorsFile, "errors", "", "file for everything that was skipped, as JSON lines")
	f.BoolVar(&quiet, "quiet", false, "do not tell how far it is")
	return cmd
}

// address fills in where the service is and the key to it.
func (a *app) address(o *migrate.Options, region string) error {
	if o.Key == "" {
		o.Key = a.getenv("COMETCHAT_API_KEY")
	}
	switch {
	case o.PerMinute <= 0 || o.Workers <= 0 || o.Attempts <= 0:
		return usagef("--rate, --workers and --attempts have to be above 0")
	case o.Key == "":
		return usagef("which key? Set $COMETCHAT_API_KEY or give --api-key")
	case o.URL != "":
		return nil
	case o.AppID == "" || region == "":
		return usagef("which service? Give --app-id and --region, or --url")
	}
	o.URL = fmt.Sprintf("https://%s.api-%s.cometchat.io/v3", o.AppID, region)
	o.AppID = "" // the host's name says it
	return nil
}

// migrated says what a migration came to, and if it ended early how to go on.
func (a *app) migrated(r migrate.Report, state string, failed *failures, err error) error {
	if a.json {
		if err := a.emit(r); err != nil {
			return err
		}
	}
	a.printf("%s roles, %s users, %s friendships, %s blocks moved, %s skipped; %s requests, %s of them again", counted(r.Roles),
		counted(r.Users), counted(r.Friends), counted(r.Blocks), counted(r.Skipped), counted(r.Requests), counted(r.Again))
	skipped := failed.close()
	if errors.Is(err, migrate.ErrAddress) || errors.Is(err, migrate.ErrState) {
		return usageError{err}
	}
	if err == nil {
		return skipped
	}
	if r.Phase != "" {
		a.notef("The same command goes on from here; %s keeps the place.", state)
	}
	return err
}
