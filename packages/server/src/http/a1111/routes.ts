import type { Hono } from "hono";
import { readJson } from "../body.js";
import { HttpError, toHttpError } from "../http-error.js";
import type { AppContext, AppEnv, ServerContext } from "../server-context.js";
import { slowJson } from "../slow-json.js";
import { a1111FieldName } from "./errors.js";
import { extraBatchImages, extraSingleImage, pngInfo } from "./extras.js";
import { EMPTY_LISTS, LISTS, REFRESHES } from "./lists.js";
import { type Plan, type PlanContext, planImg2Img, planTxt2Img } from "./plan.js";
import { detect } from "./preprocessors.js";
import { replyOf } from "./reply.js";
import { jobsOf, runPlan } from "./run-plan.js";
import { CallersSettings } from "./settings.js";
import { progressOf, Task, Tasks } from "./tasks.js";

type Planner = (body: unknown, context: PlanContext) => Promise<Plan>;

/** Steps between two previews, as in the web UI. */
const PREVIEW_EVERY = 10;

/** The API of AUTOMATIC1111's web UI, as far as it is about making pictures. */
export function addA1111(app: Hono<AppEnv>, server: ServerContext): void {
  const settings = new CallersSettings(server.models);
  const tasks = new Tasks();

  addPictures(app, server, settings, tasks);
  addTasks(app, server, tasks);

  app.get("/sdapi/v1/options", (c) => c.json(settings.shown(c.get("owner"))));
  app.post("/sdapi/v1/options", (c) =>
    named(async () => {
      settings.change(c.get("owner"), await readJson(c, server.limits));
      return c.json(null);
    }),
  );

  for (const [path, list] of Object.entries(LISTS)) app.get(path, async (c) => c.json((await list(server.models)) as object));
  for (const path of EMPTY_LISTS) app.get(path, (c) => c.json([]));
  for (const path of REFRESHES) app.post(path, (c) => c.json(null));

  const extras = { "extra-batch-images": extraBatchImages, "extra-single-image": extraSingleImage };
  // Their fields are not those of the library's options: errors have the right names already.
  for (const [name, work] of Object.entries(extras)) {
    app.post(`/sdapi/v1/${name}`, async (c) => {
      const context = { server, owner: c.get("owner"), signal: c.req.raw.signal };
      return slowJson(c, server, work(await readJson(c, server.limits), context));
    });
  }
  app.post("/sdapi/v1/png-info", async (c) => c.json(await pngInfo(await readJson(c, server.limits), server.limits)));
  app.post("/controlnet/detect", async (c) => c.json(await detect(await readJson(c, server.limits), server.limits)));
  app.post("/sdapi/v1/interrogate", () => {
    throw new HttpError(404, "Model not found: this server has no model that describes pictures", {
      code: "model_not_found",
      param: "model",
      hint: "settings and prompt in a picture's file are read by /sdapi/v1/png-info",
    });
  });
}

function addPictures(app: Hono<AppEnv>, server: ServerContext, settings: CallersSettings, tasks: Tasks): void {
  const make = (planner: Planner) => (c: AppContext) =>
    named(async () => {
      const owner = c.get("owner");
      const body = await readJson(c, server.limits);
      const plan = await planner(body, { models: server.models, limits: server.limits, settings: settings.of(owner) });
      const name = typeof body.force_task_id === "string" ? body.force_task_id.slice(0, 100) : plan.kind;
      const task = new Task(owner, name, jobsOf(plan));
      const options = { owner, signal: c.req.raw.signal, previewEvery: tasks.isWatched(owner) ? PREVIEW_EVERY : 0 };
      const work = tasks.track(task, () => runPlan(server, plan, task, options));
      return slowJson(
        c,
        server,
        named(async () => replyOf(plan, await work, body, task.startedAt)),
      );
    });
  app.post("/sdapi/v1/txt2img", make(planTxt2Img));
  app.post("/sdapi/v1/img2img", make(planImg2Img));
}

/**
 * Progress, and stopping. All of it is about the caller's own requests that came through this API: a button never stops somebody else's
 * picture.
 */
function addTasks(app: Hono<AppEnv>, server: ServerContext, tasks: Tasks): void {
  app.get("/sdapi/v1/progress", (c) => {
    const owner = c.get("owner");
    const withPicture = c.req.query("skip_current_image") !== "true";
    if (withPicture) tasks.watch(owner);
    return c.json(progressOf(tasks.current(owner), withPicture));
  });
  app.post("/sdapi/v1/interrupt", async (c) => {
    const owner = c.get("owner");
    tasks.interrupt(owner);
    // Requests that other processes of this server wait for.
    for (const { id, door } of await server.jobs.list({ owner, states: ["waiting", "running"] })) {
      if (door === "a1111") await server.jobs.cancel(id);
    }
    return c.json({});
  });
  app.post("/sdapi/v1/skip", (c) => {
    tasks.skip(c.get("owner"));
    return c.json(null);
  });
}

/** Errors with the web UI's names of fields. */
async function named<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    // Known errors only: others go on as they are, for the server's log.
    const shown = toHttpError(error, a1111FieldName);
    throw shown.cause === error ? error : shown;
  }
}
