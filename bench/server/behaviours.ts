import { createHash, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, type JobView, posting } from "./client.js";

/** A picture that a client wants, and what the server told of it. */
export interface Wish {
  readonly client: Client;
  readonly behaviour: BehaviourName;
  /** Each wish has its own: the server's jobs are known by it. */
  readonly seed: number;
  /** The jobs that the server accepted for it, by our own API. */
  readonly ids: Set<string>;
  /** The ends that the server told of these jobs: the state, and the names of the pictures. */
  readonly told: Set<string>;
  /** SHA-256 of the pictures that came. */
  readonly pictures: Set<string>;
  /** What the client was left with. */
  outcome: "done" | "failed" | "cancelled" | "given up" | undefined;
  /** Why it failed. */
  reason: string | undefined;
}

/** A wish before it is sent. */
export function wishOf(client: Client, behaviour: BehaviourName, seed: number): Wish {
  const nothing = { ids: new Set<string>(), told: new Set<string>(), pictures: new Set<string>(), outcome: undefined, reason: undefined };
  return { client, behaviour, seed, ...nothing };
}

/** What behaviours know of the drill. */
export interface Surroundings {
  /** From 0 to 1. */
  readonly random: () => number;
  /** Ends the processes that have models, without a word. */
  readonly killModels: () => void;
  /** Ends the server, and starts it again. */
  readonly restart: (signal: "SIGKILL" | "SIGTERM") => Promise<void>;
}

type Behaviour = (wish: Wish, surroundings: Surroundings) => Promise<void>;

/** What clients do with a job. */
export const BEHAVIOURS = {
  "follows its events": async (wish) => end(wish, await submit(wish)),

  "comes and goes": async (wish, { random }) => {
    const id = await submit(wish, { previewEvery: 5 });
    await wish.client.follow(id, () => (random() < 0.2 ? "leave" : "stay"));
    await end(wish, id);
  },

  "asks now and then": async (wish) => {
    const id = await submit(wish);
    while (isLive(await view(wish, id))) await sleep(300);
    await end(wish, id);
  },

  "does not get the reply": async (wish, { random }) => {
    const key = randomUUID();
    const cut = AbortSignal.timeout(1 + Math.round(random() * 50));
    await wish.client.once("/api/jobs", keyed(wish, key, {}, { signal: cut })).catch(() => undefined);
    // This reply comes, and is lost on the client's side.
    await wish.client.json("/api/jobs", keyed(wish, key, {}));
    await end(wish, await submit(wish, {}, key));
  },

  "cancels while it waits": async (wish) => {
    const id = await submit(wish);
    await cancel(wish, id);
    await end(wish, id);
  },

  "cancels while it runs": async (wish, { random }) => {
    const id = await submit(wish);
    let asked: Promise<unknown> | undefined;
    await wish.client.follow(id, ({ type }) => {
      if (type === "step" && random() < 0.2) asked ??= cancel(wish, id);
      return "stay";
    });
    await asked;
    await end(wish, id);
  },

  // It ends its process in every run. It is long, so that it is still running then on a busy machine, too.
  "is poisoned": async (wish, { killModels }) => {
    const id = await submit(wish, { numInferenceSteps: 200 });
    await onFirstSteps(wish, id, killModels);
    await end(wish, id);
  },

  "runs when the server is killed": (wish, { restart }) => interrupted(wish, () => restart("SIGKILL")),

  "runs when the server is stopped": (wish, { restart }) => interrupted(wish, () => restart("SIGTERM")),

  "waits at OpenAI's API": async (wish) => {
    const { client, seed } = wish;
    const { status, body } = await client.post<OpenaiReply>("/v1/images/generations", { prompt: promptOf(seed), seed });
    took(wish, status, body.data?.[0]?.b64_json, body.error?.message);
  },

  "gives up at OpenAI's API": async (wish, { random }) => {
    const { client, seed } = wish;
    const signal = AbortSignal.timeout(100 + Math.round(random() * 2000));
    try {
      const { status, body } = await client.post<OpenaiReply>("/v1/images/generations", { prompt: promptOf(seed), seed }, { signal });
      took(wish, status, body.data?.[0]?.b64_json, body.error?.message);
    } catch (error) {
      if (!signal.aborted) throw error;
      wish.outcome = "given up";
    }
  },

  "waits at AUTOMATIC1111's API": async (wish) => {
    const { client, seed } = wish;
    const { status, body } = await client.post<A1111Reply>("/sdapi/v1/txt2img", { prompt: promptOf(seed), seed, width: 64, height: 64 });
    took(wish, status, body.images?.[0], body.errors);
  },

  "interrupts at AUTOMATIC1111's API": async (wish, { random }) => {
    const { client, seed } = wish;
    const reply = client.post<A1111Reply>("/sdapi/v1/txt2img", { prompt: promptOf(seed), seed, width: 64, height: 64 });
    const interrupted = (async () => {
      await sleep(random() * 2000);
      await client.json("/sdapi/v1/progress");
      await client.post("/sdapi/v1/interrupt", {});
    })();
    const [{ status, body }] = await Promise.all([reply, interrupted]);
    if (status === 200 && body.images?.length === 0) wish.outcome = "cancelled";
    else took(wish, status, body.images?.[0], body.errors);
  },
} as const satisfies Readonly<Record<string, Behaviour>>;

