// The SDK in headless Chromium, on a page of another origin, against the double over TLS.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, serveApp } from "./harness/browser.js";
import { Double } from "./harness/double.js";

let double, browser, app;
before(async () => {
  [double, browser, app] = await Promise.all([Double.seeded("--tls"), launch(), serveApp()]);
});
after(() => Promise.all([browser?.close(), app?.close(), double?.stop()]));

/** Opens the application as uid, in a browser context (and so a storage) of its own. */
async function openAs(t, uid) {
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  page.errors = [];
  page.on("pageerror", (err) => page.errors.push(err.message));
  const { host } = new URL(double.url);
  await page.goto(`${app.url}#${new URLSearchParams({ host, appId: double.appId, authKey: double.authKey, uid })}`);
  await page.waitForSelector("body[data-ready], body[data-failed]", { timeout: 15_000 });
  assert.equal(await page.getAttribute("body", "data-failed"), null);
  return page;
}

const marked = (page, uid, status) => page.waitForSelector(`#${uid}[data-status="${status}"]`, { timeout: 10_000 });

test("a page logs in, shows the list, and sees another page come and go", async (t) => {
  const page = await openAs(t, "u-02");
  assert.equal(await page.textContent("#me"), "Logged in as Bela");
  const names = await page.locator("#members li").allTextContents();
  assert.equal(names.length, 22);
  assert.deepEqual(names.slice(0, 3), ["Ada", "Chiara", "Dénes"]);
  assert.equal(await page.getAttribute("#u-04", "data-status"), "offline");

  const other = await openAs(t, "u-04");
  await marked(page, "u-04", "online");
  await marked(other, "u-02", "online");
  assert.equal((await double.user("u-04")).status, "available");

  await other.evaluate(() => CometChat.logout());
  await marked(page, "u-04", "offline");
  await page.close();
  for (const end = Date.now() + 5_000; (await double.user("u-02")).status !== "offline";) {
    assert.ok(Date.now() < end, "u-02 is still online");
    await new Promise((r) => setTimeout(r, 20));
  }
  assert.deepEqual([...page.errors, ...other.errors], []);
});

test("a refused login reaches the page as CometChat's error, not as a failed fetch", async (t) => {
  const page = await openAs(t, "u-03");
  const code = (f, ...args) => page.evaluate(f, ...args);
  assert.equal(await code(() => CometChat.getUser("nobody").catch((e) => e.code)), "ERR_UID_NOT_FOUND");
  assert.equal(await code(() => CometChat.createUser({ uid: "u-03", name: "X" }, "wrong").catch((e) => e.code)), "AUTH_ERR_APIKEY_NOT_FOUND");
  await code(() => CometChat.logout());
  assert.equal(await code(() => CometChat.login("no-token-of-ours").catch((e) => e.code)), "AUTH_ERR_AUTH_TOKEN_NOT_FOUND");
});

test("the session outlives a reload of the page, and is online again", async (t) => {
  const page = await openAs(t, "u-06");
  await page.reload();
  await page.waitForSelector("body[data-ready]", { timeout: 15_000 });
  assert.equal(await page.textContent("#me"), "Logged in as Fatou");
  const watcher = await openAs(t, "u-07");
  await marked(watcher, "u-06", "online");
  assert.deepEqual(page.errors, []);
});
