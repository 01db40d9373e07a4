// Creating and updating users through the SDK, with the auth key and as the logged-in user.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Double } from "./harness/double.js";
import { Tab, refused } from "./harness/tab.js";

let double;
before(async () => { double = await Double.seeded(); });
after(() => double.stop());

/** An SDK user built with its setters. */
function user(CometChat, uid, fields) {
  const u = new CometChat.User(uid);
  for (const [field, value] of Object.entries(fields)) u[`set${field[0].toUpperCase()}${field.slice(1)}`](value);
  return u;
}

test("createUser needs nobody logged in and gives back the user", async (t) => {
  const tab = await new Tab(double).init();
  t.after(() => tab.close());
  const { CometChat } = tab;
  const fields = {
    name: "Zoë Ünal", avatar: "https://img.example/z.png", link: "https://example.com/z", role: "trainer",
    statusMessage: "new here", metadata: { nested: { list: [1, "two", null] } }, tags: ["x y", "ü,&"],
  };
  const made = await CometChat.createUser(user(CometChat, "New-User_1", fields), double.authKey);
  assert.ok(made instanceof CometChat.User);
  assert.equal(made.getUid(), "new-user_1", "the uid is lower-cased");
  assert.equal(made.getName(), "Zoë Ünal");
  assert.equal(made.getRole(), "trainer");
  assert.equal(made.getStatus(), "offline");

  const stored = await double.user("new-user_1");
  for (const [field, value] of Object.entries(fields)) assert.deepEqual(stored[field], value, field);
  assert.ok(Math.abs(stored.createdAt - Date.now() / 1000) < 60);

  assert.equal(await CometChat.getLoggedinUser(), null, "creating a user logs nobody in");
  assert.equal(await refused(CometChat.createUser(user(CometChat, "NEW-user_1", { name: "Again" }), double.authKey)), "ERR_UID_ALREADY_EXISTS");
  assert.equal((await double.user("new-user_1")).name, "Zoë Ünal");
});

test("createUser is refused with a wrong key, an unknown role, a malformed uid", async (t) => {
  const tab = await new Tab(double).init();
  t.after(() => tab.close());
  const { CometChat } = tab;
  const create = (uid, fields, key = double.authKey) => refused(CometChat.createUser(user(CometChat, uid, { name: "No", ...fields }), key));
  assert.equal(await create("no-1", {}, "wrong"), "AUTH_ERR_APIKEY_NOT_FOUND");
  assert.equal(await create("no-1", { role: "emperor" }), "ERR_BAD_REQUEST", "unknown role");
  assert.equal(await create("no 1", {}), "ERR_BAD_REQUEST", "space in the uid");
  assert.equal(await create("nö-1", {}), "ERR_BAD_REQUEST", "uid not ASCII");
  assert.equal(await create("no-1", { avatar: "not a URL" }), "ERR_BAD_REQUEST", "avatar no URL");
  assert.equal((await double.rest("GET", "/v3/users/no-1")).body.error.code, "ERR_UID_NOT_FOUND");
});

test("updateUser changes what is given, keeps the rest, and lets the role move", async (t) => {
  const tab = await new Tab(double).init();
  t.after(() => tab.close());
  const { CometChat } = tab;
  const updated = await CometChat.updateUser(user(CometChat, "u-01", { name: "Ada L.", role: "moderator" }), double.authKey);
  assert.equal(updated.getName(), "Ada L.");
  assert.equal(updated.getRole(), "moderator");
  const stored = await double.user("u-01");
  assert.equal(stored.avatar, "https://img.example/ada.png");
  assert.deepEqual(stored.metadata, { plan: { tier: 3 } });
  assert.ok(stored.updatedAt >= stored.createdAt);
  assert.equal(await refused(CometChat.updateUser(user(CometChat, "nobody", { name: "X" }), double.authKey)), "ERR_UID_NOT_FOUND");
  assert.equal(await refused(CometChat.updateUser(user(CometChat, "u-01", { name: "X" }), "wrong")), "AUTH_ERR_APIKEY_NOT_FOUND");
});

test("updateUser of a user read from the server writes back only what may be edited", async (t) => {
  const tab = new Tab(double);
  t.after(() => tab.close());
  const { CometChat } = tab;
  await tab.login("u-02");
  const before = await double.user("u-03");
  const read = await CometChat.getUser("u-03");
  read.setStatus("online");
  read.setLastActiveAt(1);
  read.setStatusMessage("moved");
  await CometChat.updateUser(read, double.authKey);
  const { updatedAt, statusMessage, ...stored } = await double.user("u-03");
  assert.equal(statusMessage, "moved");
  assert.deepEqual(stored, before);
  assert.equal((await CometChat.getLoggedinUser()).getUid(), "u-02", "the session is untouched");
});

test("updateCurrentUserDetails touches the logged-in user whatever uid is passed, and never the role", async (t) => {
  const tab = new Tab(double);
  t.after(() => tab.close());
  const { CometChat } = tab;
  await tab.login("u-05");
  const other = await double.user("u-07");
  const before = await double.user("u-05");
  const mine = await CometChat.updateCurrentUserDetails(user(CometChat, "u-07", {
    name: "Emil II", role: "moderator", statusMessage: "line one\nline two", tags: ["mine"], metadata: { a: 1 },
  }));
  assert.equal(mine.getUid(), "u-05");
  assert.equal(mine.getName(), "Emil II");
  assert.notEqual(before.role, "moderator");
  const stored = await double.user("u-05");
  assert.equal(stored.role, before.role, "the role does not move");
  assert.equal(stored.name, "Emil II");
  assert.equal(stored.statusMessage, "line one\nline two");
  assert.deepEqual(stored.tags, ["mine"]);
  assert.deepEqual(await double.user("u-07"), other, "the other user is untouched");

  // The session lives on: the SDK takes its token from the answer, also after a reload.
  const again = await tab.reload().init();
  t.after(() => again.close());
  assert.equal((await again.CometChat.getLoggedinUser()).getName(), "Emil II");
  assert.equal((await again.CometChat.getUser("u-07")).getName(), other.name);
});
