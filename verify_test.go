package userstore_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-3546c6b2/userstore"
	"github.com/seed-3546c6b2/userstore/internal/keys"
	"github.com/seed-3546c6b2/userstore/internal/kv"
)

// under changes keys below a store, past all of its rules.
func under(t testing.TB, w *world, fn func(tx *kv.Tx)) {
	t.Helper()
	require.NoError(t, w.DB().Update(bg, func(tx *kv.Tx) error { fn(tx); return nil }))
}

// value is what a key holds.
func value(t testing.TB, w *world, key []byte) (value []byte) {
	t.Helper()
	require.NoError(t, w.DB().Read(func(v kv.View) (err error) {
		value, _, err = v.Get(key)
		return err
	}))
	require.NotNil(t, value, "%q", key)
	return value
}

// TestVerifyAndRepair breaks each kind of thing on purpose, and demands that Verify sees it, that Repair mends it, and
// that nothing else has changed by then.
func TestVerifyAndRepair(t *testing.T) {
	t.Parallel()
	at := newClock().Now()
	roster := func(tag, role, name, uid string) []byte { return keys.RosterEntry(keys.Active, tag, role, name, uid) }
	one := []byte{1}
	remove := func(key []byte) func(*testing.T, *world) {
		return func(t *testing.T, w *world) {
			value(t, w, key)
			under(t, w, func(tx *kv.Tx) { tx.Delete(key) })
		}
	}
	put := func(key, value []byte) func(*testing.T, *world) {
		return func(t *testing.T, w *world) { under(t, w, func(tx *kv.Tx) { tx.Set(key, value) }) }
	}
	for _, c := range []struct {
		name    string
		damage  func(*testing.T, *world)
		kind    string
		uid     string
		changes bool // what cannot be brought back is gone, or replaced
	}{
		{"roster entry lost", remove(roster("", "default", "ada", "ada")), "missing entry", "ada", false},
		{"roster entry of a tag lost", remove(roster("t", "vip", "bob", "bob")), "missing entry", "bob", false},
		{"entry by creation lost", remove(keys.CreatedEntry(keys.Active, at, "ada")), "missing entry", "ada", false},
		{"entry of a deactivated user lost", remove(keys.RosterEntry(keys.Deactivated, "", "default", "gone", "gone")), "missing entry", "gone", false},
		{"online entry lost", func(t *testing.T, w *world) { remove(keys.OnlineEntry(w.Run(), "vip", "bob", "bob"))(t, w) }, "missing entry", "bob", false},
		{"entry of nobody", put(roster("", "default", "nobody", "nobody"), one), "extra entry", "nobody", false},
		{"entry under another name", put(roster("", "default", "eve", "ada"), one), "extra entry", "ada", false},
		{"entry under another role", put(roster("", "vip", "ada", "ada"), one), "extra entry", "ada", false},
		{"entry under a tag", put(roster("x", "default", "ada", "ada"), one), "extra entry", "ada", false},
		{"entry of another state", put(keys.RosterEntry(keys.Deactivated, "", "default", "ada", "ada"), one), "extra entry", "ada", false},
		{"entry of another time", put(keys.CreatedEntry(keys.Active, at.Add(time.Second), "ada"), one), "extra entry", "ada", false},
		{"entry that is no entry", put([]byte{keys.Roster}, one), "extra entry", "", false},
		{"entry by creation that is cut", put([]byte{keys.Created, 'a', 1}, one), "extra entry", "", false},
		{"offline but listed", func(t *testing.T, w *world) { put(keys.OnlineEntry(w.Run(), "default", "ada", "ada"), one)(t, w) }, "extra entry", "ada", false},
		{"counter wrong", put(keys.CounterOf(keys.Active, "", "default"), []byte{77}), "counter", "", false},
		{"counter lost", remove(keys.CounterOf(keys.Active, "t", "vip")), "counter", "", false},
		{"counter of nothing", put(keys.CounterOf(keys.Active, "none", "default"), one), "counter", "", false},
		{"counter not readable", put(keys.CounterOf(keys.Active, "", "default"), bytes.Repeat([]byte{0xff}, 11)), "counter", "", false},
		{"friend of nobody", put(keys.Pair(keys.Friend, "ada", "nobody"), keys.AppendTime(nil, at)), "relation", "ada", false},
		{"friendship of nobody", put(keys.Pair(keys.Friend, "nobody", "ada"), keys.AppendTime(nil, at)), "relation", "nobody", false},
		{"friendship one-sided", remove(keys.Pair(keys.Friend, "bob", "ada")), "relation", "ada", false},
		{"block lost on the other side", remove(keys.Pair(keys.BlockRev, "bob", "ada")), "relation", "ada", false},
		{"block lost on its own side", remove(keys.Pair(keys.Block, "ada", "bob")), "relation", "bob", false},
		{"relations of a user without a guard", remove(keys.Of(keys.Guard, "ada")), "relation", "ada", true},
		{"relation that is none", put([]byte("fada"), one), "relation", "ada", false},
		{"relation without its time", put(keys.Pair(keys.Block, "ada", "cleo"), one), "relation", "ada", false},
		{"token of nobody", put(keys.TokenOf("nobody", 1), append(keys.AppendTime(nil, at), "nobody_x"...)), "token", "nobody", false},
		{"token of somebody else", put(keys.TokenOf("ada", 1), append(keys.AppendTime(nil, at), "bob_x"...)), "token", "ada", false},
		{"token not readable", put(keys.TokenOf("ada", 1), one), "token", "ada", false},
		{"token with a cut number", put([]byte("tada\x00\x01"), append(keys.AppendTime(nil, at), "ada_x"...)), "token", "ada", false},
		{"count of changes behind the tokens", put(keys.Of(keys.Guard, "bob"), one), "token", "bob", true},
		{"count of changes lost", remove(keys.Of(keys.Guard, "bob")), "token", "bob", true},
		{"count of changes not readable", put(keys.Of(keys.Guard, "ada"), []byte{0xff}), "token", "ada", true},
		{"count of changes of nobody", put(keys.Of(keys.Guard, "nobody"), one), "token", "nobody", false},
		{"default role lost", remove(keys.Of(keys.Role, "default")), "role", "", true},
		{"role in use lost", remove(keys.Of(keys.Role, "vip")), "role", "bob", true},
		{"role not readable", put(keys.Of(keys.Role, "vip"), []byte{0xc1}), "role", "", true},
		{"record cut", func(t *testing.T, w *world) {
			b := value(t, w, keys.Of(keys.User, "cleo"))
			put(keys.Of(keys.User, "cleo"), b[:len(b)-2])(t, w)
		}, "record", "cleo", true},
		{"record of another", func(t *testing.T, w *world) {
			put(keys.Of(keys.User, "cleo"), value(t, w, keys.Of(keys.User, "ada")))(t, w)
		}, "record", "cleo", true},
		{"record under no uid", func(t *testing.T, w *world) {
			put(keys.Of(keys.User, "No Uid"), value(t, w, keys.Of(keys.User, "ada")))(t, w)
		}, "record", "No Uid", true},
		{"record that breaks a rule", put(keys.Of(keys.User, "cleo"), userstore.Encode(userstore.User{UID: "cleo", Name: " ", Role: "default", CreatedAt: at, Version: 1})), "record", "cleo", true},
		{"record that is sound, under no uid", put(keys.Of(keys.User, "No Uid"), userstore.Encode(userstore.User{UID: "No Uid", Name: "N", Role: "default", CreatedAt: at, Version: 1})), "record", "No Uid", true},
		{"half deleted and not listed", put(keys.Of(keys.User, "half"), []byte{0}), "record", "half", true},
		{"listed as half deleted", put(keys.Of(keys.Clearing, "ada"), one), "key", "ada", false},
		{"key of no kind", put([]byte("?what"), one), "key", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := memory(t)
			w.roles(t, "vip")
			w.add(t, "ada", "cleo", "gone")
			must(w.Create(bg, userstore.User{UID: "bob", Name: "Bob", Role: "vip", Tags: []string{"t"}}))(t)
			must(w.Deactivate(bg, "gone"))(t)
			must(w.AddFriends(bg, "ada", "bob"))(t)
			must(login(t, w, "ada").Block(bg, "bob"))(t)
			must(w.IssueToken(bg, "bob"))(t)
			require.NoError(t, w.SetStatus(bg, "bob", userstore.Online))
			sound(t, w.Store)
			before := backup(t, w.Store)
			c.damage(t, w)

			seen := must(w.Verify(bg))(t)
			require.Contains(t, kinds(seen), c.kind+" "+c.uid)
			require.NotContains(t, fmt.Sprint(seen.Problems), at.Format("2006"), "no values")
			require.NotContains(t, fmt.Sprint(seen.Problems), "_x", "no tokens")
			mended := must(w.Repair(bg))(t)
			require.Contains(t, kinds(mended), c.kind+" "+c.uid)
			sound(t, w.Store)
			if !c.changes {
				require.Equal(t, before, backup(t, w.Store))
			}
			require.Contains(t, found(t, w, everybody), "ada")
			_, err := w.Create(bg, userstore.User{UID: "new", Name: "New", Role: "vip", Tags: []string{"t"}})
			require.NoError(t, err, "the store works")
			first := must(w.Tokens(bg, "bob"))(t)
			second := must(w.IssueToken(bg, "bob"))(t)
			require.Equal(t, append(first, second), must(w.Tokens(bg, "bob"))(t), "the newest is the last")
			sound(t, w.Store)
		})
	}
}

