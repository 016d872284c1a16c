// The built page, driven in Chromium as people use it, on a host without any special headers.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { LAUNCH } from "./browser.js";
import { host } from "./server.js";

const here = fileURLToPath(new URL(".", import.meta.url));
const vector = (name: string) => join(here, "vectors", name);
const { takesBrightness } = JSON.parse(readFileSync(vector("facts.json"), "utf-8"));
const folder = mkdtempSync(join(tmpdir(), "page-"));

let server: Awaited<ReturnType<typeof host>>;
let browser: Browser;
let context: BrowserContext;
let page: Page;
/** Requests to other hosts, and what the console says of breaches and errors. */
let complaints: string[];

/** A saved photo's contents, and how far its pixels are from others. */
function inspected(path: string, expected?: string) {
  const program = [join(here, "inspect_photo.py"), path];
  if (expected) program.push(vector(expected));
  const python = process.env.PYTHON ?? "python3";
  return JSON.parse(execFileSync(python, program, { encoding: "utf-8" }));
}

async function visit() {
  await page.goto(server.address);
  // The first visit loads once more, to be isolated.
  await page.waitForFunction(() => self.crossOriginIsolated && document.body.dataset.device);
}

const status = (text: string | RegExp) => page.getByRole("status").filter({ hasText: text }).waitFor();
const ready = () => status(/^(Saved\. )?\d+ × \d+$/);
const message = (text: string) => page.getByRole("alert").getByText(text).waitFor();

async function choose(...names: string[]) {
  await page.locator("#file").setInputFiles(names.map(vector));
}

async function save(format?: string): Promise<string> {
  if (format) await page.getByLabel("Format").selectOption(format);
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  const path = join(folder, (await download).suggestedFilename());
  await (await download).saveAs(path);
  return path;
}

beforeAll(async () => {
  server = await host(fileURLToPath(new URL("../dist", import.meta.url)));
  browser = await chromium.launch(LAUNCH);
  context = await browser.newContext({ viewport: { width: 1100, height: 800 } });
  // Machines may be busy.
  context.setDefaultTimeout(90_000);
  context.on("request", (request) => {
    if (!/^(blob:)?http:\/\/127\.0\.0\.1:/.test(request.url())) complaints.push(request.url());
  });
});

afterAll(async () => {
  await browser?.close();
  server?.close();
  rmSync(folder, { recursive: true });
});

beforeEach(async () => {
  server.reach(true);
  page = await context.newPage();
  complaints = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (line) => {
    if (line.type() === "error") complaints.push(line.text());
  });
  await visit();
});

afterEach(async () => {
  await page.close();
  expect(complaints).toEqual([]);
});

describe("a photo", () => {
  it("is dropped and gets the pixels of Python", async () => {
    const bytes = readFileSync(vector("dark.png")).toString("base64");
    const dropped = await page.evaluateHandle(async (encoded) => {
      const data = new DataTransfer();
      const content = Uint8Array.from(atob(encoded), (c) => c.charCodeAt(0));
      data.items.add(new File([content], "dark.png", { type: "image/png" }));
      return data;
    }, bytes);
    await page.dispatchEvent("body", "drop", { dataTransfer: dropped });
    await ready();
    const path = await save();
    expect(basename(path)).toBe("dark-enhanced.png");
    expect(inspected(path, "dark_expected.png").largest).toBeLessThanOrEqual(1);
  });

  it("keeps its orientation, EXIF data and colour profile", async () => {
    await choose("turned.jpg");
    await status("300 × 451");
    const canvas = page.locator("canvas.after");
    expect(await canvas.evaluate((c: HTMLCanvasElement) => [c.width, c.height])).toEqual([300, 451]);
    const original = inspected(vector("turned.jpg"));
    const { largest, preview, ...png } = inspected(await save("PNG"), "turned_expected.png");
    expect(largest).toBeLessThanOrEqual(1);
    expect(preview).toBe(false);
    const jpeg = inspected(await save("JPEG"));
    for (const [saved, format] of [[png, "PNG"], [jpeg, "JPEG"]]) {
      expect(saved).toMatchObject({ format, width: 451, height: 300, orientation: 6 });
      expect(saved).toMatchObject({ camera: "a camera", taken: original.taken, xmp: original.xmp });
      expect(saved.icc).toBe(original.icc);
    }
  });

  it.each(["halved", "grey"])("%s.jpg gets the pixels of Python", async (name) => {
    await choose(`${name}.jpg`);
    await ready();
    const saved = inspected(await save("PNG"), `${name}_expected.png`);
    expect(saved.largest).toBeLessThanOrEqual(1);
    expect(saved.grey).toBe(name === "grey");
  });

  it("keeps its transparent parts, in a PNG", async () => {
    await choose("transparent.png");
    await ready();
    expect(await page.getByRole("option", { name: "JPEG" }).isDisabled()).toBe(true);
    expect(inspected(await save())).toMatchObject({ format: "PNG", transparent: true });
  });

  it("is pasted, one after the other, and all are saved", async () => {
    await choose("dark.png", "turned.jpg");
    await ready();
    await page.evaluate(() => {
      const data = new DataTransfer();
      data.items.add(new File(["words"], "words.jpg", { type: "image/jpeg" }));
      document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data }));
    });
    await message("words.jpg: is no photo");
    await page.getByRole("button", { name: "turned.jpg" }).click();
    await status("300 × 451");
    const names: string[] = [];
    page.on("download", (download) => names.push(download.suggestedFilename()));
    await page.getByRole("button", { name: "Save all" }).click();
    await expect.poll(() => names.sort()).toEqual(["dark-enhanced.png", "turned-enhanced.jpg"]);
  });

  it("gives way to another between its preview and its whole result", async () => {
    await choose("dark.png", "turned.jpg");
    await ready();
    // As on a busy machine: other messages arrive before the worker has looked.
    await page.workers()[0].evaluate(() => {
      const post = MessagePort.prototype.postMessage;
      MessagePort.prototype.postMessage = function (this: MessagePort, ...sent: unknown[]) {
        setTimeout(() => Reflect.apply(post, this, sent), 100);
      };
    });
    await page.evaluate(() => {
      const click = (name: string) => document.querySelector<HTMLElement>(`[title="${name}"]`)!.click();
      delete document.body.dataset.previewMs;
      // Called while the worker's answer is on its way.
      const watch = new MutationObserver(() => {
        watch.disconnect();
        click("turned.jpg");
      });
      watch.observe(document.body, { attributeFilter: ["data-preview-ms"] });
      click("dark.png");
    });
    await status("300 × 451");
  });

  it("is left off when told to, and saved whole all the same", async () => {
    await choose("large.jpg");
    // The preview comes first.
    const shown = page.locator("canvas.after");
    await expect.poll(() => shown.evaluate((c: HTMLCanvasElement) => c.width)).toBe(1024);
    await page.getByRole("button", { name: "Stop" }).click();
    await status("Stopped");
    expect(await shown.evaluate((c: HTMLCanvasElement) => c.width)).toBe(1024);
    expect(inspected(await save("JPEG"))).toMatchObject({ width: 1804, height: 1200 });
  });
});

