import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/** What takes long: browsers' graphics in software, pictures of large networks, programs as processes, hostile files. */
const SLOW = ["**/*.slow.test.ts", "test/fuzz/**"];

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url));

// `npm test` leaves the slow tests out and runs the command line in the tests' own process; `npm run test:all`, and CI, leave out nothing.
export default defineConfig(({ mode }) => {
  const runsAll = mode === "all" || Boolean(process.env.CI);
  return {
    // Tests run the sources; package.json's "imports" and "exports" point at the build.
    resolve: {
      alias: [
        { find: "#platform", replacement: source("src/platform/node/platform.ts") },
        { find: /^darkroom$/, replacement: source("src/index.ts") },
        { find: /^darkroom\/generate$/, replacement: source("src/generate/index.ts") },
      ],
    },
    test: {
      globalSetup: "test/setup/build.ts",
      include: ["test/**/*.test.ts", "packages/*/test/**/*.test.ts"],
      exclude: ["**/node_modules/**", ...(runsAll ? [] : SLOW)],
      // Two test files at a time share the processor: with threads that spin they take half as long again.
      env: { DARKROOM_SPIN: "0", ...(runsAll && { ALL_TESTS: "1" }) },
      testTimeout: 60_000,
      // What is waited for comes late on a busy machine; one second is the default.
      expect: { poll: { timeout: 20_000 } },
      maxWorkers: "100%",
    },
  };
});
