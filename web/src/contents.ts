// What the readers of the formats find in a file.

/** A file that cannot be used; the message is a line for people, without the file's name. */
export class PhotoError extends Error {}

export interface Metadata {
  /** A TIFF file, without the marks that formats put before it. */
  exif?: Uint8Array;
  icc?: Uint8Array;
  xmp?: Uint8Array;
}

/** What the reader of one format finds. */
export interface Contents {
  metadata: Metadata;
  grey: boolean;
  size?: { width: number; height: number };
  bare: Uint8Array[];
}
