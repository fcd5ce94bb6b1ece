import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/** What takes long: browsers' graphics in software, pictures of large networks, programs as processes, hostile files. */
const SLOW = ["test/**/*.slow.test.ts", "test/fuzz/**"];

// `npm test` leaves the slow tests out and runs the command line in the tests' own process; `npm run test:all`, and CI, leave out nothing.
export default defineConfig(({ mode }) => {
  const runsAll = mode === "all" || Boolean(process.env.CI);
  return {
    // Tests run the sources; package.json's "imports" points at the build.
    resolve: { alias: { "#platform": fileURLToPath(new URL("src/platform/node/platform.ts", import.meta.url)) } },
    test: {
      globalSetup: "test/setup/build.ts",
      include: ["test/**/*.test.ts"],
      exclude: runsAll ? [] : SLOW,
      // Two test files at a time share the processor: with threads that spin they take half as long again.
      env: { DARKROOM_SPIN: "0", ...(runsAll && { ALL_TESTS: "1" }) },
      testTimeout: 60_000,
      maxWorkers: "100%",
    },
  };
});
