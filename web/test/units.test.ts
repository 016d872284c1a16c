// The page's arithmetic against Python's, on the vectors that vectors.py writes.

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { expose } from "../src/brightness";
import { embedInJpeg, readJpeg } from "../src/jpeg";
import { orientationOf } from "../src/exif";
import { readPhotoFile, withMetadata } from "../src/photo-file";
import { blank, fitted, type Pixels, reduced, relit, turned } from "../src/pixels";
import { photoThumbnail } from "../src/thumbnail";
import { runTiled, spans } from "../src/tiling";
import { readWebp } from "../src/webp";

const path = (name: string) => new URL(`vectors/${name}`, import.meta.url);
const units = JSON.parse(readFileSync(path("units.json"), "utf-8"));
const file = (name: string) => new Uint8Array(readFileSync(path(name)));
const blob = (name: string) => new Blob([file(name)]);

function pixels({ width, height, data }: { width: number; height: number; data: string }): Pixels {
  return { width, height, data: new Uint8ClampedArray(Buffer.from(data, "base64")) };
}

function largest(one: ArrayLike<number>, other: ArrayLike<number>): number {
  expect(one.length).toBe(other.length);
  return Array.from(one).reduce((most, value, i) => Math.max(most, Math.abs(value - other[i])), 0);
}

describe("arithmetic as Python's", () => {
  it.each(units.spans)("spans $arguments", ({ arguments: given, spans: expected }: any) => {
    const found = spans(...(given as [number, number, number, number]));
    expect(found.map(({ start, stop }) => [start, stop])).toEqual(
      expected.map(({ start, stop }: any) => [start, stop]),
    );
    found.forEach((span, i) => expect(largest(span.weights, expected[i].weights)).toBeLessThan(1e-4));
  });

  it("refuses tiles smaller than their margins", () => {
    expect(() => spans(100, 64, 32, 16)).toThrow(RangeError);
  });

  it.each(units.thumbnails)("thumbnail of photo %#", ({ photo, size, values }: any) => {
    expect(largest(photoThumbnail(pixels(photo), size), values)).toBeLessThan(1e-6);
  });

  it("runs and blends tiles", async () => {
    const { photo, tile, result } = units.tiled;
    const run = async (image: Float32Array) =>
      image.map((value, i) => {
        const [x, y] = [Math.floor(i / 3) % tile, Math.floor(i / 3 / tile)];
        return Math.min(Math.max(value + (0.5 * x) / tile - (0.25 * y) / tile, 0), 1);
      });
    const found = await runTiled(pixels(photo), tile, run);
    // Sums of float32 are rounded in another order.
    expect(largest(found!.data, pixels(result).data)).toBeLessThanOrEqual(1);
  });

  it("ends when told to", async () => {
    const { photo, tile } = units.tiled;
    let tiles = 0;
    const options = { onTile: () => ++tiles < 3 };
    expect(await runTiled(pixels(photo), tile, async (image) => image, options)).toBeNull();
    expect(tiles).toBe(3);
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])("turns by orientation %i", (orientation) => {
    const expected = pixels(units.turned[orientation - 1]);
    expect(turned(pixels(units.turned[0]), orientation)).toEqual(expected);
  });

  it("exposes", () => {
    for (const [brightness, stops, expected] of units.expose) {
      expect(expose(brightness, stops)).toBeCloseTo(expected, 9);
    }
  });
});

describe("pictures for the screen", () => {
  it("are means of what they cover", () => {
    const photo = blank(5, 4);
    photo.data.forEach((_, i) => (photo.data[i] = i));
    const one = reduced(photo, 1, 1).data;
    expect(Array.from(one)).toEqual([38, 39, 40, 41]);
    expect(reduced(photo, 5, 4)).toEqual(photo);
  });

  it("fit and are never enlarged", () => {
    expect(fitted(4000, 3000, 256)).toEqual([256, 192]);
    expect(fitted(10, 3000, 256)).toEqual([1, 256]);
    expect(fitted(100, 50, 256)).toEqual([100, 50]);
  });

  it("are relit by the ratio of small ones", () => {
    const fill = (width: number, level: number) => {
      const photo = blank(width, width);
      photo.data.fill(level);
      return photo;
    };
    const found = relit(fill(9, 40), fill(3, 40), fill(3, 84));
    expect(Array.from(new Set(found.data.filter((_, i) => (i & 3) < 3)))).toEqual([84]);
  });
});