// TestVerifyFiles flips a byte anywhere in a table while the store is open. Verify sees it, wherever it is.
func TestVerifyFiles(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]userstore.Option{"plain": {edge}, "encrypted": {edge, userstore.WithEncryptionKey(make([]byte, 16))}} {
		w := disk(t, opts...)
		for i := range 50 {
			must(w.Create(bg, big(fmt.Sprint("u", i))))(t)
		}
		w.reopen(t) // the log becomes a table
		sound(t, w.Store)
		tables := must(filepath.Glob(filepath.Join(w.dir, "*.sst")))(t)
		require.NotEmpty(t, tables)
		f := must(os.OpenFile(tables[0], os.O_RDWR, 0))(t)
		size := must(f.Stat())(t).Size()
		r := rand.New(rand.NewPCG(1, 2))
		flip := func(at int64) {
			var b [1]byte
			must(f.ReadAt(b[:], at))(t)
			b[0] ^= 1 << (at % 8)
			must(f.WriteAt(b[:], at))(t)
		}
		for _, at := range []int64{0, r.Int64N(size), r.Int64N(size), size - 1 - r.Int64N(500), size - 20, size - 1} {
			flip(at)
			for _, look := range []func(context.Context) (userstore.VerifyReport, error){w.Verify, w.Repair} {
				report := must(look(bg))(t)
				require.Equal(t, []string{"file "}, kinds(report), "%s: byte %d of %d", name, at, size)
				require.Contains(t, report.Problems[0].Detail, filepath.Base(tables[0]))
			}
			flip(at)
			sound(t, w.Store)
		}
		require.NoError(t, f.Close())
	}
}

