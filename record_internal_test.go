package userstore

import (
	"encoding/binary"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// records is one of each kind: every field set, as little as there is, and times at the ends of what can be.
func records() []*record {
	return []*record{
		{User: User{UID: "ada", Name: "Ada", Avatar: "https://a", Link: "https://l", Role: "vip", StatusMessage: "hi", Metadata: json.RawMessage(`{"a":1}`), Tags: []string{"x", "y"},
			Status: Online, LastActiveAt: time.Unix(1, 2).UTC(), CreatedAt: time.Unix(3, 999_999_999).UTC(), UpdatedAt: time.Unix(5, 0).UTC(), DeactivatedAt: time.Unix(7, 8).UTC(), Version: 1 << 63}, born: 9, seen: 5},
		{User: User{UID: "bob", Name: "B", Role: "default", Status: Offline, CreatedAt: time.Unix(maxUnix, 0).UTC(), Version: 1}, born: 1<<64 - 1},
		{User: User{UID: "eve", Status: Offline, CreatedAt: time.Unix(-62135596799, 0).UTC()}},
	}
}

func TestRecordRoundTrip(t *testing.T) {
	for _, r := range records() {
		b, err := r.encode()
		require.NoError(t, err)
		back, err := decodeRecord(r.UID, b, 5)
		require.NoError(t, err)
		require.Equal(t, r, back)
		back, err = decodeRecord(r.UID, b, 6)
		require.NoError(t, err)
		require.Equal(t, Offline, back.Status, "online in another run is offline in this one")
	}
}

func TestPack(t *testing.T) {
	odd := &record{User: User{UID: "z", Tags: []string{"", "\x00\x00", "日本語"}, Metadata: json.RawMessage(" "), Status: Offline}, rest: []byte{1, 2}, restFields: 1}
	for _, r := range append(records(), odd) {
		p := pack(r)
		require.Equal(t, r, p.record())
		used := pack(odd).record()
		p.unpack(used)
		require.Equal(t, r, used, "nothing is left of who was there before")
		require.Equal(t, []any{r.UID, r.born, r.DeactivatedAt.IsZero()}, []any{p.uid(), p.born(), p.active()})
		shared := room{many: true}
		for _, room := range []*room{{}, &shared, &shared} {
			var u User
			p.user(&u, room)
			require.Equal(t, r.User, u)
			_, _ = append(u.Metadata, "more"...), append(u.Tags, "more") // in nobody else's room
			for i := range u.Metadata {
				u.Metadata[i] = '!'
			}
			clear(u.Tags)
			require.Equal(t, r, p.record(), "whoever is given a user may write to it")
		}
	}
}

func TestRecordDamage(t *testing.T) {
	for _, r := range records() {
		b, err := r.encode()
		require.NoError(t, err)
		for n := range b {
			_, err := decodeRecord(r.UID, b[:n], 1)
			require.ErrorIs(t, err, ErrCorrupt)
			for bit := range 8 {
				flipped := append([]byte(nil), b...)
				flipped[n] ^= 1 << bit
				_, err := decodeRecord(r.UID, flipped, 1)
				require.ErrorIs(t, err, ErrCorrupt)
			}
		}
		_, err = decodeRecord("other", b, 1)
		require.ErrorIs(t, err, ErrCorrupt, "the record of another user")
	}
}

// TestRecordOfANewerVersion keeps fields it does not know over a rewrite.
func TestRecordOfANewerVersion(t *testing.T) {
	body := []byte{0x83, 0x01, 0xa1, 'A', 0x60, 0x92, 0x01, 0x81, 0x02, 0xc0, 0x0c, 0x07} // name, field 96 with a list in it, version 7
	sealed := binary.BigEndian.AppendUint32(body, checksum("ada", body))
	r, err := decodeRecord("ada", sealed, 1)
	require.NoError(t, err)
	require.Equal(t, []any{"A", uint64(7)}, []any{r.Name, r.Version})
	r.Name = "B"
	b, err := r.encode()
	require.NoError(t, err)
	require.Contains(t, string(b), string(body[4:10]))
	again, err := decodeRecord("ada", b, 1)
	require.NoError(t, err)
	require.Equal(t, r, again)
}

// FuzzDecodeRecord seals any bytes with a good checksum, so that they reach the decoder: it never panics, and what it
// reads is the same after it is written anew.
func FuzzDecodeRecord(f *testing.F) {
	for _, r := range records() {
		b, err := r.encode()
		require.NoError(f, err)
		f.Add(b[:len(b)-sumLen])
	}
	f.Add([]byte{0xdf, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0x81, 0x07, 0xdd, 0x7f, 0xff, 0xff, 0xff})
	f.Add([]byte{0x81, 0x06, 0xc6, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := decodeRecord("ada", binary.BigEndian.AppendUint32(append([]byte(nil), body...), checksum("ada", body)), 5)
		if err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			return
		}
		b, err := r.encode()
		require.NoError(t, err)
		again, err := decodeRecord("ada", b, 5)
		require.NoError(t, err)
		rewritten, err := again.encode()
		require.NoError(t, err)
		require.Equal(t, b, rewritten)
		packed, err := pack(r).record().encode()
		require.NoError(t, err)
		require.Equal(t, b, packed)
	})
}
