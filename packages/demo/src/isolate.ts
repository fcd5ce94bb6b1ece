/** Set while the page loads again under its service worker, so that it does so once only. */
const TRIED = "darkroom-isolated";

/**
 * Isolates the page from other origins, if the host's headers do not: with a service worker that adds the headers. False if the page loads
 * again for it. Without isolation everything works, with one thread.
 */
export async function isolate(): Promise<boolean> {
  if (globalThis.crossOriginIsolated || !navigator.serviceWorker || sessionStorage.getItem(TRIED)) return true;
  sessionStorage.setItem(TRIED, "yes");
  try {
    await navigator.serviceWorker.register("./isolate.js");
    await navigator.serviceWorker.ready;
  } catch {
    return true;
  }
  location.reload();
  return false;
}
