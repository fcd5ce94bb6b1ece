import { expectNesting } from "./attention.js";

/** What a prompt says until, and with, step `until`, counted from 1. */
export interface ScheduledText {
  readonly until: number;
  readonly text: string;
}

/** A stretch of a prompt: text, or something that changes with the step. */
type Part = string | Edit | Alternation;

/** `[before:after:when]`. */
interface Edit {
  readonly before: readonly Part[];
  readonly after: readonly Part[];
  /** As written: with a point a fraction of the steps, without one a step. */
  readonly when: string;
}

/** `[a|b|c]`. */
interface Alternation {
  readonly options: readonly (readonly Part[])[];
}

/** A bracket that is open (the prompt itself where `open` is ""), with what was read of it. */
interface Frame {
  readonly open: "" | "(" | "[";
  /** What stands between the separators. */
  readonly sections: Part[][];
  readonly separators: (":" | "|")[];
  /** Holds a bracket that means nothing; then it means nothing itself. */
  isBroken: boolean;
}

const symbolPattern = /\\[^\n]|[\\()[\]:|]|[^\\()[\]:|]+/gu;
const numberPattern = /^\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?)\s*$/iu;

/**
 * What a prompt says at each of `steps` steps: `[from:to:when]` changes after a step (`when` without a point) or a fraction of the steps (with one),
 * `[to:when]` adds, `[from::when]` takes away, `[a|b]` goes round with every step; one inside another works. Everything else, emphasis included,
 * stays as written, and so does the whole prompt if a `|` stands outside of `[a|b]` or a `\` at its end.
 * Matches AUTOMATIC1111's get_learned_conditioning_prompt_schedules. Its grammar can be read in several ways where something is in brackets without
 * partners or of no meaning, and its parser chooses anew in every process; here what is whole inside them always counts.
 * @returns the texts in order; the last one's `until` is `steps`.
 * @throws ArgumentError if brackets are nested too deeply.
 */
export function promptSchedule(prompt: string, steps: number): readonly ScheduledText[] {
  const parts = parse(prompt);
  const ends = new Set([steps]);
  collectEnds(parts, steps, ends);
  const known = new Map<string, string>();
  return [...ends]
    .sort((a, b) => a - b)
    .map((until) => {
      const text = textAt(parts, until, steps);
      // Few texts come again and again: one string for each.
      if (!known.has(text)) known.set(text, text);
      return { until, text: known.get(text) as string };
    });
}

/** Whether a prompt holds anything that changes with the step. @throws ArgumentError if brackets are nested too deeply. */
export function isScheduled(prompt: string): boolean {
  return parse(prompt).some((part) => typeof part !== "string");
}

function parse(prompt: string): readonly Part[] {
  const root = frame("");
  const stack = [root];
  for (const [symbol] of prompt.matchAll(symbolPattern)) {
    const top = stack.at(-1) as Frame;
    if (symbol === "\\" || (symbol === "|" && top === root)) return [prompt];
    if (symbol === "(" || symbol === "[") {
      stack.push(frame(symbol));
      expectNesting(stack.length - 1);
    } else if (symbol === ")" || symbol === "]") {
      const isPartner = top.open === (symbol === ")" ? "(" : "[");
      // A bracket of the wrong kind is text, and those open until here have no partner.
      if (!(isPartner ? close(stack) : giveUp(stack))) return [prompt];
      if (!isPartner) add(root, [symbol]);
    } else if ((symbol === ":" || symbol === "|") && top !== root) {
      top.separators.push(symbol);
      top.sections.push([]);
    } else add(top, [symbol]);
  }
  return giveUp(stack) ? written(root) : [prompt];
}

function frame(open: Frame["open"]): Frame {
  return { open, sections: [[]], separators: [], isBroken: false };
}

function add({ sections }: Frame, parts: readonly Part[]): void {
  const section = sections.at(-1) as Part[];
  for (const part of parts) section.push(part);
}

/** Ends the innermost bracket at its partner. @returns false if that leaves the prompt unreadable. */
function close(stack: Frame[]): boolean {
  const bracket = stack.pop() as Frame;
  const { open, separators, isBroken } = bracket;
  const around = stack.at(-1) as Frame;
  const change = isBroken || open === "(" ? undefined : changeOf(bracket);
  if (!change && separators.includes("|")) return false;
  add(around, change ? [change] : [...written(bracket), open === "(" ? ")" : "]"]);
  // Left as it is: emphasis, with a `:` before its weight, or a bracket that means nothing.
  if (!change && (isBroken || separators.length > (open === "(" ? 1 : 0))) around.isBroken = true;
  return true;
}

/** Brackets left open are text. @returns false if that leaves the prompt unreadable. */
function giveUp(stack: Frame[]): boolean {
  const [root, ...open] = stack as [Frame, ...Frame[]];
  stack.length = 1;
  for (const bracket of open) add(root, written(bracket));
  return open.every(({ separators }) => !separators.includes("|"));
}

/** What a bracket that is whole changes with the step; nothing if it is emphasis or text. */
function changeOf({ sections, separators }: Frame): Edit | Alternation | undefined {
  if (separators.length === 0) return undefined;
  if (!separators.includes(":")) return { options: sections };
  if (separators.includes("|") || separators.length > 2) return undefined;
  const last = sections.at(-1) as readonly Part[];
  const [, when] = (last.every((part) => typeof part === "string") && numberPattern.exec(last.join(""))) || [];
  if (when === undefined) return undefined;
  const [first = [], second = []] = sections;
  return separators.length === 2 ? { before: first, after: second, when } : { before: [], after: first, when };
}

/** A bracket as it was written, what changes inside it excepted; its end is left to the caller. */
function written({ open, sections, separators }: Frame): readonly Part[] {
  const parts: Part[] = open ? [open] : [];
  for (const [i, section] of sections.entries()) {
    if (i > 0) parts.push(separators[i - 1] as string);
    for (const part of section) parts.push(part);
  }
  return parts;
}

/** The step after which an edit is done; 0 and less from the beginning. */
function lastStep({ when }: Edit, steps: number): number {
  const value = Number(when) * (when.includes(".") ? steps : 1);
  return Math.min(steps, Math.trunc(value));
}

function collectEnds(parts: readonly Part[], steps: number, ends: Set<number>): void {
  for (const part of parts) {
    if (typeof part === "string") continue;
    if ("options" in part) {
      for (let step = 1; step <= steps; step++) ends.add(step);
      continue;
    }
    const end = lastStep(part, steps);
    if (end >= 1) ends.add(end);
    collectEnds(part.before, steps, ends);
    collectEnds(part.after, steps, ends);
  }
}

function textAt(parts: readonly Part[], step: number, steps: number): string {
  return parts
    .map((part) => {
      if (typeof part === "string") return part;
      if ("options" in part) return textAt(part.options[(step - 1) % part.options.length] ?? [], step, steps);
      return textAt(step <= lastStep(part, steps) ? part.before : part.after, step, steps);
    })
    .join("");
}
