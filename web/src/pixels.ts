/** A photo's pixels: RGBA, 8 bits each, row by row. */
export interface Pixels {
  width: number;
  height: number;
  data: Uint8ClampedArray<ArrayBuffer>;
}

export function blank(width: number, height: number): Pixels {
  return { width, height, data: new Uint8ClampedArray(4 * width * height) };
}

export function isTransparent({ data }: Pixels): boolean {
  for (let i = 3; i < data.length; i += 4) if (data[i] < 255) return true;
  return false;
}

/** The size of a photo reduced to fit a square; never enlarged. */
export function fitted(width: number, height: number, side: number): [number, number] {
  const scale = Math.min(1, side / Math.max(width, height));
  return [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
}

/** Reduces a photo: each pixel of the result is the mean of those it covers. */
export function reduced(photo: Pixels, width: number, height: number): Pixels {
  if (width === photo.width && height === photo.height) {
    return { width, height, data: photo.data.slice() };
  }
  const result = blank(width, height);
  const sums = new Float64Array(4 * width);
  for (let y = 0; y < height; y++) {
    const top = Math.floor((y * photo.height) / height);
    const bottom = Math.max(top + 1, Math.floor(((y + 1) * photo.height) / height));
    sums.fill(0);
    for (let row = top; row < bottom; row++) {
      for (let x = 0; x < width; x++) {
        const left = Math.floor((x * photo.width) / width);
        const right = Math.max(left + 1, Math.floor(((x + 1) * photo.width) / width));
        const share = 1 / ((right - left) * (bottom - top));
        for (let i = 4 * (row * photo.width + left); i < 4 * (row * photo.width + right); i += 4) {
          for (let c = 0; c < 4; c++) sums[4 * x + c] += share * photo.data[i + c];
        }
      }
    }
    result.data.set(sums, 4 * y * width);
  }
  return result;
}

/** Turns stored pixels as a viewer shows them, by the EXIF orientation (1 to 8). */
export function turned(photo: Pixels, orientation: number): Pixels {
  const { width, height } = photo;
  if (orientation < 2 || orientation > 8) return photo;
  const swapped = orientation >= 5;
  const result = swapped ? blank(height, width) : blank(width, height);
  const from = new Uint32Array(photo.data.buffer, photo.data.byteOffset, width * height);
  const to = new Uint32Array(result.data.buffer);
  // Which edges of the stored photo the shown one's columns and rows start from.
  const mirrored = [2, 3, 7, 8].includes(orientation);
  const upended = [3, 4, 6, 7].includes(orientation);
  for (let y = 0; y < height; y++) {
    const row = upended ? height - 1 - y : y;
    for (let x = 0; x < width; x++) {
      const column = mirrored ? width - 1 - x : x;
      to[swapped ? column * height + row : row * width + column] = from[y * width + x];
    }
  }
  return result;
}

/**
 * What a photo would look like with another rendering of it, of which only a small copy is known:
 * the ratio of the two small copies, enlarged, times the photo. Sharp, and near enough while a
 * slider moves.
 */
export function relit(photo: Pixels, smallBefore: Pixels, smallAfter: Pixels): Pixels {
  // Keeps the ratio of nearly black pixels from exploding.
  const floor = 4;
  const { width, height } = photo;
  const small = smallBefore;
  const gains = new Float32Array(3 * small.width * small.height);
  for (let i = 0; i < small.width * small.height; i++) {
    for (let c = 0; c < 3; c++) {
      gains[3 * i + c] = (smallAfter.data[4 * i + c] + floor) / (small.data[4 * i + c] + floor);
    }
  }
  const result = blank(width, height);
  const lefts = new Int32Array(width);
  const rights = new Int32Array(width);
  const shares = new Float32Array(width);
  for (let x = 0; x < width; x++) {
    const centre = Math.max(((x + 0.5) * small.width) / width - 0.5, 0);
    lefts[x] = Math.min(Math.floor(centre), small.width - 1);
    rights[x] = Math.min(lefts[x] + 1, small.width - 1);
    shares[x] = centre - lefts[x];
  }
  const line = new Float32Array(3 * small.width);
  for (let y = 0; y < height; y++) {
    const centre = Math.max(((y + 0.5) * small.height) / height - 0.5, 0);
    const top = Math.min(Math.floor(centre), small.height - 1);
    const bottom = Math.min(top + 1, small.height - 1);
    const down = centre - top;
    for (let i = 0; i < line.length; i++) {
      const above = gains[top * line.length + i];
      line[i] = above + down * (gains[bottom * line.length + i] - above);
    }
    for (let x = 0; x < width; x++) {
      const i = 4 * (y * width + x);
      for (let c = 0; c < 3; c++) {
        const left = line[3 * lefts[x] + c];
        const gain = left + shares[x] * (line[3 * rights[x] + c] - left);
        result.data[i + c] = (photo.data[i + c] + floor) * gain - floor;
      }
      result.data[i + 3] = photo.data[i + 3];
    }
  }
  return result;
}
