// A static host with nothing special: no headers but the types of files, in a folder.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

const TYPES: Record<string, string> = {
  ".css": "text/css",
  ".html": "text/html",
  ".js": "text/javascript",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
  ".webmanifest": "application/manifest+json",
};

export interface Host {
  /** Of the page. */
  address: string;
  close: () => void;
}

export async function host(folder: string, under = "/some/folder/"): Promise<Host> {
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url!, "http://host").pathname));
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
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return { address: `http://127.0.0.1:${port}${under}`, close: () => void server.close() };
}
