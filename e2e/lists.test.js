// The SDK's lists: every filter of the users list, paging to the end, blocked users in each direction.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, beforeEach, test } from "node:test";
import { Double, seed } from "./harness/double.js";
import { Tab } from "./harness/tab.js";

const everybody = readFileSync(seed, "utf8").trim().split("\n").map((line) => JSON.parse(line));
const me = "u-02";
const others = everybody.filter((u) => u.uid !== me);

let double, tab, CometChat;
before(async () => {
  double = await Double.seeded();
  await double.rest("POST", `/v3/users/${me}/friends`, { accepted: ["u-05", "u-09", "u-20"] });
  tab = new Tab(double);
  ({ CometChat } = tab);
  await tab.login(me);
});
after(() => (tab.close(), double.stop()));
beforeEach(() => { tab.calls.length = 0; });

/** Every page that fetchNext gives until the first empty one. */
async function pages(request) {
  for (const all = []; ;) {
    const page = await request.fetchNext();
    if (page.length === 0) return all;
    all.push(page);
    assert.ok(all.length <= 50, "the list does not end");
  }
}

/** The uids of the whole list that build asks for. */
async function uids(build, limit = 100) {
  const found = await pages(build(new CometChat.UsersRequestBuilder().setLimit(limit)).build());
  return found.flat().map((u) => (assert.ok(u instanceof CometChat.User), u.getUid()));
}

const where = (accept) => others.filter(accept).map((u) => u.uid).sort();
const sorted = async (build, limit) => (await uids(build, limit)).sort();

test("paging to the end gives everybody else once, whatever the page size", async () => {
  for (const limit of [1, 7, 11, 22, 100]) {
    assert.deepEqual(await sorted((b) => b, limit), where(() => true), `limit ${limit}`);
  }
  const request = new CometChat.UsersRequestBuilder().setLimit(7).build();
  assert.deepEqual((await pages(request)).map((p) => p.length), [7, 7, 7, 1]);
  assert.deepEqual(await request.fetchNext(), [], "and again after the end");
});

test("setPage starts in the middle", async () => {
  const all = await uids((b) => b, 5);
  assert.deepEqual(await uids((b) => b.setPage(1), 5), all.slice(5));
});

test("order", async () => {
  const byName = others.toSorted((a, b) => (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1)).map((u) => u.uid);
  assert.deepEqual(await uids((b) => b.sortBy("name"), 4), byName);
  assert.deepEqual(await uids((b) => b.sortBy("name").sortByOrder("desc"), 4), byName.toReversed());
  assert.deepEqual(await uids((b) => b.sortBy("status")), byName, "nobody is online: status, then name");
});

test("search", async () => {
  assert.deepEqual(await sorted((b) => b.setSearchKeyword("dé")), ["u-04"]);
  assert.deepEqual(await sorted((b) => b.setSearchKeyword("LEN")), ["u-12"]);
  assert.deepEqual(await sorted((b) => b.setSearchKeyword("u-1")), where((u) => u.uid.startsWith("u-1")));
  assert.deepEqual(await sorted((b) => b.setSearchKeyword("u").searchIn(["name"])), ["u-21"], "Uma, not every uid");
  assert.deepEqual(await sorted((b) => b.setSearchKeyword("uma").searchIn(["uid"])), []);
  assert.deepEqual(await sorted((b) => b.setSearchKeyword("nobody at all & co?")), []);
});

test("roles", async () => {
  const role = (u) => u.role ?? "default";
  assert.deepEqual(await sorted((b) => b.setRole("trainer")), where((u) => role(u) === "trainer"));
  assert.deepEqual(await sorted((b) => b.setRoles(["trainer", "moderator"]), 2), where((u) => role(u) !== "default"));
  assert.deepEqual(await sorted((b) => b.setRoles(["default"]).setRole("moderator")), where((u) => role(u) !== "trainer"));
  assert.deepEqual(await sorted((b) => b.setRole("emperor")), []);
});

