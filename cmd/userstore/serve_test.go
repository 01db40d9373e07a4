package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// served is a running `userstore serve`.
type served struct {
	readyLine
	cmd    *exec.Cmd
	stdout *bufio.Reader
	stderr *bytes.Buffer
}

// TestServe runs the real program as a child process.
func TestServe(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "userstore")
	out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput()
	require.NoError(t, err, string(out))

	t.Run("defaults", func(t *testing.T) {
		s := startServe(t, bin)
		require.Equal(t, readyLine{URL: s.URL, AppID: "app", AuthKey: "auth", APIKey: "rest"}, s.readyLine)
		require.Regexp(t, `^http://127\.0\.0\.1:\d+$`, s.URL)
		require.Equal(t, http.StatusOK, s.call(t, http.DefaultClient, "GET", "/health", "", nil))
		require.Equal(t, http.StatusOK, s.call(t, http.DefaultClient, "POST", "/v3/users", `{"uid":"a","name":"A"}`, nil))
		var list struct{ Data []struct{ UID string } }
		require.Equal(t, http.StatusOK, s.call(t, http.DefaultClient, "GET", "/v3/users", "", &list))
		require.Len(t, list.Data, 1)
		require.Equal(t, "a", list.Data[0].UID)
		s.stop(t, syscall.SIGTERM)
	})
	t.Run("interrupt", func(t *testing.T) { startServe(t, bin).stop(t, syscall.SIGINT) })
	t.Run("flags are obeyed", func(t *testing.T) { testServeFlags(t, bin) })
	t.Run("seed", func(t *testing.T) { testServeSeed(t, bin) })
	t.Run("directory", func(t *testing.T) { testServeDir(t, bin) })
	t.Run("tls", func(t *testing.T) { testServeTLS(t, bin) })
	t.Run("refused", func(t *testing.T) { testServeRefused(t, bin) })
}

func testServeFlags(t *testing.T, bin string) {
	s := startServe(t, bin, "--addr", "[::1]:0", "--app-id", "shop", "--auth-key", "k1", "--api-key", "k2", "--strict")
	require.Equal(t, readyLine{URL: s.URL, AppID: "shop", AuthKey: "k1", APIKey: "k2"}, s.readyLine)
	require.Regexp(t, `^http://\[::1\]:\d+$`, s.URL)
	require.Equal(t, http.StatusOK, s.call(t, http.DefaultClient, "GET", "/v3/users?perPage=1", "", nil))
	require.Equal(t, http.StatusBadRequest, s.call(t, http.DefaultClient, "GET", "/v3/users?nonsense=1", "", nil), "strict")
	s.APIKey = "k1"
	require.Equal(t, http.StatusForbidden, s.call(t, http.DefaultClient, "GET", "/v3/users", "", nil), "the auth key")
	s.APIKey = "rest"
	require.GreaterOrEqual(t, s.call(t, http.DefaultClient, "GET", "/v3/users", "", nil), 400, "the default key")
	s.stop(t, syscall.SIGTERM)
}

func testServeSeed(t *testing.T, bin string) {
	seed := filepath.Join(t.TempDir(), "users.jsonl")
	writeUsers(t, seed, `{"uid":"Ada","name":"Ada","role":"trainer"}`+"\n"+`{"uid":"bela","name":"Bela","tags":["x"]}`+"\n")
	s := startServe(t, bin, "--seed", seed, "--roles", "trainer,moderator")
	var ada struct{ Data struct{ Name, Role string } }
	require.Equal(t, http.StatusOK, s.call(t, http.DefaultClient, "GET", "/v3/users/ada", "", &ada))
	require.Equal(t, "trainer", ada.Data.Role)
	require.Equal(t, http.StatusOK, s.call(t, http.DefaultClient, "GET", "/v3/roles/moderator", "", nil))
	s.stop(t, syscall.SIGTERM)

	writeUsers(t, seed, `{"uid":"ada","name":"Ada"}`+"\n"+`{"uid":"no good","name":"X"}`+"\n")
	stderr := failServe(t, bin, "--seed", seed)
	require.Contains(t, stderr, "line 2")
	require.Contains(t, failServe(t, bin, "--seed", filepath.Join(t.TempDir(), "none.jsonl")), "none.jsonl")
}

