// Headless Chromium, and an application for it on a web server of its own: another origin than the double.
import { execFileSync } from "node:child_process";
import { createReadStream } from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

/** Path of the browser: CHROMIUM, or the one on the PATH. */
function executable() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  for (const name of ["chromium", "chromium-browser", "google-chrome"]) {
    try {
      return execFileSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" }).trim();
    } catch {
      // the next one, then
    }
  }
  throw new Error("no Chromium: install it, or name it in CHROMIUM");
}

/** Starts the browser. Its profile is new, and it takes the certificate that the double has made. */
export function launch() {
  return chromium.launch({
    executablePath: executable(),
    headless: true,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync", "--ignore-certificate-errors"],
  });
}

const require = createRequire(import.meta.url);
const files = {
  "/": ["text/html", fileURLToPath(new URL("../app/index.html", import.meta.url))],
  "/app.js": ["text/javascript", fileURLToPath(new URL("../app/app.js", import.meta.url))],
  "/avatar.svg": ["image/svg+xml", fileURLToPath(new URL("../app/avatar.svg", import.meta.url))],
  "/sdk.js": ["text/javascript", require.resolve("@cometchat/chat-sdk-javascript/CometChat.js")],
};

/** Serves the application; gives {url, close}. */
export async function serveApp() {
  const server = http.createServer((request, response) => {
    const file = files[request.url];
    if (!file) return response.writeHead(404).end();
    response.writeHead(200, { "Content-Type": `${file[0]}; charset=utf-8` });
    createReadStream(file[1]).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    close: () => (server.closeAllConnections(), new Promise((resolve) => server.close(resolve))),
  };
}
