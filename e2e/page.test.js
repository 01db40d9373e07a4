// The double's own page, as a person sees it. With SCREENSHOTS=<directory> it leaves pictures there.
import assert from "node:assert/strict";
import path from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { launch, serveApp } from "./harness/browser.js";
import { Double } from "./harness/double.js";
import { Tab } from "./harness/tab.js";

const hostile = `<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>`;
const apiKey = "key-of-the-back-end-71", authKey = "key-of-clients-72";

let double, browser, app, page, errors;
before(async () => {
  [double, browser, app] = await Promise.all([
    Double.seeded("--api-key", apiKey, "--auth-key", authKey), launch(), serveApp(),
  ]);
  await double.rest("PUT", "/v3/users/u-03", { avatar: `${app.url}avatar.svg` });
  await double.rest("PUT", "/v3/users/u-04", { avatar: `${app.url}missing.png`, statusMessage: "away until Monday" });
  await double.rest("POST", "/v3/users", { uid: "zz-hostile", name: hostile, tags: [`"><b>bold</b>`] });
  await double.rest("POST", "/v3/users", { uid: "zz-gone", name: "Zora Gone" });
  await double.rest("DELETE", "/v3/users/zz-gone");
});
after(() => Promise.all([browser?.close(), app?.close(), double?.stop()]));

beforeEach(async (t) => {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  t.after(() => context.close());
  page = await context.newPage();
  page.setDefaultTimeout(10_000);
  errors = [];
  page.on("pageerror", (err) => errors.push(err.message));
  page.on("console", (m) => m.type() === "error" && !m.text().startsWith("Failed to load resource") && errors.push(m.text()));
  await page.goto(double.url);
  await page.getByRole("status").filter({ hasText: "users" }).waitFor();
});

const row = (uid) => page.locator("#users tbody tr").filter({ has: page.locator(".uid", { hasText: new RegExp(`^${uid}$`) }) });
const found = (text) => page.locator("#found", { hasText: text }).waitFor();
const uids = () => page.locator("#users tbody .uid").allTextContents();
const shot = (name) => process.env.SCREENSHOTS && page.screenshot({ path: path.join(process.env.SCREENSHOTS, `${name}.png`), fullPage: true });

test("it shows the users: picture or initials, name, uid, role, tags, status", async () => {
  await found("24 users");
  assert.equal(await row("u-01").locator(".name").textContent(), "Ada");
  assert.equal(await row("u-01").locator(".message").textContent(), "in the library");
  assert.equal(await row("u-01").locator(".chip.role").textContent(), "trainer");
  assert.deepEqual(await row("u-01").locator(".chip.tag").allTextContents(), ["even", "third"]);
  assert.equal(await row("u-01").locator(".status").textContent(), "offline");
  await row("u-03").locator(".avatar img").waitFor();
  assert.equal(await row("u-03").locator(".avatar").textContent(), "");
  assert.equal(await row("u-04").locator(".avatar").textContent(), "D", "its picture does not load");
  await row("u-04").locator(".avatar img").waitFor({ state: "detached" });
  await page.getByText("Online 0").or(page.locator("#online", { hasText: "0" })).first().waitFor();
  assert.deepEqual(errors, []);
});

test("what users are called is text, never markup", async () => {
  await page.getByLabel("Name or uid").fill("zz-h");
  await found("1 user");
  assert.equal(await row("zz-hostile").locator(".name").textContent(), hostile);
  assert.equal(await row("zz-hostile").locator(".chip.tag").textContent(), `"><b>bold</b>`);
  assert.equal(await page.locator("#users b, #users script").count(), 0);
  await page.locator("#requests summary", { hasText: "POST" }).first().click();
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  assert.deepEqual(errors, []);
});

test("search and filters, kept in the address", async () => {
  await page.getByLabel("Name or uid").fill("D");
  await found("1 user");
  assert.deepEqual(await uids(), ["u-04"]);
  await page.getByRole("button", { name: "Clear" }).click();
  await found("24 users");

  await page.getByRole("combobox", { name: "Role" }).selectOption("trainer");
  await found("4 users");
  await row("u-01").getByRole("button", { name: "third" }).click();
  await found("2 users");
  assert.deepEqual(await uids(), ["u-01", "u-16"]);
  assert.equal(new URL(page.url()).search, "?role=trainer&tag=third");
  await page.reload();
  await found("2 users");
  assert.equal(await page.getByRole("combobox", { name: "Role" }).inputValue(), "trainer");
  assert.equal(await page.getByLabel("Tag").inputValue(), "third");
  await page.getByLabel("Name or uid").fill("nobody like this");
  await found("Nobody fits these filters.");
  await page.getByRole("button", { name: "Clear" }).click();

  await page.getByLabel("Deactivated").selectOption("only");
  await found("1 user");
  assert.equal(await row("zz-gone").locator(".status").textContent(), "deactivated");
  await page.getByLabel("Deactivated").selectOption("with");
  await found("25 users");
  assert.deepEqual(errors, []);
});

