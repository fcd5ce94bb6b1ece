/** Tells a person at stderr how far the work is. */
export interface Progress {
  /** A line of its own. */
  note(line: string): void;
  /** Step `done` of `total` of picture `image` (from 0) is over. */
  step(image: number, done: number, total: number): void;
  /** Takes the bar off the terminal, before other output or at the end. */
  stop(): void;
}

/** What to show after a step. */
interface StepView {
  readonly done: number;
  readonly total: number;
  /** `picture 2/4  `, or nothing when there is one. */
  readonly picture: string;
  readonly perStep: string;
  readonly left: string;
}

interface Display {
  show(view: StepView): void;
  stop(): void;
}

/** A bar on a terminal, short lines where stderr is piped, nothing when quiet. */
export async function openProgress({ images, quiet }: { readonly images: number; readonly quiet: boolean }): Promise<Progress> {
  if (quiet) return { note: () => undefined, step: () => undefined, stop: () => undefined };
  const display = process.stderr.isTTY ? await openBar() : openLines();
  const timer = new StepTimer(images);
  return {
    note(line) {
      display.stop();
      process.stderr.write(`${line}\n`);
      timer.mark();
    },
    step(image, done, total) {
      const { perStep, left } = timer.step(image, done, total);
      const picture = images > 1 ? `picture ${image + 1}/${images}  ` : "";
      display.show({ done, total, picture, perStep: formatSeconds(perStep), left: formatSeconds(left) });
    },
    stop: () => display.stop(),
  };
}

/** The mean time of a step and the time left. A picture's first step, which also waits for the prompt and the networks, counts only until others are known. */
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

  /** Starts the clock of the step that comes next. */
  mark(): void {
    this.last = this.now();
  }

  /** Step `done` of `total` of picture `image` (from 0) is over; seconds. */
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

/** Seconds as a person reads them: `0.05 s`, `12 s`, `3 min 20 s`, `2 h 05 min`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(seconds < 0.995 ? 2 : 1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, "0")} min`;
}

async function openBar(): Promise<Display> {
  const { default: cliProgress } = await import("cli-progress");
  const format = "{picture}{bar} {value}/{total}  {perStep}/step  {left} left";
  const bar = new cliProgress.SingleBar({ format, clearOnComplete: true, hideCursor: true }, cliProgress.Presets.shades_classic);
  return {
    show({ done, total, ...payload }) {
      if (!bar.isActive) bar.start(total, done, payload);
      // An ensemble's total is known for certain only in its second half.
      bar.setTotal(total);
      bar.update(done, payload);
    },
    stop: () => bar.stop(),
  };
}

function openLines(): Display {
  return {
    show({ done, total, picture, perStep, left }) {
      process.stderr.write(`${picture}step ${done}/${total}  ${perStep}/step  ${left} left\n`);
    },
    stop: () => undefined,
  };
}
