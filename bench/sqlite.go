package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"iter"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/mattn/go-sqlite3"
	modernc "modernc.org/sqlite"
)

// sqlPeer keeps users in SQLite through database/sql: a write-ahead log, one connection that writes and some that read,
// prepared statements, and indexes that answer every page in its order. Tags have a table of their own that repeats what
// its indexes need. The two drivers run the same code.
type sqlPeer struct {
	write, read *sql.DB
	insert, setContent, setAll, remove, removeTag,
	byUID, byUIDForWrite, byName, byRole, byTag, byTagRole, countTag, countRole *sql.Stmt
	insertTags map[int]*sql.Stmt // by how many at once
}

func openMattn(dir string, durable bool) (Peer, error) {
	return openSQL(&sqlite3.SQLiteDriver{}, dir, durable)
}

func openModernc(dir string, durable bool) (Peer, error) {
	return openSQL(&modernc.Driver{}, dir, durable)
}

// sqlSchema keeps tags in a table that lies in the order of its pages and is its own index.
const sqlSchema = `
CREATE TABLE IF NOT EXISTS users (
	id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, fold TEXT NOT NULL,
	name TEXT NOT NULL, avatar TEXT NOT NULL, link TEXT NOT NULL, role TEXT NOT NULL, status_message TEXT NOT NULL,
	metadata BLOB, tags TEXT NOT NULL, status TEXT NOT NULL,
	created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, version INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS user_tags (
	tag TEXT NOT NULL, fold TEXT NOT NULL, uid TEXT NOT NULL, role TEXT NOT NULL, id INTEGER NOT NULL,
	PRIMARY KEY (tag, fold, uid)) WITHOUT ROWID;`

const sqlIndexes = `
CREATE INDEX IF NOT EXISTS users_by_name ON users (fold, uid);
CREATE INDEX IF NOT EXISTS users_by_role ON users (role, fold, uid);
CREATE INDEX IF NOT EXISTS users_by_status ON users (status, fold, uid);
CREATE INDEX IF NOT EXISTS user_tags_by_role ON user_tags (tag, role, fold, uid, id);`

const sqlColumns = "u.uid, u.name, u.avatar, u.link, u.role, u.status_message, u.metadata, u.tags, u.status, u.created_at, u.updated_at, u.version"

// sqlConnector opens connections of either driver with the same settings.
type sqlConnector struct {
	driver  driver.Driver
	path    string
	pragmas string
}

func (c sqlConnector) Driver() driver.Driver { return c.driver }

