package userstore_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReadme builds every piece of Go in the README, so that none of it goes stale.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	require.LessOrEqual(t, strings.Count(string(readme), "\n"), 150, "the README is to stay short")

	pieces := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	require.GreaterOrEqual(t, len(pieces), 3)
	dir := t.TempDir()
	for i, piece := range pieces {
		code := piece[1]
		if !strings.HasPrefix(code, "package ") {
			code = "package main\n\n" + imports(code) + code + "\nfunc main() {}\n"
		}
		file := filepath.Join(dir, string(rune('a'+i))+".go")
		require.NoError(t, os.WriteFile(file, []byte(code), 0o600))
		out, err := exec.Command("go", "vet", file).CombinedOutput()
		require.NoError(t, err, "%s\n%s", out, code)
	}
}

// imports makes the import clause of a piece that has none.
func imports(code string) string {
	clause := ""
	for _, path := range []string{"context", "errors", "fmt", "net/http", "strings", "testing",
		"github.com/seed-3546c6b2/userstore", "github.com/seed-3546c6b2/userstore/cometchattest"} {
		if regexp.MustCompile(`\b` + filepath.Base(path) + `\.`).MatchString(code) {
			clause += "import \"" + path + "\"\n"
		}
	}
	return clause + "\n"
}
