package main

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestQuickstart runs the tour and looks for what each step has to show.
func TestQuickstart(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(context.Background(), filepath.Join(t.TempDir(), "store"), &out))
	rest := out.String()
	for _, line := range []string{
		"2000 users in ", ", 0 lines refused", "32 admin", // imported
		`created {"uid":"nova","name":"Nova Sky 🌟"`, "the same uid again: refused", "a role that nobody made: refused",
		"Nova Sky 🌟 is agent now, tagged berlin, chess, hiking, version 2",
		"logged in as nova", `"Counting stars"; the uid it passed does not matter: nova`, "it makes itself an admin: refused (userstore: role cannot be changed)",
		"tagged berlin; role agent, moderator: 15 users", "tagged all of chess, 東京; not jazz: ", "starts with é: ", "emile_", "starts with 山田: ", "山田", "newest first: 1932 users", "nova ",
		"blockedByMe true for nova, hasBlockedMe true", "nova is hidden: refused", "back with all it had: 1 token", "deleted for good",
		`2000 users, and nova still says "Counting stars"`, "verified: 2000 users, ", " 0 problems",
	} {
		_, after, found := strings.Cut(rest, line)
		require.True(t, found, "%q is missing, or out of order, in:\n%s", line, out.String())
		rest = after
	}
}
