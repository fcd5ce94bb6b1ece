import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { audit } from "../../../bench/server/audit.js";
import { apiKeyOf, drill } from "../../../bench/server/drill.js";
import { ServerProcess } from "../../../bench/server/server-process.js";
import { LOADER } from "./worker/helpers.js";

const PROGRAM = fileURLToPath(new URL("server-program.ts", import.meta.url));

const CLIENTS = 5;

// `npm run bench:server` does the same with more clients and jobs.
it("brings every accepted job to its one end, though the model's process and the server are killed meanwhile", async () => {
  const folder = await mkdtemp(join(tmpdir(), "darkroom-drill-"));
  const server = await ServerProcess.start(
    // A short queue, so that clients are told to come again.
    (settings) => [process.execPath, ...LOADER, PROGRAM, JSON.stringify({ ...settings, maxWaiting: 10 })],
    { folder, apiKeys: Array.from({ length: CLIENTS }, (_, i) => apiKeyOf(i)) },
  );
  onTestFinished(async () => {
    await server.end("SIGKILL");
    await rm(folder, { recursive: true, force: true });
  });
  const report = await drill(server, {
    jobs: 30,
    clients: CLIENTS,
    batch: 15,
    modelKills: 1,
    serverKills: 1,
    seed: 1,
    log: () => undefined,
  });
  const { problems, states, outcomes, crashed, retries } = await audit(report);
  expect(problems).toEqual([]);
  expect(Object.keys(states).sort()).toEqual(["cancelled", "done", "failed"]);
  expect(Object.values(outcomes).reduce((sum, count) => sum + count)).toBe(30);
  // The poisoned job, at least, brought its process down twice.
  expect(crashed.failed).toBeGreaterThan(0);
  expect(retries).toMatchObject({ lost: expect.any(Number), 429: expect.any(Number) });
}, 600_000);
