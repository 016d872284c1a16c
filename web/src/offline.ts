// The service worker keeps the page for use offline, and isolates it from other sites, without
// which browsers give WebAssembly one thread only.

const PATIENCE = 5000;
const RELOADED = "reloaded-for-isolation";

/**
 * Installs the service worker; on the first visit it loads the page anew, to be isolated.
 *
 * @param mayReload whether there is nothing yet that would be lost.
 */
export async function keepOffline(mayReload: () => boolean): Promise<void> {
  const workers = navigator.serviceWorker;
  if (!workers) return;
  try {
    await workers.register("sw.js");
  } catch {
    // Some private windows; the page works all the same.
    return;
  }
  if (!workers.controller) {
    await new Promise<void>((resolve) => {
      workers.addEventListener("controllerchange", () => resolve(), { once: true });
      setTimeout(resolve, PATIENCE);
    });
  }
  if (workers.controller && !self.crossOriginIsolated && mayReload()) {
    if (sessionStorage.getItem(RELOADED)) return;
    sessionStorage.setItem(RELOADED, "1");
    location.reload();
    await new Promise(() => {});
  }
}
