import type { Hono } from "hono";
import type { JobEvent } from "../../jobs/job.js";
import { type EventWriter, eventStream } from "../event-stream.js";
import { HttpError } from "../http-error.js";
import { atMost } from "../limits.js";
import type { AppContext, AppEnv, ServerContext } from "../server-context.js";
import { callersJob } from "./callers-job.js";
import { eventView } from "./job-view.js";

/** Jobs that one stream can tell of. */
export const MOST_FOLLOWED = 100;

/** Streams of what happens to jobs: to one of them, or to several over one connection, of which browsers have six. */
export function addJobEvents(app: Hono<AppEnv>, server: ServerContext): void {
  const { jobs, limits } = server;
  let streams = 0;

  /** A stream until `work` has ended or the client is gone. */
  const stream = (c: AppContext, gone: AbortController, work: (writer: EventWriter) => Promise<unknown>) => {
    if (streams >= limits.maxEventStreams) {
      throw new HttpError(429, `too many connections read events; ${atMost("maxEventStreams", limits)}`, {
        code: "too_many_streams",
        isTemporary: true,
        retryAfterSeconds: 5,
      });
    }
    streams++;
    return eventStream(c, server, {
      start: async (writer) => {
        try {
          await work(writer);
        } catch (error) {
          server.onError(error);
        } finally {
          // Where one job's events fail, those of the others end, too: the client connects again.
          gone.abort();
          streams--;
          writer.end();
        }
      },
      onGone: () => gone.abort(),
    });
  };
  const endOf = (c: AppContext, gone: AbortController) => AbortSignal.any([gone.signal, c.req.raw.signal, server.shutdown.closing]);

  app.get("/api/jobs/:id/events", async (c) => {
    const { id, state } = await callersJob(c, server);
    const after = eventNumber(c.req.header("last-event-id") ?? c.req.query("after"));
    const gone = new AbortController();
    const events = jobs.events(id, { after, signal: endOf(c, gone) })[Symbol.asyncIterator]();
    const isLive = state === "waiting" || state === "running";
    const first = isLive ? undefined : await events.next();
    // Browsers connect again after the end of a stream, until they get this.
    if (first?.done) return c.body(null, 204);
    return stream(c, gone, async (writer) => {
      const write = (event: JobEvent) => writer.send({ event: event.type, data: eventView(c, event), id: event.id });
      if (first) await write(first.value);
      for (let next = await events.next(); !next.done; next = await events.next()) await write(next.value);
    });
  });

  app.get("/api/events", async (c) => {
    const followed = await followedJobs(c, server);
    const gone = new AbortController();
    const signal = endOf(c, gone);
    return stream(c, gone, (writer) => {
      const follow = async ({ id, after }: FollowedJob) => {
        const job = await callersJob(c, server, id).catch((error) => {
          if (error instanceof HttpError && error.status === 404) return undefined;
          throw error;
        });
        if (!job) return writer.send({ event: "unknown", data: { job: id, type: "unknown" } });
        for await (const event of jobs.events(id, { after, signal })) {
          await writer.send({ event: event.type, data: { job: id, ...eventView(c, event) }, id: event.id });
        }
      };
      return Promise.all(followed.map(follow));
    });
  });
}

interface FollowedJob {
  readonly id: string;
  readonly after: number;
}

/**
 * The jobs that a stream is to tell of: their ids, each with the number of the last event that the caller has. By default the caller's jobs
 * that wait or run now.
 */
async function followedJobs(c: AppContext, { jobs, access }: ServerContext): Promise<FollowedJob[]> {
  const query = c.req.query("jobs");
  if (query === undefined) {
    const owner = access.needsKey ? c.get("owner") : undefined;
    const live = await jobs.list({ owner, states: ["waiting", "running"], limit: MOST_FOLLOWED });
    return live.map(({ id }) => ({ id, after: 0 }));
  }
  const given = query.split(",").filter(Boolean);
  const followed = new Map(given.map((each) => each.split(":", 2)).map(([id = "", after]) => [id, eventNumber(after)]));
  if (followed.size >= 1 && followed.size <= MOST_FOLLOWED) return [...followed].map(([id, after]) => ({ id, after }));
  throw new HttpError(400, `jobs has ${followed.size} ids; expected 1 to ${MOST_FOLLOWED}, with commas between them`, {
    code: "invalid_jobs",
    param: "jobs",
    hint: "each can be ID:NUMBER, with the number of the last event that is known",
  });
}

function eventNumber(text: string | undefined): number {
  const number = Number(text ?? 0);
  return Number.isSafeInteger(number) && number > 0 ? number : 0;
}
