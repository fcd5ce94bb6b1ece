import { pause } from "../api/job-events.js";
import { adjustStream, ended, forgetJobs, live, refreshEnded, refreshLive } from "./jobs.js";
import { giveKey, isConnected, keyProblem, loadOffer, offer } from "./server.js";

const BUSY_MS = 2_000;
const IDLE_MS = 5_000;
const UNSEEN_MS = 15_000;
/** Jobs of other pages and programs can begin and end between two looks at those that run. */
const ENDED_MS = 30_000;

let wake = new AbortController();

/** Keeps the page as the server is, for good. Errors of single calls show in `isConnected` and `keyProblem`. */
export async function keepFresh(): Promise<never> {
  document.addEventListener("visibilitychange", () => {
    adjustStream();
    if (document.hidden) return;
    refreshNow();
    // There may be new models and LoRAs.
    loadOffer().catch(() => undefined);
  });
  window.addEventListener("online", refreshNow);
  let endedAt = 0;
  for (;;) {
    wake = new AbortController();
    if (keyProblem.value === undefined) {
      try {
        if (!offer.value) await loadOffer();
        await refreshLive();
        if (ended.value === undefined || Date.now() - endedAt > ENDED_MS) {
          await refreshEnded();
          endedAt = Date.now();
        }
      } catch {
        // The next round may succeed.
      }
    }
    await pause(waitingTime(), wake.signal);
  }
}

/** Does not wait for the next round. */
export function refreshNow(): void {
  wake.abort();
}

/** Goes on as another caller. @throws ApiError @throws ConnectionLost */
export async function changeKey(key: string, isForGood: boolean): Promise<void> {
  await giveKey(key, isForGood);
  forgetJobs();
  refreshNow();
}

function waitingTime(): number {
  if (!isConnected.value) return BUSY_MS;
  if (document.hidden) return UNSEEN_MS;
  return live.value.length > 0 ? BUSY_MS : IDLE_MS;
}