export type BehaviourName = keyof typeof BEHAVIOURS;

interface OpenaiReply {
  readonly data?: readonly { readonly b64_json: string }[];
  readonly error?: { readonly message: string };
}

interface A1111Reply {
  readonly images?: readonly string[];
  readonly errors?: string;
}

/** Sends a job until the server has answered, and returns its id. */
async function submit(wish: Wish, options: object = {}, key: string = randomUUID()): Promise<string> {
  const { status, body } = await wish.client.json<JobView & { error?: unknown }>("/api/jobs", keyed(wish, key, options));
  if (status !== 202) throw new Error(`POST /api/jobs: ${status} ${JSON.stringify(body.error)}`);
  wish.ids.add(body.id);
  return body.id;
}

function keyed({ seed }: Wish, key: string, options: object, init: RequestInit = {}): RequestInit {
  return posting({ prompt: promptOf(seed), seed, ...options }, { ...init, headers: { "idempotency-key": key } });
}

/** A job in the middle of which the server ends. */
async function interrupted(wish: Wish, restart: () => Promise<void>): Promise<void> {
  const id = await submit(wish, { numInferenceSteps: 60 });
  let restarted: Promise<void> | undefined;
  await onFirstSteps(wish, id, () => {
    restarted ??= restart();
  });
  await restarted;
  await end(wish, id);
}

/** Follows a job to its end, and calls `act` in the first step of each of its runs. */
async function onFirstSteps({ client }: Wish, id: string, act: () => void): Promise<void> {
  let isNew = false;
  await client.follow(id, ({ type }) => {
    if (type === "step" && isNew) act();
    isNew = type === "running";
    return "stay";
  });
}

/** The answer tells the job's state. */
async function cancel(wish: Wish, id: string): Promise<void> {
  const { body } = await wish.client.json<JobView>(`/api/jobs/${id}`, { method: "DELETE" });
  if (!isLive(body)) wish.told.add(endOf(body));
}

/** Waits for a job's end, as a client that comes and asks, and fetches its picture. */
async function end(wish: Wish, id: string): Promise<void> {
  const event = await wish.client.follow(id);
  if (event) wish.told.add(endOf({ id, state: event.type, ...event.data }));
  const job = await view(wish, id);
  wish.told.add(endOf(job));
  wish.outcome = isLive(job) ? undefined : (job.state as Wish["outcome"]);
  wish.reason = job.error?.message;
  for (const { url } of job.result?.pictures ?? []) {
    const { status, body } = await wish.client.bytes(url);
    wish.pictures.add(status === 200 ? hashOf(body) : `status ${status}`);
  }
}

async function view(wish: Wish, id: string): Promise<JobView> {
  const { status, body } = await wish.client.json<JobView>(`/api/jobs/${id}`);
  if (status !== 200) throw new Error(`GET /api/jobs/${id}: ${status} ${JSON.stringify(body)}`);
  return body;
}

/** What came from an API whose clients wait for their picture. */
function took(wish: Wish, status: number, base64: string | undefined, reason: string | undefined): void {
  wish.outcome = status === 200 && base64 !== undefined ? "done" : "failed";
  wish.reason = reason;
  if (base64 !== undefined) wish.pictures.add(hashOf(Buffer.from(base64, "base64")));
}

/** An end in words, to be compared. */
export function endOf({ id, state, result }: { readonly id: string; readonly state: string } & Pick<JobView, "result">): string {
  return [id, state, ...(result?.pictures ?? []).map((picture) => picture.id)].join(" ");
}

export function isLive({ state }: Pick<JobView, "state">): boolean {
  return state === "waiting" || state === "running";
}

export function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

const THINGS = ["a panda", "a fox", "a red apple", "a rocket", "a castle on a blue background"] as const;

function promptOf(seed: number): string {
  return THINGS[seed % THINGS.length] ?? "";
}
