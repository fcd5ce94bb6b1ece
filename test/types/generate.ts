// Never run: `tsc` alone judges what a program may write against "darkroom/generate", and what it may not.

import {
  checkRequest,
  type GenerateRequest,
  generate,
  generateRequest,
  openingOf,
  openWorkflow,
  type RunSettings,
  runOf,
  settingsText,
  type Workflow,
} from "../../src/generate/index.js";
import type { Picture } from "../../src/index.js";

declare const bytes: Uint8Array;
declare const file: File;
declare const picture: Picture;
declare const workflow: Workflow;
declare const body: unknown;

/** What a request may hold. */
export function requests() {
  ({}) satisfies GenerateRequest;
  ({ prompt: "a fox", seed: 7n }) satisfies GenerateRequest;
  ({ prompt: "a fox", seed: "7", image: bytes, maskImage: file, controlImage: ["", picture] }) satisfies GenerateRequest;
  ({ loras: [{ source: "fox.safetensors", weight: 0.8 }, { name: "ink" }], embeddings: [{ source: "cat" }] }) satisfies GenerateRequest;
  checkRequest(body) satisfies GenerateRequest;
  generateRequest["~standard"].validate(body);
  // @ts-expect-error: names are those of diffusers
  ({ steps: 20 }) satisfies GenerateRequest;
  // @ts-expect-error: the embedding's file is needed
  ({ embeddings: [{ token: "<cat>" }] }) satisfies GenerateRequest;
  // @ts-expect-error: there is no such device
  ({ device: "gpu" }) satisfies GenerateRequest;
  // @ts-expect-error: a cache has an interval
  ({ cache: 3 }) satisfies GenerateRequest;
}

/** All in one call. */
export async function calls() {
  const { pictures, settings } = await generate({ prompt: "a fox" }, { onStep: ({ done, total }) => void (done / total) });
  pictures[0]?.image satisfies Picture | undefined;
  settings satisfies RunSettings;
  settingsText(settings, { width: 64, height: 64, seed: 7n }) satisfies Record<string, string>;
  // @ts-expect-error: progress is an option of the call, not of the request
  void generate({ prompt: "a fox", onStep: () => {} });
}

/** Opening and running are separate. */
export async function workflows(request: GenerateRequest) {
  await using own = await openWorkflow(openingOf(request), { firstRun: runOf(request), signal: AbortSignal.timeout(1000) });
  own.device satisfies string;
  for await (const event of workflow.run({ prompt: "a fox" })) {
    if (event.kind === "start") event.settings.seeds satisfies readonly bigint[];
    else if (event.kind === "step") (await event.preview()) satisfies Picture;
    else event.picture.text satisfies Readonly<Record<string, string>>;
    // @ts-expect-error: an event has what its kind has
    event.done;
  }
  // @ts-expect-error: what is loaded is not up to a run
  workflow.run({ prompt: "a fox", model: "other" });
  // @ts-expect-error: a prompt is not up to opening
  void openWorkflow({ prompt: "a fox" });
}
