import { ArgumentError } from "../errors.js";
import { parseSeed } from "../tensor/random.js";

/** The bounds of a number given on the command line, both included. */
export interface Bounds {
  readonly min: number;
  readonly max?: number;
}

/** A width and a height in pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Sides beyond this are a slip of the finger: no checkpoint draws them, and buffers of their size end the process. */
const LARGEST_SIDE = 16384;

/** Reads the value of `option` as a whole number. */
export function wholeNumber(option: string, bounds: Bounds): (text: string) => number {
  return (text) => {
    const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
    if (Number.isSafeInteger(value) && isWithin(value, bounds)) return value;
    throw wrongValue(option, text, `a whole number ${describeBounds(bounds)}`);
  };
}

/** Reads the value of `option` as a finite number. */
export function number(option: string, bounds: Bounds): (text: string) => number {
  return (text) => {
    const value = toNumber(text);
    if (Number.isFinite(value) && isWithin(value, bounds)) return value;
    throw wrongValue(option, text, `a number ${describeBounds(bounds)}`);
  };
}

/** The number a text is; NaN if it is none. */
export function toNumber(text: string): number {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
}

/** Reads `WIDTHxHEIGHT`, such as `512x768`. Which sizes a checkpoint takes is known to its pipeline only. */
export function size(option: string): (text: string) => Size {
  return (text) => {
    const [, width = 0, height = 0] = /^(\d+)x(\d+)$/i.exec(text)?.map(Number) ?? [];
    if ([width, height].every((side) => side >= 1 && side <= LARGEST_SIDE)) return { width, height };
    throw wrongValue(option, text, `WIDTHxHEIGHT in pixels, each 1 to ${LARGEST_SIDE}`, "example: 512x768");
  };
}

/** Reads an option that may be given several times, each value with `parse`. */
export function repeated<Value>(parse: (text: string) => Value): (text: string, before: readonly Value[] | undefined) => readonly Value[] {
  return (text, before = []) => [...before, parse(text)];
}

/** A random seed of 32 bits, like those of web UIs. */
export function randomSeed(): bigint {
  return BigInt(crypto.getRandomValues(new Uint32Array(1))[0] ?? 0);
}

/** Parses a seed as torch does, except that -1 stands for a random one, as in web UIs. */
export function seed(option: string): (text: string) => bigint {
  return (text) => {
    if (text.trim() === "-1") return randomSeed();
    try {
      return parseSeed(text);
    } catch (cause) {
      throw wrongValue(option, text, "a whole number from 0 to 2^64 - 1 (or down to -2^63, counted back from 2^64)", undefined, cause);
    }
  };
}

/** Reads a word of letters, digits, `.`, `_` and `-`, such as a variant's name. */
export function word(option: string): (text: string) => string {
  return (text) => {
    if (/^[\w.-]+$/.test(text)) return text;
    throw wrongValue(option, text, "a word of letters, digits, . _ and -", "example: fp16");
  };
}

function isWithin(value: number, { min, max = Number.POSITIVE_INFINITY }: Bounds): boolean {
  return value >= min && value <= max;
}

function describeBounds({ min, max }: Bounds): string {
  return max === undefined ? `of ${min} or more` : `from ${min} to ${max}`;
}

/** An option's value is not what it should be. */
export function wrongValue(option: string, text: string, expected: string, hint?: string, cause?: unknown): ArgumentError {
  return new ArgumentError(`${option} is ${JSON.stringify(text)}; expected ${expected}`, { hint, cause });
}
