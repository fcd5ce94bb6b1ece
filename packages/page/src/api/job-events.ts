import { EventSourceParserStream } from "eventsource-parser/stream";
import { ApiError, type Client } from "./client.js";
import type { JobEvent } from "./types.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8_000;

/**
 * What happens to a job, until its end. After a lost connection it goes on where it was. `EventSource` does the same, but sends no key.
 * Ends when the signal aborts, too. @throws ApiError if the server refuses
 */
export async function* jobEvents(client: Client, id: string, signal: AbortSignal): AsyncGenerator<JobEvent, void, undefined> {
  let last: string | undefined;
  let wait = FIRST_WAIT_MS;
  while (!signal.aborted) {
    try {
      const headers = { accept: "text/event-stream", ...(last !== undefined && { "last-event-id": last }) };
      const reply = await client.fetch(`api/jobs/${encodeURIComponent(id)}/events`, { headers, signal });
      // There is nothing after the event that was read last.
      if (reply.status === 204 || !reply.body) return;
      const messages = reply.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream()).getReader();
      for (let next = await messages.read(); !next.done; next = await messages.read()) {
        const event = JSON.parse(next.value.data) as JobEvent;
        last = next.value.id;
        wait = FIRST_WAIT_MS;
        yield event;
        if (event.type === "done" || event.type === "failed" || event.type === "cancelled") return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && error.status < 500) throw error;
    }
    await pause(wait, signal);
    wait = Math.min(wait * 2, LONGEST_WAIT_MS);
  }
}

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
