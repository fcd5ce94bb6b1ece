import { stat } from "node:fs/promises";
import { inspect } from "darkroom";
import { type OpenOptions, type OpenRequest, openWorkflow, type Workflow } from "darkroom/generate";

/** A workflow that is open. */
export interface OpenedWorkflow {
  readonly workflow: Workflow;
  /** The name of its model. */
  readonly model: string;
  /** What opening it warned of: every job that uses it is told. */
  readonly warnings: readonly string[];
  /** Seconds it took to open; 0 if it was open already. */
  readonly seconds: number;
}

/** What the table needs of its surroundings; tests have their own. */
export interface Surroundings {
  readonly open: (opening: OpenRequest, options: OpenOptions) => Promise<Workflow>;
  /** Bytes that the process uses. */
  readonly memory: () => number;
  /** Changes when a file that an opening names is replaced by another one. */
  readonly stamp: (opening: OpenRequest) => Promise<string>;
  /** Bytes that a workflow will need at least. */
  readonly expect: (opening: OpenRequest, options: OpenOptions) => Promise<number>;
  /** The warnings of `work`. */
  readonly warningsOf: <Result>(work: () => Promise<Result>) => Promise<readonly [Result, readonly string[]]>;
}

interface Entry extends Omit<OpenedWorkflow, "seconds"> {
  /**
   * Bytes that the process grew by when it was opened and first run; at least those of its files, since a GPU's memory is not the
   * process's.
   */
  bytes: number;
}

/**
 * The open workflows of a process, by what is loaded. When memory is over the budget, the least recently used ones are closed. One job uses
 * the table at a time.
 */
export class OpenWorkflows {
  /** The least recently used one is the first. */
  private readonly entries = new Map<string, Entry>();

  constructor(
    private readonly budget: number,
    private readonly surroundings: Surroundings,
  ) {}

  /** The names of the models that are open. */
  get models(): string[] {
    return [...new Set([...this.entries.values()].map(({ model }) => model))];
  }

  /** Does `work` with the workflow of an opening, and opens it if it is not open. */
  async use<Result>(
    model: string,
    opening: OpenRequest,
    options: OpenOptions,
    work: (opened: OpenedWorkflow) => Promise<Result>,
  ): Promise<Result> {
    const { open, memory, expect, stamp, warningsOf } = this.surroundings;
    const key = `${JSON.stringify(opening)} ${await stamp(opening)}`;
    const known = this.entries.get(key);
    if (known) {
      this.entries.delete(key);
      this.entries.set(key, known);
      return work({ ...known, seconds: 0 });
    }
    const expected = await expect(opening, options);
    await this.makeRoom(expected);
    const [before, start] = [memory(), performance.now()];
    const [workflow, warnings] = await warningsOf(() => open(opening, options));
    const entry = { workflow, model, warnings, bytes: expected };
    this.entries.set(key, entry);
    try {
      return await work({ ...entry, seconds: (performance.now() - start) / 1000 });
    } finally {
      // Networks take most of their memory when they first run.
      entry.bytes = Math.max(expected, memory() - before);
      await this.makeRoom(0, key);
    }
  }

  /** Closes everything. */
  async dispose(): Promise<void> {
    for (const key of [...this.entries.keys()]) await this.close(key);
  }

  /** Closes the least recently used workflows until there is room for so many bytes more. */
  private async makeRoom(bytes: number, keep?: string): Promise<void> {
    let used = this.surroundings.memory();
    for (const [key, entry] of [...this.entries]) {
      if (Math.max(used, this.total()) + bytes <= this.budget) return;
      if (key === keep) continue;
      await this.close(key);
      // The allocator may keep what was freed for itself: then it is there for the next workflow.
      used = Math.min(used - entry.bytes, this.surroundings.memory());
    }
  }

  private total(): number {
    return [...this.entries.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  private async close(key: string): Promise<void> {
    const entry = this.entries.get(key);
    this.entries.delete(key);
    await entry?.workflow.dispose();
  }
}

/** The library, and this process. */
export const here: Omit<Surroundings, "warningsOf"> = {
  open: openWorkflow,
  memory: () => process.memoryUsage.rss(),
  async stamp({ model, vae, refiner, controlnet, hiresUpscaler, loras = [], embeddings = [] }) {
    const sources = [model, vae, refiner, controlnet, hiresUpscaler, ...[...loras, ...embeddings].map(({ source }) => source)].flat();
    const times = sources.filter((source) => typeof source === "string").map((source) => stat(source).catch(() => undefined));
    // A hub id is no file: it has no time.
    return (await Promise.all(times)).map((file) => file?.mtimeMs ?? "").join(" ");
  },
  async expect({ model }, { cacheDir }) {
    if (typeof model !== "string") return 0;
    const found = await inspect(model, { cacheDir }).catch(() => undefined);
    return found?.kind === "checkpoint" ? found.counts.bytes : 0;
  },
};
