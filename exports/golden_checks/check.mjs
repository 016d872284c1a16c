// Checks an .onnx or .ort file: npm install onnxruntime-web, then
// node golden/check.mjs onnx/<name>.onnx. In a browser the same; fetch the files there.
import { readFileSync } from "node:fs";
import path from "node:path";
import * as ort from "onnxruntime-web";

const read = (name) => readFileSync(path.join(import.meta.dirname, name));
const facts = JSON.parse(read("golden.json"));
const file = process.argv[2];
const kind = facts.files[`onnx/${path.basename(file)}`];
if (!kind) throw new Error(`${file}: golden.json lists no such file`);
const planar = file.includes("_nchw_");
const shape = (height, width) => (planar ? [1, 3, height, width] : [1, height, width, 3]);
// From R, G, B, R, ... to planes.
const arranged = (values) =>
  planar ? values.map((_, i) => values[(i % (values.length / 3)) * 3 + Math.floor((3 * i) / values.length)]) : values;
const thumbnail = new Float32Array(new Uint8Array(read("thumbnail.bin")).buffer);
const side = facts.thumbnail_size;
const session = await ort.InferenceSession.create(readFileSync(file));
for (const [name, brightness] of Object.entries(facts.brightness)) {
  const all = {
    image: new ort.Tensor(arranged(Float32Array.from(read("image.bin"), (x) => x / 255)), shape(facts.height, facts.width)),
    thumbnail: new ort.Tensor(arranged(thumbnail), shape(side, side)),
    brightness: new ort.Tensor(new Float32Array([brightness]), [1, 1]),
  };
  if (brightness && !session.inputNames.includes("brightness")) continue;
  const feeds = Object.fromEntries(session.inputNames.map((input) => [input, all[input]]));
  const { enhanced } = await session.run(feeds);
  const expected = arranged(Float32Array.from(read(`${kind}_${name}.bin`)));
  const squares = expected.map((x, i) => (Math.round(255 * enhanced.data[i]) - x) ** 2);
  const error = squares.reduce((sum, x) => sum + x, 0) / squares.length;
  const decibels = 10 * Math.log10(255 ** 2 / Math.max(error, 1e-6));
  const right = decibels >= facts.least_db[kind];
  console.log(`${path.basename(file)}, ${name}: ${right ? "right" : "WRONG"}, ${decibels.toFixed(1)} dB from what it should be`);
  if (!right) process.exitCode = 1;
}
