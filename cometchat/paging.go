package cometchat

import (
	"context"

	"github.com/seed-3546c6b2/userstore"
)

// source is a store or a session: all users, or those that one user sees.
type source interface {
	List(context.Context, userstore.Query) (userstore.Page, error)
	Skip(context.Context, userstore.Query, int) (string, error)
	Count(context.Context, userstore.Query) (int, error)
}

// pageOf gives the users of the page that is asked for, and the numbers of the whole list.
func (c *call) pageOf(from source, q userstore.Query) ([]userstore.User, list, error) {
	p, err := c.query.paging()
	if err != nil {
		return nil, list{}, err
	}
	total, err := from.Count(c.ctx(), q)
	if err != nil {
		return nil, list{}, c.actorError(err)
	}
	var users []userstore.User
	if p.skip() < total {
		if users, err = readPage(c.ctx(), from, q, p.skip(), p.size); err != nil {
			return nil, list{}, c.actorError(err)
		}
	}
	if c.route.side == admin && c.session != nil {
		if err := c.seenBy(users); err != nil {
			return nil, list{}, err
		}
	}
	return users, list{Meta: meta{Pagination: p.pagination(total, len(users))}}, nil
}

// readPage reads size users behind the first skip. The service numbers its pages and the store has cursors, so the way
// to the page is walked over by keys. A cursor kept from the page before would save that, and would show another page 2
// than the service after users have come and gone.
func readPage(ctx context.Context, from source, q userstore.Query, skip, size int) (users []userstore.User, err error) {
	if skip > 0 {
		if q.Cursor, err = from.Skip(ctx, q, skip); err != nil {
			return nil, err
		}
	}
	q.Limit = size
	page, err := from.List(ctx, q)
	return page.Users, err
}
