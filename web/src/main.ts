// The page: which photo is open, what is shown of it, and what its controls do.

import { Cancelled, Client } from "./client";
import { Comparison } from "./comparison";
import type { Event, SaveType } from "./messages";
import type { Device } from "./network";
import { keepOffline } from "./offline";

declare const __RUNTIME__: string;

interface Photo {
  file: File;
  stops: number;
  /** Its entry in the list, and the address of the picture there. */
  entry: HTMLLIElement;
  address: string;
}

const element = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const button = (id: string) => element<HTMLButtonElement>(id);
const figure = document.querySelector("figure")!;
const stops = element<HTMLInputElement>("stops");
const type = element<HTMLSelectElement>("type");
const progress = element<HTMLProgressElement>("progress");

const comparison = new Comparison(element("stage"), figure);
const client = new Client(onEvent);
const photos: Photo[] = [];
let current: Photo | undefined;
/** The format that was chosen by hand. */
let chosenType: SaveType | undefined;
let size = "";
let pause: ReturnType<typeof setTimeout> | undefined;

const started = start();

async function start() {
  await keepOffline(() => !photos.length);
  const wishes = new URLSearchParams(location.search);
  const found = await client.start({
    runtime: new URL(`${__RUNTIME__}/`, document.baseURI).href,
    file: new URL("network/network.tflite", document.baseURI).href,
    device: (wishes.get("device") as Device | null) ?? undefined,
    threads: Number(wishes.get("threads")) || undefined,
  });
  element("exposure").hidden = !found.takesBrightness;
  document.body.dataset.device = found.device;
  document.body.dataset.threads = String(found.threads);
}

started.catch((error: Error) => {
  complain(`The network cannot be loaded: ${error.message} Check your connection and load the page again.`);
});

// What is said

function say(text: string) {
  element("status").textContent = text;
}

function complain(line: string) {
  const message = document.createElement("p");
  const close = document.createElement("button");
  message.textContent = line;
  close.type = "button";
  close.className = "link";
  close.textContent = "Close";
  close.onclick = () => message.remove();
  message.append(close);
  element("messages").append(message);
}

function busy(working: boolean, stoppable = working) {
  progress.classList.toggle("idle", !working);
  button("cancel").hidden = !stoppable;
  if (working) progress.removeAttribute("value");
}

function onEvent(event: Event) {
  if (event.event === "progress") {
    progress.value = event.done / event.total;
    return;
  }
  figure.classList.remove("loading");
  comparison.showAfter(event.bitmap);
  document.body.dataset[event.whole ? "wholeMs" : "previewMs"] = event.milliseconds.toFixed(1);
}

/** Awaits what the worker does; true if it did, false if it failed or something else came up. */
async function done(work: Promise<unknown>, name: string): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (!(error instanceof Cancelled)) {
      complain(`${name}: ${(error as Error).message}`);
      busy(false);
      say("");
    }
    return false;
  }
}

// Photos

function add(files: Iterable<File>) {
  const added = Array.from(files, (file) => {
    const photo: Photo = {
      file,
      stops: 0,
      entry: document.createElement("li"),
      address: URL.createObjectURL(file),
    };
    const choice = document.createElement("button");
    const picture = document.createElement("img");
    choice.type = "button";
    choice.setAttribute("aria-label", file.name);
    choice.title = file.name;
    choice.onclick = () => void open(photo);
    picture.src = photo.address;
    picture.alt = "";
    picture.decoding = "async";
    picture.loading = "lazy";
    choice.append(picture);
    photo.entry.append(choice);
    element("photos").append(photo.entry);
    return photo;
  });
  photos.push(...added);
  if (added.length) void open(added[0]);
}

function remove(photo: Photo) {
  photos.splice(photos.indexOf(photo), 1);
  photo.entry.remove();
  URL.revokeObjectURL(photo.address);
  if (current !== photo) return;
  current = undefined;
  if (photos.length) void open(photos[0]);
  else arrange();
}

/** Shows what belongs to as many photos as there are. */
function arrange() {
  element("welcome").hidden = photos.length > 0;
  element("viewer").hidden = button("add").hidden = photos.length === 0;
  element("photos").hidden = button("save-all").hidden = photos.length < 2;
  for (const photo of photos) {
    photo.entry.firstElementChild!.setAttribute("aria-current", String(photo === current));
  }
}

