// The exported network, run by LiteRT.js: on the GPU where that is right and faster, else on the
// CPU in WebAssembly.

import { type CompiledModel, loadAndCompile, loadLiteRt, supportsFeature, Tensor } from "@litertjs/core";
import { AUTOMATIC } from "./brightness";

export type Device = "wasm" | "webgpu";

// Most that a GPU may differ from the CPU in a tile: half a level of 255, which rounding hides.
const TOLERANCE = 0.5 / 255;

export interface NetworkOptions {
  /** Folder of LiteRT's files. */
  runtime: string;
  /** The network's file. */
  file: string;
  /** Threads of WebAssembly; as many as the device has by default. */
  threads?: number;
  /** Run on this one, without trying which is better. */
  device?: Device;
}

interface Output {
  enhanced: Float32Array;
  /** The mean luma aimed at; undefined if the network takes none. */
  brightness?: number;
}

export class Network {
  /** Side of its tiles, in pixels. */
  readonly tile: number;
  readonly thumbnailSize: number;
  readonly takesBrightness: boolean;

  private constructor(
    private readonly cpu: CompiledModel,
    private gpu: CompiledModel | undefined,
    readonly threads: number,
  ) {
    const inputs = new Map(cpu.getInputDetails().map((input) => [input.name, input]));
    this.tile = inputs.get("image")!.shape[1];
    this.thumbnailSize = inputs.get("thumbnail")!.shape[1];
    this.takesBrightness = inputs.has("brightness");
  }

  static async load({ runtime, file, threads, device }: NetworkOptions): Promise<Network> {
    // Threads need a page isolated from others, and instructions that Safari lacks.
    const many = self.crossOriginIsolated && (await supportsFeature("relaxedSimd"));
    const wanted = many ? (threads ?? navigator.hardwareConcurrency) : 1;
    const script = `litert_wasm${many ? "_threaded" : ""}_internal.js`;
    // LiteRT looks for its files beside the worker otherwise.
    (self as { Module?: object }).Module = {
      locateFile: (name: string) => runtime + name,
      mainScriptUrlOrBlob: runtime + script,
      print: () => {},
      printErr: () => {},
    };
    await loadLiteRt(runtime, { threads: many });
    const answer = await fetch(file);
    if (!answer.ok) throw new Error(`${file}: ${answer.status}`);
    const bytes = new Uint8Array(await answer.arrayBuffer());
    const options = { accelerator: "wasm", cpuOptions: { numThreads: wanted } } as const;
    const network = new Network(await loadAndCompile(bytes, options), undefined, wanted);
    if (device !== "wasm") await network.tryGpu(bytes, device === "webgpu");
    return network;
  }

  get device(): Device {
    return this.gpu ? "webgpu" : "wasm";
  }

  /** Uses the GPU if it computes the same as the CPU, and faster. */
  private async tryGpu(bytes: Uint8Array, forced: boolean): Promise<void> {
    const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
    if (!adapter || (adapter.info?.isFallbackAdapter && !forced)) return;
    const image = Float32Array.from(
      { length: 3 * this.tile ** 2 },
      (_, i) => 0.1 + 0.1 * Math.sin(0.003 * i) * Math.cos(0.7 * i),
    );
    const thumbnail = new Float32Array(3 * this.thumbnailSize ** 2).fill(0.1);
    const timed = async () => {
      await this.run(image, thumbnail, AUTOMATIC);
      const start = performance.now();
      const { enhanced } = await this.run(image, thumbnail, AUTOMATIC);
      return { enhanced, time: performance.now() - start };
    };
    try {
      const onCpu = await timed();
      // Half precision would show in lifted shadows.
      this.gpu = await loadAndCompile(bytes, {
        accelerator: "webgpu",
        gpuOptions: { precision: "fp32" },
      });
      const onGpu = await timed();
      const same = onGpu.enhanced.every(
        (value, i) => Math.abs(value - onCpu.enhanced[i]) <= TOLERANCE,
      );
      if (!same || (onGpu.time >= onCpu.time && !forced)) this.leaveGpu();
    } catch {
      this.leaveGpu();
    }
  }

  private leaveGpu(): void {
    this.gpu?.delete();
    this.gpu = undefined;
  }

  /**
   * Runs one tile.
   *
   * @param image [tile, tile, 3] in [0, 1].
   * @param thumbnail of the whole photo, [thumbnailSize, thumbnailSize, 3].
   * @param brightness mean luma that the whole result is to have, or AUTOMATIC.
   */
  async run(image: Float32Array, thumbnail: Float32Array, brightness: number): Promise<Output> {
    if (this.gpu) {
      try {
        return await this.runOn(this.gpu, image, thumbnail, brightness);
      } catch {
        // The GPU may be taken away at any time.
        this.leaveGpu();
      }
    }
    return this.runOn(this.cpu, image, thumbnail, brightness);
  }

  private async runOn(
    model: CompiledModel,
    image: Float32Array,
    thumbnail: Float32Array,
    brightness: number,
  ): Promise<Output> {
    const inputs: Record<string, Tensor> = {
      image: new Tensor(image, [1, this.tile, this.tile, 3]),
      thumbnail: new Tensor(thumbnail, [1, this.thumbnailSize, this.thumbnailSize, 3]),
    };
    if (this.takesBrightness) inputs.brightness = new Tensor(Float32Array.of(brightness), [1, 1]);
    let outputs: Record<string, Tensor> = {};
    try {
      outputs = await model.run(inputs);
      const enhanced = (await outputs.enhanced.data()) as Float32Array;
      const aimed = await outputs.brightness?.data();
      return { enhanced, brightness: aimed?.[0] };
    } finally {
      for (const tensor of [...Object.values(inputs), ...Object.values(outputs)]) tensor.delete();
    }
  }
}
