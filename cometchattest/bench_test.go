package cometchattest_test

import (
	"net/http"
	"testing"

	"github.com/seed-3546c6b2/userstore/cometchattest"
)

func BenchmarkRunT(b *testing.B) {
	for b.Loop() {
		f := &fakeT{}
		cometchattest.RunT(f)
		f.end()
	}
}

func BenchmarkRequest(b *testing.B) {
	srv := cometchattest.RunT(b)
	srv.Seed(b, ann())
	for name, client := range map[string]*http.Client{"pipe": srv.Client(), "network": http.DefaultClient} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if a := ask(client, srv, "GET", "/users/ann", ""); a.status != http.StatusOK {
					b.Fatal(a)
				}
			}
		})
	}
}

func BenchmarkRestore(b *testing.B) {
	srv := cometchattest.RunT(b)
	srv.Seed(b, ann())
	snap := srv.Snapshot(b)
	for b.Loop() {
		srv.Restore(b, snap)
	}
}
