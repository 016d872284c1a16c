// Photos of any size by a network of one size: overlapping tiles, blended, as
// drgn_tf/inference/tiling.py, which says why.

import { LUMA } from "./brightness";
import { blank, type Pixels } from "./pixels";

const GRID = 4;
const MARGIN = 32;
const FEATHER = 16;

/** One tile's extent along one axis in pixels, and its weight in the result at each of them. */
export interface Span {
  start: number;
  stop: number;
  weights: Float32Array;
}

/** Covers an axis with tiles that overlap by at least 2 * margin + feather. */
export function spans(length: number, tile: number, margin: number, feather: number): Span[] {
  if (length <= tile) return [{ start: 0, stop: length, weights: new Float32Array(length).fill(1) }];
  const overlap = 2 * margin + feather;
  const step = tile - overlap - GRID;
  if (step < 1) throw new RangeError(`tiles of ${tile} pixels are too small for their margins`);
  const count = Math.ceil((length - overlap) / step);
  const last = Math.ceil((length - tile) / GRID) * GRID;
  const starts = Array.from(
    { length: count },
    (_, i) => Math.floor(Math.floor((last * i) / (count - 1)) / GRID) * GRID,
  );
  // How much of pixel `position` belongs to the tiles from `i` on.
  const after = (i: number, position: number) => {
    if (i === 0) return 1;
    if (i === count) return 0;
    const middle = (starts[i] + Math.min(starts[i - 1] + tile, length)) / 2;
    return Math.min(Math.max((position + 0.5 - middle) / Math.max(feather, 1e-3) + 0.5, 0), 1);
  };
  return starts.map((start, i) => {
    const stop = Math.min(start + tile, length);
    const weights = Float32Array.from(
      { length: stop - start },
      (_, k) => after(i, start + k) * (1 - after(i + 1, start + k)),
    );
    return { start, stop, weights };
  });
}

/** The rows and columns of tiles of a photo. */
export function grid(width: number, height: number, tile: number): { rows: Span[]; columns: Span[] } {
  // Small tiles get smaller margins, so that most of the tile is used.
  const room = Math.floor(tile / 8);
  const margin = Math.min(MARGIN, room);
  const feather = Math.min(FEATHER, room);
  return { rows: spans(height, tile, margin, feather), columns: spans(width, tile, margin, feather) };
}

/** A tile of a photo as the network takes it; beyond the photo its edge is repeated. */
export function cut(
  photo: Pixels,
  top: number,
  left: number,
  tile: number,
  into = new Float32Array(3 * tile * tile),
): Float32Array {
  for (let y = 0; y < tile; y++) {
    const line = Math.min(top + y, photo.height - 1) * photo.width;
    for (let x = 0; x < tile; x++) {
      const from = 4 * (line + Math.min(left + x, photo.width - 1));
      const to = 3 * (y * tile + x);
      for (let c = 0; c < 3; c++) into[to + c] = photo.data[from + c] / 255;
    }
  }
  return into;
}

export interface TileOptions {
  /** Whether the photo is grey, and so is to be its result. */
  grey?: boolean;
  /** Called after each tile; returning false ends the work. */
  onTile?: (done: number, total: number) => Promise<boolean> | boolean;
}

/**
 * Runs a network over a photo.
 *
 * @param run one tile: [tile, tile, 3] in [0, 1] to the same.
 * @returns the enhanced photo with the alpha of the given one, or null if the work was ended.
 */
export async function runTiled(
  photo: Pixels,
  tile: number,
  run: (image: Float32Array) => Promise<Float32Array>,
  { grey = false, onTile = () => true }: TileOptions = {},
): Promise<Pixels | null> {
  const { width, height } = photo;
  const { rows, columns } = grid(width, height, tile);
  const result = blank(width, height);
  const image = new Float32Array(3 * tile * tile);
  let strip = new Float32Array(3 * width * tile);
  let following = new Float32Array(3 * width * tile);
  let done = 0;
  for (const [index, row] of rows.entries()) {
    for (const column of columns) {
      const enhanced = await run(cut(photo, row.start, column.start, tile, image));
      for (let y = 0; y < row.stop - row.start; y++) {
        let to = 3 * (y * width + column.start);
        let from = 3 * y * tile;
        for (const weight of column.weights) {
          const share = row.weights[y] * weight;
          for (let c = 0; c < 3; c++) strip[to++] += share * enhanced[from++];
        }
      }
      if (!(await onTile(++done, rows.length * columns.length))) return null;
    }
    // Rows shared with the tiles below are finished by them.
    const finished = index + 1 < rows.length ? rows[index + 1].start : row.stop;
    const count = width * (finished - row.start);
    write(strip.subarray(0, 3 * count), photo, result, width * row.start, grey);
    following.fill(0);
    following.set(strip.subarray(3 * count));
    [strip, following] = [following, strip];
  }
  return result;
}

/** Rounds enhanced values into a result, from its pixel `first` on. */
export function write(
  values: Float32Array,
  photo: Pixels,
  result: Pixels,
  first: number,
  grey: boolean,
): void {
  const level = (value: number) => Math.round(255 * Math.min(Math.max(value, 0), 1));
  for (let i = 0, to = 4 * first; i < values.length; i += 3, to += 4) {
    const colour = [level(values[i]), level(values[i + 1]), level(values[i + 2])];
    const luma = LUMA[0] * colour[0] + LUMA[1] * colour[1] + LUMA[2] * colour[2];
    for (let c = 0; c < 3; c++) result.data[to + c] = grey ? luma : colour[c];
    result.data[to + 3] = photo.data[to + 3];
  }
}
