package cometchattest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
	"github.com/seed-3546c6b2/userstore/cometchattest"
)

func TestSeed(t *testing.T) {
	t.Parallel()
	srv := cometchattest.RunT(t)
	now := time.Unix(1_800_000_000, 0).UTC()
	srv.SetTime(now)
	day := time.Unix(1_700_000_000, 0).UTC()
	srv.Seed(t)
	srv.Seed(t,
		userstore.User{UID: "Ann", Name: "Ann", Role: "Doctor", Tags: []string{"a", "<b>"}, Metadata: json.RawMessage(`{"a": "<&>"}`), Status: userstore.Online},
		userstore.User{UID: "bob", Name: "Bob", Role: "doctor", CreatedAt: day, UpdatedAt: day, LastActiveAt: day},
		userstore.User{UID: "gone", Name: "Gone", DeactivatedAt: day, Status: userstore.Online},
	)
	require.Equal(t, []string{"ann", "bob", "gone"}, uids(t, srv.Store))
	ann, err := srv.Store.Get(t.Context(), "ann")
	require.NoError(t, err)
	require.Equal(t, []string{"a", "<b>"}, ann.Tags)
	require.JSONEq(t, `{"a": "<&>"}`, string(ann.Metadata))
	require.Equal(t, userstore.Online, ann.Status)
	require.Equal(t, "doctor", ann.Role)
	require.True(t, now.Equal(ann.CreatedAt))
	bob, err := srv.Store.Get(t.Context(), "bob")
	require.NoError(t, err)
	require.Equal(t, userstore.Offline, bob.Status)
	require.Equal(t, []time.Time{day, day, day}, []time.Time{bob.CreatedAt, bob.UpdatedAt, bob.LastActiveAt})
	_, err = srv.Store.Get(t.Context(), "gone")
	require.ErrorIs(t, err, userstore.ErrNotFound)
}

// TestSeedLines takes the export of one double as the seed of the next.
func TestSeedLines(t *testing.T) {
	t.Parallel()
	first, second := cometchattest.RunT(t), cometchattest.RunT(t)
	first.Seed(t, userstore.User{UID: "ann", Name: "Ann", Role: "doctor"}, userstore.User{UID: "bob", Name: "Bob", Status: userstore.Online})
	all := userstore.Query{Deactivated: userstore.DeactivatedInclude}
	var one, two bytes.Buffer
	_, err := first.Store.Export(t.Context(), &one, all)
	require.NoError(t, err)
	second.SeedLines(t, strings.NewReader(one.String()))
	_, err = second.Store.Export(t.Context(), &two, all)
	require.NoError(t, err)
	require.Equal(t, one.String(), two.String())
}

func TestSeedRefused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		seed func(*cometchattest.Server, cometchattest.T)
		want string
	}{
		"no uid": {func(s *cometchattest.Server, f cometchattest.T) { s.Seed(f, userstore.User{Name: "N"}) }, "line 1"},
		"twice":  {func(s *cometchattest.Server, f cometchattest.T) { s.Seed(f, ann(), ann()) }, `line 2, user "ann"`},
		"metadata": {func(s *cometchattest.Server, f cometchattest.T) {
			s.Seed(f, userstore.User{UID: "u", Metadata: json.RawMessage("{")})
		}, "seed u"},
		"role": {func(s *cometchattest.Server, f cometchattest.T) {
			s.Seed(f, userstore.User{UID: "u", Name: "N", Role: "a b"})
		}, "seed u: role"},
		"no JSON": {func(s *cometchattest.Server, f cometchattest.T) { s.SeedLines(f, strings.NewReader("{}\nhello\n")) }, "line 1"},
		"reader": {func(s *cometchattest.Server, f cometchattest.T) {
			s.SeedLines(f, iotest.ErrReader(errors.New("broken")))
		}, "broken"},
	} {
		require.Contains(t, failure(func(f cometchattest.T) { tt.seed(cometchattest.RunT(f), f) }), tt.want, name)
	}
}
