// Keeps the page and answers from what it kept. The build puts in the names in capitals.

const RUNTIME = "__RUNTIME__";
// Other pages of the host may keep things too.
const OURS = `${self.registration.scope} `;
const PAGE_CACHE = `${OURS}__VERSION__`;
const RUNTIME_CACHE = OURS + RUNTIME;
const FILES = __FILES__;
const HEADERS = {
  "Content-Security-Policy": "__POLICY__",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
};

self.addEventListener("install", (event) => {
  const kept = async () => {
    const cache = await caches.open(PAGE_CACHE);
    // Not from the browser's own cache, which may hold older ones.
    await cache.addAll(FILES.map((file) => new Request(file, { cache: "reload" })));
    await self.skipWaiting();
  };
  event.waitUntil(kept());
});

self.addEventListener("activate", (event) => {
  const cleared = async () => {
    for (const name of await caches.keys()) {
      const old = name !== PAGE_CACHE && name !== RUNTIME_CACHE;
      if (old && name.startsWith(OURS)) await caches.delete(name);
    }
    await self.clients.claim();
  };
  event.waitUntil(cleared());
});

function withHeaders(response) {
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
  const { status, statusText, body } = response;
  return new Response(body, { status, statusText, headers });
}

async function answer(request) {
  for (const name of [PAGE_CACHE, RUNTIME_CACHE]) {
    const kept = await (await caches.open(name)).match(request, { ignoreSearch: true });
    if (kept) return withHeaders(kept);
  }
  const response = await fetch(request);
  // The runtime has several variants, of which a device needs one: it is kept when it comes.
  if (response.ok && new URL(request.url).pathname.includes(`/${RUNTIME}/`)) {
    const cache = await caches.open(RUNTIME_CACHE);
    await cache.put(request, response.clone());
  }
  return withHeaders(response);
}

self.addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  if (method === "GET" && url.startsWith(self.registration.scope)) {
    event.respondWith(answer(event.request));
  }
});
