package cometchattest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

var (
	errClosed = errors.New("cometchattest: the double has been closed")
	errBubble = errors.New("cometchattest: the double was started outside this synctest bubble; call RunT inside it")
)

// Client returns a client whose every request goes to the double, whatever scheme, host and port its URL has, so
// that CometChat's own URLs work unchanged. It needs no port and no certificate: client and server speak HTTP over a
// pipe in memory, so bodies stream, timeouts and cancellation act, and WebSockets open, as over a network. Each request
// has a connection of its own.
//
// The caller may change the http.Client; the RoundTripper is shared by all of them.
func (s *Server) Client() *http.Client { return &http.Client{Transport: s.client} }

// dial makes a connection whose server side runs where the caller runs, so that in a synctest bubble both are in it.
func (s *Server) dial(context.Context, string, string) (net.Conn, error) {
	if !s.bubbled && inBubble() {
		return nil, errBubble
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	here, there := net.Pipe()
	s.pipes.Add(1)
	p := &farEnd{there, sync.OnceFunc(s.pipes.Done)}
	_ = s.http.Serve(&onePipe{p}) // goes on in a goroutine; there is no second connection to accept
	return &nearEnd{Conn: here}, nil
}

// nearEnd is the client's end of a connection in memory. As on a network, what is sent to a server that has hung up is
// lost without an error, so that a client whose request was refused half-way gets to read the answer.
type nearEnd struct {
	net.Conn
	closed atomic.Bool
}

func (c *nearEnd) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if errors.Is(err, io.ErrClosedPipe) && !c.closed.Load() {
		return len(b), nil
	}
	return n, err
}

func (c *nearEnd) Close() error {
	c.closed.Store(true)
	return c.Conn.Close()
}

// farEnd is the server's end of a connection in memory.
type farEnd struct {
	net.Conn
	served func()
}

// pipeState is told by net/http what becomes of a connection.
func pipeState(c net.Conn, state http.ConnState) {
	if p, ok := c.(*farEnd); ok && (state == http.StateClosed || state == http.StateHijacked) {
		p.served()
	}
}

// onePipe is a listener that accepts one connection.
type onePipe struct{ next *farEnd }

func (l *onePipe) Accept() (net.Conn, error) {
	if l.next == nil {
		return nil, net.ErrClosed
	}
	p := l.next
	l.next = nil
	return p, nil
}

func (l *onePipe) Close() error   { return nil }
func (l *onePipe) Addr() net.Addr { return l.next.LocalAddr() }
