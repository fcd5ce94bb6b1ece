import type { JSONObject } from "@ai-sdk/provider";
import type { Device } from "darkroom";
import type { GeneratedPicture, RunRequest, RunSettings, Workflow } from "darkroom/generate";
import type { MadePicture, MadePictures, PictureOrder } from "./backend.js";
import type { DarkroomLocalOptions } from "./provider.js";
import { unlessAborted } from "./unless-aborted.js";
import { type WarningParts, withWarnings } from "./warnings.js";

/** What is used of the package `darkroom`. */
export type Library = WarningParts &
  Pick<typeof import("darkroom"), "inspect"> &
  Pick<typeof import("darkroom/generate"), "checkRequest" | "openingOf" | "openWorkflow" | "runOf">;

interface OpenModel {
  readonly workflow: Promise<Workflow>;
  /** What opening it warned of: every call is told. */
  readonly warnings: Set<string>;
  /** Calls that use it. */
  users: number;
}

/** The checkpoints that are open, by what is loaded: opening takes longer than making a picture. */
export class OpenModels {
  readonly #library: Library;
  readonly #options: DarkroomLocalOptions;
  /** The least recently used one is the first. */
  readonly #open = new Map<string, OpenModel>();

  constructor(library: Library, options: DarkroomLocalOptions) {
    this.#library = library;
    this.#options = options;
  }

  async makePictures(order: PictureOrder): Promise<MadePictures> {
    return this.#use(order, async ({ workflow, run, openWarnings }) => {
      const warnings = new Set(openWarnings);
      const { settings, pictures } = await withWarnings(this.#library, warnings, async () => {
        const events = workflow.run(run, { signal: order.signal });
        for (let next = await events.next(); ; next = await events.next()) if (next.done) return next.value;
      });
      return {
        pictures: await Promise.all(pictures.map((picture) => encoded(picture, order))),
        model: settings.model,
        settings: settingsJson(settings),
        warnings: [...warnings],
      };
    });
  }

  async sideOf(order: PictureOrder): Promise<number | undefined> {
    // A checkpoint of the hub can be inspected when it is downloaded.
    const opening = await this.#use(order, async ({ workflow }) => workflow.opening);
    const found = await this.#library.inspect(String(opening.model), { cacheDir: this.#options.cacheDir });
    return found.kind === "checkpoint" ? found.size : undefined;
  }

  async dispose(): Promise<void> {
    for (const key of [...this.#open.keys()]) await this.#close(key);
  }

  async #use<Result>(
    { model, request, signal }: PictureOrder,
    work: (opened: { workflow: Workflow; run: RunRequest; openWarnings: Iterable<string> }) => Promise<Result>,
  ): Promise<Result> {
    const { device, precision, lowMemory, cacheDir, localFilesOnly } = this.#options;
    const checked = this.#library.checkRequest({ ...request, model });
    const opening = { device: device as Device, precision, lowMemory, ...this.#library.openingOf(checked) };
    const run = this.#library.runOf(checked);
    const key = JSON.stringify(opening);
    const known = this.#open.get(key);
    const entry = known ?? this.#start(key, () => this.#library.openWorkflow(opening, { firstRun: run, cacheDir, localFilesOnly }));
    this.#open.delete(key);
    this.#open.set(key, entry);
    entry.users++;
    try {
      // Others may wait for it, too: a call that is aborted leaves it alone.
      const workflow = await unlessAborted(entry.workflow, signal);
      return await work({ workflow, run, openWarnings: entry.warnings });
    } finally {
      entry.users--;
      void this.#closeIdle(this.#keepOpen);
    }
  }

  #start(key: string, open: () => Promise<Workflow>): OpenModel {
    const warnings = new Set<string>();
    const opening = async () => {
      await this.#closeIdle(this.#keepOpen - 1);
      return withWarnings(this.#library, warnings, open);
    };
    const entry = { workflow: opening(), warnings, users: 0 };
    // Those who wait get the error. The next call tries again.
    entry.workflow.catch(() => {
      if (this.#open.get(key) === entry) this.#open.delete(key);
    });
    return entry;
  }

  get #keepOpen(): number {
    return this.#options.keepOpen ?? 1;
  }

  /** Closes the least recently used of those that nobody uses until so many are left. */
  async #closeIdle(most: number): Promise<void> {
    const idle = [...this.#open].filter(([, { users }]) => users === 0);
    const tooMany = Math.max(0, this.#open.size - Math.max(0, most));
    for (const [key] of idle.slice(0, tooMany)) await this.#close(key);
  }

  async #close(key: string): Promise<void> {
    const workflow = this.#open.get(key)?.workflow;
    this.#open.delete(key);
    await workflow?.then((each) => each.dispose()).catch(() => undefined);
  }
}

async function encoded({ image, seed, text }: GeneratedPicture, { output }: PictureOrder): Promise<MadePicture> {
  const { format, quality } = output;
  const bytes = await image.encode(format, { text, ...(format !== "png" && { quality }) });
  return { bytes, width: image.width, height: image.height, seed: String(seed), parameters: text.parameters ?? "" };
}

/** Settings as a server sends them: seeds are texts, and adapters have names and hashes, no files. */
function settingsJson({ seeds, loras, embeddings, ...settings }: RunSettings): JSONObject {
  const all = {
    ...settings,
    seeds: seeds.map(String),
    loras: loras.map(({ file: _, ...lora }) => lora),
    embeddings: embeddings.map(({ tokens, hash }) => ({ tokens, hash })),
  };
  return JSON.parse(JSON.stringify(all));
}
