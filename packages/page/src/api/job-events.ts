import { EventSourceParserStream } from "eventsource-parser/stream";
import { ApiError, type Client } from "./client.js";
import type { JobEvent } from "./types.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8_000;

/** An event, or that the server knows no such job. */
export type FollowedEvent = { readonly job: string } & (JobEvent | { readonly type: "unknown" });

/**
 * What happens to jobs, over one connection, until all have ended. After a lost connection it goes on where it was. Ends when the signal
 * aborts, too.
 * @param last the number of the last event that is known of each job, 0 for none. It is kept as events come; jobs that have ended leave it
 * @throws ApiError if the server refuses
 */
export async function* jobEvents(
  client: Client,
  last: Map<string, number>,
  signal: AbortSignal,
): AsyncGenerator<FollowedEvent, void, undefined> {
  let wait = FIRST_WAIT_MS;
  while (!signal.aborted && last.size > 0) {
    try {
      const jobs = [...last].map(([id, number]) => encodeURIComponent(id) + (number > 0 ? `:${number}` : "")).join(",");
      const reply = await client.fetch(`api/events?jobs=${jobs}`, { headers: { accept: "text/event-stream" }, signal });
      if (!reply.body) return;
      const messages = reply.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream()).getReader();
      for (let next = await messages.read(); !next.done; next = await messages.read()) {
        const event = JSON.parse(next.value.data) as FollowedEvent;
        if (ENDS.includes(event.type)) last.delete(event.job);
        else last.set(event.job, Number(next.value.id ?? 0));
        wait = FIRST_WAIT_MS;
        yield event;
        if (last.size === 0) return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && error.status < 500) throw error;
    }
    await pause(wait, signal);
    wait = Math.min(wait * 2, LONGEST_WAIT_MS);
  }
}

const ENDS: readonly FollowedEvent["type"][] = ["done", "failed", "cancelled", "unknown"];

/** Resolves after a time, or when the signal aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}