func (c sqlConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.driver.Open("file:" + c.path + "?_txlock=immediate")
	if err != nil {
		return nil, err
	}
	if _, err := conn.(driver.ExecerContext).ExecContext(ctx, c.pragmas, nil); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

func openSQL(d driver.Driver, dir string, durable bool) (Peer, error) {
	pragmas := `PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA cache_size = -98304; PRAGMA mmap_size = 4294967296;
		PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 4000; PRAGMA synchronous = NORMAL;`
	if durable {
		pragmas += "PRAGMA synchronous = FULL;"
	}
	connect := sqlConnector{d, filepath.Join(dir, "users.db"), pragmas}
	p := &sqlPeer{write: sql.OpenDB(connect), read: sql.OpenDB(connect), insertTags: map[int]*sql.Stmt{}}
	p.write.SetMaxOpenConns(1)
	p.read.SetMaxOpenConns(2 * runtime.NumCPU())
	p.read.SetMaxIdleConns(2 * runtime.NumCPU())
	_, err := p.write.Exec(sqlSchema + sqlIndexes)
	if err == nil {
		err = p.prepare()
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (p *sqlPeer) prepare() (err error) {
	prepare := func(db *sql.DB, text string) *sql.Stmt {
		if err != nil {
			return nil
		}
		var stmt *sql.Stmt
		stmt, err = db.Prepare(text)
		return stmt
	}
	p.insert = prepare(p.write, `INSERT INTO users (uid, fold, name, avatar, link, role, status_message, metadata, tags, status,
		created_at, updated_at, version) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (uid) DO NOTHING`)
	p.setContent = prepare(p.write, `UPDATE users SET avatar=?, link=?, status_message=?, metadata=?, tags=?, updated_at=?, version=?
		WHERE id=?`)
	p.setAll = prepare(p.write, `UPDATE users SET avatar=?, link=?, status_message=?, metadata=?, tags=?, updated_at=?, version=?,
		fold=?, name=?, role=?, status=? WHERE id=?`)
	p.remove = prepare(p.write, "DELETE FROM users WHERE id=?")
	p.removeTag = prepare(p.write, "DELETE FROM user_tags WHERE tag=? AND fold=? AND uid=?")
	for n := 1; n <= 4; n++ {
		p.insertTags[n] = prepare(p.write, "INSERT INTO user_tags (tag, fold, uid, role, id) VALUES (?,?,?,?,?)"+
			strings.Repeat(",(?,?,?,?,?)", n-1))
	}
	p.byUID = prepare(p.read, "SELECT "+sqlColumns+" FROM users u WHERE uid=?")
	p.byUIDForWrite = prepare(p.write, "SELECT "+sqlColumns+", id FROM users u WHERE uid=?")
	p.byName = prepare(p.read, "SELECT "+sqlColumns+` FROM users u WHERE (fold, uid) > (?, ?) AND fold < ? ORDER BY fold, uid LIMIT ?`)
	p.byRole = prepare(p.read, "SELECT "+sqlColumns+` FROM users u WHERE role=? AND (fold, uid) > (?, ?) ORDER BY fold, uid LIMIT ?`)
	p.byTag = prepare(p.read, "SELECT "+sqlColumns+` FROM user_tags t CROSS JOIN users u ON u.id=t.id
		WHERE t.tag=? AND (t.fold, t.uid) > (?, ?) ORDER BY t.fold, t.uid LIMIT ?`)
	p.byTagRole = prepare(p.read, "SELECT "+sqlColumns+` FROM user_tags t CROSS JOIN users u ON u.id=t.id
		WHERE t.tag=? AND t.role=? AND (t.fold, t.uid) > (?, ?) ORDER BY t.fold, t.uid LIMIT ?`)
	p.countTag = prepare(p.read, "SELECT count(*) FROM user_tags WHERE tag=?")
	p.countRole = prepare(p.read, "SELECT count(*) FROM users WHERE role=?")
	return err
}

// sqlTags keeps the tags of a record in one column; no tag holds a line break.
func sqlTags(u *User) string { return strings.Join(u.Tags, "\n") }

func sqlScan(row interface{ Scan(...any) error }, more ...any) (u User, err error) {
	var tags string
	err = row.Scan(append([]any{&u.UID, &u.Name, &u.Avatar, &u.Link, &u.Role, &u.StatusMessage, &u.Metadata, &tags, &u.Status,
		&u.CreatedAt, &u.UpdatedAt, &u.Version}, more...)...)
	if errors.Is(err, sql.ErrNoRows) {
		return u, errNotFound
	}
	if tags != "" {
		u.Tags = strings.Split(tags, "\n")
	}
	return u, err
}

func (p *sqlPeer) update(fn func(*sql.Tx) error) error {
	tx, err := p.write.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after a commit
	if err := fn(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// insertUser stores the record of a new user and gives its id.
func (p *sqlPeer) insertUser(tx *sql.Tx, u *User) (int64, error) {
	stamp(u)
	result, err := tx.Stmt(p.insert).Exec(u.UID, fold(u.Name), u.Name, u.Avatar, u.Link, u.Role, u.StatusMessage, u.Metadata,
		sqlTags(u), u.Status, u.CreatedAt, u.UpdatedAt, u.Version)
	if err != nil {
		return 0, err
	}
	switch n, err := result.RowsAffected(); {
	case err != nil:
		return 0, err
	case n == 0:
		return 0, errExists
	}
	return result.LastInsertId()
}

// addTags lists a user under tags, as many with one statement as there are statements for.
func (p *sqlPeer) addTags(tx *sql.Tx, u *User, id int64, tags []string) error {
	for len(tags) > 0 {
		n := min(len(tags), len(p.insertTags))
		args := make([]any, 0, 5*n)
		for _, tag := range tags[:n] {
			args = append(args, tag, fold(u.Name), u.UID, u.Role, id)
		}
		if _, err := tx.Stmt(p.insertTags[n]).Exec(args...); err != nil {
			return err
		}
		tags = tags[n:]
	}
	return nil
}

func (p *sqlPeer) dropTags(tx *sql.Tx, u *User, tags []string) error {
	for _, tag := range tags {
		if _, err := tx.Stmt(p.removeTag).Exec(tag, fold(u.Name), u.UID); err != nil {
			return err
		}
	}
	return nil
}

func (p *sqlPeer) Create(u User) error {
	return p.update(func(tx *sql.Tx) error {
		id, err := p.insertUser(tx, &u)
		if err != nil {
			return err
		}
		return p.addTags(tx, &u, id, u.Tags)
	})
}

func (p *sqlPeer) Get(uid string) (User, error) { return sqlScan(p.byUID.QueryRow(uid)) }

// Update leaves alone the columns with an index where the change does, since SQLite would write their entries anew.
func (p *sqlPeer) Update(uid string, edit func(*User)) error {
	return p.update(func(tx *sql.Tx) error {
		var id int64
		u, err := sqlScan(tx.Stmt(p.byUIDForWrite).QueryRow(uid), &id)
		if err != nil {
			return err
		}
		old := u
		edit(&u)
		stamp(&u)
		gone, added := difference(old.Tags, u.Tags)
		args := []any{u.Avatar, u.Link, u.StatusMessage, u.Metadata, sqlTags(&u), u.UpdatedAt, u.Version}
		set := p.setContent
		if u.Name != old.Name || u.Role != old.Role || u.Status != old.Status {
			set, gone, added = p.setAll, old.Tags, u.Tags
			args = append(args, fold(u.Name), u.Name, u.Role, u.Status)
		}
		if _, err := tx.Stmt(set).Exec(append(args, id)...); err != nil {
			return err
		}
		if err := p.dropTags(tx, &old, gone); err != nil {
			return err
		}
		return p.addTags(tx, &u, id, added)
	})
}

func (p *sqlPeer) Delete(uid string) error {
	return p.update(func(tx *sql.Tx) error {
		var id int64
		u, err := sqlScan(tx.Stmt(p.byUIDForWrite).QueryRow(uid), &id)
		if err != nil {
			return err
		}
		if err := p.dropTags(tx, &u, u.Tags); err != nil {
			return err
		}
		_, err = tx.Stmt(p.remove).Exec(id)
		return err
	})
}

func (p *sqlPeer) Page(q Query) ([]User, string, error) {
	folded, uid := cutPosition(q.After)
	stmt := p.byName
	var args []any
	switch {
	case q.Tag != "" && q.Role != "":
		stmt, args = p.byTagRole, []any{q.Tag, q.Role, folded, uid}
	case q.Tag != "":
		stmt, args = p.byTag, []any{q.Tag, folded, uid}
	case q.Role != "":
		stmt, args = p.byRole, []any{q.Role, folded, uid}
	case q.Prefix == "":
		args = []any{folded, uid, []byte{}} // every text is below any blob
	default:
		args = []any{max(folded, fold(q.Prefix)), uid, after(fold(q.Prefix))}
	}
	rows, err := stmt.Query(append(args, q.Limit+1)...)
	if err != nil {
		return nil, "", err
	}
	defer rows.Close()
	users := make([]User, 0, q.Limit+1)
	for rows.Next() {
		u, err := sqlScan(rows)
		if err != nil {
			return nil, "", err
		}
		users = append(users, u)
	}
	if len(users) <= q.Limit {
		return users, "", rows.Err()
	}
	users = users[:q.Limit]
	return users, position(&users[q.Limit-1]), rows.Err()
}

func (p *sqlPeer) Count(tag, role string) (n int, err error) {
	if tag != "" {
		err = p.countTag.QueryRow(tag).Scan(&n)
	} else {
		err = p.countRole.QueryRow(role).Scan(&n)
	}
	return n, err
}

// Load makes the indexes afterwards, as SQLite advises, and files the tags in one sorted sweep.
func (p *sqlPeer) Load(users iter.Seq[User]) error {
	_, err := p.write.Exec(`DROP INDEX users_by_name; DROP INDEX users_by_role; DROP INDEX users_by_status; DROP INDEX user_tags_by_role;
		PRAGMA temp_store = FILE; CREATE TEMP TABLE staged AS SELECT * FROM user_tags LIMIT 0;`)
	if err != nil {
		return err
	}
	stage, err := p.write.Prepare("INSERT INTO staged (tag, fold, uid, role, id) VALUES (?,?,?,?,?)")
	if err != nil {
		return err
	}
	defer stage.Close()
	for chunk := range chunks(users, 10_000) {
		if err = p.update(func(tx *sql.Tx) error { return p.loadChunk(tx, stage, chunk) }); err != nil {
			break // what came before is kept, and gets its tags and indexes
		}
	}
	_, filed := p.write.Exec(`INSERT INTO user_tags SELECT tag, fold, uid, role, id FROM staged ORDER BY tag, fold, uid; DROP TABLE staged;` +
		sqlIndexes + `PRAGMA wal_checkpoint(TRUNCATE);`)
	return errors.Join(err, filed)
}

func (p *sqlPeer) loadChunk(tx *sql.Tx, stage *sql.Stmt, chunk []User) error {
	for i := range chunk {
		u := &chunk[i]
		id, err := p.insertUser(tx, u)
		if err != nil {
			return err
		}
		for _, tag := range u.Tags {
			if _, err := tx.Stmt(stage).Exec(tag, fold(u.Name), u.UID, u.Role, id); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *sqlPeer) Close() error { return errors.Join(p.read.Close(), p.write.Close()) }
