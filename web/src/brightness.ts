// The brightness of a photo is its mean luma in [0, 1]; the numbers are those of
// drgn_tf/brightness.py.

const GAMMA = 2.2;
export const DARKEST = 0.02;
export const BRIGHTEST = 0.95;
/** Given in place of a brightness, it makes the network use its own prediction. */
export const AUTOMATIC = 0;
/** BT.601, of R, G and B. */
export const LUMA = [0.299, 0.587, 0.114] as const;

/** The brightness that lies `stops` (EV) above another, limited to the valid range. */
export function expose(brightness: number, stops: number): number {
  return Math.min(Math.max(brightness * 2 ** (stops / GAMMA), DARKEST), BRIGHTEST);
}
