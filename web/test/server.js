// A static host with nothing special: no headers but the types of files, in a folder.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

const TYPES = {
  ".css": "text/css",
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
  ".webmanifest": "application/manifest+json",
};

/** Serves a folder; returns the address of its page, and how to interrupt and to end it. */
export async function host(folder, under = "/some/folder/") {
  let reached = true;
  const server = createServer(async (request, response) => {
    if (!reached) return void request.socket.destroy();
    const path = normalize(decodeURIComponent(new URL(request.url, "http://host").pathname));
    const name = path.endsWith("/") ? `${path}index.html` : path;
    try {
      if (!name.startsWith(under)) throw new Error("outside");
      const content = await readFile(join(folder, name.slice(under.length)));
      response.writeHead(200, { "content-type": TYPES[extname(name)] ?? "application/octet-stream" });
      response.end(content);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  return {
    address: `http://127.0.0.1:${server.address().port}${under}`,
    reach: (value) => void (reached = value),
    close: () => void server.close(),
  };
}
