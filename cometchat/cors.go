package cometchat

import "net/http"

// allowCORS lets pages of any origin call and read every answer, errors included: without it the SDK reports an error it
// cannot read as a failed fetch. No cookies are involved, so the wildcard gives nothing away.
func allowCORS(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Access-Control-Allow-Origin", "*")
	header.Set("Access-Control-Expose-Headers", "Retry-After, X-Rate-Limit, X-Rate-Limit-Remaining, X-Rate-Limit-Reset")
	if r.Method != http.MethodOptions {
		return
	}
	header.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, OPTIONS")
	header.Set("Access-Control-Allow-Headers",
		"Accept, apiKey, appId, authToken, Authorization, Content-Type, onBehalfOf, resource, sdk")
	header.Set("Access-Control-Max-Age", "86400")
	// Chromium asks before a page from the network may call this machine.
	if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
		header.Set("Access-Control-Allow-Private-Network", "true")
	}
	// A header the list does not name, of an older SDK or of a proxy in the page, is allowed too.
	if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
		header.Set("Access-Control-Allow-Headers", asked)
		header.Add("Vary", "Access-Control-Request-Headers")
	}
}
