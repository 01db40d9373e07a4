// Asks for the state once a second and shows it. Everything that comes from users or requests goes into the page as
// text, never as markup.
"use strict";

const $ = (id) => document.getElementById(id);
const filters = $("filters");
const pageSize = 50;
const requestsShown = 100;

let limit = pageSize;
let last = 0; // number of the newest request shown
let usersShown = ""; // what the table was made from, to leave it alone while nothing changes
let asking; // the request under way, so that a newer one overtakes it
let timer;
const unloadable = new Set(); // avatars that did not load

/** An element with properties and children; strings become text. */
function el(name, props, ...children) {
  const e = Object.assign(document.createElement(name), props);
  e.append(...children);
  return e;
}

function query() {
  const q = new URLSearchParams();
  for (const [name, value] of new FormData(filters)) if (value.trim()) q.set(name, value.trim());
  return q;
}

async function refresh() {
  clearTimeout(timer);
  asking?.abort();
  const mine = (asking = new AbortController());
  const q = query();
  q.set("limit", limit);
  q.set("after", last);
  try {
    const answer = await fetch(`/_double/state?${q}`, { signal: mine.signal });
    const { data, error } = await answer.json();
    if (mine !== asking) return;
    if (error) throw new Error(error.message);
    show(data);
    $("trouble").hidden = true;
  } catch (err) {
    if (mine !== asking) return;
    $("trouble").textContent = err instanceof TypeError ? "The double does not answer." : err.message;
    $("trouble").hidden = false;
  }
  if (!document.hidden) timer = setTimeout(refresh, 1000);
}

function show(state) {
  $("app").textContent = state.appId || "any";
  $("all").textContent = state.all;
  $("online").textContent = state.online;
  showRoles(state.roles);
  const now = JSON.stringify([state.users, state.found]);
  if (now !== usersShown) {
    usersShown = now;
    showUsers(state.users ?? [], state.found);
  }
  if (state.last < last) $("requests").replaceChildren(); // the journal has been cleared
  for (const r of state.requests) $("requests").prepend(request(r));
  while ($("requests").children.length > requestsShown) $("requests").lastChild.remove();
  last = state.last;
  $("quiet").hidden = $("requests").children.length > 0;
}

function showRoles(roles) {
  const select = filters.elements.role;
  const shown = [...select.options].slice(1).map((o) => o.value);
  if (shown.join() === roles.join()) return;
  const chosen = select.value || wanted.get("role") || "";
  select.replaceChildren(select.options[0], ...roles.map((r) => new Option(r, r)));
  if (roles.includes(chosen)) select.value = chosen;
}

function showUsers(users, found) {
  const filtered = query().size > 0;
  $("users").tBodies[0].replaceChildren(...users.map(row));
  $("users").hidden = users.length === 0;
  $("found").textContent = users.length < found ? `${users.length} of ${found} users`
    : found === 1 ? "1 user"
    : found === 0 ? (filtered ? "Nobody fits these filters." : "No users yet: create one with POST /v3/users.")
    : `${found} users`;
  $("more").hidden = users.length >= found || limit >= 1000;
  const tags = [...new Set(users.flatMap((u) => u.tags ?? []))].sort();
  $("tags").replaceChildren(...tags.map((t) => new Option(t)));
}

function row(u) {
  const online = u.status === "available";
  const gone = u.deactivatedAt !== undefined;
  const name = el("span", { className: "name" }, u.name);
  const about = [name];
  if (u.statusMessage) about.push(el("span", { className: "message" }, u.statusMessage));
  const status = gone ? "deactivated" : online ? "online" : "offline";
  return el("tr", { className: gone ? "gone" : "" },
    el("th", { scope: "row" }, el("div", { className: "who" }, avatar(u), el("div", {}, ...about))),
    el("td", { className: "uid" }, u.uid),
    el("td", {}, chip("role", u.role)),
    el("td", {}, ...(u.tags ?? []).map((t) => chip("tag", t))),
    el("td", {}, el("span", { className: `status ${status}` }, status),
      ...(!online && u.lastActiveAt ? [el("span", { className: "since" }, "last seen ", when(u.lastActiveAt))] : [])),
    el("td", {}, when(u.createdAt)));
}

/** The picture, or the initials where there is none or it does not load. */
function avatar(u) {
  const words = u.name.trim().split(/\s+/);
  const initials = [words[0], words.length > 1 ? words.at(-1) : ""].map((w) => [...w][0] ?? "").join("").toUpperCase();
  const box = el("span", { className: "avatar", ariaHidden: "true" }, initials);
  box.dataset.hue = [...u.uid].reduce((sum, c) => (sum * 31 + c.codePointAt(0)) % 8, 0);
  if (u.avatar && !unloadable.has(u.avatar)) {
    const img = el("img", { alt: "", loading: "lazy", referrerPolicy: "no-referrer" });
    img.addEventListener("load", () => box.replaceChildren(img));
    img.addEventListener("error", () => (unloadable.add(u.avatar), img.remove()));
    img.src = u.avatar;
    box.append(img);
  }
  return box;
}

/** A role or a tag; pressing it filters by it. */
function chip(filter, value) {
  const b = el("button", { type: "button", className: `chip ${filter}`, title: `Only ${filter} ${value}` }, value);
  b.addEventListener("click", () => {
    filters.elements[filter].value = value;
    changed();
  });
  return b;
}

/** A moment: of today the time, of other days the date; in full when pointed at. */
function when(seconds) {
  const date = new Date(seconds * 1000);
  const today = date.toDateString() === new Date().toDateString();
  return el("time", { dateTime: date.toISOString(), title: date.toLocaleString() },
    today ? date.toLocaleTimeString() : date.toLocaleDateString(undefined, { dateStyle: "medium" }));
}

function request(r) {
  const kind = r.status && r.status < 400 ? "good" : "bad";
  const parts = [["Headers", Object.entries(r.header).map(([k, v]) => `${k}: ${v}`).join("\n")], ["Body", pretty(r.body)], ["Answer", pretty(r.answer)]];
  const at = new Date(r.time);
  return el("li", { value: r.number }, el("details", {},
    el("summary", {},
      el("span", { className: `code ${kind}` }, r.status || "lost"),
      el("span", { className: "method" }, r.method),
      el("span", { className: "path" }, r.path),
      el("span", { className: "meta" }, `${r.uid ? `as ${r.uid}, ` : ""}${r.millis.toFixed(1)} ms, `,
        el("time", { dateTime: r.time }, at.toLocaleTimeString()))),
    ...parts.filter(([, text]) => text).map(([title, text]) => el("div", {}, el("h3", {}, title), el("pre", { tabIndex: 0 }, text)))));
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function changed() {
  limit = pageSize;
  const q = query();
  history.replaceState(null, "", q.size ? `?${q}` : location.pathname);
  refresh();
}

// The filters live in the address, so that a reload keeps them.
const wanted = new URLSearchParams(location.search);
for (const [name, value] of wanted) if (filters.elements[name]) filters.elements[name].value = value;

filters.addEventListener("input", changed);
filters.addEventListener("submit", (e) => e.preventDefault());
filters.addEventListener("reset", () => setTimeout(changed));
$("more").addEventListener("click", () => ((limit = Math.min(limit + pageSize, 1000)), refresh()));
document.addEventListener("visibilitychange", () => document.hidden || refresh());
refresh();