test("tags, and withTags", async () => {
  const has = (u, ...tags) => tags.some((tag) => u.tags?.includes(tag));
  assert.deepEqual(await sorted((b) => b.setTags(["even"]), 3), where((u) => has(u, "even")));
  assert.deepEqual(await sorted((b) => b.setTags(["a, b & ü"])), ["u-06"], "a comma inside a tag");
  assert.deepEqual(await sorted((b) => b.setTags(["Even"])), [], "letter case matters");
  const [[plain]] = await pages(new CometChat.UsersRequestBuilder().setLimit(5).setUIDs(["u-07"]).build());
  assert.equal(plain.getTags(), undefined, "no tags unless asked for");
  const [[tagged]] = await pages(new CometChat.UsersRequestBuilder().setLimit(5).setUIDs(["u-07"]).withTags(true).build());
  assert.deepEqual(tagged.getTags(), ["even", "third"]);
});

test("setUIDs, friendsOnly, setStatus", async () => {
  assert.deepEqual(await sorted((b) => b.setUIDs(["u-03", "u-11", "nobody"])), ["u-03", "u-11"]);
  assert.deepEqual(await sorted((b) => b.friendsOnly(true), 2), ["u-05", "u-09", "u-20"]);
  assert.deepEqual(await sorted((b) => b.setStatus(CometChat.USER_STATUS.ONLINE)), []);
  assert.deepEqual(await sorted((b) => b.setStatus(CometChat.USER_STATUS.OFFLINE)), where(() => true));
});

test("filters together", async () => {
  assert.deepEqual(
    await sorted((b) => b.setTags(["even"]).setRoles(["trainer"]).setSearchKeyword("u-").searchIn(["uid"]), 1),
    where((u) => u.tags?.includes("even") && u.role === "trainer"),
  );
});

test("block, blocked list, hideBlockedUsers, unblock", async (t) => {
  const theirs = new Tab(double);
  t.after(() => theirs.close());
  await theirs.login("u-10");
  await theirs.CometChat.blockUsers([me]);

  const answer = await CometChat.blockUsers(["u-03", "u-04", "nobody"]);
  assert.deepEqual(Object.keys(answer).sort(), ["nobody", "u-03", "u-04"]);
  assert.equal(answer["u-03"].success, true);
  assert.equal(answer.nobody.success, false);

  const blocked = async (direction, change = (b) => b) => {
    const builder = change(new CometChat.BlockedUsersRequestBuilder().setLimit(1));
    if (direction) builder.setDirection(CometChat.BlockedUsersRequest.directions[direction]);
    return (await pages(builder.build())).flat().map((u) => u.getUid()).sort();
  };
  assert.deepEqual(await blocked(), ["u-03", "u-04", "u-10"], "both directions by default");
  assert.deepEqual(await blocked("BOTH"), ["u-03", "u-04", "u-10"]);
  assert.deepEqual(await blocked("BLOCKED_BY_ME"), ["u-03", "u-04"]);
  assert.deepEqual(await blocked("HAS_BLOCKED_ME"), ["u-10"]);
  assert.deepEqual(await blocked("BOTH", (b) => b.setSearchKeyword("dé")), ["u-04"]);

  assert.equal((await CometChat.getUser("u-03")).getBlockedByMe(), true);
  assert.equal((await CometChat.getUser("u-10")).getHasBlockedMe(), true);
  assert.deepEqual(await sorted((b) => b.hideBlockedUsers(true), 5), where((u) => !["u-03", "u-04"].includes(u.uid)));
  assert.deepEqual(await sorted((b) => b.hideBlockedUsers(false)), where(() => true));

  await CometChat.unblockUsers(["u-03", "u-04"]);
  assert.deepEqual(await blocked(), ["u-10"]);
  assert.equal((await CometChat.getUser("u-03")).getBlockedByMe(), false);
});
