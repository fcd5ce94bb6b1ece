import type { Hono } from "hono";
import type { JobEvent } from "../../jobs/job.js";
import { readJson } from "../body.js";
import { openaiError } from "../error-shapes.js";
import { type EventWriter, eventStream } from "../event-stream.js";
import { toHttpError } from "../http-error.js";
import type { Limits } from "../limits.js";
import { isMultipart, readForm } from "../multipart.js";
import { pictureAddress } from "../picture-address.js";
import { ClientGone, type FinishedJob, type FinishedPicture, runJob, startJob } from "../run-job.js";
import type { AppContext, AppEnv, ServerContext } from "../server-context.js";
import { slowJson } from "../slow-json.js";
import { fieldNameIn, type GivenFields } from "./image-fields.js";
import { type ImageCall, type ImageRequest, imageRequest } from "./image-request.js";

/** OpenAI's images API: https://platform.openai.com/docs/api-reference/images. */
export function addOpenaiImages(app: Hono<AppEnv>, server: ServerContext): void {
  for (const call of ["generations", "edits", "variations"] as const) {
    app.post(`/v1/images/${call}`, async (c) => {
      const fields = await readFields(c, server.limits);
      try {
        const request = await imageRequest(server, call, fields);
        return await (request.isStream ? streamPictures(c, server, call, request, fields) : sendPictures(c, server, request));
      } catch (error) {
        // Here the client's words for options are known.
        throw error instanceof ClientGone ? error : toHttpError(error, fieldNameIn(fields));
      }
    });
  }
}

/** The fields of a body in JSON or of a form. Of a form's field, one value is a value and several are a list. */
async function readFields(c: AppContext, limits: Limits): Promise<GivenFields> {
  if (!isMultipart(c)) return readJson(c, limits);
  const form = await readForm(c, limits);
  return Object.fromEntries([...form].map(([name, values]) => [name, values.length === 1 ? values[0] : values]));
}

function sendPictures(c: AppContext, server: ServerContext, request: ImageRequest): Promise<Response> {
  const { signal } = c.req.raw;
  const work = runJob(server, request.job, { owner: c.get("owner"), signal });
  return slowJson(
    c,
    server,
    work.then((job) => imagesReply(c, request, job)),
  );
}

function imagesReply(c: AppContext, request: ImageRequest, { result, pictures }: FinishedJob): object {
  const warnings = [...request.warnings, ...result.warnings];
  const [first] = pictures;
  return {
    created: now(),
    background: "opaque",
    output_format: request.job.output.format,
    quality: request.quality,
    size: first ? sizeText(first) : undefined,
    data: pictures.map((picture) => ({
      ...(request.responseFormats.includes("b64_json") && { b64_json: base64(picture) }),
      ...(request.responseFormats.includes("url") && { url: pictureAddress(c, picture) }),
      seed: picture.seed,
    })),
    usage: NO_USAGE,
    ...(warnings.length > 0 && { warnings }),
  };
}

/** Nothing is counted in tokens here; clients read the numbers. */
const NO_USAGE = { input_tokens: 0, input_tokens_details: { text_tokens: 0, image_tokens: 0 }, output_tokens: 0, total_tokens: 0 };

/** Sends unfinished and finished pictures as events. What is refused before the job is in the queue is a plain error. */
async function streamPictures(
  c: AppContext,
  server: ServerContext,
  call: ImageCall,
  request: ImageRequest,
  fields: GivenFields,
): Promise<Response> {
  const gone = new AbortController();
  const signal = AbortSignal.any([c.req.raw.signal, gone.signal]);
  const job = await startJob(server, request.job, { owner: c.get("owner"), signal });
  const start = (writer: EventWriter) => {
    const { partial, completed } = imageEvents(call, request, writer);
    job
      .finish(partial)
      .then(({ result, pictures }) => {
        for (const picture of pictures) completed(picture, result.warnings);
      })
      .catch((error: unknown) => {
        const shown = toHttpError(error, fieldNameIn(fields));
        if (shown.cause !== undefined) server.onError(shown.cause);
        writer.send({ event: "error", data: { type: "error", ...openaiError(shown) } });
      })
      .finally(() => writer.end());
  };
  return eventStream(c, server, { start, onGone: () => gone.abort() });
}

/** Writes a stream's events, named and shaped as OpenAI's. */
function imageEvents(call: ImageCall, { job, quality, partialImages, warnings }: ImageRequest, writer: EventWriter) {
  const prefix = call === "generations" ? "image_generation" : "image_edit";
  const { width, height } = job.request;
  const common = { created_at: now(), background: "opaque", quality };
  const nextIndex = partialIndexes(partialImages);
  const send = (type: string, data: object) => writer.send({ event: type, data: { type, ...data } });
  return {
    partial(event: JobEvent): void {
      const partial_image_index = event.type === "preview" ? nextIndex(event.picture) : undefined;
      if (event.type !== "preview" || partial_image_index === undefined) return;
      const { base64: b64_json, type } = event.image;
      const size = width === undefined || height === undefined ? "auto" : `${width}x${height}`;
      send(`${prefix}.partial_image`, { b64_json, ...common, output_format: type.slice("image/".length), size, partial_image_index });
    },
    completed(picture: FinishedPicture, jobs: readonly string[]): void {
      const data = { b64_json: base64(picture), ...common, output_format: job.output.format, size: sizeText(picture) };
      const all = [...warnings, ...jobs];
      send(`${prefix}.completed`, { ...data, usage: NO_USAGE, seed: picture.seed, ...(all.length > 0 && { warnings: all }) });
    },
  };
}

/** Counts the unfinished pictures of each picture: the next one's index, or undefined where no more are wanted. */
function partialIndexes(most: number): (picture: number) => number | undefined {
  const sent = new Map<number, number>();
  return (picture) => {
    const index = sent.get(picture) ?? 0;
    if (index >= most) return undefined;
    sent.set(picture, index + 1);
    return index;
  };
}

function base64({ data }: FinishedPicture): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64");
}

function sizeText({ width, height }: FinishedPicture): string {
  return `${width}x${height}`;
}

/** Seconds since 1970. */
function now(): number {
  return Math.floor(Date.now() / 1000);
}
