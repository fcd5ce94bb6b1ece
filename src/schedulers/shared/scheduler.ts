import { readConfig } from "../../checkpoint/config.js";
import { openPart, PART_FIELDS, type PartOptions } from "../../checkpoint/open-part.js";
import { ArgumentError } from "../../errors.js";
import { wrongArgument } from "../../given.js";
import { camelCase, snakeCase } from "../../letter-case.js";
import { checkOptions, expectField } from "../../options/check-options.js";
import { anyNumber, type Fields, field, flag, instanceOf, numbers, oneOrList, real, tensor, whole } from "../../options/fields.js";
import type { Folder } from "../../platform/folder.js";
import { Generator, randnPerImage } from "../../tensor/random.js";
import type { Shape, Tensor } from "../../tensor/tensor.js";
import { warn } from "../../warnings.js";
import { type ConfigOrigin, type ConfigSchema, parseSchedulerConfig } from "./config-fields.js";

/** What `setTimesteps` can be asked for; a plain number means `numInferenceSteps`. */
export interface TimestepOptions {
  /** How many denoising steps. */
  readonly numInferenceSteps?: number | undefined;
  /** The timesteps themselves, noisiest first, for the classes that take them. */
  readonly timesteps?: readonly number[] | undefined;
  /** The noise levels themselves, noisiest first, for the classes that take them. */
  readonly sigmas?: readonly number[] | undefined;
  /** The shift that depends on picture size, for flow-matching models with `useDynamicShifting`. */
  readonly mu?: number | undefined;
  /** Consistency models: steps of the schedule they were distilled on, of which a run takes some; default: the config's. */
  readonly originalInferenceSteps?: number | undefined;
  /** Consistency models: the share of that schedule to walk, 0 to 1 (default 1), for image-to-image. */
  readonly strength?: number | undefined;
  /** Training timesteps to space the run over, instead of the config's; for the classes of order 2. */
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

/** What some schedulers' steps take beside the model output, the timestep and the sample. Others ignore what they do not know. */
export interface StepOptions {
  /** Where noise comes from: one generator for all images, or one for each. Without it the noise cannot be repeated. */
  readonly generator?: Generator | readonly Generator[] | undefined;
  /** DDIM's share of noise: 0 (default) is deterministic, 1 is DDPM. */
  readonly eta?: number | undefined;
  /** DDIM: derive the noise prediction again from the clipped sample. */
  readonly useClippedModelOutput?: boolean | undefined;
  /** The noise itself, instead of a generator. */
  readonly varianceNoise?: Tensor | undefined;
  /** Churn (Karras et al. 2022, Algorithm 2): how much noise is added back, between which sigmas, with which standard deviation. */
  readonly sChurn?: number | undefined;
  /** The smallest sigma that noise is added back at; 0 by default. */
  readonly sTmin?: number | undefined;
  /** The largest sigma that noise is added back at; infinite by default. */
  readonly sTmax?: number | undefined;
  /** Standard deviation of that noise; 1 by default. */
  readonly sNoise?: number | undefined;
  /** LMS: how many of the last derivatives a step combines, 4 by default. */
  readonly order?: number | undefined;
  /** EDM Euler: the picture itself, where the caller has worked it out, instead of the one the model output stands for. */
  readonly predOriginalSample?: Tensor | undefined;
  /** Flow matching where every token of `[batch, tokens, channels]` has its own timestep: `[batch, tokens]`. */
  readonly perTokenTimesteps?: Tensor | undefined;
}

const STEP_FIELDS: Fields<StepOptions> = {
  generator: oneOrList(instanceOf(Generator), "a Generator, such as new Generator(7), or a list of them"),
  eta: anyNumber,
  useClippedModelOutput: flag,
  varianceNoise: tensor,
  sChurn: real(0),
  sTmin: real(0),
  sTmax: field((value) => typeof value === "number" && value >= 0, "a number, at least 0", "number"),
  sNoise: real(0),
  order: whole(1),
  predOriginalSample: tensor,
  perTokenTimesteps: tensor,
};

/** Timesteps that are fractions may come from elsewhere, such as from Python, whose logarithms and sines differ in their last bits. */
const ROUNDING = 2e-6;

const TIMESTEP = real();
const TIMESTEPS = numbers();

/** What a step gives. */
export interface StepOutput {
  /** The sample one step less noisy, to be given to the next step. */
  readonly prevSample: Tensor;
  /** The picture (or latents) that the model expects at the end, for schedulers that compute it. */
  readonly predOriginalSample?: Tensor | undefined;
  /** TCD: the sample at the timestep it goes down to before noise is added. */
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
 * Walks a sample from noise to picture: `setTimesteps`, then for every one of `timesteps` a model evaluation on `scaleModelInput(sample, t)`
 * and a `step`. The subclasses match diffusers' classes of the same names.
 */
export abstract class Scheduler<Config extends object = object> {
  /** The class's name in diffusers. */
  static readonly className: string;
  /** The fields of its config: types, allowed values, defaults. */
  static readonly schema: ConfigSchema;

  /** The config as it ended up, with defaults; give it to another class's `fromConfig`. */
  readonly config: Readonly<Config & ConfigOrigin>;
  /** Model evaluations per step: 2 for schedulers like Heun's that take every step twice. */
  readonly order: number = 1;

  /** The timesteps to evaluate the model at, in order. */
  timesteps: readonly number[] = [];
  /** The noise level of every timestep and, last, the one the loop ends on; undefined for schedulers that have none. */
  sigmas: readonly number[] | undefined;

