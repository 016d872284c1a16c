import { joined, text } from "./bytes";
import { type Contents, type Metadata, PhotoError } from "./contents";

const [ANIMATED, METADATA] = [0x02, 0x20 | 0x08 | 0x04];
const EXIF = "Exif\0\0";

export function readWebp(bytes: Uint8Array): Contents {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (8 + view.getUint32(4, true) > bytes.length) {
    throw new PhotoError("the file is cut off. Copy it again.");
  }
  const metadata: Metadata = {};
  const kept: Uint8Array[] = [];
  let size: Contents["size"];
  for (let at = 12; at + 8 <= bytes.length; ) {
    const name = text(bytes, at, at + 4);
    const length = view.getUint32(at + 4, true);
    const content = bytes.subarray(at + 8, at + 8 + length);
    const whole = bytes.subarray(at, at + 8 + length + (length & 1));
    at += whole.length;
    if (name === "EXIF") {
      metadata.exif = content.slice(text(content, 0, EXIF.length) === EXIF ? EXIF.length : 0);
    } else if (name === "ICCP") metadata.icc = content.slice();
    else if (name === "XMP ") metadata.xmp = content.slice();
    else if (name === "VP8X") {
      if (content[0] & ANIMATED) throw new PhotoError("is animated. Save one frame of it as a PNG.");
      const sides = (i: number) => 1 + content[i] + (content[i + 1] << 8) + (content[i + 2] << 16);
      size = { width: sides(4), height: sides(7) };
      const plain = whole.slice();
      plain[8] &= ~METADATA;
      kept.push(plain);
    } else kept.push(whole);
  }
  const head = bytes.slice(0, 12);
  const length = kept.reduce((sum, part) => sum + part.length, 4);
  new DataView(head.buffer).setUint32(4, length, true);
  return { metadata, grey: false, size, bare: [joined(head, ...kept)] };
}
