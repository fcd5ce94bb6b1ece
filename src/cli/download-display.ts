import type { DownloadProgress } from "../hub/download-meter.js";
import { formatBytes, formatPart } from "./bytes.js";
import { formatSeconds } from "./format-seconds.js";

/** What shows a person how far a download is. */
export interface DownloadDisplay {
  show(progress: DownloadProgress): void;
  stop(): void;
}

/** Shares of a whole at which a line is written where there is no terminal to redraw one on. */
const LINES = 10;
/** Columns of a bar, and of all else in its line but the file's name. */
const BAR = 20;
const REST = 68;

/** A bar with the file that comes, its speed and the time left. */
export async function openDownloadBar(columns: number): Promise<DownloadDisplay> {
  const { default: cliProgress } = await import("cli-progress");
  const format = "{bar} {percentage}%  {text}  {file}";
  const options = { format, barsize: BAR, clearOnComplete: true, hideCursor: true, stream: process.stderr };
  const bar = new cliProgress.SingleBar(options, cliProgress.Presets.shades_classic);
  return {
    show(progress) {
      const payload = { text: describe(progress), file: progress.file.slice(0, Math.max(columns - REST, 0)) };
      if (!bar.isActive) bar.start(progress.total, progress.loaded, payload);
      bar.update(progress.loaded, payload);
    },
    stop: () => bar.stop(),
  };
}

/** A line for every tenth of the whole. */
export function openDownloadLines(write: (line: string) => void): DownloadDisplay {
  let written = 0;
  return {
    show(progress) {
      const tenths = Math.floor((progress.loaded / progress.total) * LINES);
      if (tenths <= written || tenths === LINES) return;
      written = tenths;
      write(`${tenths * LINES}%  ${describe(progress)}`);
    },
    stop: () => undefined,
  };
}

function describe({ loaded, total, bytesPerSecond, secondsLeft }: DownloadProgress): string {
  const left = Number.isFinite(secondsLeft) ? `${formatSeconds(secondsLeft)} left` : "waiting";
  return `${formatPart(loaded, total)}  ${formatBytes(bytesPerSecond)}/s  ${left}`;
}