  /** What beside `numInferenceSteps` this class's `setTimesteps` takes. */
  protected readonly takes: readonly TimestepExtra[] = [];
  /** Whether custom timesteps and sigmas may be given together, one sigma for each timestep. */
  protected readonly pairsTimestepsWithSigmas: boolean = false;
  /** The position of the next step in `timesteps`, for schedulers that step by position; undefined before the first step. */
  protected stepIndex: number | undefined;
  /** Where the run starts, if `setBeginIndex` says so. */
  protected beginIndex: number | undefined;
  private fallbackGenerator: Generator | undefined;

  /** @throws ConfigError naming the field that is wrong. */
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
   * A scheduler of this class from any scheduler's config, as diffusers' `from_config`: fields the class knows are taken over, fields that the
   * config's own class had left at its default take this class's default, and the rest is kept so that going back restores it.
   *
   * @param config camelCase, e.g. another scheduler's `config`.
   * @param overrides fields that win over the config's.
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

    // Python spells the fields its own way.
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
    // The one place that writes to a finished config: what only other classes know rides along.
    (scheduler as { config: object }).config = Object.freeze({ ...kept, ...scheduler.config });
    return scheduler;
  }

  /**
   * A scheduler of this class from a checkpoint's scheduler_config.json, whichever class wrote it.
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

  /** A scheduler of the same class and config that knows nothing of this one's run; `overrides` are fields that win over the config's. */
  clone(overrides: object = {}): this {
    return (this.constructor as unknown as SchedulerClass<this>).fromConfig(this.config, overrides);
  }

  /** The standard deviation the initial noise is scaled to. */
  get initNoiseSigma(): number {
    return 1;
  }

  /**
   * Chooses the timesteps of a run and forgets the previous run.
   *
   * @throws ArgumentError if the steps are not a whole number of at least 1, or a way to choose them is asked for that the class does not have.
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

  /** Sets `timesteps` and `sigmas` and resets what a run has gathered; the options are checked for what every class refuses. */
  protected abstract plan(options: TimestepOptions): void;

  /** What the model should see for `sample` at `timestep`; most schedulers give the sample itself. @throws ArgumentError for anything else. */
  scaleModelInput(sample: Tensor, timestep: number): Tensor {
    expectField("sample", sample, tensor);
    return this.scaled(sample, expectField("timestep", timestep, TIMESTEP));
  }

  /** {@link Scheduler.scaleModelInput} of checked arguments. */
  protected scaled(sample: Tensor, _timestep: number): Tensor {
    return sample;
  }

  /**
   * One step from `timestep` to the next.
   *
   * @param modelOutput what the model gave for this timestep, shaped like `sample`.
   * @param sample `[batch, channels, height, width]` (any shape with the batch first).
   * @throws ArgumentError for what is no tensor, a timestep that is not the scheduler's, or an option that makes no sense.
   */
  step(modelOutput: Tensor, timestep: number, sample: Tensor, options: StepOptions = {}): StepOutput {
    expectField("modelOutput", modelOutput, tensor);
    expectField("timestep", timestep, TIMESTEP);
    expectField("sample", sample, tensor);
    return this.takeStep(modelOutput, timestep, sample, checkOptions(options, STEP_FIELDS, { call: `${this.className}.step` }));
  }

  /** {@link Scheduler.step} of checked arguments. */
  protected abstract takeStep(modelOutput: Tensor, timestep: number, sample: Tensor, options: StepOptions): StepOutput;

  /**
   * `original` with as much of `noise` as there is at `timesteps`: one for each row of the batch, or one for all.
   *
   * @throws ArgumentError for what are no tensors or timesteps, and for the classes that cannot, as in diffusers.
   */
  addNoise(original: Tensor, noise: Tensor, timesteps: readonly number[]): Tensor {
    expectField("original", original, tensor);
    expectField("noise", noise, tensor);
    return this.noised(original, noise, expectField("timesteps", timesteps, TIMESTEPS));
  }

  /** {@link Scheduler.addNoise} of checked arguments. */
  protected noised(_original: Tensor, _noise: Tensor, _timesteps: readonly number[]): Tensor {
    throw new ArgumentError(`${this.className} cannot add noise to a picture`, {
      hint: "for image-to-image and inpainting take another scheduler",
    });
  }

  /** The v-prediction target for training; where diffusers has it. */
  getVelocity?(sample: Tensor, noise: Tensor, timesteps: readonly number[]): Tensor;

  /** Makes the next run start at `timesteps[beginIndex]` (image-to-image); where diffusers has it. */
  setBeginIndex?(beginIndex: number): void;

  /** The class's name in diffusers. */
  get className(): string {
    return this.config._className;
  }

  /** Noise of `shape` for a step: what was given, or drawn. */
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
   * The position of the step at `timestep`, for schedulers that step by position, so that timesteps may repeat or be fractions. The first step of a
   * run is found by timestep or starts at `setBeginIndex`. The others follow it.
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
 * Networks that are preconditioned as Karras et al. 2022 do have noise levels of their own; all others have those that betas make. A config that has
 * both went through schedulers of both kinds.
 */
function warnOfOtherNoise(
  className: string,
  { isEDM, hasSigmaData, hasBetas }: { readonly isEDM: boolean; readonly hasSigmaData: boolean; readonly hasBetas: boolean },
): void {
  if (hasSigmaData === hasBetas || hasSigmaData === isEDM) return;
  warn(
    hasSigmaData
      ? `${className} has no sigma_data, which the network needs: its pictures will be noise. Take EDMEulerScheduler or EDMDPMSolverMultistepScheduler`
      : `${className} is for networks with sigma_data, which this config does not have: its pictures will be noise. Take EulerDiscreteScheduler or another`,
  );
}
