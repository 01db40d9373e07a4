package userstore

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"

	"github.com/seed-3546c6b2/userstore/internal/keys"
	"github.com/seed-3546c6b2/userstore/internal/kv"
)

// A backup is its first line, then each key and value with their lengths ahead of them, in the order of the keys, then a
// zero, and the SHA-256 of all before. It is not encrypted, whatever the store is.
const backupHead = "userstore backup 1\n"

const maxValue = 1 << 20 // bytes; no record is near it

// Backup writes the whole store as of one moment: users, roles, friends, blocks and tokens. Others may write meanwhile.
// The backup is not encrypted; it holds tokens that let people log in, so keep it as you keep passwords.
func (s *Store) Backup(ctx context.Context, w io.Writer) error {
	if w == nil {
		return invalid("writer", ruleRequired)
	}
	v, err := s.db.Pin()
	if err != nil {
		return err
	}
	defer v.Release()
	sum := sha256.New()
	out := bufio.NewWriterSize(io.MultiWriter(w, sum), 256<<10)
	out.WriteString(backupHead)
	var from []byte
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := s.db.Step(func() (err error) {
			from, more, err = backupSome(v, out, from)
			return err
		})
		if err != nil {
			return err
		}
	}
	out.WriteByte(0)
	if err := out.Flush(); err != nil {
		return err
	}
	_, err = w.Write(sum.Sum(nil))
	return err
}

// backupSome writes some keys after from, and gives the last of them.
func backupSome(v kv.View, out *bufio.Writer, from []byte) (last []byte, more bool, err error) {
	it := v.Iterate(nil, false)
	defer it.Close()
	it.Seek(from)
	if from != nil && it.Valid() && bytes.Equal(it.Key(), from) {
		it.Next()
	}
	for n := 0; it.Valid() && n < 1000; it.Next() {
		n++
		value, err := it.Value()
		if err != nil {
			return nil, false, err
		}
		last = append(last[:0], it.Key()...)
		if last[0] == keys.Online { // presence is of this run only
			continue
		}
		var head []byte
		head = append(binary.AppendUvarint(head, uint64(len(last))), last...)
		if _, err := out.Write(binary.AppendUvarint(head, uint64(len(value)))); err != nil {
			return nil, false, err
		}
		if _, err := out.Write(value); err != nil {
			return nil, false, err
		}
	}
	return last, it.Valid(), nil
}

// Restore makes a store of a backup, in a directory that does not exist or is empty. It becomes visible whole or not at
// all. opts are those of Open; with WithEncryptionKey the new store is encrypted. ErrExists: there is something in the
// directory. ErrCorrupt: the backup is damaged or cut.
func Restore(ctx context.Context, dir string, r io.Reader, opts ...Option) error {
	return install("restore", dir, func(tmp string) error {
		s, err := restore(ctx, tmp, r, append(slices.Clip(opts), WithSync(false))) // Close puts it all on disk
		if err != nil {
			return err
		}
		return s.Close()
	})
}

// RestoreInMemory opens a store in memory with all that a backup holds.
func RestoreInMemory(ctx context.Context, r io.Reader, opts ...Option) (*Store, error) {
	return restore(ctx, "", r, opts)
}

func restore(ctx context.Context, dir string, r io.Reader, opts []Option) (*Store, error) {
	s, engine, err := newStore(dir, opts)
	if err != nil {
		return nil, err
	}
	if s.readOnly {
		err = ErrReadOnly
	} else {
		err = load(ctx, engine, r)
	}
	if err != nil {
		return nil, errors.Join(err, engine.Close())
	}
	if err := s.start(engine, dir); err != nil {
		return nil, err
	}
	return s, nil
}

var errBackup = fmt.Errorf("%w: the backup is cut or changed", ErrCorrupt)

// load reads a backup into an empty engine.
func load(ctx context.Context, engine kv.Engine, r io.Reader) error {
	if r == nil {
		return invalid("reader", ruleRequired)
	}
	in := &backupReader{in: bufio.NewReaderSize(r, 256<<10), sum: sha256.New()}
	head := make([]byte, len(backupHead))
	if err := in.read(head); err != nil || string(head) != backupHead {
		return errBackup
	}
	l := newLoader(ctx, engine)
	var last []byte
	for {
		key, err := in.part(kv.MaxKey)
		if err != nil {
			return err
		}
		if len(key) == 0 {
			break
		}
		value, err := in.part(maxValue)
		if err != nil {
			return err
		}
		if len(value) == 0 || key[0] == 0 || bytes.Compare(key, last) <= 0 {
			return errBackup
		}
		last = key
		if err := l.add(kv.Write{Key: key, Value: value}); err != nil {
			return err
		}
	}
	want, got := in.sum.Sum(nil), make([]byte, sha256.Size)
	if err := in.read(got); err != nil || !bytes.Equal(want, got) {
		return errBackup
	}
	if _, err := in.in.ReadByte(); err != io.EOF {
		return errBackup
	}
	return l.flush()
}

// loader fills an empty engine in as few steps as it allows.
type loader struct {
	ctx                 context.Context
	engine              kv.Engine
	maxWrites, maxBytes int
	batch               []kv.Write
	size                int
}

func newLoader(ctx context.Context, engine kv.Engine) *loader {
	l := &loader{ctx: ctx, engine: engine}
	l.maxWrites, l.maxBytes = engine.Limits()
	l.maxBytes /= 2
	return l
}

func (l *loader) add(w kv.Write) error {
	size := len(w.Key) + len(w.Value)
	if len(l.batch) >= l.maxWrites || l.size+size > l.maxBytes {
		if err := l.flush(); err != nil {
			return err
		}
	}
	l.batch, l.size = append(l.batch, w), l.size+size
	return nil
}

func (l *loader) flush() error {
	if err := l.ctx.Err(); err != nil || len(l.batch) == 0 {
		return err
	}
	_, err := l.engine.Apply(l.batch, nil)
	l.batch, l.size = nil, 0
	return err
}

type backupReader struct {
	in  *bufio.Reader
	sum hash.Hash
}

func (r *backupReader) read(b []byte) error {
	_, err := io.ReadFull(r.in, b)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = errBackup
	}
	r.sum.Write(b)
	return err
}

// part reads a length and so many bytes.
func (r *backupReader) part(limit uint64) ([]byte, error) {
	n, err := binary.ReadUvarint(r)
	if err != nil || n > limit {
		if err == nil || err == io.EOF || err == io.ErrUnexpectedEOF {
			err = errBackup
		}
		return nil, err
	}
	b := make([]byte, n)
	return b, r.read(b)
}

// ReadByte lets lengths be read and summed.
func (r *backupReader) ReadByte() (byte, error) {
	b, err := r.in.ReadByte()
	if err == nil {
		r.sum.Write([]byte{b})
	}
	return b, err
}
