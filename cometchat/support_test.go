package cometchat

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write docs/support.md anew")

const supportFile = "../docs/support.md"

func TestSupportPageIsUpToDate(t *testing.T) {
	page := supportPage()
	if *update {
		require.NoError(t, os.WriteFile(supportFile, []byte(page), 0o644))
	}
	stored, err := os.ReadFile(supportFile)
	require.NoError(t, err)
	require.Equal(t, page, string(stored), "run: go test ./cometchat -run TestSupportPage -update")
}

func supportPage() string {
	var b strings.Builder
	b.WriteString(supportHead)
	b.WriteString("| route | credentials | query | body | support | note |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, rt := range routes {
		fmt.Fprintf(&b, "| `%s %s` | %s | %s | %s | %s | %s |\n", rt.method, rt.pattern, credentials(rt), words(rt.query), words(rt.body),
			rt.grade, strings.Join(notes(rt), "; "))
	}
	b.WriteString(supportMiddle)
	b.WriteString("| what | here |\n| --- | --- |\n")
	for _, d := range decisions {
		fmt.Fprintf(&b, "| %s | %s |\n", d.what, d.here)
	}
	b.WriteString(supportTail)
	return b.String()
}

func credentials(rt route) string {
	s := rt.side.String()
	if rt.authOnly != 0 {
		s += ", authOnly too"
	}
	return s
}

func words(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "`" + strings.Join(names, "` `") + "`"
}

func notes(rt route) []string {
	var out []string
	if rt.note != "" {
		out = append(out, rt.note)
	}
	if rt.behalf {
		out = append(out, "`onBehalfOf`")
	}
	if rt.feature != "" {
		out = append(out, "feature `"+rt.feature+"`")
	}
	if rt.large {
		out = append(out, "body up to 1 MB")
	}
	switch rt.rate {
	case rateCore:
		out = append(out, "core operation")
	case rateImport:
		out = append(out, "import")
	}
	return out
}

const supportHead = `# What the double supports

Made from the table of routes in ` + "`cometchat/`" + ` by ` + "`go test ./cometchat -run TestSupportPage -update`" + `; tests hold every row against
the running handler. All paths answer under ` + "`/v3`, `/v3.0`" + ` and bare.

- **full**: all that CometChat documents of this route for users. **partial**: see the note. **memory**: full, but kept in the
  handler and not in the store: gone with the process.
- Every answer is JSON with ` + "`data` or `error`" + ` and allows every origin. A path that is not here is 404 ` + "`ERR_API_NOT_FOUND`" + `.
- Bodies are limited to 10 KB. Members of a body that are not here are ignored, as the SDK sends the whole user back.
- A query parameter that is not here is an error in strict mode, and a line in the log otherwise.
- "feature" is what a role can be denied by ` + "`restrictedfeatures`" + `. A "core operation" counts towards the limit for these, when
  rate limits are on.

`

const supportMiddle = `
Lists of users take ` + "`tags` and `roles`" + ` comma separated or repeated, and flags as ` + "`1` or `true`" + `. Metadata under ` + "`@private`" + ` is
shown to the back end and to the user itself.

## Decided here

CometChat's documentation is silent or contradicts itself on these. Each row has a test.

`

const supportTail = `
## Not here

Groups, messages, conversations, calls, bots, webhooks and the management APIs. ` + "`GET /users`" + ` does not take CometChat's numeric
` + "`cursor`" + `: the SDK would only send one that it had been given. Data of the handler's memory (api keys, settings and restricted
features of roles, platform, user agent and app info of tokens) is in no backup or export of the store; snapshots of
` + "`cometchattest`" + ` hold it.
`
