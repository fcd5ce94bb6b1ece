import type { DownloadProgress } from "../checkpoint/source.js";

const WINDOW = 10_000;
const INTERVAL = 100;

/** Sums up the progress of all files of one download, and reports it ten times a second. */
export class DownloadMeter {
  private loaded = 0;
  private total = 0;
  private done = 0;
  private files = 0;
  private isTold = false;
  private toldAt = Number.NEGATIVE_INFINITY;
  /** What had been received when, over the last seconds; bytes of earlier runs are no part of it. */
  private samples: { at: number; received: number }[] = [];
  private received = 0;

  constructor(
    private readonly onProgress: ((progress: DownloadProgress) => void) | undefined,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** A file of `size` bytes is to come, of which `loaded` are there. */
  expect(size: number, loaded: number): void {
    this.files++;
    this.total += size;
    this.loaded += loaded;
  }

  /** From now on the totals are known, and progress is reported. */
  start(): void {
    this.isTold = true;
    this.samples = [{ at: this.now(), received: this.received }];
  }

  /** So many bytes of `file` came; fewer than none when it is started again. */
  add(file: string, bytes: number): void {
    this.loaded += bytes;
    if (bytes > 0) this.received += bytes;
    if (this.now() - this.toldAt >= INTERVAL) this.tell(file);
  }

  /** `file` is whole; `bytes` of it came by another way, as from another process that was at it, too. */
  finish(file: string, bytes: number): void {
    this.loaded += bytes;
    this.done++;
    this.tell(file);
  }

  private tell(file: string): void {
    const at = this.now();
    this.samples = [...this.samples.filter((sample) => at - sample.at <= WINDOW), { at, received: this.received }];
    this.toldAt = at;
    if (!this.isTold) return;
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
