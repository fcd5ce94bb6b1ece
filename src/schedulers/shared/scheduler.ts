import { readConfig } from "../../checkpoint/config.js";
import type { JsonObject } from "../../checkpoint/json.js";
import { openPart, PART_FIELDS, type PartOptions } from "../../checkpoint/open-part.js";
import { DIFFUSERS_VERSION, writeTo } from "../../checkpoint/saving.js";
import { jsonBytes, snakeCaseKeys } from "../../checkpoint/write-json.js";
import { ArgumentError } from "../../errors.js";
import { wrongArgument } from "../../given.js";
import { camelCase, snakeCase } from "../../letter-case.js";
import { checkOptions, expectField } from "../../options/check-options.js";
import { anyNumber, type Fields, field, flag, instanceOf, numbers, oneOrList, real, tensor, whole } from "../../options/fields.js";
import type { Folder } from "../../platform/folder.js";
import type { OutputFolder } from "../../platform/output-folder.js";
import { Generator, randnPerImage } from "../../tensor/random.js";
import type { Shape, Tensor } from "../../tensor/tensor.js";
import { warn } from "../../warnings.js";
import { type ConfigOrigin, type ConfigSchema, parseSchedulerConfig } from "./config-fields.js";

/** Options of `setTimesteps`. A plain number means `numInferenceSteps`. */
export interface TimestepOptions {
  /** The number of denoising steps. */
  readonly numInferenceSteps?: number | undefined;
  /** A list of timesteps, noisiest first, for classes that take one. */
  readonly timesteps?: readonly number[] | undefined;
  /** A list of noise levels, noisiest first, for classes that take one. */
  readonly sigmas?: readonly number[] | undefined;
  /** The shift for the picture's size, for flow-matching models with `useDynamicShifting`. */
  readonly mu?: number | undefined;
  /** Consistency models: the length of the schedule that they were distilled on; default: the config's. A run uses some of its steps. */
  readonly originalInferenceSteps?: number | undefined;
  /** Consistency models: the part of that schedule to use, 0 to 1 (default 1), for image-to-image. */
  readonly strength?: number | undefined;
  /** The number of training timesteps, instead of the config's, for classes of order 2. */
  readonly numTrainTimesteps?: number | undefined;
}

const TIMESTEP_FIELDS: Fields<TimestepOptions> = {
  numInferenceSteps: whole(1),
  timesteps: numbers(),
  sigmas: numbers(),
  mu: real(),
  originalInferenceSteps: whole(1),
  strength: real(0, 1),
  numTrainTimesteps: whole(1),
};

/** Options of `step`. A scheduler ignores the options that it does not use. */
export interface StepOptions {
  /** The source of noise: one generator for all images, or one for each image. Without it, the noise cannot be reproduced. */
  readonly generator?: Generator | readonly Generator[] | undefined;
  /** DDIM: how much noise is added: 0 (default) is deterministic, 1 is DDPM. */
  readonly eta?: number | undefined;
  /** DDIM: compute the noise prediction again from the clipped sample. */
  readonly useClippedModelOutput?: boolean | undefined;
  /** The noise, instead of a generator. */
  readonly varianceNoise?: Tensor | undefined;
  /** Churn (Karras et al. 2022, Algorithm 2): how much noise is added back before a step; 0 by default. */
  readonly sChurn?: number | undefined;
  /** Churn: the smallest sigma at which noise is added back; 0 by default. */
  readonly sTmin?: number | undefined;
  /** Churn: the largest sigma at which noise is added back; infinite by default. */
  readonly sTmax?: number | undefined;
  /** Churn: the standard deviation of the noise; 1 by default. */
  readonly sNoise?: number | undefined;
  /** LMS: how many of the last derivatives a step combines; 4 by default. */
  readonly order?: number | undefined;
  /** EDM Euler: the predicted picture, instead of the one computed from the model output. */
  readonly predOriginalSample?: Tensor | undefined;
  /** CFG++: the model's output for the negative prompt, of the shape of `modelOutput`, which is then the guided output. */
  readonly unconditional?: Tensor | undefined;
  /** Flow matching: a timestep `[batch, tokens]` for every token of a sample `[batch, tokens, channels]`. */
  readonly perTokenTimesteps?: Tensor | undefined;
}

