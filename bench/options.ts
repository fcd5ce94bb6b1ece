import { InvalidArgumentError } from "commander";
import { FAMILY_TITLES, type FamilyName, type Scale } from "./checkpoints/families.js";

/** A whole number of at least 1. */
export function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("a whole number of at least 1 is expected");
  return value;
}

/** Names separated by commas. If `known` is given, each must be one of its names. */
export function nameList(known?: Readonly<Record<string, unknown>>): (text: string) => string[] {
  return (text) => {
    const names = text.split(",").map((name) => name.trim());
    const stranger = names.find((name) => known && !Object.hasOwn(known, name));
    if (stranger !== undefined) throw new InvalidArgumentError(`${stranger} is none of ${Object.keys(known ?? {}).join(", ")}`);
    return names;
  };
}

export function scale(text: string): Scale {
  if (text === "real" || text === "tiny") return text;
  throw new InvalidArgumentError("real or tiny is expected");
}

export function familyName(text: string): FamilyName {
  if (Object.hasOwn(FAMILY_TITLES, text)) return text as FamilyName;
  throw new InvalidArgumentError(`one of ${Object.keys(FAMILY_TITLES).join(", ")} is expected`);
}
