// What a photo's file holds besides its pixels, and how it gets into the file of the result.

import { text } from "./bytes";
import { type Contents, type Metadata, PhotoError } from "./contents";
import { orientationOf, withoutPreview } from "./exif";
import { embedInJpeg, readJpeg } from "./jpeg";
import { embedInPng, readPng } from "./png";
import { readWebp } from "./webp";

export interface PhotoFile {
  format: "jpeg" | "png" | "webp" | "other";
  metadata: Metadata;
  /** By the EXIF data, 1 to 8; 1 is upright. */
  orientation: number;
  grey: boolean;
  /** By the header; absent where only the browser knows. */
  size?: { width: number; height: number };
  /**
   * The file without metadata: no browser turns it, or converts its colours, so that the pixels
   * are those that the file stores.
   */
  bare: Blob;
}

// Refused before they are decoded, as by drgn-enhance.
const MAX_MEGAPIXELS = 256;

function formatOf(head: Uint8Array): PhotoFile["format"] | "heic" | "tiff" | "unknown" {
  const latin = String.fromCharCode(...head);
  if (latin.startsWith("\xff\xd8\xff")) return "jpeg";
  if (latin.startsWith("\x89PNG\r\n\x1a\n")) return "png";
  if (latin.startsWith("RIFF") && latin.slice(8, 12) === "WEBP") return "webp";
  if (latin.slice(4, 8) === "ftyp") {
    return /^(hei[cxms]|hev[cx]|mif1|msf1)/.test(latin.slice(8, 12)) ? "heic" : "other";
  }
  if (/^(II\*\0|MM\0\*)/.test(latin)) return "tiff";
  if (/^(BM|GIF8)/.test(latin)) return "other";
  return "unknown";
}

/** Reads a photo's file; nothing is decoded yet. Throws a PhotoError. */
export async function readPhotoFile(file: Blob): Promise<PhotoFile> {
  if (!file.size) throw new PhotoError("the file is empty.");
  const head = new Uint8Array(await file.slice(0, 32).arrayBuffer());
  const format = formatOf(head);
  if (format === "unknown") throw new PhotoError("is no photo. JPEG, PNG and WebP are read.");
  if (format === "tiff") {
    throw new PhotoError("raw and TIFF files are not read. Export it as JPEG or PNG.");
  }
  if (format === "heic" || format === "other") {
    // The browser does it all, turning and colours included, or cannot.
    return { format: "other", metadata: {}, orientation: 1, grey: false, bare: file };
  }
  const bytes = new Uint8Array(await file.arrayBuffer());
  const read = { jpeg: readJpeg, png: readPng, webp: readWebp }[format];
  let contents: Contents;
  try {
    contents = await read(bytes);
  } catch (error) {
    if (error instanceof PhotoError) throw error;
    // Offsets beyond the end of the file.
    throw new PhotoError("the file is damaged.");
  }
  const { metadata, grey, size, bare } = contents;
  if (size && size.width * size.height > MAX_MEGAPIXELS * 1e6) {
    throw new PhotoError(`has more than ${MAX_MEGAPIXELS} megapixels. Scale it down.`);
  }
  return {
    format,
    metadata,
    orientation: orientationOf(metadata.exif),
    grey,
    size,
    bare: new Blob(bare as BlobPart[], { type: `image/${format}` }),
  };
}

/** What to say of a photo that the browser could not decode. */
export async function whyUndecodable(file: Blob): Promise<string> {
  const head = new Uint8Array(await file.slice(0, 32).arrayBuffer());
  return formatOf(head) === "heic"
    ? "this browser does not read HEIC. Export it as JPEG, or use Safari."
    : "the file is damaged, or of a kind that this browser does not read.";
}

/** Puts a photo's metadata into the JPEG or PNG of its result. */
export async function withMetadata(encoded: Blob, metadata: Metadata): Promise<Blob> {
  const bytes = new Uint8Array(await encoded.arrayBuffer());
  // What browsers encode is RGB, to which the profile of a grey photo does not apply.
  const icc = metadata.icc && text(metadata.icc, 16, 20) === "RGB " ? metadata.icc : undefined;
  const kept = { ...metadata, icc, exif: metadata.exif && withoutPreview(metadata.exif) };
  const embed = encoded.type === "image/png" ? embedInPng : embedInJpeg;
  return new Blob((await embed(bytes, kept)) as BlobPart[], { type: encoded.type });
}
