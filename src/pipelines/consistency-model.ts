import type { ModelIndex } from "../checkpoint/model-index.js";
import { ArgumentError } from "../errors.js";
import { CONSISTENCY } from "../families/consistency.js";
import { type Fields, field, numbers } from "../options/fields.js";
import { randint } from "../tensor/random.js";
import { concat, Tensor } from "../tensor/tensor.js";
import { warn } from "../warnings.js";
import { NOISE_FIELDS, type NoiseOptions } from "./latent-diffusion-request.js";
import type { ComponentSource } from "./shared/components.js";
import { type Generators, initialLatents } from "./shared/latents.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import {
  loadUnconditional,
  UNCONDITIONAL_FIELDS,
  UNCONDITIONAL_PARTS,
  type UnconditionalCall,
  type UnconditionalComponents,
  UnconditionalPipeline,
  type UnconditionalRequest,
} from "./unconditional.js";

/** The classes of the pictures: the number of one class, for one picture, or a list or a tensor [batch] with one for each picture. */
export type ClassLabels = number | readonly number[] | Tensor<"int64">;

/** The options of a call of a consistency model. */
export interface ConsistencyModelRequest extends UnconditionalRequest, NoiseOptions {
  /** What the pictures show, for class-conditional models; drawn by default. Other models ignore it. */
  readonly classLabels?: ClassLabels | undefined;
  /** Instead of a number of steps: numbers of noise levels of the training in descending order, such as [22, 0]. */
  readonly timesteps?: readonly number[] | undefined;
}

const FIELDS: Fields<ConsistencyModelRequest> = {
  ...UNCONDITIONAL_FIELDS,
  ...NOISE_FIELDS,
  classLabels: field<ClassLabels>(isClassLabels, "the number of a class, or a list or an int64 Tensor with one for each picture"),
  timesteps: numbers(),
};

/**
 * Makes pictures from noise with a consistency model (Song et al. 2023), in one step by default; more steps or `timesteps` make finer ones.
 * Matches diffusers' ConsistencyModelPipeline.
 */
export class ConsistencyModelPipeline extends UnconditionalPipeline<ConsistencyModelRequest> {
  /** The class's name in diffusers. */
  static override readonly className = "ConsistencyModelPipeline";
  /** @internal Fields of the parts. */
  static readonly parts = UNCONDITIONAL_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = ConsistencyModelPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = CONSISTENCY.workflows.noise.defaults;

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(
    source: ComponentSource,
    _index: ModelIndex,
    given: Partial<UnconditionalComponents>,
  ): Promise<ConsistencyModelPipeline> {
    return new ConsistencyModelPipeline(await loadUnconditional(source, given), source);
  }

  protected override denoise(call: UnconditionalCall<ConsistencyModelRequest>): AsyncGenerator<DenoisingStep, Tensor, void> {
    const { request, batch, steps, generator, scheduler } = call;
    const { timesteps } = request;
    if (timesteps && request.numInferenceSteps !== undefined) {
      warn((name) => `both ${name("numInferenceSteps")} and ${name("timesteps")} were given; ${name("timesteps")} count`);
    }
    scheduler.setTimesteps(timesteps ? { timesteps } : steps);
    const latents = initialLatents(this.noiseShape(batch), request.latents, generator, scheduler);
    return this.loop(call, latents, { classLabels: this.classLabels(request.classLabels, batch, generator) });
  }

  /** One class for each picture, drawn after the noise unless they are given; undefined for a model without classes. */
  private classLabels(given: ClassLabels | undefined, batch: number, generator: Generators): Tensor<"int64"> | undefined {
    const { numClassEmbeds: classes } = this.unet.config;
    if (!classes) return undefined;
    if (given === undefined) return drawClasses(classes, batch, generator);
    const labels = given instanceof Tensor ? given : Tensor.from([given].flat()).to("int64");
    if (labels.size === batch) return labels.reshape([batch]);
    throw new ArgumentError(`${labels.size} classLabels were given for ${batch} pictures; expected one for each`, {
      argument: "classLabels",
    });
  }
}

function drawClasses(classes: number, batch: number, generator: Generators): Tensor<"int64"> {
  if (!Array.isArray(generator)) return randint(0, classes, [batch], generator as Exclude<Generators, readonly unknown[]>);
  return concat(generator.map((each) => randint(0, classes, [1], each)));
}

function isClassLabels(value: unknown): boolean {
  if (value instanceof Tensor) return value.dtype === "int64";
  return [value].flat().every((label) => typeof label === "number" && Number.isInteger(label) && label >= 0);
}
