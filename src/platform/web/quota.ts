import { HubError } from "../../errors.js";
import { inGigabytes } from "../hub.js";

const HINT =
  "remove a checkpoint (listCachedRepositories, removeCachedRepository), or free space on the disk: browsers give an origin a share of it";

/**
 * Asks the browser to keep what is downloaded, and checks that it has room. @throws HubError with the quota if it has not.
 */
export async function expectQuota(id: string, bytes: number): Promise<void> {
  if (bytes === 0) return;
  // Without this, a browser that needs space removes the origin's files without asking. Some browsers ask the user, for as long as he
  // wants.
  void navigator.storage.persist?.().catch(() => false);
  const { room, quota } = await roomLeft();
  if (room >= bytes) return;
  throw new HubError(
    `${id} needs ${inGigabytes(bytes)} more; the browser has room for ${inGigabytes(room)} of its quota of ${inGigabytes(quota)}`,
    {
      problem: "disk",
      hint: HINT,
    },
  );
}

/** The error for a write that failed: if there was no room, one that says so with the quota. */
export async function outOfQuota(id: string, error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || error.name !== "QuotaExceededError") return error;
  const { usage, quota } = await roomLeft();
  const said = `${inGigabytes(usage)} are used, and the quota is said to be ${inGigabytes(quota)}`;
  return new HubError(`${id}: the browser gives this origin no more room: ${said}`, { problem: "disk", hint: HINT, cause: error });
}

/** What the browser estimates. Chromium's estimate is not exact, so that origins cannot learn the size of the disk. */
async function roomLeft(): Promise<{ readonly room: number; readonly quota: number; readonly usage: number }> {
  const { quota = Number.POSITIVE_INFINITY, usage = 0 } = await navigator.storage.estimate().catch(() => ({}) as StorageEstimate);
  return { room: Math.max(quota - usage, 0), quota, usage };
}
