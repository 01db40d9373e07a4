package kv_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore/internal/kv"
	"github.com/seed-3546c6b2/userstore/internal/kv/kvtest"
)

// maker makes Badger engines of one configuration, each in a directory of its own unless it is one in memory.
func maker(cfg kv.Config, memory bool) kvtest.Maker {
	dirs := map[kv.Engine]string{}
	open := func(t testing.TB, dir string) kv.Engine {
		cfg := cfg
		cfg.Dir = dir
		e, err := kv.OpenBadger(cfg)
		require.NoError(t, err)
		dirs[e] = dir
		return e
	}
	if memory {
		return kvtest.Maker{Open: func(t testing.TB) kv.Engine { return open(t, "") }}
	}
	return kvtest.Maker{
		Open: func(t testing.TB) kv.Engine { return open(t, t.TempDir()) },
		Reopen: func(t testing.TB, e kv.Engine) kv.Engine {
			require.NoError(t, e.Close())
			return open(t, dirs[e])
		},
	}
}

func TestConformance(t *testing.T) {
	key := []byte("0123456789abcdef0123456789abcdef")
	for name, m := range map[string]kvtest.Maker{
		"memory":    maker(kv.Config{}, true),
		"disk":      maker(kv.Config{Sync: true}, false),
		"small":     maker(kv.Config{Small: true}, false),
		"encrypted": maker(kv.Config{Small: true, Key: key}, false),
		"no faults": {Open: func(t testing.TB) kv.Engine {
			return &kvtest.Faulty{Engine: maker(kv.Config{}, true).Open(t), Fail: kvtest.Random(1, 0)}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kvtest.Run(t, m)
		})
	}
}
