// Presence between several SDKs at once, over the WebSocket.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Double } from "./harness/double.js";
import { Tab, until } from "./harness/tab.js";

let double;
before(async () => {
  double = await Double.seeded();
  await double.rest("POST", "/v3/users/u-02/friends", { accepted: ["u-05"] });
});
after(() => double.stop());

function open(t) {
  const tab = new Tab(double);
  t.after(() => tab.close());
  return tab;
}

const status = async (uid) => (await double.user(uid)).status;
const offline = (uid) => until(async () => (await status(uid)) === "offline", `${uid} is offline`);
const news = (tab) => tab.seen.map(([what, uid]) => `${what} ${uid}`);
const hears = (tab, ...want) => until(() => news(tab).length >= want.length, `there is news: ${want}`)
  .then(() => assert.deepEqual(news(tab), want));

/** Waits until the double has answered a ping of the tab, and so has sent what came before. */
async function caughtUp(tab) {
  const socket = tab.sockets.at(-1);
  const pongs = () => socket.frames.filter((f) => f.action === "pong").length;
  const before = pongs();
  socket.send(JSON.stringify({ action: "ping", ack: "true" }));
  await until(() => pongs() > before, "the double answers a ping");
}

test("a login with the socket on is seen by the others, and so is its end", async (t) => {
  const watcher = await open(t).online("u-02");
  const { CometChat } = watcher;
  assert.equal(await status("u-02"), "available");

  const other = await open(t).online("u-04");
  await hears(watcher, "online u-04");
  const [[, , seen]] = watcher.seen;
  assert.ok(seen instanceof CometChat.User);
  assert.equal(seen.getName(), "Dénes");
  assert.equal(seen.getStatus(), "online");
  assert.ok(Math.abs(seen.getLastActiveAt() - Date.now() / 1000) < 60);

  assert.equal(await status("u-04"), "available");
  const list = async (status) => (await new CometChat.UsersRequestBuilder().setLimit(100).setStatus(status).build().fetchNext()).map((u) => u.getUid());
  assert.deepEqual(await list(CometChat.USER_STATUS.ONLINE), ["u-04"]);
  assert.equal((await list(CometChat.USER_STATUS.OFFLINE)).includes("u-04"), false);
  assert.equal(await CometChat.getOnlineUserCount(), 2);

  await other.CometChat.logout();
  await hears(watcher, "online u-04", "offline u-04");
  assert.equal(watcher.seen[1][2].getStatus(), "offline");
  assert.equal(await status("u-04"), "offline");
  assert.equal(await CometChat.getOnlineUserCount(), 1);

  watcher.close();
  await offline("u-02");
  assert.ok((await double.user("u-02")).lastActiveAt);
});

test("a user stays online as long as one device is", async (t) => {
  const watcher = await open(t).online("u-02");
  const phone = await open(t).online("u-06");
  const laptop = await open(t).online("u-06");
  phone.close();
  await until(() => phone.sockets[0].readyState === 3, "the phone is gone");
  await caughtUp(watcher);
  assert.equal(await status("u-06"), "available");
  laptop.close();
  await hears(watcher, "online u-06", "offline u-06");
});

test("presence by roles and by friends", async (t) => {
  const byRole = await open(t).online("u-02", (b) => b.subscribePresenceForRoles(["moderator"]));
  const byFriend = await open(t).online("u-02", (b) => b.subscribePresenceForFriends());
  const nobody = await open(t).online("u-02", (b) => b);
  const friend = await open(t).online("u-05");
  const moderator = await open(t).online("u-04");
  await open(t).online("u-07");
  for (const tab of [byRole, byFriend, nobody]) await caughtUp(tab);
  assert.deepEqual(news(byRole), ["online u-04"]);
  assert.deepEqual(news(byFriend), ["online u-05"]);
  assert.deepEqual(news(nobody), []);
  for (const tab of [friend, moderator]) await tab.CometChat.logout();
  for (const tab of [byRole, byFriend, nobody]) await caughtUp(tab);
  assert.deepEqual(news(byRole), ["online u-04", "offline u-04"]);
  assert.deepEqual(news(byFriend), ["online u-05", "offline u-05"]);
  assert.deepEqual(news(nobody), []);
});

test("whoever is blocked is not seen, nor seen by", async (t) => {
  const blocker = await open(t).online("u-09");
  await blocker.CometChat.blockUsers(["u-10"]);
  const blocked = await open(t).online("u-10");
  await open(t).online("u-11");
  blocker.close();
  await offline("u-09");
  for (const tab of [blocked]) await caughtUp(tab);
  assert.deepEqual(news(blocker).filter((n) => n.endsWith("u-10")), []);
  assert.deepEqual(news(blocked).filter((n) => n.endsWith("u-09")), []);
  assert.ok(news(blocked).includes("online u-11"));
});

test("a deactivated user is offline for everybody, and its SDK is cut off", async (t) => {
  await double.rest("POST", "/v3/users", { uid: "leaver", name: "Leaver" });
  const watcher = await open(t).online("u-02");
  const leaver = await open(t).online("leaver");
  await double.rest("DELETE", "/v3/users/leaver");
  await hears(watcher, "online leaver", "offline leaver");
  await until(() => leaver.sockets[0].readyState === 3, "the double has closed the socket");
});

test("the SDK's own ping is answered in time, and the connection stays", { timeout: 40_000 }, async (t) => {
  const tab = await open(t).online("u-12");
  const pinged = Date.now();
  while (!tab.sockets[0].frames.some((f) => f.action === "pong")) {
    assert.ok(Date.now() - pinged < 20_000, "no ping in 20 s, or no answer");
    await new Promise((r) => setTimeout(r, 100));
  }
  await new Promise((r) => setTimeout(r, 3_200)); // the SDK gives an answer three seconds
  assert.equal(tab.CometChat.getConnectionStatus(), "connected");
  assert.equal(tab.sockets.length, 1, "it has not connected anew");
});
