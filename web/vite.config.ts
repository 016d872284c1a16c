import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

const LITERT = "node_modules/@litertjs/core";
const { version } = JSON.parse(readFileSync(`${LITERT}/package.json`, "utf-8"));
const RUNTIME = `litert-${version}`;
// With threads; without; without "relaxed SIMD", which Safari lacks.
const VARIANTS = ["litert_wasm_threaded", "litert_wasm", "litert_wasm_compat"];

// No other host, no inline code: what the page may do is to be seen here.
const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "connect-src 'self'",
  "img-src 'self' blob:",
  "style-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

/** LiteRT's files, and the service worker with the list of what it keeps. */
function site(): Plugin {
  return {
    name: "site",
    apply: "build",
    transformIndexHtml: () => [
      {
        tag: "meta",
        attrs: { "http-equiv": "Content-Security-Policy", content: POLICY },
        injectTo: "head-prepend",
      },
    ],
    generateBundle: {
      order: "post",
      handler(_, bundle) {
        const others = readdirSync("public", { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => `${entry.parentPath}/${entry.name}`);
        const files = [...Object.keys(bundle), ...others.map((path) => path.replace("public/", ""))];
        const hash = createHash("sha256");
        for (const output of Object.values(bundle)) {
          hash.update(output.type === "asset" ? output.source : output.code);
        }
        for (const path of others) hash.update(readFileSync(path));
        const values = {
          __VERSION__: hash.digest("hex").slice(0, 16),
          __RUNTIME__: RUNTIME,
          __FILES__: JSON.stringify(["./", ...files.filter((name) => name !== "index.html")].sort()),
          __POLICY__: POLICY,
        };
        let source = readFileSync("src/service-worker.js", "utf-8");
        for (const [name, value] of Object.entries(values)) source = source.replace(name, () => value);
        this.emitFile({ type: "asset", fileName: "sw.js", source });
        for (const name of VARIANTS) {
          for (const file of [`${name}_internal.js`, `${name}_internal.wasm`]) {
            const content = readFileSync(`${LITERT}/wasm/${file}`);
            this.emitFile({ type: "asset", fileName: `${RUNTIME}/${file}`, source: content });
          }
        }
      },
    },
  };
}

export default defineConfig({
  // Works in any folder of a host.
  base: "./",
  plugins: [site()],
  define: { __RUNTIME__: JSON.stringify(RUNTIME) },
  build: { target: "es2022", assetsInlineLimit: 0, modulePreload: false },
  test: {
    include: ["test/*.test.ts"],
    fileParallelism: false,
    // Machines may be busy.
    testTimeout: 120_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 60_000 } },
  },
});