// TestVerifyWhileCompacting demands that tables which come and go are not taken for damaged ones.
func TestVerifyWhileCompacting(t *testing.T) {
	t.Parallel()
	w := disk(t, edge)
	var busy sync.WaitGroup
	var stop atomic.Bool
	busy.Go(func() {
		for i := 0; !stop.Load(); i++ {
			if _, err := w.Upsert(bg, big(fmt.Sprint("u", i%100))); err != nil {
				t.Error(err)
				return
			}
		}
	})
	busy.Go(func() {
		for !stop.Load() {
			if err := w.Compact(bg); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 15 {
		sound(t, w.Store)
	}
	stop.Store(true)
	busy.Wait()
}

func kinds(r userstore.VerifyReport) (list []string) {
	for _, p := range r.Problems {
		list = append(list, p.Kind+" "+p.UID)
	}
	return list
}

// TestDamagedRecord says what works while one record is not readable, and after Repair has put it aside.
func TestDamagedRecord(t *testing.T) {
	w := disk(t)
	w.add(t, "ada", "bob", "cleo")
	key := keys.Of(keys.User, "bob")
	damaged := bytes.Clone(value(t, w, key))
	damaged[1] ^= 1
	under(t, w, func(tx *kv.Tx) { tx.Set(key, damaged) })
	for name, err := range map[string]error{
		"get":    fails(w.Get(bg, "bob")),
		"list":   fails(w.List(bg, userstore.Query{})),
		"search": fails(w.List(bg, userstore.Query{Search: "bo"})),
		"update": fails(w.Update(bg, "bob", nothing)),
		"delete": w.Delete(bg, "bob"),
		"export": fails(w.Export(bg, new(bytes.Buffer), userstore.Query{})),
	} {
		require.ErrorIs(t, err, userstore.ErrCorrupt, name)
	}
	require.Equal(t, "ada", must(w.Get(bg, "ada"))(t).UID)
	w.add(t, "dora")
	must(w.Repair(bg))(t)
	sound(t, w.Store)
	require.Equal(t, []string{"ada", "cleo", "dora"}, found(t, w, everybody))
	require.ErrorIs(t, fails(w.Get(bg, "bob")), userstore.ErrNotFound)
	require.Equal(t, damaged, value(t, w, keys.Of(keys.Aside, "bob")), "what there was of it is kept")
	w.add(t, "bob")
	w.reopen(t)
	sound(t, w.Store)
}

// TestRepairLarge demands that a repair of much goes in steps that every engine takes.
func TestRepairLarge(t *testing.T) {
	t.Parallel()
	w := memory(t)
	for i := range 300 {
		must(w.Create(bg, userstore.User{UID: fmt.Sprint("u", i), Name: "U", Metadata: fmt.Appendf(nil, "{\"k\":%q}", bytes.Repeat([]byte("x"), 5000))}))(t)
	}
	under(t, w, func(tx *kv.Tx) {})
	for i := range 300 {
		key := keys.Of(keys.User, fmt.Sprint("u", i))
		b := value(t, w, key)
		under(t, w, func(tx *kv.Tx) { tx.Set(key, b[:len(b)-1]) })
	}
	require.GreaterOrEqual(t, len(must(w.Repair(bg))(t).Problems), 300)
	sound(t, w.Store)
	require.Zero(t, must(w.Count(bg, everybody))(t))
}