/** Opens a photo and begins to enhance it; true once it can be saved. */
async function open(photo: Photo): Promise<boolean> {
  current = photo;
  arrange();
  figure.classList.add("opening", "loading");
  busy(true, false);
  say("Opening…");
  try {
    await started;
  } catch {
    busy(false);
    say("");
    return false;
  }
  if (current !== photo) return false;
  try {
    const opened = await client.open(photo.file);
    if (current !== photo) return false;
    size = `${opened.width} × ${opened.height}`;
    comparison.showBefore(opened.before);
    figure.classList.remove("opening");
    setStops(photo.stops);
    type.options[0].disabled = opened.transparent;
    type.value = opened.transparent ? "image/png" : (chosenType ?? opened.type);
  } catch (error) {
    if (error instanceof Cancelled) return false;
    complain(`${photo.file.name}: ${(error as Error).message}`);
    remove(photo);
    return false;
  }
  void enhance(photo, true);
  return true;
}

/** Shows the whole result, on request after a preview. */
async function enhance(photo: Photo, preview: boolean) {
  busy(true);
  say("Enhancing…");
  if (preview && !(await done(client.show(photo.stops, false), photo.file.name))) return;
  // Or the worker would do this instead of opening the other.
  if (current !== photo) return;
  const finished = await done(client.show(photo.stops, true), photo.file.name);
  if (finished && current === photo) {
    busy(false);
    say(size);
  }
}

// Brightness

function setStops(value: number) {
  const rounded = Math.round(10 * value) / 10;
  const text = rounded ? `${rounded > 0 ? "+" : "−"}${Math.abs(rounded).toFixed(1)} EV` : "Automatic";
  stops.value = String(rounded);
  stops.setAttribute("aria-valuetext", text);
  element("stops-value").textContent = text;
  button("automatic").style.visibility = rounded ? "" : "hidden";
}

stops.addEventListener("input", () => {
  if (!current) return;
  current.stops = stops.valueAsNumber;
  setStops(current.stops);
  clearTimeout(pause);
  void client.show(current.stops, false).catch(() => {});
});

stops.addEventListener("change", () => {
  clearTimeout(pause);
  const photo = current;
  // Keys change the slider step by step.
  pause = setTimeout(() => photo && photo === current && void enhance(photo, false), 150);
});

setStops(0);

button("automatic").addEventListener("click", () => {
  stops.value = "0";
  stops.focus();
  stops.dispatchEvent(new Event("input"));
  stops.dispatchEvent(new Event("change"));
});

button("cancel").addEventListener("click", () => {
  void client.cancel();
  busy(false);
  say("Stopped. This is a preview; saving computes the whole photo.");
});

// Saving

async function save(photo: Photo): Promise<boolean> {
  const format = type.value as SaveType;
  busy(true);
  say("Saving…");
  const work = client.save(photo.stops, format).then((result) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(result);
    link.download = `${photo.file.name.replace(/\.[^.]*$/, "")}-enhanced.${format === "image/png" ? "png" : "jpg"}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  });
  const saved = await done(work, photo.file.name);
  if (photo === current) {
    busy(false);
    if (saved) say(`Saved. ${size}`);
  }
  return saved;
}

type.addEventListener("change", () => {
  chosenType = type.value as SaveType;
});

button("save").addEventListener("click", () => current && void save(current));

button("save-all").addEventListener("click", async () => {
  for (const photo of [...photos]) {
    if (photo !== current && !(await open(photo))) continue;
    if (photo === current && !(await save(photo))) return;
  }
});

// Where photos come from

for (const [id, input] of [
  ["choose", "file"],
  ["add", "file"],
  ["camera", "snapshot"],
]) {
  button(id).addEventListener("click", () => element(input).click());
}

for (const id of ["file", "snapshot"]) {
  const input = element<HTMLInputElement>(id);
  input.addEventListener("change", () => {
    add(input.files ?? []);
    input.value = "";
  });
}

document.addEventListener("paste", (event) => add(event.clipboardData?.files ?? []));

// Entering an element comes before leaving the one before.
let depth = 0;
const dropping = (inside: boolean) => document.body.classList.toggle("dropping", inside);
document.addEventListener("dragenter", () => dropping(++depth > 0));
document.addEventListener("dragleave", () => dropping(--depth > 0));
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  depth = 0;
  dropping(false);
  add(event.dataTransfer?.files ?? []);
});
