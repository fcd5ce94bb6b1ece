import { setTimeout as sleep } from "node:timers/promises";
import { formatParameters, PARAMETERS_KEYWORD, Picture, parseParameters } from "darkroom";
import type { JobEvent, JobResult } from "../../jobs/job.js";
import { QueueFullError } from "../../jobs/jobs.js";
import { HttpError } from "../http-error.js";
import { prepareRequest } from "../prepare-request.js";
import { ClientGone, type FinishedPicture, runJob } from "../run-job.js";
import type { ServerContext } from "../server-context.js";
import type { HiresPass } from "./hires.js";
import type { Plan, PlannedJob } from "./plan.js";
import { decode, resized, toBase64 } from "./raster.js";
import type { Task } from "./tasks.js";

/** A picture for the reply. */
export interface MadePicture {
  readonly data: Uint8Array;
  readonly seed: string;
  readonly width: number;
  readonly height: number;
  /** The settings as AUTOMATIC1111's web UI writes them. */
  readonly parameters: string;
}

/** What came of a plan. */
export interface Made {
  readonly pictures: readonly MadePicture[];
  /** The settings of the first job that was done, if any was. */
  readonly settings: JobResult["settings"];
  readonly warnings: readonly string[];
}

/** Who asked, and when to stop. */
export interface RunPlanOptions {
  readonly owner: string;
  /** Aborts when the client is gone. */
  readonly signal: AbortSignal;
  /** Steps between previews; 0: none. */
  readonly previewEvery: number;
}

/** Jobs of a plan: a second pass of its own takes one for each picture. */
export function jobsOf({ rounds, batch, hires }: Pick<Plan, "rounds" | "batch" | "hires">): number {
  const first = rounds.reduce((sum, round) => sum + round.length, 0);
  return first + (hires ? rounds.length * batch : 0);
}

/**
 * Makes the pictures, one job after another. An interrupted plan gives those that are finished; a skipped round gives none and the next one
 * begins, as in the web UI.
 * @throws JobFailed, ClientGone, ArgumentError
 */
export async function runPlan(server: ServerContext, plan: Plan, task: Task, options: RunPlanOptions): Promise<Made> {
  const run = new PlanRun(server, plan, task, options);
  const pictures: MadePicture[] = [];
  for (const round of plan.rounds) {
    for (const planned of round) {
      const made = await run.step(() => run.first(planned));
      if (made) pictures.push(...made);
      if (task.isInterrupted) return run.made(pictures);
    }
  }
  return run.made(pictures);
}

class PlanRun {
  private next = 0;
  private settings: JobResult["settings"] | undefined;
  private readonly warnings = new Set<string>();

  constructor(
    private readonly server: ServerContext,
    private readonly plan: Plan,
    private readonly task: Task,
    private readonly options: RunPlanOptions,
  ) {}

  made(pictures: readonly MadePicture[]): Made {
    if (this.task.isInterrupted) this.warnings.add("interrupted: only pictures that were finished are here");
    return { pictures, settings: this.settings ?? {}, warnings: [...this.warnings] };
  }

  /** One step of the plan; undefined if it was interrupted or skipped. */
  async step<Result>(work: () => Promise<Result>): Promise<Result | undefined> {
    this.task.begin(this.next);
    try {
      return await work();
    } catch (error) {
      if (this.options.signal.aborted) throw error;
      if (error instanceof ClientGone && (this.task.isInterrupted || this.task.isSkipped)) return undefined;
      // Somebody cancelled the job: another process of the server was told to interrupt, or a person did it by our own API.
      if (error instanceof HttpError && error.code === "cancelled") {
        this.task.interruption.abort();
        return undefined;
      }
      throw error;
    }
  }

  async first(planned: PlannedJob): Promise<readonly MadePicture[]> {
    const { hires, output } = this.plan;
    const { result, pictures } = await this.job(planned, hires ? { format: "png" } : output);
    this.settings ??= result.settings;
    if (!hires) return pictures;
    const made: MadePicture[] = [];
    for (const picture of pictures) {
      const larger = await this.step(() => this.second(hires, picture, planned.request.numInferenceSteps ?? stepsIn(result)));
      if (larger) made.push(larger);
      if (this.task.isInterrupted) break;
    }
    return made;
  }

  /** The picture made larger, repainted from there, with the settings of both passes. */
  private async second(hires: HiresPass, picture: FinishedPicture, steps: number): Promise<MadePicture> {
    const { seed } = picture;
    const size = hires.size(picture);
    const small = await decode(picture.data);
    const image = await toBase64(hires.enlarges ? small : await resized(small, size, "crop", hires.kernel));
    const planned = await hires.job({ image, size, seed, steps });
    if (!planned) this.next++;
    const done = planned ? (await this.job(planned, { format: "png" })).pictures[0] : undefined;
    const parameters = withHires(picture.parameters, hires.settings(picture, steps));
    const { width, height } = done ?? size;
    return { data: await this.encode(done?.data ?? Buffer.from(image, "base64"), parameters), seed, width, height, parameters };
  }

  private async job(planned: PlannedJob, output: Plan["output"]) {
    const { server, task, options } = this;
    this.next++;
    const signal = AbortSignal.any([options.signal, task.interruption.signal, task.skipping.signal]);
    const request = await prepareRequest(server, planned.model, planned.request);
    const job = { door: "a1111", model: planned.model, request, output, previewEvery: options.previewEvery } as const;
    const run = () => runJob(server, job, { owner: options.owner, signal, onEvent: (event) => follow(task, event) });
    const done = await (this.next === 1 ? run() : whenThereIsRoom(run, signal));
    for (const warning of done.result.warnings) this.warnings.add(warning);
    return done;
  }

  /** The file in the format that is asked for, with its settings. */
  private async encode(data: Uint8Array, parameters: string): Promise<Uint8Array> {
    const { data: pixels, width, height } = await decode(data);
    const { format, quality } = this.plan.output;
    return new Picture(width, height, new Uint8Array(pixels)).encode(format, { quality, text: { [PARAMETERS_KEYWORD]: parameters } });
  }
}

/** A full queue refuses new requests. One that is half done waits for its turn, for its pictures would be lost. */
async function whenThereIsRoom<Result>(run: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
  for (;;) {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof QueueFullError)) throw error;
      await sleep(error.retryAfterSeconds * 1000, undefined, { signal }).catch(() => {
        throw new ClientGone();
      });
    }
  }
}

/** The model's own number of steps, where the request has none. */
function stepsIn({ settings }: JobResult): number {
  const { numInferenceSteps: steps } = settings;
  return typeof steps === "number" ? steps : USUAL_STEPS;
}

const USUAL_STEPS = 20;

function follow(task: Task, event: JobEvent): void {
  if (event.type === "step") {
    task.step = event.picture * event.steps + event.step;
    task.steps = event.pictures * event.steps;
  }
  if (event.type === "preview") task.preview = event.image.base64;
}

/** The first pass's settings with those of hires fix, in the web UI's place: before the program's version. */
function withHires(parameters: string, hires: Readonly<Record<string, string>>): string {
  const { settings, ...prompts } = parseParameters(parameters);
  const { Version: version, ...others } = settings;
  return formatParameters({ ...prompts, settings: { ...others, ...hires, ...(version !== undefined && { Version: version }) } });
}
