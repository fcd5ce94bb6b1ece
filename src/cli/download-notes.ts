import type { DownloadProgress } from "../checkpoint/source.js";
import type { Progress } from "./progress.js";

/** Shows downloads, each under the name of what is downloaded. */
export class DownloadNotes {
  private readonly shown = new Map<string, ReturnType<Progress["download"]>>();
  private isUnfinished = false;

  constructor(private readonly progress: Progress) {}

  readonly show = (state: DownloadProgress, source: string): void => {
    this.isUnfinished = state.files.done < state.files.total;
    const show = this.shown.get(source) ?? this.progress.download(source);
    this.shown.set(source, show);
    show(state);
  };

  noteInterruption(): void {
    if (this.isUnfinished) this.progress.note("what was downloaded is kept; the same command goes on where this one stopped");
  }
}
