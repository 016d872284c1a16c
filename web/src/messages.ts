// What the page and its worker say to each other. Each request gets one answer of the same id.

import type { NetworkOptions } from "./network";

export type SaveType = "image/jpeg" | "image/png";

export type Request =
  | ({ kind: "start" } & NetworkOptions)
  /** Takes the place of the photo before; cancels what is in progress. */
  | { kind: "open"; file: File }
  /** Shows the photo `stops` (EV) brighter than automatic: at once and small, or whole. */
  | { kind: "show"; stops: number; whole: boolean }
  | { kind: "cancel" }
  | { kind: "save"; stops: number; type: SaveType };

export interface Started {
  device: string;
  threads: number;
  takesBrightness: boolean;
}

export interface Opened {
  /** As shown, turned upright. */
  width: number;
  height: number;
  before: ImageBitmap;
  /** Whether parts are transparent, which JPEG cannot hold. */
  transparent: boolean;
  /** That its file suggests. */
  type: SaveType;
}

export type Answer = { id: number } & (
  | { ok: true; value: unknown }
  /** Something else was asked for meanwhile. */
  | { ok: false; cancelled: true }
  | { ok: false; cancelled?: false; message: string }
);

export type Event =
  | { event: "picture"; bitmap: ImageBitmap; whole: boolean; milliseconds: number }
  | { event: "progress"; done: number; total: number };
