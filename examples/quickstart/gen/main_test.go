package main

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestUsersAreThoseThatShip fails when users.jsonl is not what this program writes.
func TestUsersAreThoseThatShip(t *testing.T) {
	var made bytes.Buffer
	require.NoError(t, generate(&made, users))
	ship, err := os.ReadFile("../users.jsonl")
	require.NoError(t, err)
	require.True(t, bytes.Equal(made.Bytes(), ship), "run: go run ./examples/quickstart/gen > examples/quickstart/users.jsonl")
}
