import { ArgumentError } from "../../errors.js";
import { ControlNetModel } from "../../models/controlnet.js";
import type { ControlNetOutput } from "../../models/controlnet-residuals.js";
import { MultiControlNetModel } from "../../models/multi-controlnet.js";
import type { UNet2DConditionInputs } from "../../models/unet-2d-condition.js";
import { type Field, type Fields, field, flag, isListOf, oneOrList, real } from "../../options/fields.js";
import { concat, Tensor, weightedSum } from "../../tensor/tensor.js";
import type { LatentDiffusionRequest } from "../latent-diffusion-request.js";
import { expectNumber } from "../shared/arguments.js";
import type { Call } from "../shared/call.js";
import { type ComponentSource, part } from "../shared/components.js";
import type { Control, ControlFit, ControlTurn } from "../shared/control.js";
import { type ControlImages, expectForPrompts, imagesPerNet } from "../shared/control-images.js";
import { type ImageInput, readControlImages } from "../shared/image-inputs.js";
import type { UNetComponents } from "../unet-pipeline.js";

/** A setting for every ControlNet, or a list with one for each. */
export type PerNet<Value> = Value | readonly Value[];

/** How ControlNets act in a call. */
export interface ControlNetOptions {
  /** Weight of the control: 1 by default; 0.8 with a picture to start from; 0.5 for inpainting with Stable Diffusion 1 and 2. */
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

export const CONTROLNET_FIELDS: Fields<ControlNetOptions> = {
  controlnetConditioningScale: perNet(real()),
  controlGuidanceStart: perNet(real(0, 1)),
  controlGuidanceEnd: perNet(real(0, 1)),
  guessMode: flag,
};

function perNet(one: Field<number>): Field<PerNet<number>> {
  return oneOrList(one, `${one.expected}, or a list with one for each ControlNet`);
}

/** The ControlNets of a pipeline. */
export interface ControlNetComponents {
  /** The ControlNet, or several; their residuals are summed. */
  readonly controlnet: PerNet<ControlNetModel> | MultiControlNetModel;
}

export const CONTROLNET_PARTS: Fields<ControlNetComponents> = {
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

/** Loads a pipeline's ControlNets, unless the caller gave them. */
export async function loadControlNets(
  source: ComponentSource,
  given: Partial<ControlNetComponents>,
): Promise<ControlNetComponents["controlnet"]> {
  const classes = { ControlNetModel, MultiControlNetModel };
  return given.controlnet ?? source.load<ControlNetModel | MultiControlNetModel>("controlnet", classes, undefined);
}

/** The ControlNets one by one. @throws ArgumentError for one that was made for other UNets. */
export function controlNetsOf({ controlnet, unet }: ControlNetComponents & Pick<UNetComponents, "unet">): readonly ControlNetModel[] {
  const nets = controlnet instanceof MultiControlNetModel ? controlnet.nets : [controlnet].flat();
  for (const net of nets) expectFitting("ControlNet", net.config, unet.config);
  return nets;
}

/** The part of a config that shows which UNets a network is for. */
interface FamilyConfig {
  readonly crossAttentionDim: number | readonly number[];
  readonly additionEmbedType?: "text_time" | "text" | null | undefined;
}

/** @throws ArgumentError unless a network reads the text features of this UNet. */
export function expectFitting(what: string, net: FamilyConfig, unet: FamilyConfig & { readonly encoderHidDim?: number | null }): void {
  const width = ({ crossAttentionDim }: FamilyConfig) => [crossAttentionDim].flat()[0];
  const isXL = ({ additionEmbedType }: FamilyConfig) => additionEmbedType === "text_time";
  if (width(net) === width(unet) && isXL(net) === isXL(unet)) return;
  const describe = (config: FamilyConfig) => `text features of width ${width(config)}${isXL(config) ? ", pooled text and sizes" : ""}`;
  throw new ArgumentError((name) => `${name("controlnet")}: this ${what} takes ${describe(net)}; the UNet takes ${describe(unet)}`, {
    argument: "controlnet",
    hint: `it is for another family of checkpoints: use a ${what} that was trained for this one`,
  });
}

/** A ControlNet with its settings in one call. */
interface ActiveNet {
  readonly net: ControlNetModel;
  readonly image: Tensor;
  readonly scale: number;
  readonly start: number;
  readonly end: number;
}

/** What a call's control is made of. */
export interface ControlNetCall {
  readonly nets: readonly ControlNetModel[];
  readonly call: Call<LatentDiffusionRequest & ControlNetOptions>;
  /** The option that has the controlling pictures. */
  readonly argument: "image" | "controlImage";
  readonly fit: ControlFit;
  readonly vae: Parameters<typeof readControlImages>[2];
  /** The weight if the call names none; 1 by default. */
  readonly scale: number | undefined;
  /** Whether ControlNets that average their residuals over the picture always act as in guess mode. */
  readonly poolingGuesses: boolean;
}

/** Reads the pictures of a call for its ControlNets. @throws ArgumentError if lists do not match the ControlNets in length. */
export async function prepareControlNets(given: ControlNetCall): Promise<Control> {
  const { nets, call, argument, fit, vae, scale: usualScale = 1, poolingGuesses } = given;
  const { controlnetConditioningScale = usualScale, controlGuidanceStart = 0, controlGuidanceEnd = 1, guessMode = false } = call.request;
  const { numImagesPerPrompt = 1 } = call.request;
  const scales = settingPerNet("controlnetConditioningScale", controlnetConditioningScale, nets.length);
  const starts = settingPerNet("controlGuidanceStart", controlGuidanceStart, nets.length);
  const ends = settingPerNet("controlGuidanceEnd", controlGuidanceEnd, nets.length);
  const prompts = call.batch / numImagesPerPrompt;
  const images = (call.request as { readonly [Name in typeof argument]?: ControlImages })[argument] as ControlImages;
  const inputs = imagesPerNet(images, nets.length, prompts, argument);
  const active = await Promise.all(
    nets.map(async (net, i) => {
      const [scale = 1, start = 0, end = 1] = [scales[i], starts[i], ends[i]];
      expectNumber("controlnetConditioningScale", scale);
      expectSpan(start, end);
      const image = await readImagesForBatch(inputs[i] as ImageInput, { fit, vae, batch: call.batch, numImagesPerPrompt, argument });
      return { net, image, scale, start, end };
    }),
  );
  const size = sizeOfControl(
    active.map(({ image }) => image),
    argument,
  );
  const guesses = guessMode || (poolingGuesses && (nets[0]?.config.globalPoolConditions ?? false));
  return { size, inputs: (turn) => residualsOf(active, turn, { guesses, isGuided: call.guidance.at(turn.index).isGuided }) };
}

/** How a guided call uses its ControlNets. */
interface ResidualOptions {
  readonly guesses: boolean;
  readonly isGuided: boolean;
}

async function residualsOf(
  nets: readonly ActiveNet[],
  turn: ControlTurn,
  { guesses: guessMode, isGuided }: ResidualOptions,
): Promise<Partial<UNet2DConditionInputs>> {
  const { scaled, timestep, conditioning } = turn;
  const isHalf = isGuided && guessMode;
  const inputs = isHalf ? conditionalHalf(conditioning) : textInputs(conditioning);
  const outputs = await Promise.all(
    nets.map(({ net, image, scale, start, end }) => {
      const conditioningScale = isActive(turn, start, end) ? scale : 0;
      return net.forward(scaled, timestep, { ...inputs, controlnetCond: image, conditioningScale, guessMode });
    }),
  );
  return summedResiduals(outputs, isHalf);
}

/** Whether a control that acts from one share of the planned turns to another acts at this turn. */
export function isActive({ index, turns: { planned } }: ControlTurn, start: number, end: number): boolean {
  return index / planned >= start && (index + 1) / planned <= end;
}

/** The inputs that ControlNets share with their UNet. */
export function textInputs({
  encoderHiddenStates,
  addedCond,
}: UNet2DConditionInputs): Pick<UNet2DConditionInputs, "encoderHiddenStates" | "addedCond"> {
  return { encoderHiddenStates, ...(addedCond && { addedCond }) };
}

/** {@link textInputs} for the half of the prompt: in guess mode the unconditional half has no control. */
export function conditionalHalf({ encoderHiddenStates, addedCond }: UNet2DConditionInputs): ReturnType<typeof textInputs> {
  return {
    encoderHiddenStates: encoderHiddenStates.chunk(2)[1],
    ...(addedCond && { addedCond: { textEmbeds: addedCond.textEmbeds.chunk(2)[1], timeIds: addedCond.timeIds.chunk(2)[1] } }),
  };
}

/** The residuals of all ControlNets, summed; with zeros for the unconditional half if they are those of the conditional half. */
export function summedResiduals(outputs: readonly ControlNetOutput[], isHalf: boolean): Partial<UNet2DConditionInputs> {
  const [first] = outputs;
  if (!first) return {};
  const whole = (residual: Tensor) => (isHalf ? concat([Tensor.zeros(residual.shape), residual]) : residual);
  const sum = (residuals: readonly Tensor[]) => whole(weightedSum(...residuals.map((residual) => [1, residual] as const)));
  return {
    downBlockAdditionalResiduals: first.downBlockResSamples.map((_, i) =>
      sum(outputs.map(({ downBlockResSamples }) => downBlockResSamples[i] as Tensor)),
    ),
    midBlockAdditionalResidual: sum(outputs.map(({ midBlockResSample }) => midBlockResSample)),
  };
}

/** A setting's value for each of `count` ControlNets. @throws ArgumentError for a list of another length. */
export function settingPerNet<Value>(name: string, setting: PerNet<Value>, count: number, what = "ControlNets"): readonly Value[] {
  const list = Array.isArray(setting) ? (setting as readonly Value[]) : Array.from({ length: count }, () => setting as Value);
  if (list.length === count) return list;
  throw new ArgumentError(`${list.length} were given as ${name} for ${count} ${what}; expected one for each`, { argument: name });
}

/** @throws ArgumentError unless the start is before the end. */
export function expectSpan(start: number, end: number): void {
  expectNumber("controlGuidanceStart", start, 0, 1);
  expectNumber("controlGuidanceEnd", end, 0, 1);
  if (start < end) return;
  throw new ArgumentError(
    (name) => `${name("controlGuidanceStart")} is ${start} and ${name("controlGuidanceEnd")} ${end}; expected the start before the end`,
    { argument: "controlGuidanceStart" },
  );
}

/** How pictures become a batch. */
interface BatchOptions {
  readonly fit: ControlFit;
  readonly vae: Parameters<typeof readControlImages>[2];
  readonly batch: number;
  readonly numImagesPerPrompt: number;
  readonly argument: string;
}

/** The pictures of one net, a row for each picture of the batch. @throws ArgumentError unless there is one, or one for each prompt. */
export async function readImagesForBatch(
  input: ImageInput,
  { fit, vae, batch, numImagesPerPrompt, argument }: BatchOptions,
): Promise<Tensor> {
  const images = await readControlImages(input, fit, vae);
  expectForPrompts(images.shape[0] ?? 0, batch / numImagesPerPrompt, argument);
  return images.repeatInterleave(images.shape[0] === 1 ? batch : numImagesPerPrompt);
}

/** The size of all controlling pictures. @throws ArgumentError unless they are of one size. */
export function sizeOfControl(images: readonly Tensor[], argument: string): { readonly height: number; readonly width: number } {
  const sizes = new Set(images.map(({ shape: [, , height, width] }) => `${width}x${height}`));
  const [, , height = 0, width = 0] = images[0]?.shape ?? [];
  if (sizes.size <= 1) return { height, width };
  throw new ArgumentError(`the ControlNets' pictures are ${[...sizes].join(" and ")}; expected one size`, {
    argument,
    hint: "give width and height; all pictures are resized to them",
  });
}