/** The field of steps' source of noise. */
export const GENERATOR_FIELDS: Fields<Pick<StepOptions, "generator">> = {
  generator: oneOrList(instanceOf(Generator), "a Generator, such as new Generator(7), or a list of them"),
};

const STEP_FIELDS: Fields<StepOptions> = {
  ...GENERATOR_FIELDS,
  eta: anyNumber,
  useClippedModelOutput: flag,
  varianceNoise: tensor,
  sChurn: real(0),
  sTmin: real(0),
  sTmax: field((value) => typeof value === "number" && value >= 0, "a number, at least 0", "number"),
  sNoise: real(0),
  order: whole(1),
  predOriginalSample: tensor,
  unconditional: tensor,
  perTokenTimesteps: tensor,
};

/** Fractional timesteps from other programs, such as Python's, may differ in their last bits. */
const ROUNDING = 2e-6;

const TIMESTEP = real();
const TIMESTEPS = numbers();

/** The result of a step. */
export interface StepOutput {
  /** The sample after the step; the input of the next step. */
  readonly prevSample: Tensor;
  /** The model's prediction of the final picture (or latents), for schedulers that compute it. */
  readonly predOriginalSample?: Tensor | undefined;
  /** TCD: the sample before noise is added. */
  readonly predNoisedSample?: Tensor | undefined;
}

/** A scheduler class: its name in diffusers, its config fields, and how to make one. */
export interface SchedulerClass<Instance extends Scheduler = Scheduler> {
  new (config?: object): Instance;
  /** The class's name in diffusers. */
  readonly className: string;
  /** The fields of its config: types, allowed values, defaults. */
  readonly schema: ConfigSchema;
  /** A scheduler of this class from any scheduler's config; see {@link Scheduler.fromConfig}. */
  fromConfig(config: object, overrides?: object): Instance;
  /** A scheduler of this class from a checkpoint; see {@link Scheduler.fromPretrained}. */
  fromPretrained(path: string | Folder, options?: PartOptions): Promise<Instance>;
}

type TimestepExtra = Exclude<keyof TimestepOptions, "numInferenceSteps">;

/**
 * Turns noise into a picture, step by step: call `setTimesteps`. Then, for each of `timesteps`, evaluate the model on
 * `scaleModelInput(sample, t)` and call `step`. The subclasses match diffusers' classes of the same names.
 */
export abstract class Scheduler<Config extends object = object> {
  /** The class's name in diffusers. */
  static readonly className: string;
  /** The fields of its config: types, allowed values, defaults. */
  static readonly schema: ConfigSchema;

  /** The config, with defaults. Another class's `fromConfig` accepts it. */
  readonly config: Readonly<Config & ConfigOrigin>;
  /** Model evaluations per step: 2 for schedulers such as Heun's. */
  readonly order: number = 1;
  /** Whether `step` needs the prediction for the negative prompt as well, as `unconditional` (CFG++). */
  readonly needsUnconditional: boolean = false;
  /** Whether the scheduler chooses its steps as it goes: then `timesteps` grows while a loop runs over it. */
  readonly isAdaptive: boolean = false;

  /** What a user should know of a run that is asked to take so many steps, such as that the scheduler chooses their number itself. */
  noteOnSteps(_steps: number): string | undefined {
    return undefined;
  }

  /** The timesteps to evaluate the model at, in order. */
  timesteps: readonly number[] = [];
  /** The noise level of every timestep, followed by the level at the end of the run; undefined for schedulers without noise levels. */
  sigmas: readonly number[] | undefined;

  /** The options beside `numInferenceSteps` that this class's `setTimesteps` takes. */
  protected readonly takes: readonly TimestepExtra[] = [];
  /** Whether calls may give the noise levels themselves, as `sigmas`. */
  get takesSigmas(): boolean {
    return this.takes.includes("sigmas");
  }

  /** Whether calls may shift noise levels by the size of the picture, as `mu`. */
  get takesMu(): boolean {
    return this.takes.includes("mu");
  }

  /** Whether the noise levels of a call must end with 0. */
  get endsAtZero(): boolean {
    return false;
  }

  /** Whether custom timesteps and sigmas may be given together, one sigma for each timestep. */
  protected readonly pairsTimestepsWithSigmas: boolean = false;
  /** The position of the next step in `timesteps`, for schedulers that step by position; undefined before the first step. */
  protected stepIndex: number | undefined;
  /** Where the run starts, if `setBeginIndex` says so. */
  protected beginIndex: number | undefined;
  private fallbackGenerator: Generator | undefined;