test("it follows what happens, without a reload", async (t) => {
  await double.rest("POST", "/v3/users", { uid: "aaa-new", name: "Aaa Newcomer", tags: ["fresh"] });
  await row("aaa-new").waitFor();
  assert.equal(await row("aaa-new").locator(".avatar").textContent(), "AN");
  await double.rest("PUT", "/v3/users/aaa-new", { name: "Aaa Renamed" });
  await row("aaa-new").locator(".name", { hasText: "Aaa Renamed" }).waitFor();

  const tab = new Tab(double);
  t.after(() => tab.close());
  await tab.online("u-05");
  await row("u-05").locator(".status.online").waitFor();
  await page.locator("#online", { hasText: /^1$/ }).waitFor();
  await page.getByLabel("Status").selectOption("available");
  await found("1 user");
  assert.deepEqual(await uids(), ["u-05"]);
  await page.getByRole("button", { name: "Clear" }).click();
  await found("users");
  await shot("light");
  tab.close();
  await row("u-05").locator(".status.offline").waitFor();
  await double.rest("DELETE", "/v3/users/aaa-new", { permanent: true });
  await row("aaa-new").waitFor({ state: "detached" });
  assert.deepEqual(errors, []);
});

test("it shows the last requests with their answers, and no key or token", async (t) => {
  const tab = new Tab(double);
  t.after(() => tab.close());
  await tab.login("u-06");
  const { authToken, jwt } = JSON.parse(tab.calls.at(-1).answer).data;
  await tab.CometChat.getUser("nobody").catch(() => {});
  const failed = page.locator("#requests li").first();
  await failed.locator(".path", { hasText: /^\/v3\.0\/users\/nobody$/ }).waitFor();
  assert.equal(await failed.locator(".code").textContent(), "404");
  assert.match(await failed.locator(".meta").textContent(), /^as u-06, /);
  await failed.locator("summary").click();
  assert.match(await failed.locator("pre").last().textContent(), /"code": "ERR_UID_NOT_FOUND"/);

  const login = page.locator("#requests li").nth(1);
  await login.locator("summary").click();
  assert.equal(await login.locator(".method").textContent(), "PUT");
  assert.match(await login.locator("pre").last().textContent(), /"authToken": "\[redacted\]"/);
  await double.rest("GET", "/v3/users?perPage=1"); // the list moves on, and what was opened stays open
  await page.locator("#requests li").first().locator(".path", { hasText: "perPage=1" }).waitFor();
  assert.equal(await page.locator("#requests details[open]").count(), 2);
  await shot("requests");

  const shown = await page.content();
  assert.ok(authToken && jwt);
  for (const secret of [apiKey, authKey, authToken, jwt]) assert.ok(!shown.includes(secret));
  assert.deepEqual(errors, []);
});

test("a long list comes in parts", async (t) => {
  const many = Array.from({ length: 60 }, (_, i) => `many-${String(i).padStart(2, "0")}`);
  for (const uid of many) await double.rest("POST", "/v3/users", { uid, name: `Many ${uid.slice(-2)}` });
  t.after(async () => { for (const uid of many) await double.rest("DELETE", `/v3/users/${uid}`, { permanent: true }); });
  await page.getByLabel("Name or uid").fill("many");
  await found("50 of 60 users");
  await page.getByRole("button", { name: "Show more" }).click();
  await found("60 users");
  assert.deepEqual(await uids(), many);
  assert.equal(await page.getByRole("button", { name: "Show more" }).isVisible(), false);
});

test("it can be read in light and dark, wide and narrow", async () => {
  await page.locator("#requests summary").first().click();
  for (const scheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    assert.deepEqual(await page.evaluate(faint), [], `${scheme}: text that stands out too little`);
  }
  await page.getByLabel("Deactivated").selectOption("with");
  await found("25 users");
  await shot("dark");
  await page.setViewportSize({ width: 390, height: 800 });
  for (const box of ["html", ".scroll"]) {
    assert.ok(await page.locator(box).evaluate((e) => e.scrollWidth <= e.clientWidth), `${box}: no sideways scrolling`);
  }
  await shot("narrow");
});

test("it says so when the double is gone", async (t) => {
  const short = await Double.start();
  t.after(() => short.stop());
  await page.goto(short.url);
  await found("No users yet");
  await page.getByText("No request yet.").waitFor();
  await short.stop();
  await page.getByRole("alert").filter({ hasText: "does not answer" }).waitFor();
});

/** In the page: every visible text whose contrast with its ground is below 4.5 to 1. */
function faint() {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const luminance = ([r, g, b]) => {
    const [lr, lg, lb] = [r, g, b].map((c) => ((c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * lr + 0.7152 * lg + 0.0722 * lb;
  };
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const color = rgba(getComputedStyle(e).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255];
  };
  const bad = new Set();
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.textContent.trim());
    if (!own || !e.checkVisibility() || e.tagName === "OPTION") continue;
    const [a, b] = [luminance(rgba(getComputedStyle(e).color)), luminance(ground(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) bad.add(`${e.tagName}.${e.className}: ${ratio.toFixed(1)}`);
  }
  return [...bad];
}
