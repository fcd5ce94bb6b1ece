import * as v from "valibot";
import { parseConfig } from "../../checkpoint/schema.js";
import { ConfigError } from "../../errors.js";
import { snakeCase } from "../../letter-case.js";
import { BETA_SCHEDULES, type RareBetaSchedule } from "./noise-schedule.js";
import { SIGMA_SPACINGS } from "./sigma-spacings.js";
import { TIMESTEP_SPACINGS } from "./timestep-spacing.js";

/** The fields of one scheduler class: types, allowed values, defaults. Its keys are what the class's constructor takes. */
export type ConfigSchema = v.StrictObjectSchema<v.ObjectEntries, undefined>;

/** What a config has beside its fields, as in diffusers. */
export interface ConfigOrigin {
  /** The class the config belongs to. */
  readonly _className: string;
  /** Fields that were not set. A scheduler of another class made from this config uses its own defaults for them. */
  readonly _useDefaultValues: readonly string[];
}

/** A yes or no; JSON's null counts as no, as in Python. */
export const flag = (initial: boolean) =>
  v.optional(
    v.pipe(
      v.nullable(v.boolean()),
      v.transform((value) => value ?? false),
    ),
    initial,
  );

/** A finite number. */
export const real = (initial: number) => v.optional(v.pipe(v.number(), v.finite("a finite number")), initial);

/** A number from 0 to 1. */
export const share = (initial: number) => v.optional(v.pipe(v.number(), v.minValue(0, "0 to 1"), v.maxValue(1, "0 to 1")), initial);

/** A finite number or null. */
export const optionalReal = (initial: number | null = null) =>
  v.optional(v.nullable(v.pipe(v.number(), v.finite("a finite number"))), initial);

/** A whole number from `least` to `most`. */
export const whole = (initial: number, least = 0, most = Number.POSITIVE_INFINITY) => {
  const allowed = most === Number.POSITIVE_INFINITY ? `a whole number of at least ${least}` : `a whole number from ${least} to ${most}`;
  return v.optional(v.pipe(v.number(), v.integer("a whole number"), v.minValue(least, allowed), v.maxValue(most, allowed)), initial);
};

/** One of some words. */
export const oneOf = <const Words extends readonly string[]>(words: Words, initial: Words[number]) =>
  v.optional(v.picklist(words), initial);

/** One of some words. Words of other schedulers, which may come with their configs, mean the default, as in diffusers. */
export const oneOfOrForeign = <const Words extends readonly string[]>(words: Words, foreign: readonly string[], initial: Words[number]) =>
  v.optional(
    v.pipe(
      v.string(),
      v.transform((word) => (foreign.includes(word) ? initial : word)),
      v.picklist(words),
    ),
    initial,
  );

/** A word of any kind or null. */
export const optionalWord = () => v.optional(v.nullable(v.string()), null);

/** The most timesteps of a forward process: usually there are 1000, and each takes memory. */
const MOST_TIMESTEPS = 100_000;

/** The number of timesteps of the forward process. */
export const trainTimesteps = () => whole(1000, 1, MOST_TIMESTEPS);

/** A list of numbers that are all `allowed`, or null. */
export const optionalNumbers = (allowed: (value: number) => boolean, expected: string, { least = 0, most = MOST_TIMESTEPS } = {}) =>
  v.optional(
    v.nullable(
      v.pipe(
        v.array(v.number()),
        v.check((list) => list.length >= least && list.length <= most, `${least} to ${most} numbers`),
        v.check((list) => list.every(allowed), expected),
      ),
    ),
    null,
  );

/** A list of betas, one for each timestep, or null. */
export const trainedBetas = () => optionalNumbers(Number.isFinite, "finite numbers", { least: 1 });

/** Whole numbers; none by default. */
export const wholeNumbers = () => v.optional(v.array(v.pipe(v.number(), v.integer("whole numbers"))), () => []);

/** A number or minus infinity, in every spelling that scheduler_config.json files use. */
export const numberFromMinusInfinity = () =>
  v.optional(
    v.pipe(
      v.union([v.number(), v.picklist(["-inf", "-Infinity", "-infinity"]), v.null()]),
      v.transform((value) => (typeof value === "number" ? value : Number.NEGATIVE_INFINITY)),
    ),
    Number.NEGATIVE_INFINITY,
  );

