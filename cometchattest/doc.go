// Package cometchattest runs a double of CometChat inside a Go test. An application that manages its users through
// CometChat's REST API, or through CometChat's own SDK, is tested against it by changing one base URL:
//
//	func TestSignUp(t *testing.T) {
//		srv := cometchattest.RunT(t)
//		app := myapp.New(srv.URL+"/v3", srv.APIKey)
//		app.SignUp("ann", "Ann")
//
//		ann, err := srv.Store.Get(t.Context(), "ann") // what the service now holds
//		srv.AssertCalled(t, "POST /users", 1)         // and what it was asked
//	}
//
// The double is a [userstore.Store] in memory behind a [cometchat.Handler], so it keeps CometChat's rules, codes and
// messages. Every test has its own; hundreds run in parallel. It ends with the test.
//
// # Ways in
//
// [Server.URL] is a real address, for any client of any process. [Server.Client] needs no port: its requests reach the
// double whatever their URL is, CometChat's own included. [Server.TLS] serves https to browsers and to CometChat's SDK.
// [Server.Store] is the back door.
//
// # State
//
// [Server.Seed] and [Server.SeedLines] fill the store; [Server.Snapshot] and [Server.Restore] take it back to an
// earlier state, [Server.Reset] to the first. [Server.SetTime] and [Server.Advance] move the clock that every time in
// the store and in answers is read from.
//
// # Trouble
//
// [Server.Inject] makes requests fail, hang or lose their connection; [Fault] says which and how.
//
// # Bubbles
//
// The double works inside a bubble of testing/synctest, the store's own goroutines included, when RunT is called inside
// it; then time.Sleep, timeouts and a fault's latency cost no real time. Three things differ. There is no network:
// [Server.URL] is CometChat's own address and only [Server.Client] gets there. A double started outside a bubble cannot
// be used in it: Client says so, but Store would end the process. And the store's goroutines look after their tables on
// the bubble's time, so that a sleep of an hour takes about a second; for days, use Advance.
package cometchattest
