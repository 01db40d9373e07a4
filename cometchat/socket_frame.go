package cometchat

import (
	"encoding/json"
	"errors"
	"strconv"

	"github.com/seed-3546c6b2/userstore"
)

// What a client says when it authenticates its socket to be told of others: of everybody, of users with certain roles,
// or of its friends. Anything else, or nothing, means of nobody.
const (
	subscribeAll     = "ALL_USERS"
	subscribeRoles   = "ROLES"
	subscribeFriends = "FRIENDS"
)

// authRequest is the body of a client's auth frame.
type authRequest struct {
	Auth         string   `json:"auth"` // the jwt of the login
	Subscription string   `json:"presenceSubscription"`
	Roles        []string `json:"roles"`
}

// clientFrame is what a client sends: type auth first, action ping from then on. The rest of CometChat's frames, about
// messages, typing and the like, have nothing to do with users.
type clientFrame struct {
	Type   string          `json:"type"`
	Action string          `json:"action"`
	AppID  string          `json:"appId"`
	Sender string          `json:"sender"`
	Body   json.RawMessage `json:"body"`
}

var errFrame = errors.New("not a frame")

// parseFrame reads a client's frame; req is set if it is an auth frame.
func parseFrame(b []byte) (f clientFrame, req *authRequest, err error) {
	if json.Unmarshal(b, &f) != nil {
		return f, nil, errFrame
	}
	if f.Type != "auth" {
		return f, nil, nil
	}
	req = new(authRequest)
	if json.Unmarshal(f.Body, req) != nil {
		return f, nil, errFrame
	}
	return f, req, nil
}

var pongFrame = []byte(`{"action":"pong"}`)

// serverFrame is what the server sends, apart from the pong.
type serverFrame struct {
	Type     string `json:"type"`
	AppID    string `json:"appId"`
	DeviceID string `json:"deviceId,omitempty"`
	Sender   string `json:"sender,omitempty"`
	Body     any    `json:"body"`
}

// authFrame answers an auth frame. The code is an HTTP status, and a string: the SDK compares it with "200".
func authFrame(appID string, code int, status string) []byte {
	type body struct {
		Code   string `json:"code"`
		Status string `json:"status"`
	}
	b, _ := json.Marshal(serverFrame{Type: "auth", AppID: appID, Body: body{strconv.Itoa(code), status}})
	return b
}

// presenceFrame tells that u has come online or gone offline. The device is named after the user: the SDK passes over
// frames of its own session's device, which this never is.
func presenceFrame(appID string, u userstore.User) ([]byte, error) {
	type body struct {
		Action    string         `json:"action"`
		Timestamp int64          `json:"timestamp"` // Unix seconds
		User      userstore.User `json:"user"`
	}
	action := "offline"
	if u.Status == userstore.Online {
		action = "online"
	}
	return json.Marshal(serverFrame{
		Type: "presence", AppID: appID, DeviceID: "presence-" + u.UID, Sender: u.UID,
		Body: body{action, u.LastActiveAt.Unix(), u},
	})
}
