import { Option } from "commander";
import * as v from "valibot";
import { ArgumentError } from "../errors.js";
import { LARGEST_SIDE } from "../generate/hires-request.js";
import { GENERATE_FIELDS, type GenerateRequest } from "../generate/request.js";
import { wrongArgument } from "../given.js";
import type { Field } from "../options/fields.js";
import { QUANTISATIONS } from "../runtime/device.js";

/** A width and a height in pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Reads the value of the request's option `name` as a whole number that its field takes. */
export function wholeNumber<Value>(name: string, field: Field<Value>): (text: string) => number {
  return (text) => checked(name, field, text, /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN);
}

/** Reads the value of the request's option `name` as a number that its field takes. */
export function number<Value>(name: string, field: Field<Value>): (text: string) => number {
  return (text) => checked(name, field, text, toNumber(text));
}

/** Reads the value of the request's option `name` as a text that its field takes. */
export function word<Value>(name: string, field: Field<Value>): (text: string) => Value & string {
  return (text) => checked(name, field, text, text) as Value & string;
}

/** Reads the value of the request's option `name` as a number, or else as a text, that its field takes. */
export function numberOrWord<Value>(name: string, field: Field<Value>): (text: string) => Value {
  return (text) => checked(name, field, text, /^\d+$/.test(text) ? Number(text) : text) as Value;
}

/** Reads the value of the request's option `name` as numbers with commas between them. */
export function numbers<Value>(name: string, field: Field<Value>): (text: string) => readonly number[] {
  return (text) => {
    const read = text.split(",").map((each) => toNumber(each.trim()));
    if (v.is(field, read)) return read;
    throw wrongArgument(name, text, `${field.expected}, with commas between them`, { type: "string" });
  };
}

/** Reads the value of the request's option `name` as a number that its field takes, or as numbers with commas between them. */
export function oneOrNumbers<Value>(name: string, field: Field<Value>): (text: string) => number | readonly number[] {
  return (text) => (text.includes(",") ? numbers(name, field)(text) : number(name, field)(text));
}

/** The number a text is; NaN if it is none. */
export function toNumber(text: string): number {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
}

/** Reads `WIDTHxHEIGHT`, such as `512x768`. The pipeline knows which sizes its checkpoint takes. */
export function size(option: string): (text: string) => Size {
  return (text) => {
    const [, width = 0, height = 0] = /^(\d+)x(\d+)$/i.exec(text)?.map(Number) ?? [];
    if ([width, height].every((side) => v.is(GENERATE_FIELDS.width, side))) return { width, height };
    throw wrongValue(option, text, `WIDTHxHEIGHT in pixels, each 1 to ${LARGEST_SIDE}`, "example: 512x768");
  };
}

/** Reads FreeU's factors, `S1,S2,B1,B2`. */
export function freeU(option: string): (text: string) => NonNullable<GenerateRequest["freeU"]> {
  return (text) => {
    const [s1 = Number.NaN, s2 = Number.NaN, b1 = Number.NaN, b2 = Number.NaN, ...more] = text.split(",").map(toNumber);
    if (more.length === 0 && [s1, s2, b1, b2].every((value) => Number.isFinite(value) && value !== 0)) return { s1, s2, b1, b2 };
    throw wrongValue(option, text, "S1,S2,B1,B2, four numbers other than 0", "example: 0.9,0.2,1.5,1.6");
  };
}

/** Reads `START-STOP`, shares of the steps, such as `0.2-0.8`. */
export function interval(option: string): (text: string) => { readonly start: number; readonly stop: number } {
  return (text) => {
    const [start = Number.NaN, stop = Number.NaN, ...more] = text.split("-").map(toNumber);
    if (more.length === 0 && 0 <= start && start < stop && stop <= 1) return { start, stop };
    throw wrongValue(option, text, "START-STOP, shares of the steps from 0 to 1", "example: 0.2-0.8");
  };
}

/** Reads the interval of a step cache, a whole number from 1, or its threshold, a number below 1. */
export function stepCache(option: string): (text: string) => NonNullable<GenerateRequest["cache"]> {
  return (text) => {
    const value = toNumber(text);
    if (value > 0 && value < 1) return { threshold: value };
    if (Number.isInteger(value) && value >= 1) return { interval: value };
    throw wrongValue(option, text, "a whole number, at least 1, or a share below 1", "3: every third step; 0.1: after a change of a tenth");
  };
}

/** Reads an option that may be given several times, each value with `parse`. */
export function repeated<Value>(parse: (text: string) => Value): (text: string, before: readonly Value[] | undefined) => readonly Value[] {
  return (text, before = []) => [...before, parse(text)];
}

/** An option's value is not what it should be. */
export function wrongValue(option: string, text: string, expected: string, hint?: string): ArgumentError {
  return new ArgumentError(`${option} is ${JSON.stringify(text)}; expected ${expected}`, { hint });
}

function checked<Value, Read extends number | string>(name: string, field: Field<Value>, text: string, value: Read): Read {
  if (v.is(field, value)) return value;
  throw wrongArgument(name, text, field.expected, { type: "string", hint: field.hint?.(text) });
}

/** `--quantize`, which several commands have. */
export function quantizeOption(): Option {
  return new Option("--quantize <bits>", "large matrices in 4 or 8 bits: less memory").choices(QUANTISATIONS);
}
