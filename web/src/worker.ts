// Does the work, so that the page stays alive: files, network, encoding.

import { bitmapOf, encoded } from "./canvas";
import { PhotoError } from "./contents";
import type { Answer, Event, Opened, Request, SaveType, Started } from "./messages";
import { Network } from "./network";
import { withMetadata } from "./photo-file";
import { type Pixels, turned } from "./pixels";
import { Session } from "./session";

const JPEG_QUALITY = 0.95;

class Cancelled extends Error {}

let network: Network;
let session: Session | undefined;
// Requests are served one after the other. Each new picture asked for ends those before; another
// photo or "cancel" ends everything.
let latest = 0;
let latestEnd = 0;
let last: Promise<unknown> = Promise.resolve();

const { port1, port2 } = new MessageChannel();

/** Lets messages in. */
function breath(): Promise<void> {
  return new Promise((resolve) => {
    port1.onmessage = () => resolve();
    port2.postMessage(0);
  });
}

function tell(event: Event, transfer: Transferable[] = []) {
  self.postMessage(event, { transfer });
}

async function show(pixels: Pixels, whole: boolean, start: number) {
  const bitmap = await bitmapOf(turned(pixels, session!.file.orientation));
  tell({ event: "picture", bitmap, whole, milliseconds: performance.now() - start }, [bitmap]);
}

async function start(request: Extract<Request, { kind: "start" }>): Promise<Started> {
  network = await Network.load(request);
  const { device, threads, takesBrightness } = network;
  return { device, threads, takesBrightness };
}

async function open(file: File): Promise<Opened> {
  // The photo before goes first: two may not fit into memory.
  session = undefined;
  session = await Session.open(network, file);
  const upright = turned(session.before, session.file.orientation);
  const type = session.transparent || session.file.format === "png" ? "image/png" : "image/jpeg";
  return {
    ...session.size,
    before: await bitmapOf(upright),
    transparent: session.transparent,
    type,
  };
}

async function render(stops: number, goesOn: () => boolean): Promise<Pixels> {
  const shown = await session!.render(stops, async (done, total) => {
    tell({ event: "progress", done, total });
    await breath();
    return goesOn();
  });
  if (!shown) throw new Cancelled();
  return shown;
}

async function save(stops: number, type: SaveType, goesOn: () => boolean): Promise<Blob> {
  await render(stops, goesOn);
  const result = session!.result!.pixels;
  return withMetadata(await encoded(result, type, JPEG_QUALITY), session!.file.metadata);
}

async function served(request: Request, goesOn: () => boolean): Promise<unknown> {
  if (request.kind === "start") return start(request);
  if (request.kind === "cancel") return undefined;
  // Messages that came meanwhile have been counted by now.
  await breath();
  if (!goesOn()) throw new Cancelled();
  if (request.kind === "open") return open(request.file);
  if (!session) throw new Cancelled();
  const began = performance.now();
  if (request.kind === "save") return save(request.stops, request.type, goesOn);
  if (request.whole) await show(await render(request.stops, goesOn), true, began);
  else await show(await session.preview(request.stops), false, began);
  return undefined;
}

function message(error: unknown): string {
  if (error instanceof PhotoError) return error.message;
  if (error instanceof RangeError) return "there is not enough memory for this photo.";
  return `something went wrong (${error instanceof Error ? error.message : error}).`;
}

self.onmessage = ({ data }: MessageEvent<Request & { id: number }>) => {
  if (data.kind !== "save") latest++;
  if (data.kind === "open" || data.kind === "cancel") latestEnd++;
  const [asked, end] = [latest, latestEnd];
  const goesOn = () => (data.kind === "show" ? asked === latest : end === latestEnd);
  last = last.then(async () => {
    let answer: Answer;
    try {
      answer = { id: data.id, ok: true, value: await served(data, goesOn) };
    } catch (error) {
      answer =
        error instanceof Cancelled
          ? { id: data.id, ok: false, cancelled: true }
          : { id: data.id, ok: false, message: message(error) };
    }
    self.postMessage(answer);
  });
};