func testServeDir(t *testing.T, bin string) {
	dir, seed := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "users.jsonl")
	writeUsers(t, seed, `{"uid":"ada","name":"Ada"}`+"\n")
	t.Setenv("USERSTORE_DIR", dir)
	startServe(t, bin).stop(t, syscall.SIGTERM)
	require.NoDirExists(t, dir, "a directory has to be named on the command line")

	s := startServe(t, bin, "--dir", dir, "--seed", seed)
	require.Equal(t, http.StatusOK, s.call(t, http.DefaultClient, "PUT", "/v3/users/ada", `{"name":"Ada L."}`, nil))
	s.stop(t, syscall.SIGTERM)

	s = startServe(t, bin, "--dir", dir, "--seed", seed)
	var ada struct{ Data struct{ Name string } }
	require.Equal(t, http.StatusOK, s.call(t, http.DefaultClient, "GET", "/v3/users/ada", "", &ada))
	require.Equal(t, "Ada L.", ada.Data.Name, "a user that exists is left as it is")
	failServe(t, bin, "--dir", dir) // one process a directory
	s.stop(t, syscall.SIGTERM)
}

func testServeTLS(t *testing.T, bin string) {
	s := startServe(t, bin, "--tls")
	require.True(t, strings.HasPrefix(s.URL, "https://127.0.0.1:"), s.URL)
	pem, err := os.ReadFile(s.Cert)
	require.NoError(t, err)
	require.NotContains(t, string(pem), "PRIVATE")
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(pem))
	for _, name := range []string{"127.0.0.1", "localhost", "::1"} { // each as the name that the certificate is checked for
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: name}}}
		require.Equal(t, http.StatusOK, s.call(t, client, "GET", "/health", "", nil), name)
		client.CloseIdleConnections()
	}
	_, err = http.Get(s.URL + "/health")
	require.ErrorAs(t, err, new(*tls.CertificateVerificationError), "nobody trusts it unasked")
	s.stop(t, syscall.SIGTERM)
	require.NoFileExists(t, s.Cert)
	require.NoDirExists(t, filepath.Dir(s.Cert))
}

func testServeRefused(t *testing.T, bin string) {
	busy := startServe(t, bin)
	addr := strings.TrimPrefix(busy.URL, "http://")
	for name, args := range map[string][]string{
		"address taken": {"--addr", addr},
		"address wrong": {"--addr", "nowhere"},
		"keys equal":    {"--auth-key", "k", "--api-key", "k"},
		"role wrong":    {"--roles", "no good"},
		"key, no place": {"--key-file", "key"},
		"profile, too":  {"--profile", "edge"},
		"argument":      {"more"},
		"flag":          {"--nonsense"},
	} {
		t.Run(name, func(t *testing.T) { require.NotEmpty(t, failServe(t, bin, args...)) })
	}
	busy.stop(t, syscall.SIGTERM)
}

// startServe starts the program and reads its line.
func startServe(t *testing.T, bin string, args ...string) *served {
	t.Helper()
	s := &served{cmd: exec.Command(bin, append([]string{"serve"}, args...)...), stderr: new(bytes.Buffer)}
	s.cmd.Stderr = s.stderr
	pipe, err := s.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, s.cmd.Start())
	late := time.AfterFunc(20*time.Second, func() { s.cmd.Process.Kill() })
	t.Cleanup(func() { s.cmd.Process.Kill(); s.cmd.Wait() })
	s.stdout = bufio.NewReader(pipe)
	line, err := s.stdout.ReadBytes('\n')
	late.Stop()
	require.NoError(t, err, s.stderr)
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&s.readyLine), string(line))
	return s
}

// stop asks the program to end, and requires that it does so cleanly and has nothing more to say on stdout.
func (s *served) stop(t *testing.T, sig os.Signal) {
	t.Helper()
	require.NoError(t, s.cmd.Process.Signal(sig))
	late := time.AfterFunc(10*time.Second, func() { s.cmd.Process.Kill() })
	defer late.Stop()
	rest, err := io.ReadAll(s.stdout)
	require.NoError(t, err)
	require.Empty(t, string(rest))
	require.NoError(t, s.cmd.Wait(), s.stderr)
}

// failServe runs the program where it has to fail, and gives what it said.
func failServe(t *testing.T, bin string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), bin, append([]string{"serve"}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	require.ErrorAs(t, err, new(*exec.ExitError))
	require.Empty(t, stdout.String(), "stdout is for the line alone")
	return stderr.String()
}

// call makes a back end's call and gives the status; the answer goes into out, if there is one.
func (s *served) call(t *testing.T, client *http.Client, method, path, body string, out any) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("appId", s.AppID)
	req.Header.Set("apiKey", s.APIKey)
	res, err := client.Do(req)
	require.NoError(t, err, s.stderr)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	if out != nil {
		require.NoError(t, json.Unmarshal(answer, out), string(answer))
	}
	return res.StatusCode
}

func writeUsers(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}
