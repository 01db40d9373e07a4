// Logging in and out: by auth key, by token, refused, across reloads.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Double } from "./harness/double.js";
import { Tab, refused, until } from "./harness/tab.js";

let double;
before(async () => { double = await Double.seeded(); });
after(() => double.stop());

const token = async (uid) => (await double.rest("POST", `/v3/users/${uid}/auth_tokens`, {})).body.data.authToken;

function open(t) {
  const tab = new Tab(double);
  t.after(() => tab.close());
  return tab;
}

test("login by uid and auth key", async (t) => {
  const tab = open(t);
  const me = await tab.login("U-01");
  assert.equal(me.getUid(), "u-01");
  assert.equal(me.getName(), "Ada");
  assert.equal(me.getRole(), "trainer");
  assert.equal(me.getStatusMessage(), "in the library");
  assert.deepEqual(me.getMetadata(), { plan: { tier: 3 } });
  assert.ok(me.getAuthToken());
  assert.equal(tab.calls.length, 2, "a token, then the user: the SDK was content with both answers");
  assert.equal((await tab.CometChat.getUser("u-02")).getName(), "Bela");
});

test("login by a token of the back end", async (t) => {
  const tab = open(t);
  await tab.init();
  const given = await token("u-02");
  const me = await tab.CometChat.login(given);
  assert.equal(me.getUid(), "u-02");
  assert.equal(me.getAuthToken(), given);
  assert.equal(tab.calls.length, 1, "a second PUT /me would mean that the token came back changed");
});

test("a refused token", async (t) => {
  const tab = open(t);
  await tab.init();
  assert.equal(await refused(tab.CometChat.login("u-02_0123456789")), "AUTH_ERR_AUTH_TOKEN_NOT_FOUND");
  assert.equal(await tab.CometChat.getLoggedinUser(), null);
  assert.equal((await tab.CometChat.login("u-03", double.authKey)).getUid(), "u-03", "the page is not poisoned");
});

test("a refused key, an unknown user, a deactivated user", async (t) => {
  await double.rest("POST", "/v3/users", { uid: "gone", name: "Gone" });
  await double.rest("DELETE", "/v3/users/gone");
  for (const [uid, key, code] of [
    ["u-01", "wrong", "AUTH_ERR_APIKEY_NOT_FOUND"],
    ["nobody", double.authKey, "ERR_UID_NOT_FOUND"],
    ["gone", double.authKey, "ERR_UID_NOT_FOUND"],
  ]) {
    const tab = open(t);
    await tab.init();
    assert.equal(await refused(tab.CometChat.login(uid, key)), code, uid);
    assert.equal(await tab.CometChat.getLoggedinUser(), null);
  }
});

test("a token that the back end revokes logs the SDK out at its next call", async (t) => {
  const tab = open(t);
  await tab.init();
  await tab.CometChat.login(await token("u-04"));
  await double.rest("DELETE", "/v3/users/u-04/auth_tokens");
  assert.equal(await refused(tab.CometChat.getUser("u-01")), "AUTH_ERR_AUTH_TOKEN_NOT_FOUND");
  await until(async () => (await tab.CometChat.getLoggedinUser()) === null, "the SDK has logged itself out");
});

test("the session outlives a reload without a request, and dies with logout", async (t) => {
  const first = open(t);
  await first.login("u-06");
  const second = first.reload();
  t.after(() => second.close());
  await second.init();
  assert.equal(second.calls.length, 0);
  const me = await second.CometChat.getLoggedinUser();
  assert.equal(me.getUid(), "u-06");
  assert.equal((await second.CometChat.getUser("u-01")).getUid(), "u-01");

  const other = open(t);
  await other.login("u-06");
  await second.CometChat.logout();
  assert.equal(await second.CometChat.getLoggedinUser(), null);
  assert.equal((await other.CometChat.getUser("u-01")).getUid(), "u-01", "logout ends its own token and no other");
  const third = open(t);
  await third.init();
  assert.equal(await refused(third.CometChat.login(me.getAuthToken())), "AUTH_ERR_AUTH_TOKEN_NOT_FOUND");
});

test("the session report, five seconds after a login, is accepted", async (t) => {
  const tab = open(t);
  await tab.login("u-08");
  const report = await new Promise((resolve, reject) => {
    const look = setInterval(() => {
      const call = tab.calls.find((c) => c.path.endsWith("/user_sessions") && c.answer !== undefined);
      if (call) (clearInterval(look), clearTimeout(late), resolve(call));
    }, 50);
    const late = setTimeout(() => (clearInterval(look), reject(new Error("no report in 10 s"))), 10_000);
  });
  assert.equal(report.method, "POST");
  assert.equal(JSON.parse(report.answer).data.sessionId, JSON.parse(report.body).sessionId);
});
