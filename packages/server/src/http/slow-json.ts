import { setTimeout as sleep } from "node:timers/promises";
import type { AppContext, ServerContext } from "./server-context.js";

/**
 * Replies with JSON that can take long. If it is not there in time, the reply begins with blanks, which JSON may begin with, so that no
 * client takes the connection for dead. Its status is 200 then: a failure after that cuts the connection, since an error in the body would
 * be read as a result.
 */
export async function slowJson(c: AppContext, { patience }: Pick<ServerContext, "patience">, work: Promise<object>): Promise<Response> {
  const isFast = new AbortController();
  const blanks = sleep(patience.blanksAfter, undefined, { signal: isFast.signal }).catch(() => undefined);
  const first = await Promise.race([work, blanks]).finally(() => isFast.abort());
  return first === undefined ? afterBlanks(c, patience.blanksEvery, work) : c.json(first);
}

function afterBlanks(c: AppContext, every: number, work: Promise<object>): Response {
  const encoder = new TextEncoder();
  let timer: NodeJS.Timeout | undefined;
  let isOpen = true;
  const close = () => {
    isOpen = false;
    clearInterval(timer);
  };
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const blank = () => controller.enqueue(encoder.encode(" "));
      blank();
      timer = setInterval(blank, every);
      work.then(
        (result) => {
          // The client can be gone, and a stream that is closed throws.
          if (!isOpen) return;
          close();
          controller.enqueue(encoder.encode(JSON.stringify(result)));
          controller.close();
        },
        (error: unknown) => {
          if (!isOpen) return;
          close();
          if (!cutConnection(c)) controller.error(error);
        },
      );
    },
    cancel: close,
  });
  return c.body(body, 200, { "content-type": "application/json" });
}

/**
 * Ends a connection in the middle of a reply, so that the client sees a failure. An error of the stream would end it as if it were whole.
 */
function cutConnection(c: AppContext): boolean {
  return c.env?.outgoing?.destroy() !== undefined;
}