describe("files", () => {
  const turnedBy6 = { orientation: 6 };

  it.each(["turned.jpg", "turned.webp"])("%s is read", async (name) => {
    const photo = await readPhotoFile(blob(name));
    expect(photo).toMatchObject({ ...turnedBy6, size: { width: 451, height: 300 } });
    expect(new TextDecoder().decode(photo.metadata.xmp)).toContain("kept");
    expect(photo.metadata.icc).toEqual((await readPhotoFile(blob("profile.png"))).metadata.icc);
    // What is decoded has no metadata, by which a browser would turn it or convert its colours.
    const bare = await readPhotoFile(photo.bare);
    expect(bare.metadata).toEqual({});
    expect(bare.size).toEqual({ width: 451, height: 300 });
  });

  it.each(["halved.jpg", "dark.png"])("metadata get into %s", async (name) => {
    const { metadata } = await readPhotoFile(blob("turned.jpg"));
    const type = name.endsWith("png") ? "image/png" : "image/jpeg";
    const copy = await readPhotoFile(await withMetadata(new Blob([file(name)], { type }), metadata));
    expect(copy.orientation).toBe(6);
    expect(copy.metadata.icc).toEqual(metadata.icc);
    expect(copy.metadata.xmp).toEqual(metadata.xmp);
    // Only the link to the preview has changed.
    const changed = copy.metadata.exif!.filter((value, i) => value !== metadata.exif![i]);
    expect(changed.every((value) => value === 0)).toBe(true);
    expect(changed.length).toBeGreaterThan(0);
  });

  it("profiles of any length get into a JPEG", () => {
    const icc = Uint8Array.from({ length: 200_000 }, (_, i) => i);
    const parts = embedInJpeg(file("halved.jpg"), { icc });
    const whole = new Uint8Array(Buffer.concat(parts));
    expect(Buffer.compare(readJpeg(whole).metadata.icc!, icc)).toBe(0);
  });

  it("profiles of grey photos are left out", async () => {
    const icc = new Uint8Array(128);
    icc.set(new TextEncoder().encode("GRAY"), 16);
    const copy = await withMetadata(new Blob([file("dark.png")], { type: "image/png" }), { icc });
    expect((await readPhotoFile(copy)).metadata).toEqual({});
  });

  it("grey is told", async () => {
    expect((await readPhotoFile(blob("grey.jpg"))).grey).toBe(true);
    expect((await readPhotoFile(blob("dark.png"))).grey).toBe(false);
  });

  it.each([
    ["empty.jpg", "empty"],
    ["text.jpg", "no photo"],
    ["cut.jpg", "cut off"],
    ["cut.png", "cut off"],
    ["damaged.png", "damaged"],
    ["print.jpg", "CMYK"],
    ["raw.dng", "raw"],
  ])("%s gets a line", async (name, line) => {
    await expect(readPhotoFile(blob(name))).rejects.toThrow(line);
  });

  it.each(["turned.jpg", "dark.png", "turned.webp"])("%s in any damage does not hang", async (name) => {
    const bytes = file(name);
    for (let length = 1; length < Math.min(bytes.length, 3000); length += 37) {
      await readPhotoFile(new Blob([bytes.slice(0, length)])).catch((error) => {
        expect(error.message).toMatch(/\.$/);
      });
    }
  });

  it("orientations that make no sense are upright", () => {
    expect(orientationOf(undefined)).toBe(1);
    expect(orientationOf(new Uint8Array(7))).toBe(1);
    expect(orientationOf(Uint8Array.of(0x49, 0x49, 42, 0, 255, 0, 0, 0))).toBe(1);
  });

  it("animations are refused", () => {
    const head = [..."RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0"].map((c) => c.charCodeAt(0));
    const bytes = Uint8Array.from([...head, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    expect(() => readWebp(bytes)).toThrow("animated");
  });
});
