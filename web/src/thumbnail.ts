import type { Pixels } from "./pixels";

const BLOCK = 4;

interface Sources {
  first: number;
  second: number;
  share: number;
}

/** The two blocks that each sample lies between, and the share of the second. */
function sources(length: number, size: number): Sources[] {
  return Array.from({ length: size }, (_, i) => {
    const centre = Math.max(((i + 0.5) * length) / size - 0.5, 0);
    const first = Math.min(Math.floor(centre), length - 1);
    return { first, second: Math.min(first + 1, length - 1), share: centre - first };
  });
}

/**
 * The thumbnail of a whole photo, from which the network learns what it looks like: 4x4 averages,
 * then bilinear sampling, as drgn_tf/inference/thumbnail.py. R, G, B in [0, 1], size x size.
 */
export function photoThumbnail(photo: Pixels, size: number): Float32Array<ArrayBuffer> {
  const rows = sources(Math.ceil(photo.height / BLOCK), size);
  const columns = sources(Math.ceil(photo.width / BLOCK), size);
  const average = (row: number, column: number, c: number) => {
    let sum = 0;
    for (let y = BLOCK * row; y < BLOCK * (row + 1); y++) {
      // The last row and column are repeated beyond the border.
      const line = Math.min(y, photo.height - 1) * photo.width;
      for (let x = BLOCK * column; x < BLOCK * (column + 1); x++) {
        sum += photo.data[4 * (line + Math.min(x, photo.width - 1)) + c];
      }
    }
    return sum / (BLOCK * BLOCK * 255);
  };
  const result = new Float32Array(3 * size * size);
  rows.forEach((row, i) => {
    columns.forEach((column, j) => {
      for (let c = 0; c < 3; c++) {
        const between = (line: number) =>
          (1 - column.share) * average(line, column.first, c) +
          column.share * average(line, column.second, c);
        result[3 * (i * size + j) + c] =
          (1 - row.share) * between(row.first) + row.share * between(row.second);
      }
    });
  });
  return result;
}
