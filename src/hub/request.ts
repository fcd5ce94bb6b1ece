import { HubError } from "../errors.js";
import { backOff, LONGEST_RETRY_AFTER } from "../retrying.js";

/** How one request is made. */
export interface RequestOptions {
  /** The subject of the request in messages. */
  readonly about: string;
  /** What to do if the host cannot be reached. */
  readonly connection: string;
  readonly method?: "GET" | "HEAD";
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds to wait for the answer, and for each piece of its body. */
  readonly timeout: number;
  readonly signal?: AbortSignal;
}

/** An answer. The caller must read `body` to its end or call `close`. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** The body piece by piece. @throws HubError if the connection breaks or stalls. */
  body(): AsyncGenerator<Uint8Array>;
  close(): void;
}

/**
 * Sends a request. Redirects are followed. `fetch` removes the Authorization header from a redirect to another origin.
 * @throws HubError if there is no answer; the signal's reason when it aborts.
 */
export async function send(url: string, { about, connection, timeout, signal, ...init }: RequestOptions): Promise<Answer> {
  signal?.throwIfAborted();
  const stop = new AbortController();
  const signals = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const within = async <Result>(work: Promise<Result>): Promise<Result> => {
    const timer = setTimeout(() => stop.abort(new Error(`no data for ${timeout / 1000} s`)), timeout);
    try {
      return await work;
    } catch (error) {
      signal?.throwIfAborted();
      throw connectionError(about, url, connection, error);
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

/** Repeats `work` while it fails for temporary reasons. @throws the error of the last attempt. */
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

/** Waits before the next attempt. @throws `error` if it is not temporary, or if the hub asks for too long a pause. */
export async function pauseAfter(error: unknown, failures: number, signal?: AbortSignal): Promise<void> {
  if (!(error instanceof HubError) || !["network", "server", "rate-limit"].includes(error.problem)) throw error;
  const { retryAfter = 0 } = error;
  if (retryAfter > LONGEST_RETRY_AFTER) throw error;
  await backOff(failures, retryAfter, signal);
}

function connectionError(about: string, url: string, connection: string, error: unknown): HubError {
  return new HubError(`${about}: ${hostOf(url)} cannot be reached: ${reasonOf(error)}`, {
    problem: "network",
    hint: `${connection}; downloaded data is kept`,
    cause: error,
  });
}

/** The message of the innermost cause. The message of `fetch` itself is only "fetch failed". */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause instanceof Error) return reasonOf(error.cause);
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  return error.message || code || error.name;
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : url;
}
