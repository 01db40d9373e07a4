// The double under test: `userstore serve` as a child process.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import https from "node:https";
import http from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The users that a seeded double begins with, one JSON object a line. */
export const seed = fileURLToPath(new URL("../seed.jsonl", import.meta.url));

/** Path of the program: USERSTORE, or one built for this process alone. */
function program() {
  if (process.env.USERSTORE) return process.env.USERSTORE;
  const dir = mkdtempSync(path.join(tmpdir(), "userstore-e2e-"));
  process.on("exit", () => rmSync(dir, { recursive: true, force: true }));
  const bin = path.join(dir, "userstore");
  const built = spawnSync("go", ["build", "-o", bin, "./cmd/userstore"], { cwd: root, stdio: "inherit" });
  if (built.status !== 0) throw new Error("go build ./cmd/userstore failed");
  process.env.USERSTORE = bin;
  return bin;
}

export class Double {
  /** A double with the users of the seed. */
  static seeded(...flags) {
    return Double.start("--roles", "trainer,moderator", "--seed", seed, ...flags);
  }

  /** Starts `userstore serve` with more flags and waits, at most ten seconds, for its line of JSON. */
  static async start(...flags) {
    const child = spawn(program(), ["serve", ...flags], { stdio: ["ignore", "pipe", "pipe"] });
    const double = new Double(child);
    const lines = createInterface({ input: child.stdout });
    const ready = await new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`serve gave no line in 10 s\n${double.log}`)), 10_000);
      lines.once("line", (line) => (clearTimeout(late), resolve(line)));
      child.once("exit", (code) => (clearTimeout(late), reject(new Error(`serve ended with ${code}\n${double.log}`))));
    });
    Object.assign(double, JSON.parse(ready));
    if (double.cert) double.ca = readFileSync(double.cert);
    return double;
  }

  constructor(child) {
    this.child = child;
    this.log = "";
    child.stderr.on("data", (part) => (this.log += part));
  }

  /** One REST call with the full-access key; gives {status, body}. With TLS the certificate is checked. */
  rest(method, route, body) {
    const url = new URL(route, this.url);
    const send = url.protocol === "https:" ? https : http;
    return new Promise((resolve, reject) => {
      const text = body === undefined ? "" : JSON.stringify(body);
      const headers = { appId: this.appId, apiKey: this.apiKey, "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text) };
      const request = send.request(url, { method, headers, ca: this.ca, agent: false }, (answer) => {
        let got = "";
        answer.setEncoding("utf8");
        answer.on("data", (part) => (got += part));
        answer.on("end", () => resolve({ status: answer.statusCode, body: JSON.parse(got) }));
      });
      request.on("error", reject);
      request.end(text);
    });
  }

  /** The user as the back end sees it. */
  async user(uid) {
    return (await this.rest("GET", `/v3/users/${uid}`)).body.data;
  }

  /** Stops with SIGTERM and gives the exit code. */
  stop() {
    return new Promise((resolve) => {
      if (this.child.exitCode !== null) return resolve(this.child.exitCode);
      const late = setTimeout(() => this.child.kill("SIGKILL"), 10_000);
      this.child.once("exit", (code, signal) => (clearTimeout(late), resolve(code ?? signal)));
      this.child.kill("SIGTERM");
    });
  }
}
