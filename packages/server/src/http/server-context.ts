import type { HttpBindings } from "@hono/node-server";
import type { Context } from "hono";
import type { Jobs } from "../jobs/jobs.js";
import type { ResultStore } from "../results/result-store.js";
import type { Access } from "./access.js";
import type { Limits } from "./limits.js";
import type { Metrics } from "./metrics.js";
import type { Models } from "./models.js";
import type { Shutdown } from "./shutdown.js";
import type { Upload } from "./uploads.js";

/** What every API works with. */
export interface ServerContext {
  readonly jobs: Jobs;
  readonly results: ResultStore;
  readonly models: Models;
  readonly limits: Limits;
  readonly access: Access;
  readonly patience: Patience;
  readonly metrics: Metrics;
  readonly shutdown: Shutdown;
  /** Told the errors that clients do not see. */
  readonly onError: (error: unknown) => void;
}

/** When a slow reply shows that it is alive. Milliseconds. */
export interface Patience {
  /** A JSON reply that takes longer begins with blanks; 60,000 by default, as clients give up after 300 s without a header. */
  readonly blanksAfter: number;
  /** From blank to blank, and from comment to comment in a stream of events; 15,000 by default. */
  readonly blanksEvery: number;
}

export const DEFAULT_PATIENCE: Patience = { blanksAfter: 60_000, blanksEvery: 15_000 };

/** The types of Hono's contexts. Bindings are there when Node serves, not in tests that call the app. */
export interface AppEnv {
  Bindings: Partial<HttpBindings>;
  Variables: {
    /** The caller: API key or address. */
    owner: string;
    /** Its body, among all that are read. */
    upload: Upload;
  };
}

export type AppContext = Context<AppEnv>;