  /** @throws ConfigError if a field is unknown or has a wrong value. */
  constructor(config: Partial<Config> = {}) {
    const { className, schema } = this.constructor as unknown as SchedulerClass;
    if (typeof config !== "object" || config === null) throw wrongArgument("config", config, "an object with fields of the config");
    const parsed = parseSchedulerConfig(className, schema, config);
    const set = config as Readonly<Record<string, unknown>>;
    const origin: ConfigOrigin = {
      _className: className,
      _useDefaultValues: Object.keys(parsed).filter((key) => set[key] === undefined),
    };
    this.config = Object.freeze({ ...(parsed as Config), ...origin });
  }

  /**
   * A scheduler of this class from any scheduler's config, like diffusers' `from_config`. It takes the fields that it has. Fields that were
   * not set get this class's defaults. Other fields are kept, so that converting back restores them.
   *
   * @param config in camelCase, such as another scheduler's `config`.
   * @param overrides fields that replace the config's.
   */
  static fromConfig<Instance extends Scheduler>(this: new (config?: object) => Instance, config: object, overrides: object = {}): Instance {
    const { className, schema } = this as unknown as SchedulerClass;
    if (typeof config !== "object" || config === null || config instanceof Scheduler) {
      const hint = config instanceof Scheduler ? "give its config: fromConfig(scheduler.config)" : undefined;
      throw wrongArgument("config", config, "a scheduler's config", { hint });
    }
    if (typeof overrides !== "object" || overrides === null)
      throw wrongArgument("overrides", overrides, "an object with fields of the config");
    const { _useDefaultValues, ...fieldsAndRest } = config as Partial<ConfigOrigin> & Record<string, unknown>;
    const wins = overrides as Readonly<Record<string, unknown>>;
    const unknown = Object.keys(wins).filter((key) => !(key in schema.entries || key in fieldsAndRest));
    const misspelt = unknown.find((key) => camelCase(key) in schema.entries);
    if (misspelt !== undefined) {
      throw new ArgumentError(`${className} has no field ${misspelt}; it is called ${camelCase(misspelt)}`, { argument: misspelt });
    }
    if (unknown.length > 0) warn(`${className} has no ${unknown.map(snakeCase).join(", ")}; ignored`);

    // A list written by Python has snake_case names.
    const unset = new Set(_useDefaultValues?.map(camelCase));
    const hasBetas = "betaStart" in fieldsAndRest && !unset.has("betaStart");
    warnOfOtherNoise(className, { isEDM: "sigmaData" in schema.entries, hasSigmaData: "sigmaData" in fieldsAndRest, hasBetas });
    const fields: Record<string, unknown> = {};
    const kept: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(fieldsAndRest)) {
      if (unset.has(key)) continue;
      if (key in schema.entries) fields[key] = value;
      else kept[key] = wins[key] ?? value;
    }
    for (const key of Object.keys(schema.entries)) if (wins[key] !== undefined) fields[key] = wins[key];
    const scheduler = new this(fields);
    // Only this line changes a finished config: it adds the fields of other classes.
    (scheduler as { config: object }).config = Object.freeze({ ...kept, ...scheduler.config });
    return scheduler;
  }

  /**
   * A scheduler of this class from a checkpoint's scheduler_config.json, which may be of any class.
   *
   * @param path a folder on disk, a hub id, or a `Folder`.
   * @throws CheckpointError if the file is missing or not JSON; ConfigError if a value is not allowed.
   */
  static async fromPretrained<Instance extends Scheduler>(
    this: new (
      config?: object,
    ) => Instance,
    path: string | Folder,
    options: PartOptions = {},
  ): Promise<Instance> {
    const config = await readConfig(
      await openPart(
        path,
        checkOptions(options, PART_FIELDS, { call: `${(this as unknown as SchedulerClass).className}.fromPretrained` }),
        "scheduler",
      ),
      "scheduler_config.json",
    );
    return (this as unknown as SchedulerClass<Instance>).fromConfig(config);
  }

  /**
   * Saves the config as `scheduler_config.json` in `folder`, as diffusers' `save_config` does. `fromPretrained` and diffusers open it.
   * @throws OutputError if it cannot be written.
   */
  async saveConfig(folder: string): Promise<void> {
    await writeTo(folder, (output) => this.saveTo(output));
  }

  /** The same as {@link saveConfig}: a scheduler is its config. */
  savePretrained(folder: string): Promise<void> {
    return this.saveConfig(folder);
  }

  /** Writes the file of {@link saveConfig}. @internal */
  async saveTo(output: OutputFolder): Promise<void> {
    const fields = Object.fromEntries(Object.entries(this.config).filter(([key]) => !key.startsWith("_")));
    const origin = { _class_name: this.className, _diffusers_version: DIFFUSERS_VERSION };
    await output.write("scheduler_config.json", jsonBytes({ ...snakeCaseKeys(fields as JsonObject), ...origin }));
  }

  /** A scheduler of the same class and config, without this one's run. `overrides` are fields that replace the config's. */
  clone(overrides: object = {}): this {
    return (this.constructor as unknown as SchedulerClass<this>).fromConfig(this.config, overrides);
  }

  /** The standard deviation of the initial noise. */
  get initNoiseSigma(): number {
    return 1;
  }

  /**
   * Chooses the timesteps of a run and forgets the previous run.
   *
   * @throws ArgumentError if the steps are not a whole number of at least 1, or for an option that the class does not take.
   */
  setTimesteps(steps: number | TimestepOptions): void {
    const { className } = this;
    const asked = typeof steps === "object" ? steps : { numInferenceSteps: steps };
    const options = checkOptions<TimestepOptions>(asked, TIMESTEP_FIELDS, { call: `${className}.setTimesteps` });
    for (const extra of Object.keys(options) as (keyof TimestepOptions)[]) {
      if (extra !== "numInferenceSteps" && !this.takes.includes(extra)) {
        throw new ArgumentError(`${className} does not take ${extra === "timesteps" || extra === "sigmas" ? `custom ${extra}` : extra}`, {
          argument: extra,
        });
      }
    }
    if (options.timesteps && options.sigmas && !this.pairsTimestepsWithSigmas) {
      throw new ArgumentError(`${className}: only one of timesteps and sigmas can be given`, { argument: "sigmas" });
    }
    const { numInferenceSteps, timesteps, sigmas } = options;
    if (numInferenceSteps === undefined && !timesteps && !sigmas) {
      const sources = this.takes.filter((extra) => extra === "timesteps" || extra === "sigmas");
      throw new ArgumentError(`${className}: setTimesteps needs ${["numInferenceSteps", ...sources].join(" or ")}`, {
        argument: "numInferenceSteps",
      });
    }
    this.plan(options);
  }

  /** Sets `timesteps` and `sigmas`, and forgets the previous run. The options have passed the checks that all classes share. */
  protected abstract plan(options: TimestepOptions): void;

  /** The model's input for `sample` at `timestep`; the sample itself for most schedulers. @throws ArgumentError for wrong types. */
  scaleModelInput(sample: Tensor, timestep: number): Tensor {
    expectField("sample", sample, tensor);
    return this.scaled(sample, expectField("timestep", timestep, TIMESTEP));
  }

  /** {@link Scheduler.scaleModelInput} with checked arguments. */
  protected scaled(sample: Tensor, _timestep: number): Tensor {
    return sample;
  }

  /**
   * One step from `timestep` to the next.
   *
   * @param modelOutput the model's output for this timestep, of the same shape as `sample`.
   * @param sample `[batch, channels, height, width]`, or any shape that begins with the batch.
   * @throws ArgumentError for a value that is not a tensor, a timestep that the scheduler does not have, or a wrong option.
   */
  step(modelOutput: Tensor, timestep: number, sample: Tensor, options: StepOptions = {}): StepOutput {
    expectField("modelOutput", modelOutput, tensor);
    expectField("timestep", timestep, TIMESTEP);
    expectField("sample", sample, tensor);
    return this.takeStep(modelOutput, timestep, sample, checkOptions(options, STEP_FIELDS, { call: `${this.className}.step` }));
  }

  /** {@link Scheduler.step} with checked arguments. */
  protected abstract takeStep(modelOutput: Tensor, timestep: number, sample: Tensor, options: StepOptions): StepOutput;

  /**
   * `original` with `noise` added, as much as there is at `timesteps`: one timestep for each row of the batch, or one for all.
   *
   * @throws ArgumentError for values that are not tensors or timesteps, and for classes that cannot add noise, as in diffusers.
   */
  addNoise(original: Tensor, noise: Tensor, timesteps: readonly number[]): Tensor {
    expectField("original", original, tensor);
    expectField("noise", noise, tensor);
    return this.noised(original, noise, expectField("timesteps", timesteps, TIMESTEPS));
  }

  /** {@link Scheduler.addNoise} with checked arguments. */
  protected noised(_original: Tensor, _noise: Tensor, _timesteps: readonly number[]): Tensor {
    throw new ArgumentError(`${this.className} cannot add noise to a picture`, {
      hint: "use another scheduler for image-to-image and inpainting",
    });
  }

  /** The v-prediction target for training, in the classes that have it in diffusers. */
  getVelocity?(sample: Tensor, noise: Tensor, timesteps: readonly number[]): Tensor;

  /** Makes the next run start at `timesteps[beginIndex]` (image-to-image), in the classes that have it in diffusers. */
  setBeginIndex?(beginIndex: number): void;

  /** The class's name in diffusers. */
  get className(): string {
    return this.config._className;
  }

  /** The noise of a step: the given one, or drawn. */
  protected noise(shape: Shape, { generator, varianceNoise }: StepOptions): Tensor {
    if (varianceNoise) return varianceNoise;
    this.fallbackGenerator ??= new Generator();
    return randnPerImage(shape, generator ?? this.fallbackGenerator);
  }

  /** What `setTimesteps` prepared. @throws ArgumentError if it was not called. */
  protected planned<State>(state: State | undefined): State {
    if (state === undefined) throw new ArgumentError(`${this.className}: call setTimesteps before step`);
    return state;
  }

  /** {@link Scheduler.setBeginIndex} of the schedulers that step by position. */
  protected beginAt(beginIndex: number): void {
    this.beginIndex = expectField("beginIndex", beginIndex, whole(0));
  }

  /** Forgets the position in the previous run. */
  protected restart(): void {
    this.stepIndex = undefined;
    this.beginIndex = undefined;
  }

  /**
   * The position of the step at `timestep`, for schedulers that step by position, so that timesteps may repeat or be fractions. The first
   * step of a run is found by its timestep or by `setBeginIndex`. Later steps follow it.
   */
  protected currentIndex(timestep: number): number {
    this.stepIndex ??= this.beginIndex ?? this.indexOf(timestep);
    return this.stepIndex;
  }

  /** The position of a timestep. @throws ArgumentError if it is none of `timesteps`. */
  protected indexOf(timestep: number): number {
    const index = this.find(timestep);
    if (index !== undefined) return index;
    throw new ArgumentError(`${this.className}: timestep ${timestep} is not one of the scheduler's timesteps`, {
      hint: "pass a value of scheduler.timesteps, not its index",
    });
  }

  /** The position of a timestep; of several equal ones the second, so that a run that starts in the middle skips no sigma. */
  protected find(timestep: number): number | undefined {
    const rounding = ROUNDING * Math.max(Math.abs(timestep), 1);
    const equal = this.timesteps.includes(timestep)
      ? (own: number) => own === timestep
      : (own: number) => Math.abs(own - timestep) <= rounding;
    const first = this.timesteps.findIndex(equal);
    if (first < 0) return undefined;
    const second = this.timesteps.findIndex((own, i) => i > first && equal(own));
    return second < 0 ? first : second;
  }
}

/**
 * Networks with the preconditioning of Karras et al. 2022 have their own noise levels. Betas give the noise levels of all others. A config
 * with both was converted between schedulers of both kinds.
 */
function warnOfOtherNoise(
  className: string,
  { isEDM, hasSigmaData, hasBetas }: { readonly isEDM: boolean; readonly hasSigmaData: boolean; readonly hasBetas: boolean },
): void {
  if (hasSigmaData === hasBetas || hasSigmaData === isEDM) return;
  warn(
    hasSigmaData
      ? `${className} has no sigma_data, but the network needs it: the pictures will be noise. Use EDMEulerScheduler or EDMDPMSolverMultistepScheduler`
      : `${className} is for networks with sigma_data, but this config has none: the pictures will be noise. Use EulerDiscreteScheduler or another scheduler`,
  );
}
