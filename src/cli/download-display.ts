import type { DownloadProgress } from "../checkpoint/source.js";
import { formatBytes, formatPart } from "./bytes.js";
import { formatSeconds } from "./format-seconds.js";
import { progressLine, terminalColumns } from "./progress-line.js";

/** Shows the progress of a download. */
export interface DownloadDisplay {
  show(progress: DownloadProgress): void;
  stop(): void;
}

/** Lines for one download, if stderr is not a terminal. */
const LINES = 10;

/** A bar with the current file, the speed and the time left. */
export async function openDownloadBar(): Promise<DownloadDisplay> {
  const { default: cliProgress } = await import("cli-progress");
  const format = (_: unknown, __: unknown, progress: DownloadProgress) => downloadLine(progress, terminalColumns());
  const bar = new cliProgress.SingleBar({ format, clearOnComplete: true, hideCursor: true, stream: process.stderr });
  return {
    show(progress) {
      if (!bar.isActive) bar.start(progress.total, progress.loaded, progress);
      bar.update(progress.loaded, progress);
    },
    stop: () => bar.stop(),
  };
}

/**
 * The progress of a download in one line for a terminal of `columns`. If the terminal is too narrow, the file's name is dropped first, then
 * numbers.
 */
export function downloadLine(progress: DownloadProgress, columns: number): string {
  const { loaded, total, file } = progress;
  const percentage = `${Math.floor((100 * loaded) / total)}%`;
  const [part, speed, left] = partsOf(progress);
  const lines = [
    `{bar} ${percentage}  ${part}  ${speed}  ${left}  ${file}`,
    `{bar} ${percentage}  ${part}  ${speed}  ${left}`,
    `${percentage}  ${part}  ${speed}  ${left}`,
    `${percentage} ${part} ${left}`,
    `${percentage} ${part}`,
    percentage,
  ];
  return progressLine(lines, loaded / total, columns);
}

/** A line for every tenth of the download. */
export function openDownloadLines(write: (line: string) => void): DownloadDisplay {
  let written = 0;
  return {
    show(progress) {
      const tenths = Math.floor((progress.loaded / progress.total) * LINES);
      if (tenths <= written || tenths === LINES) return;
      written = tenths;
      write(`${tenths * LINES}%  ${partsOf(progress).join("  ")}`);
    },
    stop: () => undefined,
  };
}

function partsOf({ loaded, total, bytesPerSecond, secondsLeft }: DownloadProgress): [part: string, speed: string, left: string] {
  const left = Number.isFinite(secondsLeft) ? `${formatSeconds(secondsLeft)} left` : "waiting";
  return [formatPart(loaded, total), `${formatBytes(bytesPerSecond)}/s`, left];
}
