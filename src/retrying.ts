/** Pauses between attempts, in milliseconds. They double each time. */
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 8_000;

/** Seconds. If a server asks for a longer pause, the request is given up. */
export const LONGEST_RETRY_AFTER = 120;

/** Whether a server that answers with this status may answer otherwise soon. */
export function isPassing(status: number): boolean {
  return status === 408 || status === 429 || status >= 500;
}

/** The seconds of a Retry-After header, which holds seconds or a date. */
export function secondsOf(header: string | null): number | undefined {
  if (header === null) return undefined;
  const seconds = Number(header);
  const wait = Number.isFinite(seconds) ? seconds : (Date.parse(header) - Date.now()) / 1000;
  return Number.isNaN(wait) ? undefined : Math.max(wait, 0);
}

/** Waits before the next attempt: longer after each failure, and as many seconds as the server asks for. @throws the signal's reason */
export async function backOff(failures: number, retryAfter = 0, signal?: AbortSignal): Promise<void> {
  const milliseconds = Math.max(retryAfter * 1000, Math.min(FIRST_PAUSE * 2 ** (failures - 1), LONGEST_PAUSE));
  await new Promise<void>((resolve, reject) => {
    const finish = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", finish);
      if (signal?.aborted) reject(signal.reason);
      else resolve();
    };
    const timer = setTimeout(finish, milliseconds);
    signal?.addEventListener("abort", finish);
    if (signal?.aborted) finish();
  });
}
