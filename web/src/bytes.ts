const latin = new TextDecoder("latin1");

export function text(bytes: Uint8Array, start = 0, end = bytes.length): string {
  return latin.decode(bytes.subarray(start, end));
}

/** The bytes of a string of ASCII characters. */
export function ascii(characters: string): Uint8Array {
  return Uint8Array.from(characters, (character) => character.charCodeAt(0));
}

export function joined(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}

async function through(bytes: Uint8Array, stream: TransformStream<unknown, Uint8Array>) {
  const source = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream();
  const piped = source.pipeThrough(stream as ReadableWritablePair<Uint8Array, unknown>);
  return new Uint8Array(await new Response(piped as ReadableStream).arrayBuffer());
}

export const deflated = (bytes: Uint8Array) =>
  through(bytes, new CompressionStream("deflate") as TransformStream);
export const inflated = (bytes: Uint8Array) =>
  through(bytes, new DecompressionStream("deflate") as TransformStream);
