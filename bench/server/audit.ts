import { endOf, hashOf, isLive, type Wish } from "./behaviours.js";
import type { Client, JobView } from "./client.js";
import type { DrillReport } from "./drill.js";

/** What a drill came to. */
export interface Audit {
  /** What must not be: jobs that are lost, done twice, without an end or a reason. */
  readonly problems: readonly string[];
  /** Jobs on record by their state. */
  readonly states: Readonly<Record<string, number>>;
  /** Wishes by what their clients were left with. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Jobs that ran again after a crash, and those that failed for their second one. */
  readonly crashed: { readonly ranAgain: number; readonly failed: number };
  /** Wishes of APIs without keys whose picture was made a second time, since the server ended before its reply. */
  readonly madeAgain: number;
  /** How often clients had to try again: by status, and "lost" for connections. */
  readonly retries: Readonly<Record<string, number>>;
}

/** Compares what the server told its clients with what it has on record at the end. */
export async function audit({ clients, wishes }: DrillReport): Promise<Audit & { readonly jobs: ReadonlyMap<Client, readonly JobView[]> }> {
  const jobs = new Map<Client, readonly JobView[]>();
  const problems: string[] = [];
  let madeAgain = 0;
  for (const client of clients) {
    const { body } = await client.json<{ jobs: readonly JobView[] }>("/api/jobs?limit=1000");
    jobs.set(client, body.jobs);
    for (const wish of wishes) {
      if (wish.client !== client) continue;
      const own = body.jobs.filter(({ request }) => Number(request.seed) === wish.seed);
      for (const problem of await problemsOf(wish, own)) problems.push(`${client.name}, ${wish.behaviour}, seed ${wish.seed}: ${problem}`);
      if (wish.ids.size === 0) madeAgain += Math.max(0, own.filter(({ state }) => state === "done").length - 1);
    }
  }
  const all = [...jobs.values()].flat();
  const failed = all.filter(({ error }) => error?.kind === "crashed").length;
  return {
    jobs,
    problems,
    states: countBy(all, ({ state }) => state),
    outcomes: countBy(wishes, ({ outcome }) => outcome ?? "nothing"),
    crashed: { failed, ranAgain: all.filter(({ crashes, state }) => crashes > 0 && state !== "failed").length },
    madeAgain,
    retries: sum(clients.map(({ retries }) => retries)),
  };
}

/** @param jobs what the server has on record for it */
async function problemsOf(wish: Wish, jobs: readonly JobView[]): Promise<string[]> {
  const problems: string[] = [];
  const { client, behaviour, ids, told, outcome, reason } = wish;
  if (outcome === undefined) problems.push(`it has no end: ${reason ?? "no reason"}`);
  if (outcome === "failed" && !reason) problems.push("it failed without a reason");
  if (outcome === "cancelled" && !/cancels|interrupts/.test(behaviour)) problems.push("it was cancelled, which its client did not ask for");
  for (const { id } of jobs.filter(isLive)) problems.push(`job ${id} has no end`);

  // By our own API, a wish is one job, however often it was sent.
  const isKeyed = ids.size > 0;
  if (isKeyed && jobs.length !== 1) problems.push(`it was accepted as ${[...ids].join(", ")}; on record are ${jobs.length} jobs`);
  if (isKeyed && jobs.some(({ id }) => !ids.has(id))) problems.push("another job is on record than the one that was accepted");
  // What a client was told stays.
  const ends = new Set(jobs.map(endOf));
  for (const end of told) if (!ends.has(end)) problems.push(`told: ${end}; on record: ${[...ends].join(", ")}`);
  if (told.size > 1) problems.push(`several ends were told: ${[...told].join(", ")}`);
  if (isKeyed && jobs.some(({ state }) => state !== outcome)) problems.push(`told: ${outcome}; on record: ${jobs[0]?.state}`);

  if (outcome === "done" && !jobs.some(({ state }) => state === "done")) problems.push("its picture came; no job on record is done");
  if (outcome === "done" && wish.pictures.size !== 1) problems.push(`${wish.pictures.size} pictures came`);
  // A seed always gives the same picture.
  const pictures = new Set(wish.pictures);
  for (const job of jobs) {
    // The drill gives no other reason.
    const { error } = job;
    if (job.state === "failed" && error?.kind !== "crashed") problems.push(`job ${job.id} failed: ${error?.kind} ${error?.message}`);
    for (const { url, seed } of job.result?.pictures ?? []) {
      const { status, body } = await client.bytes(url);
      if (status !== 200 || body.subarray(1, 4).toString() !== "PNG") problems.push(`the picture of job ${job.id} is missing: ${status}`);
      if (Number(seed) !== wish.seed) problems.push(`job ${job.id} has a picture of seed ${seed}`);
      pictures.add(hashOf(body));
    }
  }
  if (pictures.size > 1) problems.push(`different pictures: ${[...pictures].join(", ")}`);
  return problems;
}

function countBy<Item>(items: readonly Item[], of: (item: Item) => string): Record<string, number> {
  return sum(items.map((item) => ({ [of(item)]: 1 })));
}

function sum(counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const each of counts) for (const [name, count] of Object.entries(each)) total[name] = (total[name] ?? 0) + count;
  return total;
}