/** A field that only works in Python: null, or absent. */
export const unsupported = (why: string) => v.optional(v.null(why), null);

type BetaSchedule<Rare extends RareBetaSchedule> = (typeof BETA_SCHEDULES)[number] | Rare;

interface BetaFieldOptions<Rare extends RareBetaSchedule> {
  readonly start?: number;
  readonly end?: number;
  readonly schedule?: BetaSchedule<Rare>;
  /** Beta schedules that this scheduler has beside the usual ones. */
  readonly rare?: readonly Rare[];
}

/** The fields of the forward process, which nearly every scheduler has. The options are the defaults of the fields. */
export const betaFields = <const Rare extends RareBetaSchedule = never>({
  start = 0.0001,
  end = 0.02,
  schedule = "linear",
  rare = [],
}: BetaFieldOptions<Rare> = {}) => ({
  /** Timesteps of the forward process, 1 to 100,000; 1000 by default. */
  numTrainTimesteps: trainTimesteps(),
  /** The first beta. The default is the class's; 0.0001 for most. */
  betaStart: real(start),
  /** The last beta. The default is the class's; 0.02 for most. */
  betaEnd: real(end),
  /** How betas grow from the first to the last. */
  betaSchedule: oneOf<readonly BetaSchedule<Rare>[]>([...BETA_SCHEDULES, ...rare], schedule),
  /** A list of betas, instead of the four fields above. */
  trainedBetas: trainedBetas(),
});

/** How inference timesteps are chosen. */
export const spacingFields = (initial: (typeof TIMESTEP_SPACINGS)[number]) => ({
  /** How the timesteps of a run are chosen (Lin et al. 2023, table 2): "leading", "trailing" or "linspace". */
  timestepSpacing: oneOf(TIMESTEP_SPACINGS, initial),
  /** Added to every "leading" timestep. */
  stepsOffset: whole(0, Number.MIN_SAFE_INTEGER),
});

/** Which named spacing replaces the sigmas of the timesteps; see `oneSpacing`. */
export const sigmaSpacingFields = () => ({
  /** Space sigmas as in Karras et al. 2022, equation 5; false by default. */
  useKarrasSigmas: flag(false),
  /** Space sigmas evenly in their logarithm; false by default. */
  useExponentialSigmas: flag(false),
  /** Space sigmas by a beta distribution (Lee et al. 2024); false by default. */
  useBetaSigmas: flag(false),
});

/** Dynamic thresholding, for models of pixels. */
export const thresholdFields = () => ({
  /** Clip the predicted picture at a quantile of itself (Saharia et al. 2022, section 2.3); for models of pixels; false by default. */
  thresholding: flag(false),
  /** That quantile, 0 to 1; 0.995 by default. */
  dynamicThresholdingRatio: real(0.995),
  /** The largest value that the quantile may clip at; 1 by default. */
  sampleMaxValue: real(1),
});

/** Flow matching inside a solver made for noise prediction. */
export const flowFields = () => ({
  /** Use the sigmas of flow matching; false by default. */
  useFlowSigmas: flag(false),
  /** Values above 1 spend more steps at high noise; 1 by default. */
  flowShift: real(1),
});

/**
 * A config with defaults for missing fields. Keys that start with `_` are left out, as in Python's `register_to_config`.
 *
 * @throws ConfigError with the field as config files spell it, the value found and the value expected.
 */
export function parseSchedulerConfig(className: string, schema: ConfigSchema, config: object): Record<string, unknown> {
  const given = Object.fromEntries(Object.entries(config).filter(([key, value]) => !key.startsWith("_") && value !== undefined));
  const unknown = Object.keys(given).find((key) => !(key in schema.entries));
  if (unknown !== undefined) {
    throw new ConfigError(`${className} has no field ${snakeCase(unknown)}`, {
      hint: `its fields are ${Object.keys(schema.entries).map(snakeCase).join(", ")}`,
    });
  }
  return parseConfig(className, schema, given);
}

/** @throws ConfigError if a config asks for two sigma spacings at once. */
export function oneSpacing(
  className: string,
  config: { useKarrasSigmas: boolean; useExponentialSigmas: boolean; useBetaSigmas: boolean },
): void {
  const asked = SIGMA_SPACINGS.filter((key) => config[key]);
  if (asked.length > 1) throw new ConfigError(`${className}: only one of ${asked.map(snakeCase).join(", ")} can be used`);
}
