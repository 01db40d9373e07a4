package main

// The ordered key-value stores keep a record under a uid and one key per index entry:
//
//	u uid                          the record
//	n name 0 uid                   by name
//	r role 0 name 0 uid            by role
//	t tag 0 name 0 uid             by tag
//	s status 0 name 0 uid          by presence
//	x tag 0 role 0 name 0 uid      by tag and role, where a peer keeps it
const (
	kindUser    = "u"
	kindName    = "n"
	kindRole    = "r"
	kindTag     = "t"
	kindStatus  = "s"
	kindTagRole = "x"
)

// entries lists the keys of a user's index entries.
func entries(u *User, tagRole bool) []string {
	pos := position(u)
	keys := make([]string, 0, 3+2*len(u.Tags))
	for _, kind := range []string{kindName, kindRole, kindStatus, kindTag} {
		keys = appendEntries(keys, kind, u, pos)
	}
	if tagRole {
		keys = appendEntries(keys, kindTagRole, u, pos)
	}
	return keys
}

func appendEntries(keys []string, kind string, u *User, pos string) []string {
	switch kind {
	case kindName:
		return append(keys, kindName+pos)
	case kindRole:
		return append(keys, kindRole+u.Role+"\x00"+pos)
	case kindStatus:
		return append(keys, kindStatus+u.Status+"\x00"+pos)
	}
	for _, tag := range u.Tags {
		if kind == kindTag {
			keys = append(keys, kindTag+tag+"\x00"+pos)
		} else {
			keys = append(keys, kindTagRole+tag+"\x00"+u.Role+"\x00"+pos)
		}
	}
	return keys
}

// difference lists what is in one of two short lists and not in the other.
func difference(old, fresh []string) (gone, added []string) {
	missing := func(from, in []string) (list []string) {
	next:
		for _, a := range from {
			for _, b := range in {
				if a == b {
					continue next
				}
			}
			list = append(list, a)
		}
		return list
	}
	return missing(old, fresh), missing(fresh, old)
}

// span is the part of an index that answers a query: the keys that start with prefix, above from if that is not empty.
type span struct{ prefix, from string }

func spanOf(q Query, tagRole bool) span {
	base := kindName
	switch {
	case q.Tag != "" && q.Role != "" && tagRole:
		base = kindTagRole + q.Tag + "\x00" + q.Role + "\x00"
	case q.Tag != "":
		base = kindTag + q.Tag + "\x00"
	case q.Role != "":
		base = kindRole + q.Role + "\x00"
	}
	s := span{prefix: base + fold(q.Prefix)}
	if q.After != "" {
		s.from = base + q.After
	}
	return s
}

// start is the first key that may belong to the span; it does not if it equals from.
func (s span) start() string { return max(s.prefix, s.from) }
