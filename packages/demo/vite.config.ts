import { defineConfig } from "vite";

/** With these headers the page is isolated from other origins, and WebAssembly may use threads. */
const headers = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "credentialless" };

export default defineConfig({
  // Relative addresses: the built files can be put into any folder of any host.
  base: "./",
  build: { target: "es2022", emptyOutDir: true },
  // The one line that Vite's development server needs: without it the runtime's .wasm is not found.
  optimizeDeps: { exclude: ["onnxruntime-web"] },
  server: { headers },
  preview: { headers },
});
