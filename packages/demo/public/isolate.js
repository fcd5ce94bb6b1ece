// A service worker for hosts whose headers cannot be set: it adds the two headers that isolate the page from other origins, without which
// WebAssembly has one thread only.
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  const { request } = event;
  // Files of other origins, such as weights, go past it.
  if (!request.url.startsWith(self.location.origin) || (request.cache === "only-if-cached" && request.mode !== "same-origin")) return;
  event.respondWith(isolated(request));
});

async function isolated(request) {
  const response = await fetch(request);
  if (response.status === 0) return response;
  const headers = new Headers(response.headers);
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "credentialless");
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}
