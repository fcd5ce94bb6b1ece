import { defineConfig } from "vite";

export default defineConfig({
  // Relative addresses work behind a proxy that serves the page under a path of its own, too.
  base: "./",
  build: {
    // darkroom-server ships the page; its build makes it.
    outDir: "../server/dist/page",
    emptyOutDir: true,
    target: "es2022",
    // The server's content security policy allows no data: addresses for scripts and styles.
    assetsInlineLimit: 0,
    // The notices of the libraries in the bundle.
    license: { fileName: "licenses.md" },
    modulePreload: { polyfill: false },
  },
  // `npx vite packages/page` shows changes at once, with a server on the usual port.
  server: { proxy: { "/api": "http://127.0.0.1:7860", "/files": "http://127.0.0.1:7860" } },
});
