package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCodecKeepsEverything(t *testing.T) {
	full := Workload{Seed: 1}.User(1)
	full.CreatedAt, full.UpdatedAt, full.Version = 1<<40, -5, 1<<63
	for _, u := range []User{full, {}, {UID: "a", Tags: []string{""}}} {
		got, err := decodeUser(string(encodeUser(&u)))
		require.NoError(t, err)
		if u.Tags == nil {
			u.Tags = []string{}
		}
		require.Equal(t, u, got)
	}
}

func FuzzDecodeUser(f *testing.F) {
	u := Workload{Seed: 1}.User(1)
	good := encodeUser(&u)
	f.Add(string(good))
	f.Add(string(good[:len(good)-1]))
	f.Add("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")
	f.Fuzz(func(t *testing.T, s string) {
		u, err := decodeUser(s)
		if err != nil {
			return
		}
		again, err := decodeUser(string(encodeUser(&u)))
		require.NoError(t, err)
		require.Equal(t, u, again)
	})
}
