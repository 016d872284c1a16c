// Runs exported files in a page, in LiteRT.js and ONNX Runtime Web, and compares what they give with
// the known results of the export.

import { loadAndCompile, loadLiteRt, Tensor } from "../node_modules/@litertjs/core/dist/index.js";
import * as ort from "onnxruntime-web";

ort.env.wasm.numThreads = 1;
await loadLiteRt(new URL("../node_modules/@litertjs/core/wasm/", import.meta.url).href);

const bytes = async (url) => {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return new Uint8Array(await answer.arrayBuffer());
};

/** From R, G, B, R, ... to planes, as files called nchw have them. */
function planes(values) {
  const area = values.length / 3;
  return values.map((_, i) => values[3 * (i % area) + Math.floor(i / area)]);
}

/** A file in LiteRT.js: a function from inputs by name to the enhanced photo. */
async function inLiteRt(file) {
  const model = await loadAndCompile(file, { accelerator: "wasm", cpuOptions: { numThreads: 1 } });
  const details = new Map(model.getInputDetails().map((input) => [input.name, input]));
  return {
    takesBrightness: details.has("brightness"),
    run: async (inputs) => {
      const given = {};
      for (const [name, { dtype }] of details) {
        const { values, shape } = inputs[name];
        const data = dtype === "uint8" ? Uint8Array.from(values, (x) => Math.round(255 * x)) : values;
        given[name] = new Tensor(data, shape);
      }
      const { enhanced } = await model.run(given);
      const values = await enhanced.data();
      return values instanceof Uint8Array ? Float32Array.from(values, (x) => x / 255) : values;
    },
    end: () => model.delete(),
  };
}

/** The same in ONNX Runtime Web, in WebAssembly. */
async function inOnnxRuntime(file, planar) {
  const session = await ort.InferenceSession.create(file);
  return {
    takesBrightness: session.inputNames.includes("brightness"),
    run: async (inputs) => {
      const feeds = {};
      for (const name of session.inputNames) {
        const { values, shape } = inputs[name];
        const image = planar && shape.length === 4;
        const [batch, height, width, channels] = shape;
        feeds[name] = image
          ? new ort.Tensor(planes(values), [batch, channels, height, width])
          : new ort.Tensor(values, shape);
      }
      return (await session.run(feeds)).enhanced.data;
    },
    end: () => session.release(),
  };
}

/** Returns the PSNR in dB of each case to the known result, and the least that is asked for. */
export async function compare(folder, path) {
  const golden = (name) => bytes(`${folder}/golden/${name}`);
  const facts = JSON.parse(new TextDecoder().decode(await golden("golden.json")));
  const kind = facts.files[path];
  const side = facts.thumbnail_size;
  const planar = path.includes("_nchw_");
  const photo = Float32Array.from(await golden("image.bin"), (x) => x / 255);
  const thumbnail = new Float32Array((await golden("thumbnail.bin")).buffer);
  const file = await bytes(`${folder}/${path}`);
  const network = await (path.endsWith(".tflite") ? inLiteRt(file) : inOnnxRuntime(file, planar));
  const found = {};
  for (const [name, brightness] of Object.entries(facts.brightness)) {
    if (brightness && !network.takesBrightness) continue;
    const enhanced = await network.run({
      image: { values: photo, shape: [1, facts.height, facts.width, 3] },
      thumbnail: { values: thumbnail, shape: [1, side, side, 3] },
      brightness: { values: Float32Array.of(brightness), shape: [1, 1] },
    });
    const levels = Float32Array.from(await golden(`${kind}_${name}.bin`));
    const expected = planar ? planes(levels) : levels;
    const squares = expected.map((level, i) => (Math.round(255 * enhanced[i]) - level) ** 2);
    const error = squares.reduce((sum, square) => sum + square, 0) / squares.length;
    found[name] = 10 * Math.log10(255 ** 2 / Math.max(error, 1e-6));
  }
  network.end();
  return { found, least: facts.least_db[kind] };
}

/** Returns by how many levels of 255 a whole photo of odd size differs from drgn-enhance. */
export async function differing(folder, path) {
  const [photo, expected] = await Promise.all([
    pixels(`${folder}/dark.png`),
    pixels(`${folder}/dark_expected.png`),
  ]);
  const planar = path.includes("_nchw_");
  const network = await inOnnxRuntime(await bytes(`${folder}/${path}`), planar);
  const image = Float32Array.from(photo.values, (level) => level / 255);
  const enhanced = await network.run({ image: { values: image, shape: photo.shape } });
  network.end();
  return furthest(enhanced, planar ? planes(expected.values) : expected.values);
}

/** The same of a block of code in the documentation, which finds the photo in `canvas`. */
export async function differingInDocs(folder, code) {
  const { canvas, context } = await drawn(`${folder}/dark.png`);
  Object.assign(globalThis, { canvas, context });
  const module = `${code}\nexport { enhanced };`;
  const { enhanced } = await import(`data:text/javascript,${encodeURIComponent(module)}`);
  const { values, shape } = await pixels(`${folder}/dark_expected.png`);
  const [batch, height, width, channels] = shape;
  if (`${enhanced.dims}` !== `${[batch, channels, height, width]}`) throw new Error(`${enhanced.dims}`);
  return furthest(enhanced.data, planes(values));
}

function furthest(enhanced, levels) {
  return levels.reduce((most, level, i) => Math.max(most, Math.abs(Math.round(255 * enhanced[i]) - level)), 0);
}

async function drawn(url) {
  const picture = await createImageBitmap(new Blob([await bytes(url)]));
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  return { canvas, context };
}

async function pixels(url) {
  const { canvas, context } = await drawn(url);
  const { width, height } = canvas;
  const { data } = context.getImageData(0, 0, width, height);
  const values = Float32Array.from({ length: 3 * width * height }, (_, i) => data[4 * Math.floor(i / 3) + (i % 3)]);
  return { values, shape: [1, height, width, 3] };
}
