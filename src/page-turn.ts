/** Milliseconds of work after which a page gets its turn: half of the time between two pictures of a screen. */
const SHARE = 8;

/** The part of the browser's scheduler that is used here; TypeScript's own types lack it. */
interface Scheduler {
  yield?(): Promise<void>;
}

/** Whether this thread shows a page, which somebody waits for. */
export const showsPage = "document" in globalThis;

/** When the page last had its turn. */
let began = 0;

/**
 * To be awaited between pieces of long work: lets a page show and answer what has come up, if the work has taken its share of the time.
 * Where no page is shown, nothing waits.
 */
export async function pageTurn(): Promise<void> {
  if (!showsPage || performance.now() - began < SHARE) return;
  await pause();
  began = performance.now();
}

/** Waits until the page has had its turn. Browsers delay timers in pages that are out of sight; this is not delayed. */
function pause(): Promise<void> {
  const { scheduler } = globalThis as { readonly scheduler?: Scheduler };
  if (scheduler?.yield) return scheduler.yield();
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
