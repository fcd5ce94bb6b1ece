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
  /** Resolves when the client has read what came before. Who waits for it fills no memory for a client that reads slowly. */
  send(event: ServerEvent): Promise<void>;
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
  let waiting: (() => void)[] = [];
  const onRoom = () => {
    const senders = waiting;
    waiting = [];
    for (const resume of senders) resume();
  };
  const close = () => {
    isOpen = false;
    clearInterval(timer);
    onRoom();
  };
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const write = (text: string) => controller.enqueue(encoder.encode(text));
      const hasRoom = () => (controller.desiredSize ?? 0) > 0;
      write(": waiting\n\n");
      timer = setInterval(() => hasRoom() && write(": waiting\n\n"), patience.blanksEvery);
      start({
        async send({ event, data, id }) {
          if (!isOpen) return;
          write(`${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
          if (hasRoom()) return;
          await new Promise<void>((resolve) => waiting.push(resolve));
        },
        end() {
          if (!isOpen) return;
          close();
          controller.close();
        },
      });
    },
    pull: onRoom,
    cancel() {
      close();
      onGone();
    },
  });
  return c.body(body, 200, { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-store", "x-accel-buffering": "no" });
}
