import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  // Tests run the sources; package.json's "imports" points at the build.
  resolve: { alias: { "#platform": fileURLToPath(new URL("src/platform/node.ts", import.meta.url)) } },
  test: { globalSetup: "test/setup/build.ts", include: ["test/**/*.test.ts"], testTimeout: 60_000 },
});