describe("the page", () => {
  it("works offline after the first visit", async () => {
    // More than the browser's own switch, which does not hold for all of a service worker.
    server.reach(false);
    await visit();
    await choose("dark.png");
    await ready();
    expect(inspected(await save(), "dark_expected.png").largest).toBeLessThanOrEqual(1);
    server.reach(true);
  });

  it("says what is wrong with files", async () => {
    const lines = {
      "empty.jpg": "the file is empty",
      "cut.jpg": "the file is cut off",
      "damaged.png": "the file is damaged",
      "phone.heic": "does not read HEIC",
      "print.jpg": "has print colours",
    };
    for (const [name, line] of Object.entries(lines)) {
      await choose(name);
      await message(`${name}: ${line}`.replace("phone.heic: ", "phone.heic: this browser "));
      await page.getByRole("heading", { name: "See your dark photos" }).waitFor();
    }
    await page.getByRole("button", { name: "Close" }).first().click();
    expect(await page.getByRole("alert").locator("p").count()).toBe(4);
    await choose("dark.png");
    await ready();
  });

  it("is used by keyboard", async () => {
    const chooser = page.waitForEvent("filechooser");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await (await chooser).setFiles(vector("dark.png"));
    await ready();
    const divider = page.getByRole("slider", { name: "Divider" });
    const clip = () => page.locator("figure").evaluate((f) => f.style.getPropertyValue("--divider"));
    await divider.focus();
    await page.keyboard.press("Home");
    expect(await clip()).toBe("0%");
    await page.keyboard.press("End");
    expect(await clip()).toBe("100%");
    for (let i = 0; i < 8 && !(await page.locator("#save:focus").count()); i++) {
      await page.keyboard.press("Tab");
    }
    const download = page.waitForEvent("download");
    await page.keyboard.press("Enter");
    expect((await download).suggestedFilename()).toBe("dark-enhanced.png");
  });

  it("has a divider that is dragged", async () => {
    await choose("dark.png");
    await ready();
    const box = (await page.locator("figure").boundingBox())!;
    await page.mouse.move(box.x + 10, box.y + 50);
    await page.mouse.down();
    await page.mouse.move(box.x + 0.75 * box.width, box.y + 90);
    await page.mouse.up();
    const divider = page.getByRole("slider", { name: "Divider" });
    expect(Number(await divider.inputValue())).toBeCloseTo(75, 0);
  });

  it("has a slider for brightness, if the network takes one", async () => {
    await choose("dark.png");
    await ready();
    const slider = page.getByLabel("Brightness");
    expect(await slider.isVisible()).toBe(takesBrightness);
    if (!takesBrightness) return;
    const mean = () =>
      page.locator("canvas.after").evaluate((canvas: HTMLCanvasElement) => {
        const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
        return data.reduce((sum, value) => sum + value) / data.length;
      });
    const automatic = await mean();
    await slider.focus();
    for (let i = 0; i < 10; i++) await page.keyboard.press("ArrowRight");
    expect(await slider.getAttribute("aria-valuetext")).toBe("+1.0 EV");
    await expect.poll(mean).toBeGreaterThan(automatic + 5);
    const brighter = inspected(await save("PNG"), "dark_brighter_expected.png");
    expect(brighter.largest).toBeLessThanOrEqual(1);
    await page.getByRole("button", { name: "Reset" }).click();
    expect(await slider.getAttribute("aria-valuetext")).toBe("Automatic");
    expect(inspected(await save("PNG"), "dark_expected.png").largest).toBeLessThanOrEqual(1);
  });
});
