package userstore_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

// long asks for the modes that take minutes:
//
//	go test -timeout 60m -run 'Crash|Soak|Damage|FullDisk|OpenCost' -v . -long
var long = flag.Bool("long", false, "the long modes of the tests of crashes, damage and endurance")

// children are what the test binary does when a test starts it as a process of its own, to be killed or kept from
// something.
var children = map[string]func(args []string) error{}

const childEnv = "USERSTORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if name := os.Getenv(childEnv); name != "" {
		if err := children[name](os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child prepares a process that does what children says; what it writes to standard error comes with a failure.
func child(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	require.Contains(t, children, name)
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), childEnv+"="+name)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(name, "said:", complaint.String())
		}
	})
	return cmd
}

var edge = userstore.WithProfile(userstore.ProfileEdge)

// big is a user of about the most that a record takes.
func big(uid string) userstore.User {
	return userstore.User{UID: uid, Name: "Big", Metadata: fmt.Appendf(nil, "{\"k\":%q}", strings.Repeat("x", 5000))}
}
