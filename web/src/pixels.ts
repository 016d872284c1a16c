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

// Keeps ratios of nearly black values from exploding.
const FLOOR = 4;
// Levels to either side over which a curve is averaged.
const SMOOTHED = 6;

/**
 * How much brighter each level of a channel becomes from one small picture to the other, on
 * average: a tone curve, as ratios of values that are FLOOR higher.
 */
function toneCurve(before: Pixels, after: Pixels, c: number): Float32Array {
  const sums = [new Float64Array(256), new Float64Array(256)];
  for (let i = c; i < before.data.length; i += 4) {
    sums[0][before.data[i]] += before.data[i] + FLOOR;
    sums[1][before.data[i]] += after.data[i] + FLOOR;
  }
  const curve = new Float32Array(256);
  for (let level = 0; level < 256; level++) {
    let [from, to] = [0, 0];
    // As many neighbours as it takes.
    for (let reach = SMOOTHED; !from && reach < 512; reach *= 2) {
      for (let i = Math.max(level - reach, 0); i <= Math.min(level + reach, 255); i++) {
        from += sums[0][i];
        to += sums[1][i];
      }
    }
    curve[level] = to / from;
  }
  return curve;
}

/**
 * What a photo would look like with another rendering of it, of which only a small copy is known.
 * The tone curve between the two small copies is applied to the photo, and what is left of their
 * ratio, which varies slowly, is enlarged. Sharp, and near enough while a slider moves.
 */
export function relit(photo: Pixels, before: Pixels, after: Pixels): Pixels {
  const { width, height } = photo;
  const curves = [0, 1, 2].map((c) => toneCurve(before, after, c));
  const rest = new Float32Array(3 * before.width * before.height);
  for (let i = 0; i < before.width * before.height; i++) {
    for (let c = 0; c < 3; c++) {
      const level = before.data[4 * i + c];
      rest[3 * i + c] = (after.data[4 * i + c] + FLOOR) / ((level + FLOOR) * curves[c][level]);
    }
  }
  const lefts = new Int32Array(width);
  const rights = new Int32Array(width);
  const shares = new Float32Array(width);
  for (let x = 0; x < width; x++) {
    const centre = Math.max(((x + 0.5) * before.width) / width - 0.5, 0);
    const left = Math.min(Math.floor(centre), before.width - 1);
    lefts[x] = 3 * left;
    rights[x] = 3 * Math.min(left + 1, before.width - 1);
    shares[x] = centre - left;
  }
  const lit = curves.map((curve) => curve.map((ratio, level) => ratio * (level + FLOOR)));
  const result = blank(width, height);
  const line = new Float32Array(3 * before.width);
  for (let y = 0; y < height; y++) {
    const centre = Math.max(((y + 0.5) * before.height) / height - 0.5, 0);
    const top = Math.min(Math.floor(centre), before.height - 1);
    const bottom = Math.min(top + 1, before.height - 1);
    for (let i = 0; i < line.length; i++) {
      const above = rest[top * line.length + i];
      line[i] = above + (centre - top) * (rest[bottom * line.length + i] - above);
    }
    for (let x = 0; x < width; x++) {
      const i = 4 * (y * width + x);
      for (let c = 0; c < 3; c++) {
        const left = line[lefts[x] + c];
        const gain = left + shares[x] * (line[rights[x] + c] - left);
        result.data[i + c] = lit[c][photo.data[i + c]] * gain - FLOOR;
      }
      result.data[i + 3] = photo.data[i + 3];
    }
  }
  return result;
}
