import * as v from "valibot";
import { ConfigError } from "../errors.js";
import { snakeCase } from "../letter-case.js";

/**
 * Reads a config by its schema, which defines the type, the defaults and the allowed values. Unknown keys are left out.
 * @throws ConfigError that names the first field with a wrong value, in the spelling of config files.
 */
export function parseConfig<Schema extends v.GenericSchema>(
  owner: string,
  schema: Schema,
  config: unknown,
  hint?: string,
): v.InferOutput<Schema> {
  const result = v.safeParse(schema, config, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = (issue.path ?? []).map(({ key }) => (typeof key === "string" ? snakeCase(key) : String(key)));
  throw new ConfigError(`${owner}: ${path.join(".") || "config"} is ${printed(issue.input)}; expected ${expectation(issue)}`, { hint });
}

/** What a wrong value in a checkpoint's config means. */
export const CHECKPOINT_HINT = "this checkpoint needs something Darkroom does not know; check that the config is whole and unchanged";

function printed(value: unknown): string {
  return typeof value === "number" ? String(value) : (JSON.stringify(value) ?? String(value));
}

function expectation(issue: v.BaseIssue<unknown>): string {
  if (issue.kind === "validation" || issue.type === "null" || issue.type === "custom") return issue.message;
  const words = (issue.expected ?? "another value").replace(/^\((.*)\)$/, "$1").split(" | ");
  return words.length > 1 ? `one of ${words.join(", ")}` : (words[0] as string);
}

/**
 * A whole number from `least` to `most`. A number that no network has is an attack or an accident; it would cost time and memory before an
 * error shows.
 */
export const whole = (least: number, most: number) =>
  v.pipe(
    v.number(),
    v.check((value) => Number.isInteger(value) && value >= least && value <= most, `a whole number from ${least} to ${most}`),
  );

/** A count or a width. The largest vocabularies have a quarter of a million words. */
export const count = whole(1, 2 ** 20);

/** A count that can be 0. */
export const countOrNone = whole(0, 2 ** 20);

/** A number of layers one after another. */
export const depth = whole(1, 1000);

/** Height or width of a picture or its latents. */
export const side = whole(1, 4096);

/** A list with a value for each block of a network. Every block but the last halves the picture, so there are few. */
export function blocks<Item extends v.GenericSchema>(item: Item) {
  return v.pipe(v.array(item), v.maxLength(16, "at most 16 blocks"));
}

/** One value for all blocks, or a list with a value for each. */
export function perBlock<Item extends v.GenericSchema>(item: Item) {
  return v.union([item, blocks(item)]);
}

/**
 * Checks that every list among `fields` is as long as the list `types`, which has an entry for each block.
 * @throws ConfigError that names the first one that is not.
 */
export function checkPerBlock<Config extends object>(
  owner: string,
  config: Config,
  types: keyof Config & string,
  fields: readonly (keyof Config & string)[],
): void {
  const blocks = (config[types] as readonly unknown[]).length;
  for (const field of fields) {
    const value: unknown = config[field];
    if (Array.isArray(value) && value.length !== blocks) {
      throw new ConfigError(`${owner}: ${snakeCase(field)} has ${value.length} entries; ${snakeCase(types)} has ${blocks}`);
    }
  }
}
