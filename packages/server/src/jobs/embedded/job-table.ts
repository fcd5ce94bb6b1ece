import { randomUUID } from "node:crypto";
import type { GenerateRequest } from "darkroom/generate";
import type { Job, JobError, JobResult, JobState, StoredPicture, SubmitOptions } from "../job.js";
import { type JobText, parseJobText, toJson } from "../job-text.js";
import { countJobs, type JobCounts, KeyReusedError, type ListOptions, QueueFullError } from "../jobs.js";
import type { FinalEnd } from "../run-job-handler.js";
import { type Database, touch, transaction } from "./database.js";
import { Statements } from "./statements.js";

/** A run that brings its process down is tried once more. */
const MOST_CRASHES = 2;

/** Events of a live job that are not on record, such as steps, have their numbers since the last start below this. */
const EVENTS_BETWEEN_STARTS = 1_000_000;

/** Finished runs that a guess of the next one's time is taken from. */
const RECENT_RUNS = 20;

/**
 * The waiting jobs in the order in which they run: first those that ran already, then round by round one of each owner, the owner first
 * whose turn is longest ago. Parameter: the models as a JSON list; null for all.
 */
const QUEUE = `
  SELECT waiting.id AS id
  FROM (
    SELECT id, number, owner, front,
      row_number() OVER (PARTITION BY owner, front ORDER BY number) AS round,
      min(number) OVER (PARTITION BY owner, front) AS oldest
    FROM jobs WHERE state = 'waiting' AND (?1 IS NULL OR model IN (SELECT value FROM json_each(?1)))
  ) AS waiting LEFT JOIN turns USING (owner)
  ORDER BY front DESC, iif(front, number, 0), round, coalesce(turn, 0), oldest`;

const COLUMNS = "number, id, owner, state, crashes, event, created_at, started_at, ended_at, outcome, job";

interface Row {
  readonly number: number;
  readonly id: string;
  readonly owner: string;
  readonly state: JobState;
  readonly crashes: number;
  readonly event: number;
  readonly created_at: number;
  readonly started_at: number | null;
  readonly ended_at: number | null;
  readonly outcome: string | null;
  readonly job: string;
}

/** A job on record, and the number of the event of its last change. */
export interface Recorded {
  readonly job: Job;
  readonly event: number;
}

/** Final jobs that are kept. */
export interface Retention {
  readonly jobs: number;
  /** Those that ended later than this. */
  readonly since: number;
}

/** The jobs on record: each change is one transaction, durable when its call returns. */
export class JobTable {
  readonly #database: Database;
  readonly #sql: Statements;
  /** Of the waiting jobs, until one comes or goes. */
  #positions: ReadonlyMap<string, number> | undefined;

  constructor(database: Database) {
    this.#database = database;
    this.#sql = new Statements(database);
    this.#change(() => this.#recover());
  }

