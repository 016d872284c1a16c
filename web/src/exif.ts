// EXIF data (a small TIFF file), as far as it concerns a photo's new pixels.

const ORIENTATION = 0x0112;
const SHORT = 3;

/** The first folder of entries: where it starts, and the reader's byte order. */
function folder(exif: Uint8Array): { view: DataView; little: boolean; start: number } | null {
  const view = new DataView(exif.buffer, exif.byteOffset, exif.byteLength);
  if (view.byteLength < 8) return null;
  const order = view.getUint16(0);
  if (order !== 0x4949 && order !== 0x4d4d) return null;
  const little = order === 0x4949;
  if (view.getUint16(2, little) !== 42) return null;
  const start = view.getUint32(4, little);
  return start + 2 <= view.byteLength ? { view, little, start } : null;
}

/** The orientation, 1 to 8; 1 is upright, and what damaged data say. */
export function orientationOf(exif: Uint8Array | undefined): number {
  const found = exif && folder(exif);
  if (!found) return 1;
  const { view, little, start } = found;
  const count = view.getUint16(start, little);
  for (let i = 0, at = start + 2; i < count && at + 12 <= view.byteLength; i++, at += 12) {
    if (view.getUint16(at, little) !== ORIENTATION) continue;
    const value = view.getUint16(at + 2, little) === SHORT ? view.getUint16(at + 8, little) : 1;
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

/** A copy without the preview, which would still show the dark photo. */
export function withoutPreview(exif: Uint8Array): Uint8Array {
  const copy = exif.slice();
  const found = folder(copy);
  if (!found) return copy;
  const { view, little, start } = found;
  // The preview is in the second folder, and nothing else is.
  const link = start + 2 + 12 * view.getUint16(start, little);
  if (link + 4 <= view.byteLength) view.setUint32(link, 0, little);
  return copy;
}
