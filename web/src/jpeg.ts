import { ascii, joined, text } from "./bytes";
import { type Contents, type Metadata, PhotoError } from "./contents";

const EXIF = "Exif\0\0";
const XMP = "http://ns.adobe.com/xap/1.0/\0";
const ICC = "ICC_PROFILE\0";
const [APP0, APP1, APP2, APP14] = [0xe0, 0xe1, 0xe2, 0xee];
const [SCAN, END, COMMENT] = [0xda, 0xd9, 0xfe];
// Of a segment, behind its marker and length.
const LARGEST = 65533;

interface Segment {
  marker: number;
  /** Of the whole segment, marker included. */
  start: number;
  end: number;
}

/** The segments before the first scan, and where that starts. */
function segments(bytes: Uint8Array): { found: Segment[]; scan: number } {
  const found: Segment[] = [];
  let at = 2;
  while (bytes[at] === 0xff) {
    const marker = bytes[at + 1];
    if (marker === 0xff) {
      at++;
      continue;
    }
    if (marker === SCAN) return { found, scan: at };
    const end = at + 2 + ((bytes[at + 2] << 8) | bytes[at + 3]);
    if (!(end > at + 3 && end <= bytes.length)) break;
    found.push({ marker, start: at, end });
    at = end;
  }
  throw new PhotoError("the file is damaged.");
}

function endOfImage(bytes: Uint8Array, scan: number): number {
  for (let at = bytes.indexOf(0xff, scan); at >= 0; at = bytes.indexOf(0xff, at + 1)) {
    if (bytes[at + 1] === END) return at + 2;
  }
  throw new PhotoError("the file is cut off. Copy it again.");
}

const isFrame = (marker: number) =>
  marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
/** Metadata; what else applications store (APP14: the colour model) decoders need. */
const isMetadata = (marker: number) =>
  (marker >= APP1 && marker <= 0xef && marker !== APP14) || marker === COMMENT;

export function readJpeg(bytes: Uint8Array): Contents {
  const { found, scan } = segments(bytes);
  const metadata: Metadata = {};
  const profile: [number, Uint8Array][] = [];
  const bare = [bytes.subarray(0, 2)];
  let frame: Segment | undefined;
  for (const segment of found) {
    const content = bytes.subarray(segment.start + 4, segment.end);
    const begins = (name: string) => text(content, 0, name.length) === name;
    if (segment.marker === APP1 && begins(EXIF)) metadata.exif ??= content.slice(EXIF.length);
    if (segment.marker === APP1 && begins(XMP)) metadata.xmp ??= content.slice(XMP.length);
    if (segment.marker === APP2 && begins(ICC)) {
      profile.push([content[ICC.length], content.subarray(ICC.length + 2)]);
    }
    if (isFrame(segment.marker)) frame = segment;
    if (!isMetadata(segment.marker)) bare.push(bytes.subarray(segment.start, segment.end));
  }
  if (!frame) throw new PhotoError("the file is damaged.");
  if (profile.length) {
    profile.sort(([one], [other]) => one - other);
    metadata.icc = joined(...profile.map(([, part]) => part));
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset + frame.start);
  const components = view.getUint8(9);
  if (components === 4) throw new PhotoError("has print colours (CMYK). Convert it to RGB.");
  // Further pictures may follow, as behind the photos of many phones.
  bare.push(bytes.subarray(scan, endOfImage(bytes, scan)));
  const size = { width: view.getUint16(7), height: view.getUint16(5) };
  return { metadata, grey: components === 1, size, bare };
}

function segment(marker: number, ...content: Uint8Array[]): Uint8Array {
  const length = 2 + content.reduce((sum, part) => sum + part.length, 0);
  return joined(Uint8Array.of(0xff, marker, length >> 8, length & 255), ...content);
}

/** The parts of a JPEG file with the metadata in place of its own. */
export function embedInJpeg(bytes: Uint8Array, metadata: Metadata): Uint8Array[] {
  const { found, scan } = segments(bytes);
  const own = found.filter(({ marker }) => !isMetadata(marker));
  const part = ({ start, end }: Segment) => bytes.subarray(start, end);
  const added: Uint8Array[] = [];
  for (const [name, content] of [[EXIF, metadata.exif], [XMP, metadata.xmp]] as const) {
    if (content && name.length + content.length <= LARGEST) {
      added.push(segment(APP1, ascii(name), content));
    }
  }
  if (metadata.icc) {
    const most = LARGEST - ICC.length - 2;
    const count = Math.ceil(metadata.icc.length / most);
    for (let i = 0; i < count && count < 256; i++) {
      const content = metadata.icc.subarray(i * most, (i + 1) * most);
      added.push(segment(APP2, ascii(ICC), Uint8Array.of(i + 1, count), content));
    }
  }
  return [
    bytes.subarray(0, 2),
    ...own.filter(({ marker }) => marker === APP0).map(part),
    ...added,
    ...own.filter(({ marker }) => marker !== APP0).map(part),
    bytes.subarray(scan),
  ];
}
