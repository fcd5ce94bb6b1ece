import type { PictureFormat } from "darkroom";
import type { GeneratedPicture, RunRequest, RunSettings, StepEvent } from "darkroom/generate";
import type { OutputOptions } from "../jobs/job.js";
import type { Offer } from "../models/offer.js";
import { resolveRequest } from "../models/resolve-request.js";
import { downloadLog } from "./download-log.js";
import { jobErrorOf } from "./job-error.js";
import type { OpenedWorkflow, OpenWorkflows } from "./open-workflows.js";
import { previewOf } from "./preview.js";
import type { EncodedPicture, FromChild, JobEnd, JobOrder } from "./protocol.js";
import { settingsJson } from "./settings-json.js";
import { withWarnings } from "./warnings.js";

/** What a job is done with. */
export interface JobContext {
  readonly offer: Offer;
  readonly workflows: OpenWorkflows;
  readonly signal: AbortSignal;
  /** Resolves when the message is on its way, so that a slow reader slows the job down and does not fill the memory. */
  readonly send: (message: FromChild) => Promise<void>;
}

const TYPES = { png: "image/png", jpeg: "image/jpeg", webp: "image/webp" } as const satisfies Record<PictureFormat, string>;

/** Does a job: sends its steps, previews and pictures, and returns how it ended. It never throws. */
export async function runJob(order: JobOrder, context: JobContext): Promise<JobEnd> {
  const { offer, workflows, signal } = context;
  try {
    const { opening, run } = await resolveRequest(order.model, order.request, offer);
    const { localFilesOnly, cacheDir } = offer.runtime;
    const onDownload = downloadLog(console.error);
    const options = { firstRun: run, signal, localFilesOnly, cacheDir, onDownload };
    return await workflows.use(order.model, opening, options, (opened) => makePictures(order, run, opened, context));
  } catch (error) {
    if (signal.aborted) return { kind: "cancelled" };
    const jobError = jobErrorOf(error, offer);
    const isUnsafe = jobError.kind === "device" || jobError.kind === "internal";
    // For the server's log: the reply has the message only.
    if (isUnsafe) console.error(error);
    return { kind: "failed", error: jobError, isUnsafe };
  }
}

async function makePictures(order: JobOrder, run: RunRequest, opened: OpenedWorkflow, { signal, send }: JobContext): Promise<JobEnd> {
  const { workflow, seconds, warnings: earlier } = opened;
  const start = performance.now();
  const [settings, warnings] = await withWarnings(async () => {
    let settings: RunSettings | undefined;
    const events = workflow.run(run, { signal });
    for await (const event of events) {
      if (event.kind === "start") settings = event.settings;
      else if (event.kind === "step") await sendStep(order, event, send);
      else await send({ type: "picture", id: order.id, picture: await encoded(event.picture, order.output) });
    }
    return settings;
  });
  return {
    kind: "done",
    settings: settings ? settingsJson(settings, order.model) : {},
    warnings: [...new Set([...earlier, ...warnings])],
    seconds: { load: seconds, generate: (performance.now() - start) / 1000 },
  };
}

async function sendStep({ id, request, previewEvery }: JobOrder, step: StepEvent, send: JobContext["send"]): Promise<void> {
  const { index: picture, done, total } = step;
  await send({ type: "step", id, progress: { picture, pictures: request.numImagesPerPrompt ?? 1, step: done, steps: total } });
  // After the last step comes the picture itself.
  if (previewEvery <= 0 || done % previewEvery !== 0 || done >= total) return;
  await send({ type: "preview", id, picture, image: await previewOf(await step.preview()) });
}

async function encoded({ image, seed, text }: GeneratedPicture, { format, quality }: OutputOptions): Promise<EncodedPicture> {
  const bytes = await image.encode(format, { text, ...(format !== "png" && { quality }) });
  const { width, height } = image;
  return { bytes, type: TYPES[format], width, height, seed: String(seed), parameters: text.parameters ?? "" };
}
