package cometchattest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/seed-3546c6b2/userstore"
)

// Seed puts users into the store. Their times are kept to the second and what is zero is set as for a new user; a user
// whose Status is Online is online. Roles that they name and that do not exist are made. A user that breaks a rule, or
// whose uid is taken, fails the test; those before it stay.
func (s *Server) Seed(t T, users ...userstore.User) {
	t.Helper()
	var lines bytes.Buffer
	for _, u := range users {
		line, err := json.Marshal(u)
		if err != nil {
			t.Fatalf("cometchattest: seed %s: %v", u.UID, err)
		}
		lines.Write(append(line, '\n'))
	}
	s.SeedLines(t, &lines)
}

// SeedLines puts users into the store as Seed does, from JSON lines: one user a line, in CometChat's JSON, as
// userstore's Export writes them.
func (s *Server) SeedLines(t T, r io.Reader) {
	t.Helper()
	lines, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("cometchattest: seed: %v", err)
	}
	ctx := context.Background()
	var online []string
	for line := range bytes.Lines(lines) {
		var u userstore.User
		if json.Unmarshal(line, &u) != nil {
			continue // Import says what is wrong with it, and where
		}
		if u.Role != "" {
			_, err := s.Store.CreateRole(ctx, userstore.Role{ID: u.Role, Name: u.Role})
			if err != nil && !errors.Is(err, userstore.ErrExists) {
				t.Fatalf("cometchattest: seed %s: role: %v", u.UID, err)
			}
		}
		if u.Status == userstore.Online && u.DeactivatedAt.IsZero() {
			online = append(online, u.UID)
		}
	}
	report, err := s.Store.Import(ctx, bytes.NewReader(lines), userstore.ImportOptions{})
	if err == nil && report.Failed > 0 {
		first := report.Errors[0]
		t.Fatalf("cometchattest: seed: line %d, user %q: %v", first.Line, first.UID, first.Err)
	}
	for _, uid := range online {
		if err == nil {
			err = s.Store.SetStatus(ctx, uid, userstore.Online)
		}
	}
	if err != nil {
		t.Fatalf("cometchattest: seed: %v", err)
	}
}
