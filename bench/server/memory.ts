import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readStatus } from "../process-memory.js";
import { BEHAVIOURS, type BehaviourName, wishOf } from "./behaviours.js";
import { Client } from "./client.js";
import { apiKeyOf } from "./drill.js";
import type { ServerProcess } from "./server-process.js";

/** Memory of a process that is idle and has collected its garbage, in MiB. */
export interface ProcessMemory {
  readonly pid: number;
  /** Resident, as the system counts it: with the pages of weight files. */
  readonly resident: number;
  readonly anonymous: number;
  /** The most that was ever resident. */
  readonly peak: number;
  /**
   * Resident without the free pages of JavaScript's heap. V8 keeps up to 48 MiB for new objects, which it takes and gives back at times of
   * its own, whatever is in use.
   */
  readonly used: number;
  /** What JavaScript holds: objects, and buffers outside of the heap. */
  readonly heap: number;
  readonly external: number;
}

/** Memory after so many pictures. */
export interface MemorySample {
  readonly pictures: number;
  readonly server: ProcessMemory;
  readonly model: ProcessMemory;
}

export interface MemoryOptions {
  /** Pictures before the sample that the last one is compared with: by then everything is loaded, and has found its size. */
  readonly warmUp: number;
  /** Pictures after it. */
  readonly pictures: number;
  /** Samples of them. */
  readonly samples: number;
  readonly log: (line: string) => void;
}

const CLIENTS = 4;

/** Clients do everything but kill. */
const WORK: readonly BehaviourName[] = [
  "follows its events",
  "comes and goes",
  "asks now and then",
  "does not get the reply",
  "cancels while it waits",
  "cancels while it runs",
  "waits at OpenAI's API",
  "gives up at OpenAI's API",
  "waits at AUTOMATIC1111's API",
  "interrupts at AUTOMATIC1111's API",
];

const NO_KILLS = { killModels: () => undefined, restart: () => Promise.resolve() };

/** Milliseconds without work before a sample. */
const IDLE_MS = 3000;

/** The environment of a server whose memory is measured. */
export function memoryEnvironment(folder: string): NodeJS.ProcessEnv {
  return {
    ...process.env,
    BENCH_MEMORY: folder,
    NODE_OPTIONS: `--import ${new URL("collect-garbage.mjs", import.meta.url).href}`,
  };
}

/** Lets clients make pictures, and looks at the memory of the server's processes now and then: after the warm-up first. */
export async function measureMemory(server: ServerProcess, folder: string, options: MemoryOptions): Promise<readonly MemorySample[]> {
  const { warmUp, pictures, samples: count, log } = options;
  const clients = Array.from({ length: CLIENTS }, (_, i) => new Client(`client ${i}`, server.address, apiKeyOf(i)));
  const samples: MemorySample[] = [];
  let seed = 0;
  let done = 0;
  for (let i = 0; i <= count; i++) {
    const goal = warmUp + (pictures * i) / count;
    const work = async (client: Client) => {
      while (done < goal) {
        const wish = wishOf(client, WORK[seed % WORK.length] ?? "follows its events", seed++);
        await BEHAVIOURS[wish.behaviour](wish, { random: Math.random, ...NO_KILLS });
        if (wish.outcome === "failed") throw new Error(`a picture failed: ${wish.reason}`);
        if (wish.outcome === "done") done++;
      }
    };
    await Promise.all(clients.map(work));
    await sleep(IDLE_MS);
    samples.push(await sample(server, folder, done));
    if (samples.some(({ model }) => model.pid !== samples[0]?.model.pid)) throw new Error("the process of the model was replaced");
    log(`after ${done} pictures: server ${describe(samples.at(-1)?.server)}; process of the model ${describe(samples.at(-1)?.model)}`);
  }
  return samples;
}

async function sample(server: ServerProcess, folder: string, pictures: number): Promise<MemorySample> {
  const [model, another] = server.modelPids;
  if (model === undefined || another !== undefined) throw new Error(`the server has ${server.modelPids.length} processes with models`);
  return { pictures, server: await memoryOf(server.pid, folder), model: await memoryOf(model, folder) };
}

async function memoryOf(pid: number, folder: string): Promise<ProcessMemory> {
  const path = join(folder, `${pid}.json`);
  rmSync(path, { force: true });
  process.kill(pid, "SIGUSR2");
  while (!existsSync(path)) await sleep(50);
  const { heapTotal, heapUsed, external } = JSON.parse(readFileSync(path, "utf8")) as NodeJS.MemoryUsage;
  // Pages are given back to the system a moment later.
  await sleep(500);
  const status = readStatus(pid);
  const field = (name: string) => Math.round(status.get(name) ?? Number.NaN);
  return {
    pid,
    resident: field("VmRSS"),
    used: field("VmRSS") - Math.round((heapTotal - heapUsed) / 2 ** 20),
    anonymous: field("RssAnon"),
    peak: field("VmHWM"),
    heap: Math.round(heapUsed / 2 ** 20),
    external: Math.round(external / 2 ** 20),
  };
}

function describe(memory: ProcessMemory | undefined): string {
  return memory
    ? `${memory.resident} MiB (used ${memory.used}, anonymous ${memory.anonymous}, peak ${memory.peak}, heap ${memory.heap}, external ${memory.external})`
    : "";
}
