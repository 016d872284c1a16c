import { ascii, deflated, inflated, joined, text } from "./bytes";
import { type Contents, type Metadata, PhotoError } from "./contents";

// Keyword of the text chunk in which PNG files keep XMP.
const XMP = "XML:com.adobe.xmp";
const SIGNATURE = 8;
/** What tells colours and metadata; of the other chunks decoders need some. */
const IGNORED = ["eXIf", "iCCP", "sRGB", "gAMA", "cHRM", "cICP", "mDCV", "cLLI", "iTXt", "tEXt", "zTXt"];

interface Chunk {
  name: string;
  content: Uint8Array;
  /** With length and checksum. */
  whole: Uint8Array;
}

const TABLE = Uint32Array.from({ length: 256 }, (_, i) => {
  for (let bit = 0; bit < 8; bit++) i = i & 1 ? 0xedb88320 ^ (i >>> 1) : i >>> 1;
  return i;
});

function checksum(bytes: Uint8Array): number {
  let sum = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) sum = TABLE[(sum ^ bytes[i]) & 255] ^ (sum >>> 8);
  return ~sum >>> 0;
}

function chunks(bytes: Uint8Array): Chunk[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found: Chunk[] = [];
  for (let at = SIGNATURE; at + 12 <= bytes.length; ) {
    const end = at + 12 + view.getUint32(at);
    if (end > bytes.length) break;
    const name = text(bytes, at + 4, at + 8);
    if (checksum(bytes.subarray(at + 4, end - 4)) !== view.getUint32(end - 4)) {
      throw new PhotoError("the file is damaged.");
    }
    found.push({ name, content: bytes.subarray(at + 8, end - 4), whole: bytes.subarray(at, end) });
    if (name === "IEND") return found;
    at = end;
  }
  throw new PhotoError("the file is cut off. Copy it again.");
}

export async function readPng(bytes: Uint8Array): Promise<Contents> {
  const found = chunks(bytes);
  const metadata: Metadata = {};
  for (const { name, content } of found) {
    if (name === "acTL") throw new PhotoError("is animated. Save one frame of it as a PNG.");
    if (name === "eXIf") metadata.exif = content.slice();
    if (name === "iCCP") {
      // Its name, a zero, the method.
      metadata.icc = await inflated(content.subarray(content.indexOf(0) + 2)).catch(() => undefined);
    }
    if (name === "iTXt" && text(content, 0, XMP.length) === XMP && !content[XMP.length + 1]) {
      // Keyword, zero, two bytes about compression, language, zero, translation, zero.
      const language = content.indexOf(0, XMP.length + 3);
      metadata.xmp = content.slice(content.indexOf(0, language + 1) + 1);
    }
  }
  const header = found[0].content;
  const view = new DataView(header.buffer, header.byteOffset);
  return {
    metadata,
    // Colour types 0 and 4: without colour.
    grey: (header[9] & 3) === 0,
    size: { width: view.getUint32(0), height: view.getUint32(4) },
    bare: [
      bytes.subarray(0, SIGNATURE),
      ...found.filter(({ name }) => !IGNORED.includes(name)).map(({ whole }) => whole),
    ],
  };
}

function chunk(name: string, content: Uint8Array): Uint8Array {
  const whole = joined(new Uint8Array(4), ascii(name), content, new Uint8Array(4));
  const view = new DataView(whole.buffer);
  view.setUint32(0, content.length);
  view.setUint32(8 + content.length, checksum(whole.subarray(4, 8 + content.length)));
  return whole;
}

/** The parts of a PNG file with the metadata in place of its own. */
export async function embedInPng(bytes: Uint8Array, metadata: Metadata): Promise<Uint8Array[]> {
  const [header, ...rest] = chunks(bytes).filter(({ name }) => !IGNORED.includes(name));
  const added: Uint8Array[] = [];
  if (metadata.icc) {
    added.push(chunk("iCCP", joined(ascii("ICC\0\0"), await deflated(metadata.icc))));
  }
  if (metadata.exif) added.push(chunk("eXIf", metadata.exif));
  if (metadata.xmp) added.push(chunk("iTXt", joined(ascii(`${XMP}\0\0\0\0\0`), metadata.xmp)));
  return [
    bytes.subarray(0, SIGNATURE),
    header.whole,
    ...added,
    ...rest.map(({ whole }) => whole),
  ];
}
