package userstore_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
)

// town writes n varied users as JSON lines: a fifth of them has each of five tags, a tenth is vip.
func town(n int) io.Reader {
	r, w := io.Pipe()
	go func() {
		out := bufio.NewWriter(w)
		for i := range n {
			u := userstore.User{UID: fmt.Sprintf("user-%d", i), Name: fmt.Sprintf("%s %d", givenNames[i%len(givenNames)], i), Avatar: "https://cdn.example/a.png",
				Metadata: json.RawMessage(`{"@private":{"email":"somebody@example.org","contactNumber":"0123456789"}}`), Tags: []string{fmt.Sprint("tag", i%5), "all"}}
			if i%10 == 0 {
				u.Role = "vip"
			}
			line, _ := json.Marshal(u)
			_, _ = out.Write(append(line, '\n'))
		}
		_ = w.CloseWithError(out.Flush())
	}()
	return r
}

// serial numbers the users that benchmarks create, over all of their runs.
var serial atomic.Int64

// BenchmarkStore measures the usual calls on stores of two sizes on disk. Durable means that a change is synced before
// it is acknowledged. In parallel, changes share their syncs.
func BenchmarkStore(b *testing.B) {
	for _, size := range []int{10_000, 100_000} {
		b.Run(fmt.Sprintf("users=%d", size), func(b *testing.B) {
			dir := b.TempDir()
			for _, durable := range []bool{false, true} {
				b.Run(fmt.Sprintf("durable=%t", durable), func(b *testing.B) {
					s, err := userstore.Open(dir, userstore.WithSync(durable), userstore.WithRoles("vip"))
					require.NoError(b, err)
					defer func() { require.NoError(b, s.Close()) }()
					if must(s.Count(bg, userstore.Query{}))(b) == 0 {
						require.Equal(b, size, must(s.Import(bg, town(size), userstore.ImportOptions{}))(b).Created)
					}
					benchmarkWrites(b, s, size)
					if !durable { // reads are the same either way
						benchmarkReads(b, s, size)
					}
				})
			}
		})
	}
}

func anybody(size int) string { return fmt.Sprintf("user-%d", rand.IntN(size)) }

// measure runs a call over and over.
func measure(b *testing.B, name string, call func() error) {
	b.Run(name, func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := call(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// measureBoth runs a call alone, and from many goroutines at the same time.
func measureBoth(b *testing.B, name string, call func() error) {
	measure(b, name, call)
	b.Run(name+"/parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(32)
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				if err := call(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}

func benchmarkWrites(b *testing.B, s *userstore.Store, size int) {
	measureBoth(b, "create", func() error {
		uid := fmt.Sprintf("new-%d", serial.Add(1))
		return fails(s.Create(bg, userstore.User{UID: uid, Name: "New " + uid, Tags: []string{"all", "new"}}))
	})
	measureBoth(b, "update", func() error {
		message := fmt.Sprint(serial.Add(1))
		return fails(s.Update(bg, anybody(size), userstore.Patch{StatusMessage: &message}.Apply))
	})
	measureBoth(b, "rename", func() error { return fails(s.Update(bg, anybody(size), rename(fmt.Sprint("Name ", serial.Add(1))))) })
	measureBoth(b, "presence", func() error { return s.SetStatus(bg, anybody(size), userstore.Online) })
}

func benchmarkReads(b *testing.B, s *userstore.Store, size int) {
	measureBoth(b, "get", func() error { return fails(s.Get(bg, anybody(size))) })
	queries := map[string]userstore.Query{
		"everybody": {}, "tag": {Tags: []string{"tag3"}}, "tag and role": {Tags: []string{"tag0"}, Roles: []string{"vip"}}, "two tags": {AllTags: []string{"all", "tag1"}},
		"name prefix": {Search: "ad", SearchIn: []userstore.Field{"name"}}, "uid prefix": {Search: "user-77", SearchIn: []userstore.Field{"uid"}},
		"online": {Status: userstore.Online}, "newest": {Sort: userstore.SortCreated, Desc: true},
	}
	for _, name := range slices.Sorted(maps.Keys(queries)) {
		q := queries[name]
		q.Limit = 50
		measure(b, "page/"+name, func() error { return fails(s.List(bg, q)) })
		measure(b, "count/"+name, func() error { return fails(s.Count(bg, q)) })
	}
}

// BenchmarkImport measures an import into a store on disk that is empty, where it is a load, into one that is not, and
// into one in memory; opening is not on the clock, closing is.
func BenchmarkImport(b *testing.B) {
	const users = 20_000
	for name, before := range map[string]int{"empty": 0, "stocked": 400, "memory": 0} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				s, err := userstore.OpenInMemory(userstore.WithRoles("vip"))
				if name != "memory" {
					s, err = userstore.Open(b.TempDir(), userstore.WithRoles("vip"))
				}
				require.NoError(b, err)
				for i := range before {
					must(s.Create(bg, userstore.User{UID: fmt.Sprint("before-", i), Name: "Before"}))(b)
				}
				b.StartTimer()
				require.Equal(b, users, must(s.Import(bg, town(users), userstore.ImportOptions{}))(b).Created)
				require.NoError(b, s.Close())
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*users), "ns/user")
		})
	}
}
