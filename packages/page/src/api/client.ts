import type { Job, JobStateName, Offer } from "./types.js";

/** An answer that is an error. */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    readonly status: number,
    message: string,
    readonly details: { readonly hint?: string; readonly param?: string; readonly retryAfter?: number } = {},
  ) {
    super(message);
  }
}

/** There was no answer. */
export class ConnectionLost extends Error {
  override readonly name = "ConnectionLost";
}

/** What calls have in common. */
export interface Access {
  /** The API key, for servers that need one. */
  readonly key: () => string | undefined;
  /** Told after each call whether the server answered. */
  readonly onAnswer: (isThere: boolean) => void;
  /** Told that the server needs another key. */
  readonly onRefused: () => void;
}

export interface ListQuery {
  readonly states: readonly JobStateName[];
  readonly limit: number;
  /** Only jobs older than this one. */
  readonly before?: string | undefined;
}

/** The server's own API. Addresses are relative to the page's. */
export class Client {
  constructor(private readonly access: Access) {}

  /** @throws ApiError @throws ConnectionLost */
  offer(): Promise<Offer> {
    return this.json("api/models");
  }

  async jobs({ states, limit, before }: ListQuery): Promise<readonly Job[]> {
    const query = new URLSearchParams({ state: states.join(","), limit: String(limit), ...(before !== undefined && { before }) });
    const { jobs } = await this.json<{ readonly jobs: readonly Job[] }>(`api/jobs?${query}`);
    return jobs;
  }

  job(id: string): Promise<Job> {
    return this.json(`api/jobs/${encodeURIComponent(id)}`);
  }

  cancel(id: string): Promise<Job> {
    return this.json(`api/jobs/${encodeURIComponent(id)}`, { method: "DELETE" });
  }

  /** Sends a job. It is sent again under the same key after a lost connection, so that there is one job. */
  async submit(body: object): Promise<Job> {
    const headers = { "content-type": "application/json", "idempotency-key": randomKey() };
    const send = () => this.json<Job>("api/jobs", { method: "POST", body: JSON.stringify(body), headers });
    try {
      return await send();
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
      return send();
    }
  }

  /** An answer that is no error. @throws ApiError @throws ConnectionLost */
  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const key = this.access.key();
    const headers = { ...init.headers, ...(key !== undefined && { authorization: `Bearer ${key}` }) };
    let reply: Response;
    try {
      reply = await fetch(path, { cache: "no-store", ...init, headers });
    } catch (cause) {
      init.signal?.throwIfAborted();
      this.access.onAnswer(false);
      throw new ConnectionLost("the server does not answer", { cause });
    }
    // A proxy answers 502 and 504 for a server that is down.
    this.access.onAnswer(reply.status < 502);
    if (reply.ok) return reply;
    if (reply.status === 401) this.access.onRefused();
    throw await apiError(reply);
  }

  private async json<Body>(path: string, init?: RequestInit): Promise<Body> {
    const reply = await this.fetch(path, init);
    try {
      return (await reply.json()) as Body;
    } catch (cause) {
      init?.signal?.throwIfAborted();
      throw new ConnectionLost("the server's answer is not whole", { cause });
    }
  }
}

async function apiError(reply: Response): Promise<ApiError> {
  const body = (await reply.json().catch(() => undefined)) as
    | { readonly error?: { readonly message?: string; readonly hint?: string; readonly param?: string } }
    | undefined;
  const { message = `the server answered with the status ${reply.status}`, hint, param } = body?.error ?? {};
  const retryAfter = Number(reply.headers.get("retry-after") ?? Number.NaN);
  return new ApiError(reply.status, message, { hint, param: param ?? undefined, ...(Number.isFinite(retryAfter) && { retryAfter }) });
}

/** `crypto.randomUUID` is missing on pages that come by plain HTTP from another machine. */
function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
