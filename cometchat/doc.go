// Package cometchat speaks the user side of CometChat's REST API v3 over a [userstore.Store]: an application that
// manages its users through that API, or through CometChat's own SDK, runs against this handler by changing one base
// URL.
//
//	store, _ := userstore.OpenInMemory()
//	h, _ := cometchat.New(store, cometchat.Options{AppID: "app", AuthKey: "auth", APIKey: "rest"})
//	http.ListenAndServe("127.0.0.1:8080", h)
//
// Two APIs share one path space, as they do for the SDK: a request with the header authToken acts as that user, one
// with the header apiKey acts as the application's back end. Every path answers under /v3, under /v3.0 and bare.
//
// The users, their roles, friends, blocks and tokens are the store's and live as long as it does. What the store has no
// place for is the handler's and is forgotten with it, unless [State] hands it on: api keys, the settings and restricted
// features of roles, and the platform, user agent and app info of tokens. docs/support.md, made from the same table that
// routes the requests, says what each route takes, how far it goes, and what was decided where CometChat's documentation
// is silent.
package cometchat
