import { randomUUID } from "node:crypto";
import type { GenerateRequest } from "darkroom/generate";
import type { Job, NewJob, Preview, Progress } from "../../src/jobs/job.js";
import type { JobRun } from "../../src/jobs/jobs.js";

/** A run that notes what it is told, and can be waited for. */
export class FakeRun implements JobRun {
  readonly controller = new AbortController();
  readonly steps: Progress[] = [];
  readonly previews: { readonly picture: number; readonly image: Preview }[] = [];
  private readonly watchers: (() => void)[] = [];

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  progress(progress: Progress): void {
    this.steps.push(progress);
    for (const watch of this.watchers.splice(0)) watch();
  }

  preview(picture: number, image: Preview): void {
    this.previews.push({ picture, image });
  }

  /** Resolves at the next step. */
  step(): Promise<void> {
    return new Promise((resolve) => this.watchers.push(resolve));
  }
}

/** A job of the embedded checkpoint, with few steps. */
export function jobOf(request: GenerateRequest = {}, others: Partial<NewJob> = {}): Job {
  return {
    id: randomUUID(),
    door: "api",
    model: "emoji-128",
    request: { prompt: "a fox", seed: 7, numInferenceSteps: 4, ...request },
    output: { format: "png" },
    previewEvery: 0,
    ...others,
    owner: "me",
    state: "running",
    position: 0,
    createdAt: 0,
    startedAt: 0,
    endedAt: undefined,
    progress: undefined,
    crashes: 0,
    result: undefined,
    error: undefined,
  };
}

/** A job that takes so long that a test can do something in the middle. */
export function longJob(): Job {
  return jobOf({ numInferenceSteps: 900 });
}
