package cometchat

import (
	"context"
	"iter"

	"github.com/seed-3546c6b2/userstore"
)

// source is a store or a session: all users, or those that one user sees.
type source interface {
	List(context.Context, userstore.Query) (userstore.Page, error)
	All(context.Context, userstore.Query) iter.Seq2[userstore.User, error]
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

// readPage reads size users behind the first skip. The service pages by number and the store by cursor, so the users
// before are walked over. A cursor kept from the page before would save that, and would show another page 2 than the
// service after users have come and gone.
func readPage(ctx context.Context, from source, q userstore.Query, skip, size int) ([]userstore.User, error) {
	if skip == 0 {
		q.Limit = size
		first, err := from.List(ctx, q)
		return first.Users, err
	}
	var users []userstore.User
	at := 0
	for u, err := range from.All(ctx, q) {
		if err != nil {
			return nil, err
		}
		if at++; at > skip {
			users = append(users, u)
		}
		if len(users) == size {
			break
		}
	}
	return users, nil
}
