import { HubError } from "../errors.js";

/** How one request is made. */
export interface RequestOptions {
  /** What it is for, as messages name it. */
  readonly about: string;
  readonly method?: "GET" | "HEAD";
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds to wait for the answer, and then for each next piece of it. */
  readonly timeout: number;
  readonly signal?: AbortSignal;
}

/** An answer whose body may be left unread: `body` must be read to its end, or `close` called. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** The body piece by piece. @throws HubError if the connection breaks or stands still. */
  body(): AsyncGenerator<Uint8Array>;
  close(): void;
}

/** Bounds on waiting. A failing hub gets longer pauses each time, and may name a pause of its own. */
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 8_000;
const LONGEST_WISH = 120;

/**
 * Sends a request. Redirects are followed, and `fetch` takes the Authorization header off when one leads to another origin.
 * @throws HubError if nobody answers; the signal's reason once it aborts.
 */
export async function send(url: string, { about, timeout, signal, ...init }: RequestOptions): Promise<Answer> {
  signal?.throwIfAborted();
  const stop = new AbortController();
  const signals = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const within = async <Result>(work: Promise<Result>): Promise<Result> => {
    const timer = setTimeout(() => stop.abort(new Error(`nothing came for ${timeout / 1000} s`)), timeout);
    try {
      return await work;
    } catch (error) {
      signal?.throwIfAborted();
      throw connectionError(about, url, error);
    } finally {
      clearTimeout(timer);
    }
  };
  const response = await within(fetch(url, { ...init, signal: signals }));
  return {
    status: response.status,
    headers: response.headers,
    async *body() {
      const reader = response.body?.getReader();
      try {
        for (;;) {
          const piece = await within(reader?.read() ?? Promise.resolve({ done: true as const, value: undefined }));
          if (piece.done) return;
          yield piece.value;
        }
      } finally {
        stop.abort();
      }
    },
    close: () => stop.abort(),
  };
}

/** Does `work` again while it fails for reasons that may pass. @throws what the last of `attempts` threw. */
export async function persist<Result>(
  work: () => Promise<Result>,
  { attempts, signal }: { readonly attempts: number; readonly signal?: AbortSignal },
): Promise<Result> {
  for (let failures = 1; ; failures++) {
    try {
      return await work();
    } catch (error) {
      if (failures >= attempts) throw error;
      await pauseAfter(error, failures, signal);
    }
  }
}

/** Waits before another attempt. @throws `error` if trying again is no use, or the hub wants to be left alone for too long. */
export async function pauseAfter(error: unknown, failures: number, signal?: AbortSignal): Promise<void> {
  if (!(error instanceof HubError) || !["network", "server", "rate-limit"].includes(error.problem)) throw error;
  const { retryAfter = 0 } = error;
  if (retryAfter > LONGEST_WISH) throw error;
  const milliseconds = Math.max(retryAfter * 1000, Math.min(FIRST_PAUSE * 2 ** (failures - 1), LONGEST_PAUSE));
  await new Promise<void>((resolve, reject) => {
    const finish = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", finish);
      if (signal?.aborted) reject(signal.reason);
      else resolve();
    };
    const timer = setTimeout(finish, milliseconds);
    signal?.addEventListener("abort", finish);
    if (signal?.aborted) finish();
  });
}

function connectionError(about: string, url: string, error: unknown): HubError {
  return new HubError(`${about}: ${hostOf(url)} cannot be reached: ${reasonOf(error)}`, {
    problem: "network",
    hint: "check the connection (behind a proxy, Node from 22.21 on wants NODE_USE_ENV_PROXY=1); what has been downloaded is kept for the next run",
    cause: error,
  });
}

/** The innermost message: fetch itself only says "fetch failed". */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause instanceof Error) return reasonOf(error.cause);
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  return error.message || code || error.name;
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : url;
}
