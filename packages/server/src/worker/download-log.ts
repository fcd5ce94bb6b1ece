import type { DownloadProgress } from "darkroom";

/** Milliseconds between two lines: a log is no progress bar. */
const LOG_EVERY = 10_000;

/** Notes downloads line by line, for people who wonder why a first picture takes so long. */
export function downloadLog(
  write: (line: string) => void,
  now: () => number = Date.now,
): (progress: DownloadProgress, source: string) => void {
  let last = Number.NEGATIVE_INFINITY;
  return ({ loaded, total, files }, source) => {
    const isComplete = loaded >= total && files.done === files.total;
    if (!isComplete && now() - last < LOG_EVERY) return;
    last = now();
    write(`downloading ${source}: ${megabytes(loaded)} of ${megabytes(total)} MB`);
  };
}

function megabytes(bytes: number): string {
  return String(Math.round(bytes / 1e6));
}
