// One browser tab, as far as CometChat's SDK looks at one, in Node: the published file is run unchanged as the body of a
// function whose parameters are the globals it uses. Each Tab is another evaluation with storage of its own, so several
// users can be logged in at once.
import { webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { WebSocket } from "ws";

const file = createRequire(import.meta.url).resolve("@cometchat/chat-sdk-javascript/CometChat.js");
const given = ["window", "document", "navigator", "localStorage", "sessionStorage", "WebSocket", "fetch", "exports",
  "setTimeout", "setInterval", "clearTimeout", "clearInterval"];
const evaluate = new Function(...given, readFileSync(file, "utf8"));

class Storage {
  #items = new Map();
  get length() { return this.#items.size; }
  key(i) { return [...this.#items.keys()][i] ?? null; }
  getItem(k) { return this.#items.get(String(k)) ?? null; }
  setItem(k, v) { this.#items.set(String(k), String(v)); }
  removeItem(k) { this.#items.delete(String(k)); }
  clear() { this.#items.clear(); }
}

export class Tab {
  /** A tab in which the SDK is loaded. storage is that of an earlier tab, to play a reload. */
  constructor(double, storage = new Storage()) {
    this.double = double;
    this.storage = storage;
    this.calls = []; // every exchange: {method, path, headers, body, status, answer}
    this.sockets = [];
    this.timers = new Set();
    this.sdk = {};
    const window = this.#window();
    evaluate(window, window.document, window.navigator, window.localStorage, window.sessionStorage, window.WebSocket,
      window.fetch, this.sdk, window.setTimeout, window.setInterval, window.clearTimeout, window.clearInterval);
    this.CometChat = this.sdk.CometChat;
  }

  /** A new tab on the same storage. */
  reload() {
    this.close();
    return new Tab(this.double, this.storage);
  }

  /** init as an application does it, without overriding a host; change gets the settings builder. */
  async init(change = (b) => b.autoEstablishSocketConnection(false)) {
    const builder = new this.CometChat.AppSettingsBuilder().setRegion("eu");
    await this.CometChat.init(this.double.appId, (change(builder) ?? builder).build());
    return this;
  }

  /** init without a socket, then login by uid and auth key. */
  async login(uid) {
    await this.init();
    return this.CometChat.login(uid, this.double.authKey);
  }

  /** init with a socket and a subscription to presence, then login; resolves when the socket is authenticated. */
  async online(uid, subscribe = (b) => b.subscribePresenceForAllUsers()) {
    this.seen = [];
    await this.init((b) => subscribe(b.autoEstablishSocketConnection(true)));
    this.CometChat.addUserListener("seen", new this.CometChat.UserListener({
      onUserOnline: (user) => this.seen.push(["online", user.getUid(), user]),
      onUserOffline: (user) => this.seen.push(["offline", user.getUid(), user]),
    }));
    await this.CometChat.login(uid, this.double.authKey);
    await until(() => this.sockets.some((s) => s.authenticated), `the socket of ${uid} is authenticated`);
    return this;
  }

  /** Closes the tab as a person would, without a logout: its connections and timers die with it. */
  close() {
    this.closed = true;
    for (const timer of this.timers) clearTimeout(timer);
    for (const socket of this.sockets) {
      for (const event of ["open", "message", "close"]) socket.removeAllListeners(event);
      socket.terminate();
    }
  }

  #window() {
    const { timers } = this;
    const timed = (set, once) => (f, ms, ...args) => {
      if (this.closed) return undefined; // what was under way when the tab was closed goes no further
      const timer = set(() => (once && timers.delete(timer), f(...args)), ms);
      timers.add(timer);
      return timer;
    };
    const window = {
      location: new URL("https://app.example/"),
      screen: { width: 1280, height: 800 },
      matchMedia: () => ({ matches: false }),
      addEventListener() {}, removeEventListener() {},
      navigator: { userAgent: "node", platform: "linux", language: "en", onLine: true },
      document: { hasFocus: () => true, createElement: () => ({ style: {} }), getElementsByName: () => [], querySelector: () => null },
      crypto: webcrypto,
      localStorage: this.storage,
      sessionStorage: new Storage(),
      WebSocket: this.#WebSocket(),
      fetch: (url, options) => this.#fetch(url, options),
      setTimeout: timed(setTimeout, true), setInterval: timed(setInterval, false),
      clearTimeout: (t) => (timers.delete(t), clearTimeout(t)), clearInterval: (t) => (timers.delete(t), clearInterval(t)),
    };
    return Object.assign(window, { window, self: window });
  }

  /** The SDK always says https and CometChat's host; this says the double's scheme, host and port instead. */
  async #fetch(url, { referrer, ...options }) {
    const to = new URL(url);
    const { protocol, host } = new URL(this.double.url);
    Object.assign(to, { protocol, host });
    const call = { method: options.method, path: to.pathname + to.search, headers: { ...options.headers }, body: options.body };
    this.calls.push(call);
    const answer = await fetch(to, options);
    call.status = answer.status;
    call.answer = await answer.clone().text();
    return answer;
  }

  #WebSocket() {
    const tab = this;
    return class extends WebSocket {
      constructor(url) {
        const { host } = new URL(tab.double.url);
        super(`ws://${host}${new URL(url).pathname}`);
        this.frames = [];
        tab.sockets.push(this);
        this.on("error", () => {}); // a close follows, which is what the SDK listens to
        this.on("message", (data) => {
          const frame = JSON.parse(data);
          this.frames.push(frame);
          this.authenticated ||= frame.type === "auth" && frame.body.code === "200";
        });
      }
    };
  }
}

/** Waits, at most five seconds, until condition() gives something true, and gives that. */
export async function until(condition, what) {
  for (const end = Date.now() + 5_000; ; await new Promise((r) => setTimeout(r, 10))) {
    const got = await condition();
    if (got) return got;
    if (Date.now() > end) throw new Error(`waited in vain until ${what}`);
  }
}

/** The code of the CometChatException that promise is rejected with. */
export async function refused(promise) {
  return promise.then(
    (value) => { throw new Error(`not refused: ${JSON.stringify(value)}`); },
    (err) => err.code,
  );
}
