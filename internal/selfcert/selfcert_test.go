package selfcert_test

import (
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore/internal/selfcert"
)

func TestNew(t *testing.T) {
	now := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	cert, err := selfcert.New("a test", now, "*.example.com")
	require.NoError(t, err)
	text := selfcert.PEM(cert)
	block, rest := pem.Decode(text)
	require.Equal(t, "CERTIFICATE", block.Type)
	require.Empty(t, rest, "no key")
	leaf, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	require.Equal(t, "a test", leaf.Subject.CommonName)
	trusted := x509.NewCertPool()
	require.True(t, trusted.AppendCertsFromPEM(text))

	for _, tt := range []struct {
		host string
		at   time.Time
		ok   bool
	}{
		{"localhost", now, true},
		{"127.0.0.1", now, true},
		{"::1", now, true},
		{"one.example.com", now, true},
		{"example.org", now, false},
		{"127.0.0.2", now, false},
		{"localhost", now.Add(-time.Minute), true},
		{"localhost", now.AddDate(0, 0, -1), false},
		{"localhost", now.AddDate(0, 11, 0), true},
		{"localhost", now.AddDate(1, 1, 0), false},
	} {
		_, err := leaf.Verify(x509.VerifyOptions{Roots: trusted, DNSName: tt.host, CurrentTime: tt.at})
		require.Equal(t, tt.ok, err == nil, "%s at %s: %v", tt.host, tt.at, err)
	}
	_, err = leaf.Verify(x509.VerifyOptions{Roots: x509.NewCertPool(), DNSName: "localhost", CurrentTime: now})
	require.ErrorAs(t, err, new(x509.UnknownAuthorityError), "nobody trusts it unasked")

	other, err := selfcert.New("a test", now)
	require.NoError(t, err)
	require.NotEqual(t, text, selfcert.PEM(other))
}
