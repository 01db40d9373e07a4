package cometchat

import (
	"net/http"
	"time"
)

// Server returns a server for h with the limits that a public listener needs: 10 seconds to send a request's header, 30
// to send all of it, 60 from the header to the end of the answer, 32 KiB of header. Sockets have no such limits, and
// none of them ends the context of a request that has arrived.
func Server(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
	}
}
