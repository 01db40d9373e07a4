package userstore

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/seed-3546c6b2/userstore/internal/keys"
	"github.com/seed-3546c6b2/userstore/internal/kv"
)

// Token lets its bearer log in as a user; see LoginWithToken. It does not expire (facts 4).
type Token struct {
	UID       string
	Token     string // "<uid>_<Unix seconds><30 hex digits>", 120 bits of it from crypto/rand
	CreatedAt time.Time
}

// storedToken is the value of a token's key: when it was made, then the token.
func storedToken(t Token) []byte {
	return append(keys.AppendTime(nil, t.CreatedAt), t.Token...)
}

func readToken(uid string, value []byte) (Token, error) {
	at, token, ok := keys.CutTime(value)
	if !ok || len(token) == 0 {
		return Token{}, fmt.Errorf("%w: a token of %s is not readable", ErrCorrupt, uid)
	}
	return Token{UID: uid, Token: string(token), CreatedAt: at}, nil
}

// IssueToken makes a new token for an active user. The newest 100 of a user live; the oldest drops out for the next one.
// ErrNotFound: no such active user.
func (s *Store) IssueToken(ctx context.Context, uid string) (Token, error) {
	var secret [15]byte
	if _, err := rand.Read(secret[:]); err != nil {
		return Token{}, err
	}
	var t Token
	err := s.update(ctx, func(c *change) error {
		u, err := c.active(uid)
		if err != nil {
			return err
		}
		now := s.now()
		t = Token{UID: u.UID, CreatedAt: now, Token: fmt.Sprintf("%s_%010d%s", u.UID, max(now.Unix(), 0), hex.EncodeToString(secret[:]))}
		old, err := c.Scan(keys.PairsOf(keys.Token, u.UID), 0)
		if err != nil {
			return err
		}
		for len(old) >= maxTokens {
			c.Delete(old[0].Key)
			old = old[1:]
		}
		number, err := c.guard(u.UID) // grows with each token, whatever the clock says
		if err != nil {
			return err
		}
		c.Set(keys.TokenOf(u.UID, uint64(number)), storedToken(t))
		return nil
	})
	if err != nil {
		return Token{}, err
	}
	return t, nil
}

// Tokens returns the living tokens of an active user, oldest first. ErrNotFound: no such active user.
func (s *Store) Tokens(ctx context.Context, uid string) ([]Token, error) {
	var tokens []Token
	err := s.read(ctx, func(v kv.View) error {
		p, err := s.active(v, uid)
		if err != nil {
			return err
		}
		it := v.Iterate(keys.PairsOf(keys.Token, p.uid()), false)
		defer it.Close()
		for it.Seek(nil); it.Valid(); it.Next() {
			value, err := it.Value()
			if err != nil {
				return err
			}
			t, err := readToken(p.uid(), value)
			if err != nil {
				return err
			}
			tokens = append(tokens, t)
		}
		return nil
	})
	return tokens, err
}

// RevokeToken ends one token of an active user. ErrNotFound: no such active user, or the token is unknown, already
// revoked or somebody else's.
func (s *Store) RevokeToken(ctx context.Context, uid, token string) error {
	return s.update(ctx, func(c *change) error {
		u, err := c.active(uid)
		if err != nil {
			return err
		}
		all, err := c.Scan(keys.PairsOf(keys.Token, u.UID), 0)
		if err != nil {
			return err
		}
		for _, w := range all {
			if same(w.Value, token) {
				return c.revoke(u.UID, w.Key)
			}
		}
		return fmt.Errorf("%w: token of user %s", ErrNotFound, u.UID)
	})
}

// RevokeTokens ends all tokens of an active user and returns how many there were. ErrNotFound: no such active user.
func (s *Store) RevokeTokens(ctx context.Context, uid string) (int, error) {
	n := 0
	err := s.update(ctx, func(c *change) error {
		u, err := c.active(uid)
		if err != nil {
			return err
		}
		all, err := c.Scan(keys.PairsOf(keys.Token, u.UID), 0)
		n = len(all)
		for i := 0; i < n && err == nil; i++ {
			err = c.revoke(u.UID, all[i].Key)
		}
		return err
	})
	return n, err
}

func (c *change) revoke(uid string, key []byte) error {
	c.Delete(key)
	_, err := c.guard(uid)
	return err
}

// same compares in constant time.
func same(value []byte, token string) bool {
	_, stored, ok := keys.CutTime(value)
	return ok && subtle.ConstantTimeCompare(stored, []byte(token)) == 1
}

// findToken looks a token up among its user's, whose uid it starts with; number is its place among them.
func findToken(v kv.View, token string) (uid string, number uint64, ok bool, err error) {
	i := strings.LastIndexByte(token, '_')
	if i < 0 || !validID(token[:i]) {
		return "", 0, false, nil
	}
	uid = token[:i]
	prefix := keys.PairsOf(keys.Token, uid)
	it := v.Iterate(prefix, false)
	defer it.Close()
	for it.Seek(nil); it.Valid(); it.Next() {
		value, err := it.Value()
		if err != nil {
			return "", 0, false, err
		}
		if key := it.Key(); same(value, token) && len(key) == len(prefix)+8 {
			number, ok = binary.BigEndian.Uint64(key[len(prefix):]), true
		}
	}
	return uid, number, ok, nil
}
