import * as v from "valibot";
import type { ModelIndex } from "../checkpoint/model-index.js";
import { ArgumentError } from "../errors.js";
import { WORKFLOWS } from "../families/stable-diffusion.js";
import { ControlNetModel } from "../models/controlnet.js";
import { MultiControlNetModel } from "../models/multi-controlnet.js";
import type { UNet2DConditionInputs } from "../models/unet-2d-condition.js";
import { type Field, type Fields, field, flag, isListOf, needed, oneOrList, real } from "../options/fields.js";
import { concat, Tensor, weightedSum } from "../tensor/tensor.js";
import { NOISE_FIELDS, type NoiseOptions } from "./latent-diffusion-request.js";
import type { Prompted } from "./prompt/prompt-options.js";
import { expectNumber, SIZE_FIELDS, type SizeOptions } from "./shared/arguments.js";
import type { Call, Denoised } from "./shared/call.js";
import { type ComponentSource, expectParts, part } from "./shared/components.js";
import { type ControlImages, expectForPrompts, imagesPerNet } from "./shared/control-images.js";
import { type ImageInput, imageInput, readControlImages } from "./shared/image-inputs.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import {
  loadStableDiffusion,
  STABLE_DIFFUSION_PARTS,
  StableDiffusionBase,
  type StableDiffusionComponents,
} from "./stable-diffusion-base.js";
import { UNET_FIELDS, type UNetRequest } from "./unet-pipeline.js";

/** A setting for every ControlNet, or a list with one for each. */
export type PerNet<Value> = Value | readonly Value[];

/** The options of a call with ControlNets. */
export interface StableDiffusionControlNetOptions extends UNetRequest, SizeOptions, NoiseOptions {
  /** The controlling pictures. They are resized to `width` and `height`; without these, all must have one size, which is the result's. */
  readonly image: ControlImages;
  /** Weight of the control: 1 by default. */
  readonly controlnetConditioningScale?: PerNet<number> | undefined;
  /** The share of the steps, 0..1, at which control begins: 0 by default. */
  readonly controlGuidanceStart?: PerNet<number> | undefined;
  /** The share of the steps, 0..1, at which control ends: 1 by default. */
  readonly controlGuidanceEnd?: PerNet<number> | undefined;
  /**
   * Lets the control guide the picture without a prompt: it acts on the half of the prompt alone, and less in the finer layers. False by
   * default.
   */
  readonly guessMode?: boolean | undefined;
}

const controlImage = field<StableDiffusionControlNetOptions["image"]>(
  (value) => v.is(imageInput, value) || isListOf(value, (each) => v.is(imageInput, each)),
  "a picture in any form, or a list of them",
);

function perNet(one: Field<number>): Field<PerNet<number>> {
  return oneOrList(one, `${one.expected}, or a list with one for each ControlNet`);
}

const FIELDS: Fields<StableDiffusionControlNetOptions> = {
  ...UNET_FIELDS,
  ...SIZE_FIELDS,
  image: needed(controlImage, "image is the controlling picture; several ControlNets take a list with one for each"),
  controlnetConditioningScale: perNet(real()),
  controlGuidanceStart: perNet(real(0, 1)),
  controlGuidanceEnd: perNet(real(0, 1)),
  guessMode: flag,
  ...NOISE_FIELDS,
};

/** The request of a call of {@link StableDiffusionControlNetPipeline}: its options, with a prompt or embeddings. */
export type StableDiffusionControlNetRequest = Prompted<StableDiffusionControlNetOptions>;

/** The parts of Stable Diffusion with one or several ControlNets. */
export interface StableDiffusionControlNetComponents extends StableDiffusionComponents {
  /** The ControlNet, or several; their residuals are summed. */
  readonly controlnet: PerNet<ControlNetModel> | MultiControlNetModel;
}

const PARTS: Fields<StableDiffusionControlNetComponents> = {
  ...STABLE_DIFFUSION_PARTS,
  controlnet: part(
    field<PerNet<ControlNetModel> | MultiControlNetModel>(
      (value) =>
        value instanceof MultiControlNetModel ||
        value instanceof ControlNetModel ||
        isListOf(value, (each) => each instanceof ControlNetModel),
      "a ControlNetModel, a list of them or a MultiControlNetModel",
    ),
  ),
};

/** A ControlNet with its settings in one call. */
interface Control {
  readonly net: ControlNetModel;
  readonly image: Tensor;
  readonly scale: number;
  readonly start: number;
  readonly end: number;
}

/**
 * Makes pictures from texts, controlled by edges, depth, poses ... (Zhang et al. 2023). Matches diffusers'
 * StableDiffusionControlNetPipeline.
 */
export class StableDiffusionControlNetPipeline extends StableDiffusionBase<StableDiffusionControlNetRequest> {
  /** The class's name in diffusers. */
  static override readonly className = "StableDiffusionControlNetPipeline";
  /** @internal Fields of the parts. */
  static readonly parts = PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = StableDiffusionControlNetPipeline.className;
  protected readonly fields = FIELDS;
  protected readonly defaults = WORKFLOWS.control.defaults;

  /** The ControlNets; their residuals are summed. */
  controlnet: readonly ControlNetModel[];

  /** Makes a pipeline of parts that the caller loaded. The caller disposes them. */
  constructor(components: StableDiffusionControlNetComponents, source?: ComponentSource) {
    expectParts(StableDiffusionControlNetPipeline.className, components, PARTS);
    super(components, source);
    const { controlnet } = components;
    this.controlnet = controlnet instanceof MultiControlNetModel ? controlnet.nets : [controlnet].flat();
  }

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(
    source: ComponentSource,
    _index: ModelIndex,
    given: Partial<StableDiffusionControlNetComponents>,
  ): Promise<StableDiffusionControlNetPipeline> {
    const classes = { ControlNetModel, MultiControlNetModel };
    const load = () => source.load<ControlNetModel | MultiControlNetModel>("controlnet", classes, undefined);
    const [components, controlnet] = await Promise.all([loadStableDiffusion(source, given), given.controlnet ?? load()]);
    return new StableDiffusionControlNetPipeline({ ...components, controlnet }, source);
  }

