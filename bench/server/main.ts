// Drives a server with many clients, kills it and its processes meanwhile, and measures its memory and its overhead:
// npm run bench:server -- --help.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { ownVersions, thisMachine } from "../machine.js";
import { count, nameList } from "../options.js";
import { ROOT } from "../paths.js";
import { endOnSignals } from "../prepare.js";
import { audit } from "./audit.js";
import { apiKeyOf, drill } from "./drill.js";
import { measureMemory, memoryEnvironment } from "./memory.js";
import { measureOverhead } from "./overhead.js";
import { RedisWorkers } from "./redis.js";
import { describeServerRun, type ServerRun, saveServerRun } from "./report.js";
import { type ServerCommand, ServerProcess } from "./server-process.js";
import { fairness } from "./waiting.js";

interface Options {
  readonly only: string[];
  readonly jobs: number;
  readonly clients: number;
  readonly pictures: number;
  readonly rounds: number;
  readonly turn: number;
  readonly seed: number;
  readonly redis?: true;
  readonly results: string | false;
}

/** Each part has a server of its own. */
const PARTS: Readonly<Record<string, (run: ServerRun) => Promise<void>>> = { drill: runDrill, memory: runMemory, overhead: runOverhead };

const options = new Command("npm run bench:server --")
  .description(
    "Lets many clients use a server, with the embedded checkpoint, while its processes are killed, and checks that every job comes to its one end. " +
      "Measures the server's memory over many pictures, and its overhead.",
  )
  .option("--only <names>", `parts: ${Object.keys(PARTS).join(", ")}`, nameList(PARTS), Object.keys(PARTS))
  .option("--jobs <n>", "jobs of the drill, half of them one client's batch", count, 200)
  .option("--clients <n>", "clients of the drill", count, 20)
  .option("--seed <n>", "the drill's random numbers", count, 1)
  .option("--redis", "the drill's queue is in Redis, and two workers do the jobs")
  .option("--pictures <n>", "pictures of the memory's part, after 50 that load everything", count, 500)
  .option("--rounds <n>", "turns of the overhead's part", count, 12)
  .option("--turn <n>", "pictures of such a turn", count, 8)
  .option("--results <folder>", "where the run is saved", join(ROOT, "bench/results"))
  .option("--no-results", "saves nothing")
  .parse()
  .opts<Options>();

const log = (line: string) => console.error(line);
endOnSignals();
const run: ServerRun = {
  redis: options.redis ?? false,
  date: new Date().toISOString(),
  machine: thisMachine(),
  versions: ownVersions(),
  spins: process.env.DARKROOM_SPIN !== "0",
};
for (const part of options.only) await PARTS[part]?.(run);
console.log(describeServerRun(run));
if (options.results !== false) log(`saved as ${saveServerRun(options.results, run)}`);
for (const problem of run.drill?.problems ?? []) log(`problem: ${problem}`);
if ((run.drill?.problems.length ?? 0) > 0) process.exitCode = 1;

async function runDrill(into: ServerRun): Promise<void> {
  const { jobs, clients, seed } = options;
  const asked = { jobs, clients, batch: Math.floor(jobs / 2), modelKills: 6, serverKills: 2, seed };
  await withServer({ clients, redis: options.redis }, async (server) => {
    const report = await drill(server, { ...asked, log });
    const { jobs: onRecord, ...found } = await audit(report);
    into.drill = { ...asked, ...found, fairness: fairness(onRecord), seconds: report.seconds, disturbances: report.disturbances };
  });
}

async function runMemory(into: ServerRun): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "darkroom-bench-memory-"));
  const asked = { warmUp: 50, pictures: options.pictures, samples: 5, log };
  await withServer({ clients: 20, env: memoryEnvironment(folder) }, async (server) => {
    into.memory = await measureMemory(server, folder, asked);
  });
  rmSync(folder, { recursive: true });
}

async function runOverhead(into: ServerRun): Promise<void> {
  await withServer({ clients: 1 }, async (server) => {
    into.overhead = await measureOverhead(server, { rounds: options.rounds, pictures: options.turn, log });
  });
}

interface Setting {
  readonly clients: number;
  readonly env?: NodeJS.ProcessEnv;
  readonly redis?: boolean | undefined;
}

/** Does `work` with a server in a new folder, which stays, with the logs, when the work fails. */
async function withServer({ clients, env, redis }: Setting, work: (server: ServerProcess) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "darkroom-bench-"));
  const apiKeys = Array.from({ length: clients }, (_, i) => apiKeyOf(i));
  const workers = redis ? await RedisWorkers.start(folder, workerCommand, 2) : undefined;
  process.once("exit", () => workers?.kill());
  const server = await ServerProcess.start(serverCommand(workers?.queue), { folder, apiKeys }, { env, workers });
  process.once("exit", () => server.kill());
  await work(server);
  await server.end("SIGTERM");
  workers?.kill();
  rmSync(folder, { recursive: true });
}

function serverCommand(queue: string | undefined): ServerCommand {
  return ({ folder, port, apiKeys }) => [
    ...darkroom("serve"),
    ...["--folder", folder, "--port", String(port), ...apiKeys.flatMap((key) => ["--api-key", key])],
    ...(queue === undefined ? [] : ["--queue", queue]),
  ];
}

function workerCommand({ folder, queue }: { readonly folder: string; readonly queue: string }): readonly string[] {
  return [...darkroom("worker"), "--folder", folder, "--queue", queue];
}

/** Running jobs have little time to end, so that some are handed back. */
function darkroom(command: string): readonly string[] {
  return [process.execPath, join(ROOT, "dist/bundle/node/cli.js"), command, "--device", "cpu", "--grace", "1"];
}
