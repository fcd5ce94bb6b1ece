import { expectNesting } from "./attention.js";

/** The text of a prompt up to and including step `until`, counted from 1. */
export interface ScheduledText {
  readonly until: number;
  readonly text: string;
}

/** A part of a prompt: text, or something that changes with the step. */
type Part = string | Edit | Alternation;

/** `[before:after:when]`. */
interface Edit {
  readonly before: readonly Part[];
  readonly after: readonly Part[];
  /** As it is written: a fraction of the steps if it has a point, else a step. */
  readonly when: string;
}

/** `[a|b|c]`. */
interface Alternation {
  readonly options: readonly (readonly Part[])[];
}

/** A bracket that is open, with its contents so far. The prompt itself has "" as `open`. */
interface Frame {
  readonly open: "" | "(" | "[";
  /** The parts between the separators. */
  readonly sections: Part[][];
  readonly separators: (":" | "|")[];
  /** Whether it has a bracket without a meaning inside. Then it has no meaning either. */
  isBroken: boolean;
}

const symbolPattern = /\\[^\n]|[\\()[\]:|]|[^\\()[\]:|]+/gu;
const numberPattern = /^\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?)\s*$/iu;

/**
 * The text of a prompt at each of `steps` steps. `[from:to:when]` changes after a step (`when` without a point) or after a fraction of the
 * steps (with a point). `[to:when]` adds, `[from::when]` removes, `[a|b]` alternates with every step. They can be nested. Everything else,
 * including emphasis, is unchanged. The whole prompt is unchanged if it has a `|` outside `[a|b]` or a `\` at its end. Matches
 * AUTOMATIC1111's get_learned_conditioning_prompt_schedules. Its grammar is ambiguous inside brackets without a partner or without a
 * meaning, and its parser decides differently in every process. Here, complete brackets inside them always count.
 * @returns the texts in order. `until` of the last one is `steps`.
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
      // The same few texts are repeated: each is one string.
      if (!known.has(text)) known.set(text, text);
      return { until, text: known.get(text) as string };
    });
}

/** Whether a prompt changes with the step. @throws ArgumentError if brackets are nested too deeply. */
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
      // A closing bracket of the wrong kind is text, and the brackets open so far have no partner.
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
  // Unchanged: emphasis, with a `:` before its weight, or a bracket without a meaning.
  if (!change && (isBroken || separators.length > (open === "(" ? 1 : 0))) around.isBroken = true;
  return true;
}

/** Brackets that are still open become text. @returns false if that leaves the prompt unreadable. */
function giveUp(stack: Frame[]): boolean {
  const [root, ...open] = stack as [Frame, ...Frame[]];
  stack.length = 1;
  for (const bracket of open) add(root, written(bracket));
  return open.every(({ separators }) => !separators.includes("|"));
}

/** The change that a complete bracket makes; undefined if it is emphasis or text. */
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

/** A bracket as it was written, without its end. The changes inside it are kept. */
function written({ open, sections, separators }: Frame): readonly Part[] {
  const parts: Part[] = open ? [open] : [];
  for (const [i, section] of sections.entries()) {
    if (i > 0) parts.push(separators[i - 1] as string);
    for (const part of section) parts.push(part);
  }
  return parts;
}

/** The step after which an edit takes effect; 0 or less means from the beginning. */
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
