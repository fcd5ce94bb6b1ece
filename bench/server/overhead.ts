import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { processorSeconds } from "../process-memory.js";
import { median } from "../results.js";
import { Client, type JobView } from "./client.js";
import { apiKeyOf } from "./drill.js";
import type { ServerProcess } from "./server-process.js";

/** How much is measured. */
export interface OverheadOptions {
  /** Turns of each way. */
  readonly rounds: number;
  /** Pictures a turn. */
  readonly pictures: number;
  readonly log: (line: string) => void;
}

/** What a turn took. */
export interface Turn {
  /** Seconds of every picture. When several are made at a time, those of all by their number. */
  readonly seconds: readonly number[];
  /**
   * Seconds of processor time a picture, of the process with the model and of the server's: they do not grow when others use the machine.
   */
  readonly processor: number;
}

/** One way to get pictures. */
export interface Way {
  readonly name: string;
  readonly turns: readonly Turn[];
  /** The median of a turn's seconds over that of the library's turn before it: the median of all turns. */
  readonly ratio: number;
  /** The same of processor time. */
  readonly processorRatio: number;
}

/** Clients that ask at the same time: the server always has a next job. */
const AT_ONCE = 8;

const PROMPT = "a panda";

type Measure = (seeds: readonly number[]) => Promise<number[]>;

/** Makes the same pictures by the library alone and through a server, in turns. The first turn of each way loads what it needs. */
export async function measureOverhead(server: ServerProcess, { rounds, pictures, log }: OverheadOptions): Promise<readonly Way[]> {
  const library = fork(fileURLToPath(new URL("library.mjs", import.meta.url)));
  await once(library, "message");
  const processor = () =>
    [library.pid ?? 0, server.pid, ...server.modelPids].map(processorSeconds).reduce((sum, seconds) => sum + seconds, 0);
  const client = new Client("overhead", server.address, apiKeyOf(0));
  const measures: Readonly<Record<string, Measure>> = {
    "the library alone": (seeds) => byLibrary(library, seeds),
    "OpenAI's API, one after another": (seeds) => inTurn(seeds, (seed) => byOpenai(client, seed)),
    "our API, one after another": (seeds) => inTurn(seeds, (seed) => byJobs(client, seed)),
    [`our API, ${AT_ONCE} clients`]: (seeds) => atOnce(seeds, (seed) => byJobs(client, seed)),
  };
  const turns = new Map<string, Turn[]>(Object.keys(measures).map((name) => [name, []]));
  try {
    for (let round = 0; round <= rounds; round++) {
      for (const [name, measure] of Object.entries(measures)) {
        const seeds = Array.from({ length: round === 0 ? AT_ONCE : pictures }, (_, i) => 1000 * round + i);
        const before = processor();
        const seconds = await measure(seeds);
        const turn = { seconds, processor: (processor() - before) / seeds.length };
        if (round === 0) continue;
        turns.get(name)?.push(turn);
        log(
          `round ${round} of ${rounds}, ${name}: ${milliseconds(median(seconds))} a picture, ${milliseconds(turn.processor)} of processors`,
        );
      }
    }
  } finally {
    library.disconnect();
  }
  const [alone = []] = turns.values();
  const ratio = (own: readonly Turn[], of: (turn: Turn) => number) => median(own.map((turn, i) => of(turn) / of(alone[i] ?? turn)));
  return [...turns].map(([name, own]) => ({
    name,
    turns: own,
    ratio: ratio(own, ({ seconds }) => median(seconds)),
    processorRatio: ratio(own, (turn) => turn.processor),
  }));
}

function milliseconds(seconds: number): string {
  return `${(1000 * seconds).toFixed(0)} ms`;
}

async function byLibrary(library: ChildProcess, seeds: readonly number[]): Promise<number[]> {
  library.send({ prompt: PROMPT, seeds });
  const [seconds] = await once(library, "message");
  return seconds as number[];
}

async function inTurn(seeds: readonly number[], make: (seed: number) => Promise<unknown>): Promise<number[]> {
  const seconds: number[] = [];
  for (const seed of seeds) {
    const start = performance.now();
    await make(seed);
    seconds.push((performance.now() - start) / 1000);
  }
  return seconds;
}

/** @returns the time of all by their number */
async function atOnce(seeds: readonly number[], make: (seed: number) => Promise<unknown>): Promise<number[]> {
  const waiting = [...seeds];
  const start = performance.now();
  const ask = async () => {
    for (let seed = waiting.pop(); seed !== undefined; seed = waiting.pop()) await make(seed);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, ask));
  return [(performance.now() - start) / 1000 / seeds.length];
}

async function byOpenai(client: Client, seed: number): Promise<void> {
  const { status } = await client.post("/v1/images/generations", { prompt: PROMPT, seed });
  if (status !== 200) throw new Error(`POST /v1/images/generations: ${status}`);
}

/** A job, its events, and its picture. */
async function byJobs(client: Client, seed: number): Promise<void> {
  const { body } = await client.post<JobView>("/api/jobs", { prompt: PROMPT, seed });
  const end = await client.follow(body.id);
  const [picture] = end?.data.result?.pictures ?? [];
  if (!picture) throw new Error(`job ${body.id} ended with ${end?.type}`);
  await client.bytes(picture.url);
}
