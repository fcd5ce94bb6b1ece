import { effect, signal } from "@preact/signals";
import { shareDone } from "../logic/time-left.js";
import { live, type Made, made } from "./jobs.js";

/** The picture that is shown large, by its id. */
export const opened = signal<string | undefined>(undefined);

/** The pictures that are marked for a comparison: two at most. */
export const marked = signal<readonly string[]>([]);

export const isComparing = signal(false);

/** A short message, also for screen readers. */
export const notice = signal("");

export function openedPicture(): Made | undefined {
  return made.value.find(({ picture }) => picture.id === opened.value);
}

/** Shows the picture that is so many places further, where there is one. */
export function openNeighbour(places: number): void {
  const at = made.value.findIndex(({ picture }) => picture.id === opened.value);
  const next = made.value[at + places];
  if (at >= 0 && next) opened.value = next.picture.id;
}

/** Marks a picture or takes the mark off. Of three, the first one loses its mark. */
export function toggleMark(id: string): void {
  const { value } = marked;
  marked.value = value.includes(id) ? value.filter((each) => each !== id) : [...value, id].slice(-2);
}

const NOTICE_MS = 6_000;
let clearing: ReturnType<typeof setTimeout> | undefined;

export function say(text: string): void {
  notice.value = text;
  clearTimeout(clearing);
  clearing = setTimeout(() => {
    notice.value = "";
  }, NOTICE_MS);
}

/** Tells by the tab's title how far the running job is. */
export function keepTitle(): void {
  effect(() => {
    const [first] = live.value;
    const progress = first?.job.state === "running" ? first.job.progress : undefined;
    document.title = progress ? `${Math.round(100 * shareDone(progress))} % – Darkroom` : "Darkroom";
  });
}
