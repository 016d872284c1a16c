// One photo being worked on.

import { AUTOMATIC, expose } from "./brightness";
import { decoded } from "./canvas";
import { PhotoError } from "./contents";
import type { Network } from "./network";
import { type PhotoFile, readPhotoFile, whyUndecodable } from "./photo-file";
import { blank, fitted, isTransparent, type Pixels, reduced, relit } from "./pixels";
import { photoThumbnail } from "./thumbnail";
import { cut, runTiled, write } from "./tiling";

// Longest side of what is shown, in pixels; and while the slider moves, when time is short.
const SHOWN = 2048;
const MOVED = 1024;

export class Session {
  readonly transparent: boolean;
  /** For the screen, in stored order. */
  readonly before: Pixels;
  /** The whole result that was computed last. */
  result?: { stops: number; pixels: Pixels; shown: Pixels };
  private readonly thumbnail: Float32Array;
  private readonly small: Pixels;
  /** What a preview is made of: a sharp picture, and the small one that belongs to it. */
  private base: { picture: Pixels; small: Pixels };
  /** The automatic brightness, once asked for. */
  private predicted?: number;

  private constructor(
    private readonly network: Network,
    readonly file: PhotoFile,
    private readonly photo: Pixels,
  ) {
    this.transparent = isTransparent(photo);
    this.thumbnail = photoThumbnail(photo, network.thumbnailSize);
    this.before = reduced(photo, ...fitted(photo.width, photo.height, SHOWN));
    this.small = reduced(this.before, ...fitted(photo.width, photo.height, network.tile));
    this.base = { picture: this.forMoving(this.before), small: this.small };
  }

  private forMoving(shown: Pixels): Pixels {
    return reduced(shown, ...fitted(this.photo.width, this.photo.height, MOVED));
  }

  /** Decodes a photo; throws a PhotoError. */
  static async open(network: Network, file: File): Promise<Session> {
    const photo = await readPhotoFile(file);
    let pixels: Pixels;
    try {
      pixels = await decoded(photo.bare, photo.format === "other");
    } catch (error) {
      if (error instanceof RangeError) throw new PhotoError("is too large for this device's memory.");
      throw new PhotoError(await whyUndecodable(file));
    }
    return new Session(network, photo, pixels);
  }

  /** As shown, turned upright. */
  get size(): { width: number; height: number } {
    const { width, height } = this.photo;
    return this.file.orientation < 5 ? { width, height } : { width: height, height: width };
  }

  private async brightness(stops: number): Promise<number> {
    if (!this.network.takesBrightness || !stops) return AUTOMATIC;
    // It depends on the thumbnail alone.
    const nothing = new Float32Array(3 * this.network.tile ** 2);
    this.predicted ??= (await this.network.run(nothing, this.thumbnail, AUTOMATIC)).brightness!;
    return expose(this.predicted, stops);
  }

  /** The whole photo reduced to one tile, enhanced. */
  private async smallResult(stops: number): Promise<Pixels> {
    const { tile } = this.network;
    const image = cut(this.small, 0, 0, tile);
    const output = await this.network.run(image, this.thumbnail, await this.brightness(stops));
    this.predicted ??= stops ? undefined : output.brightness;
    const result = blank(this.small.width, this.small.height);
    for (let y = 0; y < result.height; y++) {
      const line = output.enhanced.subarray(3 * y * tile, 3 * (y * tile + result.width));
      write(line, this.small, result, y * result.width, this.file.grey);
    }
    return result;
  }

  /** What the result will about look like, for the screen. */
  async preview(stops: number): Promise<Pixels> {
    const small = await this.smallResult(stops);
    return relit(this.base.picture, this.base.small, small);
  }

  /** Computes the whole result, unless it is there; for the screen, or null if it was ended. */
  async render(
    stops: number,
    onTile: (done: number, total: number) => Promise<boolean>,
  ): Promise<Pixels | null> {
    if (this.result?.stops !== stops) {
      const brightness = await this.brightness(stops);
      const run = async (image: Float32Array) =>
        (await this.network.run(image, this.thumbnail, brightness)).enhanced;
      const { tile } = this.network;
      const options = { grey: this.file.grey, onTile };
      const pixels = await runTiled(this.photo, tile, run, options);
      if (!pixels) return null;
      const shown = reduced(pixels, this.before.width, this.before.height);
      this.result = { stops, pixels, shown };
      this.base = { picture: this.forMoving(shown), small: await this.smallResult(stops) };
    }
    return this.result.shown;
  }
}
