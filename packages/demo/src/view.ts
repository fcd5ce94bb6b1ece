import { DarkroomError, type Picture } from "darkroom";

const byId = <E extends HTMLElement>(id: string) => document.getElementById(id) as E;

/** The parts of the page. */
export const elements = {
  form: byId<HTMLFormElement>("form"),
  make: byId<HTMLButtonElement>("make"),
  stop: byId<HTMLButtonElement>("stop"),
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
  picture.width = made.width;
  picture.height = made.height;
  picture.getContext("2d")?.putImageData(pixelsOf(made), 0, 0);
  picture.setAttribute("aria-label", finished?.alt ?? "A preview");
  URL.revokeObjectURL(save.href);
  save.hidden = !finished;
  if (!finished) return;
  save.href = URL.createObjectURL(finished.file);
  save.download = finished.name;
}

/** With the opacity that a canvas wants. */
function pixelsOf({ width, height, data }: Picture): ImageData {
  const pixels = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) pixels.data.set([...data.subarray(3 * i, 3 * i + 3), 255], 4 * i);
  return pixels;
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
