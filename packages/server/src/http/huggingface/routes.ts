import type { GenerateRequest } from "darkroom/generate";
import type { Hono } from "hono";
import type { OutputOptions } from "../../jobs/job.js";
import { readBody, readJson } from "../body.js";
import { HttpError, toHttpError } from "../http-error.js";
import { prepareRequest } from "../prepare-request.js";
import { ClientGone, runJob } from "../run-job.js";
import type { AppContext, AppEnv, ServerContext } from "../server-context.js";
import { snakeCase } from "../snake-case.js";
import { huggingfaceError } from "./errors.js";
import { modelNameIn, taskRequest } from "./task-request.js";

/** The server's address as an endpoint, with or without a model's id behind it. `huggingface_hub` may add /v1. */
export const PATHS = ["/", "/hf", "/hf/v1", "/models/:id{.+}", "/hf/models/:id{.+}"] as const;

/** `textToImage` and `imageToImage` of Hugging Face's clients: JSON or a picture's bytes in, a picture's bytes out. */
export function addHuggingface(app: Hono<AppEnv>, server: ServerContext): void {
  for (const path of PATHS) {
    app.post(path, async (c) => {
      try {
        return await sendPicture(c, server);
      } catch (error) {
        if (error instanceof ClientGone) throw error;
        const shown = toHttpError(error, snakeCase);
        if (shown.cause !== undefined && shown.status >= 500) server.onError(shown.cause);
        return c.json(huggingfaceError(shown), shown.status, shown.headers);
      }
    });
  }
}

async function sendPicture(c: AppContext, server: ServerContext): Promise<Response> {
  const inPath = c.req.param("id");
  const body = await readTask(c, server);
  const named = body.model;
  const model = modelOf(inPath ?? named, server);
  if (named !== undefined && modelOf(named, server) !== model) {
    throw new HttpError(400, "the address and the body name different models", { code: "invalid_model", param: "model" });
  }
  const request = await prepareRequest(server, model, body.request);
  const job = { door: "huggingface", model, request, output: outputOf(c.req.header("accept")), previewEvery: 0 } as const;
  const { result, pictures } = await runJob(server, job, { owner: c.get("owner"), signal: c.req.raw.signal });
  const [picture] = pictures;
  if (!picture) throw new HttpError(500, "the job made no picture", { code: "internal_error" });
  return c.body(picture.data, 200, {
    "content-type": picture.type,
    "x-seed": picture.seed,
    ...(result.warnings.length > 0 && { warning: result.warnings.map(headerText).join(", ") }),
  });
}

interface Task {
  readonly request: GenerateRequest;
  /** The model that the body names. */
  readonly model?: string | undefined;
}

async function readTask(c: AppContext, { limits }: ServerContext): Promise<Task> {
  if (!/^(image\/|application\/octet-stream)/i.test(c.req.header("content-type") ?? "")) {
    const body = await readJson(c, limits);
    return { request: taskRequest(body), model: modelNameIn(body) };
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of readBody(c, limits)) chunks.push(chunk);
  return { request: { prompt: "", image: new Uint8Array(Buffer.concat(chunks)) } };
}

/** The model of an id: OWNER/NAME, or NAME. @throws HttpError */
function modelOf(id: string | undefined, { models }: ServerContext): string {
  if (id === undefined) return models.defaultModel;
  const name = [id, id.split("/").at(-1)].find((each) => each !== undefined && models.modelNames.includes(each));
  if (name !== undefined) return name;
  throw new HttpError(404, `this server has no model ${JSON.stringify(id.slice(0, 100))}`, {
    code: "model_not_found",
    param: "model",
    hint: `it has ${models.modelNames.join(", ")}`,
  });
}

/** The first format that the client accepts by name; PNG if it accepts anything. */
function outputOf(accept = ""): OutputOptions {
  const [, format = "png"] = /image\/(png|jpeg|webp)/i.exec(accept) ?? [];
  return { format: format.toLowerCase() as OutputOptions["format"] };
}

/** A text as a Warning header holds it: 299 is "miscellaneous". */
function headerText(text: string): string {
  return `299 darkroom "${text.replace(/[^ -~]/g, "?").replaceAll('"', "'")}"`;
}
