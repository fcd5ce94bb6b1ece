import type { AppContext, ServerContext } from "./server-context.js";

/** An event of a stream of server-sent events. */
export interface ServerEvent {
  readonly event: string;
  /** JSON. */
  readonly data: object;
  readonly id?: number | undefined;
}

/** Writes the events of a reply. What comes after its end is dropped. */
export interface EventWriter {
  send(event: ServerEvent): void;
  end(): void;
}

/** What a stream of events is told and asked. */
export interface EventStreamOptions {
  /** Called once, with the stream open. */
  readonly start: (writer: EventWriter) => void;
  /** Called when the client is gone. */
  readonly onGone: () => void;
}

/** A reply of server-sent events. Comments show that it is alive while nothing happens. */
export function eventStream(c: AppContext, { patience }: Pick<ServerContext, "patience">, { start, onGone }: EventStreamOptions): Response {
  const encoder = new TextEncoder();
  let timer: NodeJS.Timeout | undefined;
  let isOpen = true;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const write = (text: string) => {
        if (isOpen) controller.enqueue(encoder.encode(text));
      };
      write(": waiting\n\n");
      timer = setInterval(() => write(": waiting\n\n"), patience.blanksEvery);
      start({
        send: ({ event, data, id }) => write(`${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`),
        end() {
          if (!isOpen) return;
          isOpen = false;
          clearInterval(timer);
          controller.close();
        },
      });
    },
    cancel() {
      isOpen = false;
      clearInterval(timer);
      onGone();
    },
  });
  return c.body(body, 200, { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-store", "x-accel-buffering": "no" });
}
