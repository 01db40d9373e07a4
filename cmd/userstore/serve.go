package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-3546c6b2/userstore"
	"github.com/seed-3546c6b2/userstore/cometchat"
)

// serveFlags is what serve is told on its command line, beside the flags of every command.
type serveFlags struct {
	addr, seed string
	roles      []string
	tls        bool
	app        cometchat.Options
}

// readyLine is the one line that serve writes to stdout.
type readyLine struct {
	URL     string `json:"url"`
	AppID   string `json:"appId"`
	AuthKey string `json:"authKey"`
	APIKey  string `json:"apiKey"`
	Cert    string `json:"cert,omitempty"` // path of the certificate to trust
}

func newServeCmd(a *app) *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a double of CometChat's user API for tests and development",
		Long: `Run a double of CometChat's user API, REST and presence, for tests and development.

When it is ready it writes one line of JSON to stdout:

  {"url":"http://127.0.0.1:41873","appId":"app","authKey":"auth","apiKey":"rest"}

and with --tls also "cert", the path of a certificate made for this run, valid for
localhost, 127.0.0.1 and ::1. Everything else goes to stderr. A person can look at
the users and the last requests under the url; GET /health tells whether it works.
SIGTERM and SIGINT stop it.

Users are kept in memory and forgotten, unless --dir names a directory for them;
$USERSTORE_DIR is not looked at, lest a test write into a real store.`,
		Example: `  userstore serve --seed users.jsonl --roles trainer,moderator
  userstore serve --addr 127.0.0.1:8443 --tls --dir ./data`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			inMemory := !cmd.Flags().Changed("dir")
			for _, name := range []string{"key-file", "profile"} {
				if inMemory && cmd.Flags().Changed(name) {
					return usagef("--%s is about a directory; give --dir too", name)
				}
			}
			return a.serve(cmd.Context(), f, inMemory)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&f.addr, "addr", "127.0.0.1:0", "address to listen on; port 0 takes a free one")
	fs.StringVar(&f.app.AppID, "app-id", "app", "app id that requests have to name")
	fs.StringVar(&f.app.AuthKey, "auth-key", "auth", "key for clients: create and update users, log in")
	fs.StringVar(&f.app.APIKey, "api-key", "rest", "key for back ends: everything")
	fs.StringVar(&f.app.Region, "region", "us", "region of the app")
	fs.BoolVar(&f.app.Strict, "strict", false, "refuse query parameters that CometChat does not know, instead of logging them")
	fs.StringVar(&f.seed, "seed", "", "file of users to begin with, one JSON object a line; users that exist are left as they are")
	fs.StringSliceVar(&f.roles, "roles", nil, "roles that exist from the beginning, besides default")
	fs.BoolVar(&f.tls, "tls", false, "speak https, with a certificate made for this run")
	return cmd
}

// serve runs the double until ctx is done.
func (a *app) serve(ctx context.Context, f serveFlags, inMemory bool) (err error) {
	log := slog.New(slog.NewTextHandler(a.stderr, nil))
	f.app.Logger, f.app.Clock = log, a.now
	opts := []userstore.Option{userstore.WithLogger(log), userstore.WithRoles(f.roles...)}
	do := func(store *userstore.Store) error {
		if f.seed != "" {
			if err := seedStore(ctx, store, f.seed, log); err != nil {
				return err
			}
		}
		return a.serveStore(ctx, f, store, log)
	}
	if !inMemory {
		return a.withStore(creating, do, opts...)
	}
	store, err := userstore.OpenInMemory(append(opts, userstore.WithClock(a.now))...)
	if err != nil {
		return openError{err}
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return do(store)
}

func (a *app) serveStore(ctx context.Context, f serveFlags, store *userstore.Store, log *slog.Logger) error {
	handler, err := cometchat.New(store, f.app)
	if err != nil {
		return usageError{err}
	}
	defer handler.Close()
	server := cometchat.Server(handler)
	server.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelWarn)
	listener, err := net.Listen("tcp", f.addr)
	if err != nil {
		return err
	}
	defer listener.Close()
	line := readyLine{URL: urlOf("http", listener.Addr()), AppID: f.app.AppID, AuthKey: f.app.AuthKey, APIKey: f.app.APIKey}
	if f.tls {
		cert, path, remove, err := makeCertificate(time.Now())
		if err != nil {
			return err
		}
		defer remove()
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}}
		line.URL, line.Cert = urlOf("https", listener.Addr()), path
	}
	if err := a.emit(line); err != nil {
		return err
	}
	if buffered, ok := a.stdout.(interface{ Flush() error }); ok { // somebody waits for the line
		if err := buffered.Flush(); err != nil {
			return err
		}
	}
	log.Info("serving", "url", line.URL)
	return runServer(ctx, server, handler, listener, log)
}

// runServer serves until ctx is done, then lets requests under way finish for a few seconds.
func runServer(ctx context.Context, server *http.Server, handler *cometchat.Handler, listener net.Listener, log *slog.Logger) error {
	failed := make(chan error, 1)
	go func() {
		if server.TLSConfig != nil {
			failed <- server.ServeTLS(listener, "", "")
		} else {
			failed <- server.Serve(listener)
		}
	}()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	log.Info("stopping")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	handler.Close() // sockets do not end by themselves
	if err := server.Shutdown(ctx); err != nil {
		log.Warn("requests cut off", "err", err)
		server.Close()
	}
	return nil
}

// seedStore reads users from a file; a line that cannot be taken is an error, since a test would miss its user later.
func seedStore(ctx context.Context, store *userstore.Store, path string, log *slog.Logger) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	report, err := store.Import(ctx, file, userstore.ImportOptions{Mode: userstore.ImportSkip})
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if len(report.Errors) > 0 {
		first := report.Errors[0]
		return fmt.Errorf("%s: %d of %d users not taken; line %d: %w", path, report.Failed, report.Read, first.Line, first.Err)
	}
	log.Info("seeded", "users", report.Created, "there already", report.Skipped)
	return nil
}

// urlOf names a listener's address; one that listens everywhere is reached as localhost.
func urlOf(scheme string, addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return scheme + "://" + addr.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}
