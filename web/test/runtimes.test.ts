// The files of an export in LiteRT.js and in ONNX Runtime Web, both in headless Chromium and in
// WebAssembly; and golden/check.mjs of the export, in Node.js.

import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LAUNCH } from "./browser.js";
import { host } from "./server.js";

const web = fileURLToPath(new URL("..", import.meta.url));
const vectors = join(web, "test", "vectors");
const exported = join(vectors, "exported");
const files = ["tflite", "onnx"].flatMap((kind) =>
  readdirSync(join(exported, kind)).map((name) => `${kind}/${name}`),
);
const isOfAnySize = (path: string) => /_dynamic_(whole|tiled)/.test(path);
// A copy in which a known result is a tenth darker.
const damaged = mkdtempSync(join(vectors, "damaged-"));

let server: Awaited<ReturnType<typeof host>>;
let browser: Browser;
let page: Page;

beforeAll(async () => {
  cpSync(exported, damaged, { recursive: true });
  const known = join(damaged, "golden", "float32_automatic.bin");
  writeFileSync(known, readFileSync(known).map((level) => 0.9 * level));
  server = await host(web);
  browser = await chromium.launch(LAUNCH);
  page = await browser.newPage();
  page.setDefaultTimeout(120_000);
  await page.goto(`${server.address}test/runtimes.html`);
  await page.waitForFunction(() => "runtimes" in self);
});

afterAll(async () => {
  await browser.close();
  server.close();
  rmSync(damaged, { recursive: true });
});

interface Compared {
  found: Record<string, number>;
  least: number;
}

const compared = (path: string, folder = "exported"): Promise<Compared> =>
  page.evaluate(
    ([folder, path]) => (self as any).runtimes.compare(folder, path),
    [`vectors/${folder}`, path],
  );

describe("in Chromium", () => {
  it.each(files.filter((path) => path.startsWith("onnx") || !isOfAnySize(path)))("%s", async (path) => {
    const { found, least } = await compared(path);
    expect(Object.keys(found)).toContain("automatic");
    for (const decibels of Object.values(found)) expect(decibels).toBeGreaterThan(least);
  });

  it.each(files.filter((path) => path.startsWith("tflite") && isOfAnySize(path)))(
    "LiteRT.js refuses %s",
    async (path) => {
      await expect(compared(path)).rejects.toThrow("does not match expected ranked tensor type");
    },
  );

  it.each(["nchw", "nhwc"])("ONNX Runtime Web takes photos of odd size, %s", async (layout) => {
    const path = files.find((path) => path.endsWith(`_${layout}_dynamic_whole.onnx`));
    const differing = await page.evaluate(
      ([folder, path]) => (self as any).runtimes.differing(folder, path),
      ["vectors", `exported/${path}`],
    );
    expect(differing).toBeLessThanOrEqual(1);
  });

  it("the code of docs/onnx.md runs as it stands there", async () => {
    const docs = readFileSync(join(web, "..", "docs", "onnx.md"), "utf-8");
    const [, code] = docs.match(/^```js\n(.*?)^```$/ms)!;
    const name = "mobile_nchw_dynamic_whole.onnx";
    expect(code).toContain(`"${name}"`);
    const address = `${server.address}test/vectors/exported/onnx/${name}`;
    const differing = await page.evaluate(
      ([folder, code]) => (self as any).runtimes.differingInDocs(folder, code),
      ["vectors", code!.replace(name, address)],
    );
    expect(differing).toBeLessThanOrEqual(1);
  });

  it.each(files.filter((path) => /(256x256_tiled_float32.tflite|_nchw_dynamic_tiled.onnx)$/.test(path)))(
    "%s finds that a known result is damaged",
    async (path) => {
      const { found, least } = await compared(path, basename(damaged));
      expect(found.automatic).toBeLessThan(least);
    },
  );
});

describe("golden/check.mjs", () => {
  const check = (folder: string, path: string) =>
    execFileSync("node", ["golden/check.mjs", path], { cwd: folder, encoding: "utf-8", stdio: "pipe" });
  const tiled = files.filter((path) => /_(nchw_dynamic_tiled\.onnx|nhwc_dynamic_tiled\.ort)$/.test(path));

  it.each(tiled)("says that %s is right", (path) => {
    expect(check(exported, path)).toMatch(/automatic: right, [\d.]+ dB/);
  });

  it("finds that a known result is damaged", () => {
    expect(() => check(damaged, tiled[0])).toThrow(
      expect.objectContaining({ status: 1, stdout: expect.stringContaining("automatic: WRONG") }),
    );
  });
});
