/** Set while the page loads again under its service worker, so that it does so once only. */
const TRIED = "darkroom-isolated";

/** Milliseconds to wait for the service worker. */
const WAIT = 3000;

/**
 * Isolates the page from other origins, if the host's headers do not: with a service worker that adds the headers. False if the page loads
 * again for it. Without isolation everything works, with one thread.
 */
export async function isolate(): Promise<boolean> {
  if (globalThis.crossOriginIsolated || !navigator.serviceWorker || sessionStorage.getItem(TRIED)) return true;
  sessionStorage.setItem(TRIED, "yes");
  try {
    await navigator.serviceWorker.register("./isolate.js");
    // Where browsers block service workers, it is never ready.
    const isReady = navigator.serviceWorker.ready.then(() => true);
    if (!(await Promise.race([isReady, new Promise<false>((resolve) => setTimeout(resolve, WAIT, false))]))) return true;
  } catch {
    return true;
  }
  location.reload();
  return false;
}