  /** Adds a job, or finds the one that its owner sent with this key. */
  add(
    text: JobText,
    model: string,
    { owner, key }: SubmitOptions,
    limits: { readonly maxWaiting: number; readonly slots: number },
  ): string {
    return this.#change(() => {
      if (key !== undefined) {
        const sql = "SELECT id, fingerprint FROM jobs WHERE owner = ? AND key = ?";
        const known = this.#sql.get<{ id: string; fingerprint: string }>(sql, owner, key);
        if (known !== undefined && known.fingerprint !== text.fingerprint) throw new KeyReusedError(key);
        if (known !== undefined) return known.id;
      }
      const { waiting } = this.count();
      if (waiting >= limits.maxWaiting) throw new QueueFullError(waiting, this.#secondsToAPlace(limits.slots));
      const id = randomUUID();
      this.#sql.run(
        `INSERT INTO jobs (id, owner, key, fingerprint, model, state, event, created_at, job, pictures) VALUES (?, ?, ?, ?, ?, 'waiting', 1, ?, ?, ?)`,
        ...[id, owner, key ?? null, text.fingerprint, model, Date.now(), text.job, text.pictures],
      );
      return id;
    });
  }

  get(id: string): Recorded | undefined {
    const row = this.#sql.get<Row>(`SELECT ${COLUMNS} FROM jobs WHERE id = ?`, id);
    if (row === undefined) return undefined;
    return { job: toJob(row, row.state === "waiting" ? this.positions().get(id) : undefined), event: row.event };
  }

  /** The whole request of a live job. */
  request(id: string): GenerateRequest | undefined {
    const row = this.#sql.get<{ job: string; pictures: string | null }>("SELECT job, pictures FROM jobs WHERE id = ?", id);
    return row && parseJobText(row.job, row.pictures).request;
  }

  list({ owner, states, limit = 100, before }: ListOptions): Job[] {
    const rows = this.#sql.all<Row>(
      `SELECT ${COLUMNS} FROM jobs
       WHERE (?1 IS NULL OR owner = ?1) AND (?2 IS NULL OR state IN (SELECT value FROM json_each(?2)))
         AND (?3 IS NULL OR number < (SELECT number FROM jobs WHERE id = ?3))
       ORDER BY number DESC LIMIT ?4`,
      ...[owner ?? null, states === undefined ? null : JSON.stringify(states), before ?? null, limit],
    );
    const positions = rows.some(({ state }) => state === "waiting") ? this.positions() : undefined;
    return rows.map((row) => toJob(row, positions?.get(row.id)));
  }

  picture(id: string): StoredPicture | undefined {
    const row = this.#sql.get<{ picture: string }>("SELECT picture FROM pictures WHERE id = ?", id);
    return row && (JSON.parse(row.picture) as StoredPicture);
  }

  count(): JobCounts {
    // Each state has an index of its own.
    const of = (state: "waiting" | "running") =>
      this.#sql
        .all<{ model: string; n: number }>(`SELECT model, count(*) AS n FROM jobs WHERE state = '${state}' GROUP BY model`)
        .map(({ model, n }) => [model, state, n] as const);
    return countJobs([...of("waiting"), ...of("running")]);
  }

  /** The place of each waiting job, from 1, in order. */
  positions(): ReadonlyMap<string, number> {
    this.#positions ??= new Map(this.#sql.all<{ id: string }>(QUEUE, null).map(({ id }, index) => [id, index + 1]));
    return this.#positions;
  }

  /** The next job to run; undefined if none waits for one of these models. */
  next(models: readonly string[] | undefined): string | undefined {
    if (models === undefined) return this.positions().keys().next().value;
    return this.#sql.get<{ id: string }>(`${QUEUE} LIMIT 1`, JSON.stringify(models))?.id;
  }

  /** Puts on record that a waiting job runs, before it does. If the process ends without another word, that was a crash. */
  start(id: string, event: number): void {
    this.#change(() => {
      // A job that runs once more has had its turn.
      this.#sql.run(
        `INSERT INTO turns (owner, turn) SELECT owner, (SELECT coalesce(max(turn), 0) + 1 FROM turns) FROM jobs WHERE id = ? AND front = 0
         ON CONFLICT (owner) DO UPDATE SET turn = excluded.turn`,
        id,
      );
      this.#sql.run(
        "UPDATE jobs SET state = 'running', crashes = crashes + 1, started_at = ?, event = ? WHERE id = ?",
        Date.now(),
        event,
        id,
      );
    });
  }

  /** A running job waits again, before all others. @returns false if it does not run */
  handBack(id: string, event: number): boolean {
    const sql =
      "UPDATE jobs SET state = 'waiting', front = 1, crashes = crashes - 1, started_at = NULL, event = ? WHERE id = ? AND state = 'running'";
    return this.#change(() => this.#sql.run(sql, event, id) > 0);
  }

  /** As {@link handBack} for a run that did not end; at the second such run the job fails. @returns false if it does not run */
  crash(id: string, event: number, reason: string): boolean {
    return this.#change(() => {
      const sql =
        "UPDATE jobs SET state = 'waiting', front = 1, started_at = NULL, event = ? WHERE id = ? AND state = 'running' AND crashes < ?";
      return this.#sql.run(sql, event, id, MOST_CRASHES) > 0 || this.#end(id, event, { state: "failed", error: crashedError(reason) });
    });
  }

  /** Ends a live job, for "done" and "failed" a running one. @returns false if it is not live; the pictures of its result then expire */
  end(id: string, event: number, end: FinalEnd): boolean {
    return this.#change(() => {
      const hasEnded = this.#end(id, event, end);
      if (!hasEnded && end.state === "done") {
        for (const { hash } of end.result.pictures) this.#sql.run("INSERT OR IGNORE INTO expired VALUES (?, ?)", hash, Date.now());
        this.#keepUsed();
      }
      return hasEnded;
    });
  }

  /** Deletes the final jobs that are not kept. */
  prune({ jobs, since }: Retention): void {
    const old = `SELECT number FROM jobs WHERE ended_at <= ?1
      UNION SELECT number FROM (SELECT number FROM jobs WHERE ended_at IS NOT NULL ORDER BY ended_at DESC, number DESC LIMIT -1 OFFSET ?2)`;
    if (this.#sql.get(`${old} LIMIT 1`, since, jobs) === undefined) return;
    this.#change(() => {
      this.#sql.run(`INSERT OR IGNORE INTO expired SELECT hash, ?3 FROM pictures WHERE job IN (${old})`, since, jobs, Date.now());
      this.#sql.run(`DELETE FROM jobs WHERE number IN (${old})`, since, jobs);
      this.#keepUsed();
      this.#sql.run("DELETE FROM turns WHERE owner NOT IN (SELECT owner FROM jobs)");
    });
  }

  /** Changes nothing, but on the disk. @throws the disk's error */
  touch(): void {
    touch(this.#database);
  }

  /** Hashes of pictures that no job has had since a time, and that are not {@link forget | forgotten} yet. */
  expired(since: number): string[] {
    return this.#sql.all<{ hash: string }>("SELECT hash FROM expired WHERE expired_at <= ?", since).map(({ hash }) => hash);
  }

  forget(hashes: readonly string[]): void {
    this.#sql.run("DELETE FROM expired WHERE hash IN (SELECT value FROM json_each(?))", JSON.stringify(hashes));
  }

  #change<T>(work: () => T): T {
    this.#positions = undefined;
    return transaction(this.#database, work);
  }

  /** The process that ran before has ended: what it ran goes to the front, and fails if that was its second crash. */
  #recover(): void {
    this.#sql.run("UPDATE jobs SET event = event + ? WHERE state IN ('waiting', 'running')", EVENTS_BETWEEN_STARTS);
    for (const { id, event } of this.#sql.all<{ id: string; event: number }>(
      "SELECT id, event FROM jobs WHERE state = 'running' AND crashes >= ?",
      MOST_CRASHES,
    )) {
      this.#end(id, event, { state: "failed", error: crashedError("the server stopped while it ran") });
    }
    this.#sql.run("UPDATE jobs SET state = 'waiting', front = 1, started_at = NULL WHERE state = 'running'");
  }

  #end(id: string, event: number, end: FinalEnd): boolean {
    const outcome = end.state === "done" ? end.result : end.state === "failed" ? end.error : null;
    // A run that ended was no crash.
    const changes = this.#sql.run(
      `UPDATE jobs SET state = ?1, crashes = crashes - iif(state = 'running' AND ?2, 1, 0), event = ?3, ended_at = ?4, outcome = ?5, pictures = NULL
       WHERE id = ?6 AND (state = 'running' OR state = 'waiting' AND ?1 = 'cancelled')`,
      ...[end.state, end.state === "failed" && end.error.kind === "crashed" ? 0 : 1, event, Date.now(), outcome && toJson(outcome), id],
    );
    if (changes === 0) return false;
    if (end.state === "done" && end.result.pictures.length > 0) {
      const insert = "INSERT OR REPLACE INTO pictures (id, hash, picture, job) SELECT ?, ?, ?, number FROM jobs WHERE id = ?";
      for (const picture of end.result.pictures) this.#sql.run(insert, picture.id, picture.hash, toJson(picture), id);
      this.#keepUsed();
    }
    return true;
  }

  /** A picture can be made again before it is deleted. */
  #keepUsed(): void {
    this.#sql.run("DELETE FROM expired WHERE hash IN (SELECT hash FROM pictures)");
  }

  /** When one more job has started, by the time of the last runs; 10 seconds a run before there were any. */
  #secondsToAPlace(slots: number): number {
    const sql = `SELECT avg(ended_at - started_at) AS time FROM
      (SELECT ended_at, started_at FROM jobs WHERE ended_at IS NOT NULL AND state = 'done' ORDER BY ended_at DESC LIMIT ${RECENT_RUNS})`;
    const milliseconds = this.#sql.get<{ time: number | null }>(sql)?.time ?? 10_000;
    return Math.min(Math.max(Math.ceil(milliseconds / 1000 / Math.max(slots, 1)), 1), 600);
  }
}

function toJob(row: Row, position: number | undefined): Job {
  const { state } = row;
  return {
    ...parseJobText(row.job, null),
    id: row.id,
    owner: row.owner,
    state,
    position: state === "running" ? 0 : position,
    createdAt: row.created_at,
    startedAt: row.started_at ?? undefined,
    endedAt: row.ended_at ?? undefined,
    progress: undefined,
    // A run on record is one that could still crash.
    crashes: row.crashes - (state === "running" ? 1 : 0),
    result: state === "done" ? (JSON.parse(row.outcome ?? "null") as JobResult) : undefined,
    error: state === "failed" ? (JSON.parse(row.outcome ?? "null") as JobError) : undefined,
  };
}

function crashedError(reason: string): JobError {
  return { kind: "crashed", message: `the process of this job ended ${MOST_CRASHES} times; the last time: ${reason}` };
}
