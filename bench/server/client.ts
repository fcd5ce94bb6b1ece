import { setTimeout as sleep } from "node:timers/promises";
import type { JobEvent, JobState } from "darkroom-server";

/** A job as the server's own API shows it. */
export interface JobView {
  readonly id: string;
  readonly state: JobState;
  readonly door: string;
  readonly request: { readonly prompt?: string; readonly seed?: number | string };
  readonly createdAt: number;
  readonly startedAt?: number;
  readonly endedAt?: number;
  readonly crashes: number;
  readonly result?: { readonly pictures: readonly { readonly id: string; readonly url: string; readonly seed: string }[] };
  readonly error?: { readonly kind: string; readonly message: string };
}

/** An event of a job, as its stream sends it. */
export interface StreamedEvent {
  readonly id: number;
  readonly type: JobEvent["type"];
  readonly data: Pick<JobView, "result" | "error">;
}

export interface Reply<Body> {
  readonly status: number;
  readonly body: Body;
}

/** Milliseconds until a client tries again when the server does not answer, or does not say when. */
const RETRY_MS = 250;

/** A client with a key of its own. Like real ones, it tries again when the server is gone or busy, and waits as long as it is told. */
export class Client {
  /** How often it had to try again: by status, and "lost" for connections. */
  readonly retries: Record<string, number> = {};

  constructor(
    readonly name: string,
    private readonly address: string,
    private readonly key: string,
  ) {}

  /** The status and the JSON of the first reply that does not ask to come again. @throws the signal's reason */
  async json<Body>(path: string, init: RequestInit = {}): Promise<Reply<Body>> {
    for (;;) {
      const reply = await this.once(path, init);
      if (reply) return reply as Reply<Body>;
    }
  }

  post<Body>(path: string, body: object, init: RequestInit = {}): Promise<Reply<Body>> {
    return this.json(path, posting(body, init));
  }

  /** A picture's bytes by its address. */
  async bytes(url: string): Promise<Reply<Buffer>> {
    const { pathname } = new URL(url);
    for (;;) {
      const reply = await this.once(pathname, {}, async (each) => Buffer.from(await each.arrayBuffer()));
      if (reply) return reply;
    }
  }

  /** Sends a request once. @returns undefined when it is to be sent again, after the time to wait */
  async once<Body>(
    path: string,
    init: RequestInit = {},
    read: (reply: Response) => Promise<Body> = (reply) => reply.json(),
  ): Promise<Reply<Body> | undefined> {
    try {
      const reply = await this.fetch(path, init);
      if (await this.mustWait(reply)) return undefined;
      return { status: reply.status, body: await read(reply) };
    } catch (error) {
      await this.lost(error, init.signal);
      return undefined;
    }
  }

  /**
   * The events of a job until its last one. When the stream ends before, the client connects again where it was. `listener` can send it
   * away for a time.
   */
  async follow(id: string, listener: (event: StreamedEvent) => "stay" | "leave" = () => "stay"): Promise<StreamedEvent | undefined> {
    let last = 0;
    for (;;) {
      const gone = new AbortController();
      try {
        const reply = await this.fetch(`/api/jobs/${id}/events`, { headers: { "last-event-id": String(last) }, signal: gone.signal });
        // The job's last event was seen before.
        if (reply.status === 204) return undefined;
        if (await this.mustWait(reply)) continue;
        if (reply.status !== 200) throw new Error(`the events of job ${id}: ${reply.status} ${await reply.text()}`);
        for await (const event of eventsOf(reply)) {
          last = event.id;
          if (event.type === "done" || event.type === "failed" || event.type === "cancelled") return event;
          if (listener(event) === "leave") break;
        }
      } catch (error) {
        await this.lost(error);
      } finally {
        gone.abort();
      }
      await sleep(RETRY_MS * Math.random());
    }
  }

  private fetch(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(this.address + path, { ...init, headers: { authorization: `Bearer ${this.key}`, ...init.headers } });
  }

  /** Whether the server asked to come again; then the time is over. */
  private async mustWait(reply: Response): Promise<boolean> {
    if (reply.status !== 429 && reply.status !== 503) return false;
    await reply.arrayBuffer();
    this.count(String(reply.status));
    await sleep(1000 * Number(reply.headers.get("retry-after") ?? RETRY_MS / 1000));
    return true;
  }

  /** Waits after a connection was lost. @throws any other error */
  private async lost(error: unknown, signal?: AbortSignal | null): Promise<void> {
    signal?.throwIfAborted();
    // What fetch throws for connections, before and after the reply's head, has a cause.
    if (!(error instanceof TypeError && error.cause !== undefined)) throw error;
    this.count("lost");
    await sleep(RETRY_MS * (1 + Math.random()));
  }

  private count(what: string): void {
    this.retries[what] = (this.retries[what] ?? 0) + 1;
  }
}

/** A request with a body in JSON. */
export function posting(body: object, init: RequestInit = {}): RequestInit {
  return { ...init, method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json", ...init.headers } };
}

/** The events in a reply, as far as it comes. */
async function* eventsOf({ body }: Response): AsyncGenerator<StreamedEvent> {
  if (!body) return;
  let text = "";
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const blocks = text.split("\n\n");
    text = blocks.pop() ?? "";
    for (const block of blocks) {
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(block)?.[1];
      const type = field("event") as JobEvent["type"] | undefined;
      if (type) yield { id: Number(field("id")), type, data: JSON.parse(field("data") ?? "{}") };
    }
  }
}
