package cometchat

import (
	"log/slog"
	"time"
)

// Options is what a Handler is told about the application it stands in for. The zero value serves any app id and knows
// no api key.
type Options struct {
	AppID   string // the app id that requests have to name; empty = any
	Region  string // the region in the settings and in CometChat's host names; empty = "us"
	AuthKey string // an authOnly key to start with; empty = none
	APIKey  string // a fullAccess key to start with; empty = none

	Strict    bool             // refuse query parameters that a route does not know, instead of logging them
	AuthOnly  AuthOnly         // what an authOnly key may do; zero = create and update users, create tokens
	RateLimit RateLimit        // requests a minute; zero = no limit
	Quotas    Quotas           // what the application's plan allows; zero = no limit
	State     State            // what an earlier Handler remembered; zero = nothing
	Clock     func() time.Time // nil = time.Now
	Logger    *slog.Logger     // nil = silence
}

// AuthOnly is a set of things that a key of the scope authOnly may do. A fullAccess key may do everything.
type AuthOnly uint8

// What an authOnly key may be allowed.
const (
	AuthOnlyCreateUser AuthOnly = 1 << iota
	AuthOnlyUpdateUser
	AuthOnlyCreateToken
)

// Quotas are the limits of a plan. In each, zero means no limit.
type Quotas struct {
	Roles   int // roles of the application, default included; CometChat's usual 25
	Friends int // friends of one user; CometChat's usual 1,000
	APIKeys int // api keys of the application; CometChat's usual 25
}

// RateLimit is how many requests a minute the application may make, by what they do. In each, zero means no limit.
// CometChat's are 10,000, 20,000 and 60.
type RateLimit struct {
	Core   int // logging in, creating and deleting users
	Other  int // everything else
	Import int // data import
}
