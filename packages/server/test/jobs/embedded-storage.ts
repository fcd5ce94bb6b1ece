import { cpSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Jobs, JobsOptions } from "../../src/index.js";
import { openEmbeddedJobs } from "../../src/jobs/embedded/embedded-jobs.js";
import type { JobsStorage } from "./conformance.js";

/** A queue in a file of its own. */
export class EmbeddedStorage implements JobsStorage {
  #open: Jobs[] = [];
  #generation = 0;

  private constructor(readonly folder: string) {}

  static async make(): Promise<EmbeddedStorage> {
    return new EmbeddedStorage(await mkdtemp(join(tmpdir(), "darkroom-jobs-")));
  }

  get path(): string {
    return join(this.folder, String(this.#generation), "jobs.db");
  }

  async open(options?: JobsOptions): Promise<Jobs> {
    const jobs = await openEmbeddedJobs(this.path, options);
    this.#open.push(jobs);
    return jobs;
  }

  /** What `kill -9` leaves is what the files hold at that moment. */
  async kill(): Promise<void> {
    const from = join(this.folder, String(this.#generation));
    this.#generation++;
    // At once, so that the open queue writes nothing meanwhile.
    cpSync(from, join(this.folder, String(this.#generation)), { recursive: true });
  }

  /** The names of its files. */
  files(): Promise<string[]> {
    return readdir(dirname(this.path));
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#open.map((jobs) => jobs.close()));
    await rm(this.folder, { recursive: true, force: true });
  }
}
