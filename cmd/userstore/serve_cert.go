package main

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"time"

	"github.com/seed-3546c6b2/userstore/internal/selfcert"
)

// makeCertificate makes a certificate for this machine's own names and a key that stays in memory. The certificate, not
// the key, is written to a file, for clients to trust; remove deletes the file.
func makeCertificate(now time.Time) (cert tls.Certificate, path string, remove func(), err error) {
	cert, err = selfcert.New("userstore serve", now)
	if err != nil {
		return cert, "", nil, err
	}
	dir, err := os.MkdirTemp("", "userstore-serve-")
	if err != nil {
		return cert, "", nil, err
	}
	path = filepath.Join(dir, "cert.pem")
	if err := os.WriteFile(path, selfcert.PEM(cert), 0o644); err != nil {
		os.RemoveAll(dir)
		return cert, "", nil, err
	}
	return cert, path, func() { os.RemoveAll(dir) }, nil
}
