import type { DownloadProgress, SourceOptions } from "../checkpoint/source.js";
import type { Folder } from "../platform/folder.js";

const WINDOW = 10_000;
const INTERVAL = 100;

/** Adds up the progress of all files of one download, and reports it at most ten times a second. */
export class DownloadMeter {
  private loaded = 0;
  private total = 0;
  private done = 0;
  private files = 0;
  private isStarted = false;
  private reportedAt = Number.NEGATIVE_INFINITY;
  /** How many bytes had been received at which time, over the last seconds. Bytes of earlier runs do not count. */
  private samples: { at: number; received: number }[] = [];
  private received = 0;

  constructor(
    private readonly onProgress: ((progress: DownloadProgress) => void) | undefined,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Adds a file of `size` bytes to the download. `loaded` of them are on disk already. */
  expect(size: number, loaded: number): void {
    this.files++;
    this.total += size;
    this.loaded += loaded;
  }

  /** Starts reporting. Called when all files of the download are known. */
  start(): void {
    this.isStarted = true;
    this.samples = [{ at: this.now(), received: this.received }];
  }

  /** Counts bytes of `file`. The number is negative if its download starts again. */
  add(file: string, bytes: number): void {
    this.loaded += bytes;
    if (bytes > 0) this.received += bytes;
    if (this.now() - this.reportedAt >= INTERVAL) this.report(file);
  }

  /** Marks `file` as complete. `bytes` of it came from elsewhere, for example from another process that downloaded it at the same time. */
  finish(file: string, bytes: number): void {
    this.loaded += bytes;
    this.done++;
    this.report(file);
  }

  private report(file: string): void {
    const at = this.now();
    this.samples = [...this.samples.filter((sample) => at - sample.at <= WINDOW), { at, received: this.received }];
    this.reportedAt = at;
    if (!this.isStarted) return;
    const { at: since = at, received: before = 0 } = this.samples[0] ?? {};
    const bytesPerSecond = at > since ? ((this.received - before) / (at - since)) * 1000 : 0;
    const left = this.total - this.loaded;
    this.onProgress?.({
      file,
      loaded: this.loaded,
      total: this.total,
      bytesPerSecond,
      secondsLeft: left === 0 ? 0 : left / bytesPerSecond,
      files: { done: this.done, total: this.files },
    });
  }
}

/** The folder, with its downloads reported to `onProgress` and ended by `signal`. Their total grows as files are opened. */
export function followed(folder: Folder, { onProgress, signal }: Pick<SourceOptions, "onProgress" | "signal">): Folder {
  if (!folder.watched || (!onProgress && !signal)) return folder;
  const meter = new DownloadMeter(onProgress);
  meter.start();
  return folder.watched({ meter, signal });
}
