package cometchattest

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"sync"

	"github.com/seed-3546c6b2/userstore/internal/selfcert"
)

// TLS is how to reach the double by https over the network; a browser and CometChat's SDK insist on it.
type TLS struct {
	URL    string       // "https://127.0.0.1:41235"
	CA     []byte       // the certificate to trust, in PEM: for NODE_EXTRA_CA_CERTS, curl --cacert and the like
	Client *http.Client // trusts it
}

// TLS makes the double listen for https too, on a port of its own, and says how to reach it. The certificate is made
// anew by each process, for 127.0.0.1, ::1, localhost and CometChat's host names of the region us. A synctest bubble
// has no network: there it fails the test.
func (s *Server) TLS(t T) TLS {
	t.Helper()
	if s.bubbled {
		t.Fatalf("cometchattest: no TLS in a synctest bubble; Client speaks to https URLs without it")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tls != nil {
		return *s.tls
	}
	cert, err := certificate()
	if err != nil {
		t.Fatalf("cometchattest: certificate: %v", err)
	}
	ca := selfcert.PEM(cert)
	address := s.listen(t, func(l net.Listener) net.Listener {
		return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}})
	})
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}}
	t.Cleanup(transport.CloseIdleConnections)
	s.tls = &TLS{URL: "https://" + address, CA: ca, Client: &http.Client{Transport: transport}}
	return *s.tls
}

// certificate makes the one certificate of this process.
var certificate = sync.OnceValues(func() (tls.Certificate, error) {
	return selfcert.New("cometchattest", started, "*.api-us.cometchat.io", "*.apiclient-us.cometchat.io")
})
