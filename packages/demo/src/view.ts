import { DarkroomError, type Picture } from "darkroom";

const byId = <E extends HTMLElement>(id: string) => document.getElementById(id) as E;

/** The parts of the page. */
export const elements = {
  form: byId<HTMLFormElement>("form"),
  make: byId<HTMLButtonElement>("make"),
  stop: byId<HTMLButtonElement>("stop"),
  drop: byId<HTMLElement>("drop"),
  device: byId<HTMLElement>("device"),
};
const picture = byId<HTMLCanvasElement>("picture");
const progress = byId<HTMLProgressElement>("progress");
const status = byId<HTMLElement>("status");
const problem = byId<HTMLElement>("error");
const save = byId<HTMLAnchorElement>("save");

/** A finished picture has a text for those who do not see it, and a file. Previews have neither. */
interface Finished {
  readonly alt: string;
  readonly file: Blob;
  readonly name: string;
}

export function showPicture(made: Picture, finished?: Finished): void {
  made.toCanvas(picture);
  picture.setAttribute("aria-label", finished?.alt ?? "A preview");
  URL.revokeObjectURL(save.href);
  save.hidden = !finished;
  if (!finished) return;
  save.href = URL.createObjectURL(finished.file);
  save.download = finished.name;
}

/** 0 to 1; undefined hides the bar. */
export function showProgress(share: number | undefined): void {
  progress.hidden = share === undefined;
  progress.value = share ?? 0;
}

export function showStatus(text: string): void {
  status.textContent = text;
}

/** Shows an error, with its hint; undefined removes the last one. */
export function tell(error: unknown): void {
  problem.hidden = error === undefined;
  if (error === undefined) return;
  const hint = error instanceof DarkroomError ? error.hint : undefined;
  problem.textContent = [error instanceof Error ? error.message : String(error), hint].filter(Boolean).join("\n");
  showStatus("");
}
