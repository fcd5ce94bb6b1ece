import type { DownloadProgress } from "../checkpoint/source.js";
import { formatBytes } from "./bytes.js";
import { type DownloadDisplay, openDownloadBar, openDownloadLines } from "./download-display.js";
import { formatSeconds } from "./format-seconds.js";
import { progressLine, terminalColumns } from "./progress-line.js";

/** Shows progress on stderr. */
export interface Progress {
  /** Writes a line. */
  note(line: string): void;
  /** Step `done` of `total` of picture `image` (from 0) has been taken. */
  step(image: number, done: number, total: number): void;
  /** Shows the progress of the download of `name`. */
  download(name: string): (progress: DownloadProgress) => void;
  /** Removes the bar from the terminal: before other output, and at the end. */
  stop(): void;
}

/** The progress after a step. */
export interface StepView {
  readonly done: number;
  readonly total: number;
  /** `2/4`; undefined when there is one picture. */
  readonly picture: string | undefined;
  readonly perStep: string;
  readonly left: string;
}

interface Display {
  show(view: StepView): void;
  stop(): void;
}

/** A bar on a terminal, short lines if stderr is piped, nothing if `quiet`. */
export async function openProgress({ images, quiet }: { readonly images: number; readonly quiet: boolean }): Promise<Progress> {
  if (quiet) return { note: () => undefined, step: () => undefined, download: () => () => undefined, stop: () => undefined };
  const { isTTY } = process.stderr;
  const display = isTTY ? await openBar() : openLines();
  const downloads = isTTY ? await openDownloadBar() : undefined;
  const timer = new StepTimer(images);
  const stop = () => {
    display.stop();
    downloads?.stop();
  };
  const note = (line: string) => {
    stop();
    process.stderr.write(`${line}\n`);
    timer.mark();
  };
  return {
    note,
    step(image, done, total) {
      const { perStep, left } = timer.step(image, done, total);
      const picture = images > 1 ? `${image + 1}/${images}` : undefined;
      display.show({ done, total, picture, perStep: formatSeconds(perStep), left: formatSeconds(left) });
    },
    download: (name) => downloadNotes(name, downloads ?? openDownloadLines(note), note),
    stop,
  };
}

/** Writes a line when a download begins and one when it ends, and shows the progress between. */
function downloadNotes(name: string, display: DownloadDisplay, note: (line: string) => void): (progress: DownloadProgress) => void {
  let start: { readonly at: number } | undefined;
  return (progress) => {
    const { loaded, total, files } = progress;
    if (!start) {
      start = { at: performance.now() };
      note(`downloading ${name}: ${formatBytes(total)} in ${files.total} ${files.total === 1 ? "file" : "files"}`);
    }
    if (files.done < files.total) display.show(progress);
    else note(`${name}: ${formatBytes(loaded)}, ${formatSeconds((performance.now() - start.at) / 1000)}`);
  };
}

/**
 * The mean time of a step and the time left. A picture's first step also includes the prompt and loading, so it counts only until another
 * step is measured.
 */
export class StepTimer {
  private last: number;
  private spent = 0;
  private steps = 0;

  constructor(
    private readonly images: number,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.last = now();
  }

  /** The next step begins now. */
  mark(): void {
    this.last = this.now();
  }

  /** Step `done` of `total` of picture `image` (from 0) has been taken. Returns seconds. */
  step(image: number, done: number, total: number): { perStep: number; left: number } {
    const took = (this.now() - this.last) / 1000;
    this.mark();
    if (done > 1) {
      this.spent += took;
      this.steps++;
    }
    const perStep = this.steps > 0 ? this.spent / this.steps : took;
    return { perStep, left: perStep * ((this.images - image) * total - done) };
  }
}

async function openBar(): Promise<Display> {
  const { default: cliProgress } = await import("cli-progress");
  const format = (_: unknown, __: unknown, view: StepView) => stepLine(view, terminalColumns());
  const bar = new cliProgress.SingleBar({ format, clearOnComplete: true, hideCursor: true });
  return {
    show(view) {
      if (!bar.isActive) bar.start(view.total, view.done, view);
      // An ensemble's total is an estimate until the refiner begins.
      bar.setTotal(view.total);
      bar.update(view.done, view);
    },
    stop: () => bar.stop(),
  };
}

/**
 * The progress of a picture in one line for a terminal of `columns`. If the terminal is too narrow, words are dropped first, then numbers.
 */
export function stepLine({ done, total, picture, perStep, left }: StepView, columns: number): string {
  const [long, short] = picture === undefined ? ["", ""] : [`picture ${picture}  `, `${picture}: `];
  const steps = `${done}/${total}`;
  const lines = [
    `${long}{bar} ${steps}  ${perStep}/step  ${left} left`,
    `${long}${steps}  ${perStep}/step  ${left} left`,
    `${short}${steps} ${perStep}/step ${left} left`,
    `${short}${steps} ${left} left`,
    `${short}${steps} ${left}`,
    `${short}${steps}`,
  ];
  return progressLine(lines, done / total, columns);
}

function openLines(): Display {
  return {
    show({ done, total, picture, perStep, left }) {
      const which = picture === undefined ? "" : `picture ${picture}  `;
      process.stderr.write(`${which}step ${done}/${total}  ${perStep}/step  ${left} left\n`);
    },
    stop: () => undefined,
  };
}