  protected async *denoise(call: Call<StableDiffusionControlNetRequest>): AsyncGenerator<DenoisingStep, Denoised, void> {
    const { scheduler, timestepOptions } = call;
    const controls = await this.controls(call);
    const [, , height = 0, width = 0] = controls[0]?.image.shape ?? [];
    const size = this.size({ height, width });
    scheduler.setTimesteps(timestepOptions);
    const conditioning = await this.conditioning(call, { size, timesteps: scheduler.timesteps });
    const latents = this.noise(call, size);
    const perStep = (scaled: Tensor, timestep: number, index: number) =>
      this.residuals(call, controls, conditioning.at(index), { scaled, timestep, index });
    return yield* this.loop(call, { latents, predict: this.predictor(call, conditioning, { perStep }) });
  }

  /** The residuals that the ControlNets add to the UNet at one step, summed. */
  private async residuals(
    { request, isGuided, scheduler }: Call<StableDiffusionControlNetRequest>,
    controls: readonly Control[],
    conditioning: UNet2DConditionInputs,
    { scaled, timestep, index }: { readonly scaled: Tensor; readonly timestep: number; readonly index: number },
  ): Promise<Partial<UNet2DConditionInputs>> {
    const guessMode = this.isGuessing(request);
    // In guess mode the unconditional half has no control.
    const isHalf = isGuided && guessMode;
    const encoderHiddenStates = isHalf ? conditioning.encoderHiddenStates.chunk(2)[1] : conditioning.encoderHiddenStates;
    const total = scheduler.timesteps.length;
    const outputs = await Promise.all(
      controls.map(({ net, image, scale, start, end }) => {
        const isActive = index / total >= start && (index + 1) / total <= end;
        const conditioningScale = isActive ? scale : 0;
        return net.forward(scaled, timestep, { encoderHiddenStates, controlnetCond: image, conditioningScale, guessMode });
      }),
    );
    const whole = (residual: Tensor) => (isHalf ? concat([Tensor.zeros(residual.shape), residual]) : residual);
    const sum = (residuals: readonly Tensor[]) => whole(weightedSum(...residuals.map((residual) => [1, residual] as const)));
    const [first] = outputs;
    return {
      downBlockAdditionalResiduals: first?.downBlockResSamples.map((_, i) =>
        sum(outputs.map(({ downBlockResSamples }) => downBlockResSamples[i] as Tensor)),
      ),
      midBlockAdditionalResidual: sum(outputs.map(({ midBlockResSample }) => midBlockResSample)),
    };
  }

  /** The ControlNets with their pictures and settings. @throws ArgumentError if lists do not match them in length. */
  private async controls({ request, batch }: Call<StableDiffusionControlNetRequest>): Promise<Control[]> {
    const { controlnetConditioningScale = 1, controlGuidanceStart = 0, controlGuidanceEnd = 1, numImagesPerPrompt = 1 } = request;
    const count = this.controlnet.length;
    const perNet = <Value>(name: string, setting: PerNet<Value>): readonly Value[] => {
      const list = Array.isArray(setting) ? (setting as readonly Value[]) : Array.from({ length: count }, () => setting as Value);
      if (list.length !== count)
        throw new ArgumentError(`${list.length} were given as ${name} for ${count} ControlNets; expected one for each`, {
          argument: name,
        });
      return list;
    };
    const scales = perNet("controlnetConditioningScale", controlnetConditioningScale);
    const starts = perNet("controlGuidanceStart", controlGuidanceStart);
    const ends = perNet("controlGuidanceEnd", controlGuidanceEnd);
    const prompts = batch / numImagesPerPrompt;
    const inputs = imagesPerNet(request.image, count, prompts);
    const controls = await Promise.all(
      this.controlnet.map(async (net, i) => {
        const [scale = 1, start = 0, end = 1] = [scales[i], starts[i], ends[i]];
        expectNumber("controlnetConditioningScale", scale);
        expectNumber("controlGuidanceStart", start, 0, 1);
        expectNumber("controlGuidanceEnd", end, 0, 1);
        if (start >= end)
          throw new ArgumentError(`controlGuidanceStart is ${start} and controlGuidanceEnd ${end}; expected the start before the end`, {
            argument: "controlGuidanceStart",
          });
        const images = await readControlImages(inputs[i] as ImageInput, request, this.vae);
        expectForPrompts(images.shape[0] ?? 0, prompts);
        return { net, image: images.repeatInterleave(images.shape[0] === 1 ? batch : numImagesPerPrompt), scale, start, end };
      }),
    );
    expectOneSize(controls.map(({ image }) => image));
    return controls;
  }

  private isGuessing({ guessMode = false }: StableDiffusionControlNetRequest): boolean {
    return guessMode || (this.controlnet[0]?.config.globalPoolConditions ?? false);
  }
}

/** @throws ArgumentError unless the ControlNets' pictures are of one size. */
function expectOneSize(images: readonly Tensor[]): void {
  const sizes = new Set(images.map(({ shape: [, , height, width] }) => `${width}x${height}`));
  if (sizes.size <= 1) return;
  throw new ArgumentError(`the ControlNets' pictures are ${[...sizes].join(" and ")}; expected one size`, {
    argument: "image",
    hint: "give width and height; all pictures are resized to them",
  });
}
