import { Hono } from "hono";
import type { Jobs } from "../jobs/jobs.js";
import type { ResultStore } from "../results/result-store.js";
import { addA1111 } from "./a1111/routes.js";
import { Access, type AccessOptions } from "./access.js";
import { addJobsApi } from "./api/jobs-api.js";
import { addModelsApi } from "./api/models-api.js";
import { errorShapeOf } from "./error-shapes.js";
import { addFiles } from "./files.js";
import { guard, safetyHeaders } from "./guard.js";
import { addHealth } from "./health.js";
import { HttpError, toHttpError } from "./http-error.js";
import { addHuggingface } from "./huggingface/routes.js";
import { DEFAULT_LIMITS, type Limits } from "./limits.js";
import { addMetrics, Metrics, type ModelMemory } from "./metrics.js";
import type { Models } from "./models.js";
import { addOpenaiImages } from "./openai/images.js";
import { addOpenaiModels } from "./openai/model-list.js";
import { addDocs } from "./openapi/routes.js";
import { addPage } from "./page.js";
import { ClientGone } from "./run-job.js";
import { type AppContext, type AppEnv, DEFAULT_PATIENCE, type Patience, type ServerContext } from "./server-context.js";
import { Shutdown } from "./shutdown.js";
import { boundUploads } from "./uploads.js";

/** What the app is made of, and its rules. */
export interface AppOptions {
  readonly jobs: Jobs;
  readonly results: ResultStore;
  readonly models: Models;
  readonly limits?: Partial<Limits> | undefined;
  readonly access?: AccessOptions | undefined;
  readonly patience?: Partial<Patience> | undefined;
  /** Memory of the processes that have models, for /metrics. */
  readonly modelMemory?: (() => readonly ModelMemory[]) | undefined;
  /** How the server goes down. */
  readonly shutdown?: Shutdown | undefined;
  /** Told the errors that clients do not see. Bodies of requests are in none of them. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** The HTTP APIs of a server, as a Hono app: it listens nowhere by itself. */
export function createApp(options: AppOptions): Hono<AppEnv> {
  const server: ServerContext = {
    jobs: options.jobs,
    results: options.results,
    models: options.models,
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    access: new Access(options.access),
    patience: { ...DEFAULT_PATIENCE, ...options.patience },
    metrics: new Metrics(options.jobs, options.models.modelNames, options.modelMemory ?? (() => [])),
    shutdown: options.shutdown ?? new Shutdown(),
    onError: options.onError ?? (() => undefined),
  };
  const app = new Hono<AppEnv>();
  app.use(safetyHeaders());
  app.use(guard(server));
  app.use(boundUploads(server.limits));
  addOpenaiImages(app, server);
  addOpenaiModels(app, server);
  addJobsApi(app, server);
  addModelsApi(app, server);
  addFiles(app, server);
  addHealth(app, server);
  addMetrics(app, server);
  addA1111(app, server);
  addHuggingface(app, server);
  addPage(app);
  addDocs(app, server);
  app.notFound((c) => errorReply(c, new HttpError(404, `there is no ${c.req.method} ${c.req.path}`, { code: "not_found" })));
  app.onError((error, c) => {
    // Nobody reads this reply; 499 is nginx's word for it.
    if (error instanceof ClientGone) return new Response(null, { status: 499 });
    const shown = toHttpError(error);
    if (shown.status >= 500 && shown.status !== 503) server.onError(shown.cause ?? error);
    return errorReply(c, shown);
  });
  return app;
}

/** An error in the shape of the API that the request came to. */
function errorReply(c: AppContext, error: HttpError): Response {
  return c.json(errorShapeOf(c.req.method, c.req.path)(error), error.status, error.headers);
}
