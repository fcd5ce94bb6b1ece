import { setTimeout as sleep } from "node:timers/promises";
import { BEHAVIOURS, type BehaviourName, type Wish, wishOf } from "./behaviours.js";
import { Client } from "./client.js";
import type { ServerProcess } from "./server-process.js";

/** How a drill goes. */
export interface DrillOptions {
  readonly jobs: number;
  readonly clients: number;
  /** Jobs that the first client sends at once. */
  readonly batch: number;
  /** Processes with models that are killed at any moment, beside those that wishes have killed. */
  readonly modelKills: number;
  /** How often the server itself is killed at any moment, beside that. */
  readonly serverKills: number;
  /** The drill's random numbers. */
  readonly seed: number;
  readonly log: (line: string) => void;
}

/** What happened. */
export interface DrillReport {
  readonly clients: readonly Client[];
  readonly wishes: readonly Wish[];
  /** What the drill did, in order. */
  readonly disturbances: readonly string[];
  readonly seconds: number;
}

/** Of a hundred wishes that are not in the batch, so many have each behaviour. */
const SHARES: Readonly<Record<BehaviourName, number>> = {
  "follows its events": 19,
  "comes and goes": 16,
  "asks now and then": 9,
  "does not get the reply": 9,
  "cancels while it waits": 6,
  "cancels while it runs": 8,
  "is poisoned": 1,
  "runs when the server is killed": 1,
  "runs when the server is stopped": 1,
  "waits at OpenAI's API": 10,
  "gives up at OpenAI's API": 5,
  "waits at AUTOMATIC1111's API": 10,
  "interrupts at AUTOMATIC1111's API": 5,
};

/** Behaviours in the batch, whose jobs are there at the same time. */
const IN_BATCH: readonly BehaviourName[] = ["follows its events", "comes and goes", "asks now and then", "cancels while it runs"];

/** The key of a client. The server is started with all of them. */
export function apiKeyOf(client: number): string {
  return `bench-${client}`;
}

/** Lets clients use a server, and kills the server and its processes meanwhile. Resolves when all wishes have an end. */
export async function drill(server: ServerProcess, options: DrillOptions): Promise<DrillReport> {
  const random = randomNumbers(options.seed);
  const clients = Array.from({ length: options.clients }, (_, i) => new Client(`client ${i}`, server.address, apiKeyOf(i)));
  const wishes = plan(clients, options, random);
  const disturbances: string[] = [];
  const begun = Date.now();
  const note = (what: string) => {
    disturbances.push(`${((Date.now() - begun) / 1000).toFixed(1)} s: ${what}`);
    options.log(disturbances.at(-1) ?? "");
  };
  const killModels = (pids = server.modelPids) => {
    for (const pid of pids) {
      process.kill(pid, "SIGKILL");
      note(`the process of the model ${pid} is killed`);
    }
  };

  let restarted = Promise.resolve();
  const restart = (signal: "SIGKILL" | "SIGTERM") => {
    restarted = restarted.then(async () => {
      note(`the server gets ${signal}`);
      await server.end(signal);
      await sleep(500);
      await server.start();
      note("the server is back");
    });
    return restarted;
  };

  let ended = 0;
  const fulfil = async (wish: Wish) => {
    await BEHAVIOURS[wish.behaviour](wish, { random, killModels, restart }).catch((error: unknown) => {
      wish.reason = String(error);
    });
    ended++;
    if (ended % 10 === 0) options.log(`${ended} of ${wishes.length} have an end`);
  };
  const all = Promise.all(
    clients.map(async (client, index) => {
      const own = wishes.filter((wish) => wish.client === client);
      if (index === 0) return Promise.all(own.map(fulfil));
      for (const wish of own) {
        await sleep(random() * 500);
        await fulfil(wish);
      }
    }),
  );
  const disturb = async () => {
    for (const [share, what] of disturbanceTimes(options)) {
      while (ended < share * wishes.length) await sleep(20);
      await sleep(random() * 1000);
      if (what === "model") killModels(server.modelPids.slice(0, 1));
      else await Promise.all([restart("SIGKILL"), server.workers?.killOne().then((pid) => note(`the worker ${pid} was killed`))]);
    }
  };
  await Promise.all([all, disturb()]);
  return { clients, wishes, disturbances, seconds: (Date.now() - begun) / 1000 };
}

/** What is killed when which part of the wishes has an end. */
function disturbanceTimes({ modelKills, serverKills }: DrillOptions): [number, "model" | "server"][] {
  const spread = <What>(count: number, what: What) => Array.from({ length: count }, (_, i): [number, What] => [(i + 0.5) / count, what]);
  return [...spread(modelKills, "model" as const), ...spread(serverKills, "server" as const)].sort(([a], [b]) => a - b);
}

/** The first client's batch, and the wishes of the others in turn. */
function plan(clients: readonly Client[], { jobs, batch }: DrillOptions, random: () => number): Wish[] {
  const wheel = Object.entries(SHARES).flatMap(([name, share]) => Array<BehaviourName>(share).fill(name as BehaviourName));
  // The rare ones come in small drills, too.
  const must = shuffled(Object.keys(SHARES) as BehaviourName[], random);
  return Array.from({ length: jobs }, (_, i) => {
    const isBatch = i < batch;
    const choices = isBatch ? IN_BATCH : wheel;
    const behaviour = (isBatch ? undefined : must.pop()) ?? choices[Math.floor(random() * choices.length)] ?? "follows its events";
    const client = isBatch ? 0 : 1 + (i % (clients.length - 1));
    return wishOf(clients[client] as Client, behaviour, i);
  });
}

function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  return items
    .map((item) => [random(), item] as const)
    .sort(([a], [b]) => a - b)
    .map(([, item]) => item);
}

/** Random numbers from 0 to 1 that are the same for the same seed (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
