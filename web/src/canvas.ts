// Between files and pixels, by the browser's decoders and encoders.

import { blank, type Pixels } from "./pixels";

// Rows read at a time: some browsers limit the area of a canvas.
const ROWS = 512;

function context(width: number, height: number): OffscreenCanvasRenderingContext2D {
  // In main memory: a detour over the GPU may change values.
  const found = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  if (!found) throw new Error("no canvas");
  return found;
}

/**
 * Decodes a picture.
 *
 * @param converted whether to convert its colours to sRGB, if it says that they are others.
 */
export async function decoded(file: Blob, converted: boolean): Promise<Pixels> {
  const bitmap = await createImageBitmap(file, {
    premultiplyAlpha: "none",
    colorSpaceConversion: converted ? "default" : "none",
  });
  const { width, height } = bitmap;
  const result = blank(width, height);
  const strip = context(width, Math.min(ROWS, height));
  for (let top = 0; top < height; top += ROWS) {
    const rows = Math.min(ROWS, height - top);
    strip.clearRect(0, 0, width, rows);
    strip.drawImage(bitmap, 0, -top);
    result.data.set(strip.getImageData(0, 0, width, rows).data, 4 * top * width);
  }
  bitmap.close();
  return result;
}

export async function encoded(photo: Pixels, type: string, quality: number): Promise<Blob> {
  const whole = context(photo.width, photo.height);
  whole.putImageData(new ImageData(photo.data, photo.width, photo.height), 0, 0);
  return whole.canvas.convertToBlob({ type, quality });
}

export function bitmapOf(photo: Pixels): Promise<ImageBitmap> {
  return createImageBitmap(new ImageData(photo.data, photo.width, photo.height));
}
