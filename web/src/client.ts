// The page's side of the worker.

import type { Answer, Event, Opened, Request, SaveType, Started } from "./messages";
import type { NetworkOptions } from "./network";

/** Something else was asked for meanwhile. */
export class Cancelled extends Error {}

interface Waiting {
  resolve: (value: never) => void;
  reject: (error: Error) => void;
}

export class Client {
  private readonly worker: Worker;
  private readonly waiting = new Map<number, Waiting>();
  private count = 0;

  /** @param onEvent called with pictures and progress. */
  constructor(onEvent: (event: Event) => void) {
    // Not a module: LiteRT loads its script in the way of classic workers.
    this.worker = new Worker(new URL("./worker.ts", import.meta.url));
    this.worker.onmessage = ({ data }: MessageEvent<Answer | Event>) => {
      if ("event" in data) return onEvent(data);
      const { resolve, reject } = this.waiting.get(data.id)!;
      this.waiting.delete(data.id);
      if (data.ok) resolve(data.value as never);
      else reject(data.cancelled ? new Cancelled() : new Error(data.message));
    };
    this.worker.onerror = ({ message }) => {
      const error = new Error(`something went wrong (${message || "the worker ended"}).`);
      for (const { reject } of this.waiting.values()) reject(error);
      this.waiting.clear();
    };
  }

  private ask<T>(request: Request): Promise<T> {
    const id = this.count++;
    return new Promise<T>((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ ...request, id });
    });
  }

  start = (options: NetworkOptions) => this.ask<Started>({ kind: "start", ...options });
  open = (file: File) => this.ask<Opened>({ kind: "open", file });
  show = (stops: number, whole: boolean) => this.ask<void>({ kind: "show", stops, whole });
  cancel = () => this.ask<void>({ kind: "cancel" });
  save = (stops: number, type: SaveType) => this.ask<Blob>({ kind: "save", stops, type });
}
