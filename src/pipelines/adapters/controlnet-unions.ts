import { ArgumentError } from "../../errors.js";
import { ControlNetUnionModel } from "../../models/controlnet-union.js";
import { MultiControlNetUnionModel } from "../../models/multi-controlnet-union.js";
import type { UNet2DConditionInputs } from "../../models/unet-2d-condition.js";
import { type Fields, field, isListOf, needed } from "../../options/fields.js";
import { Tensor } from "../../tensor/tensor.js";
import type { LatentDiffusionRequest } from "../latent-diffusion-request.js";
import type { Call } from "../shared/call.js";
import { type ComponentSource, part } from "../shared/components.js";
import type { Control, ControlFit, ControlTurn } from "../shared/control.js";
import type { ControlImages } from "../shared/control-images.js";
import type { ImageInput, readControlImages } from "../shared/image-inputs.js";
import type { UNetComponents } from "../unet-pipeline.js";
import {
  CONTROLNET_FIELDS,
  type ControlNetOptions,
  conditionalHalf,
  expectFitting,
  expectSpan,
  isActive,
  type PerNet,
  readImagesForBatch,
  settingPerNet,
  sizeOfControl,
  summedResiduals,
  textInputs,
} from "./controlnets.js";

/** How ControlNet Unions act in a call. */
export interface ControlNetUnionOptions extends ControlNetOptions {
  /**
   * The controlling pictures. For one ControlNet Union: one picture, or a list with one for each of `controlMode`. For several: a list with
   * one picture for each, or, where `controlMode` has a list of types, a list of pictures. In place of a picture there may be a list with
   * one for each prompt. They are resized to `width` and `height`; without these, all must have one size.
   */
  readonly controlImage: ControlImages;
  /**
   * The types of control, counted from 0: for xinsir's networks 0 is a pose, 1 depth, 2 a scribble or soft edges, 3 lines such as canny's,
   * 4 normals, 5 segments, and for ProMax 6 a tile and 7 repainting. One for each picture of a ControlNet Union; with several networks, a
   * list with one type, or a list of types, for each.
   */
  readonly controlMode: number | readonly (number | readonly number[])[];
}

export const CONTROLNET_UNION_FIELDS: Fields<Omit<ControlNetUnionOptions, "controlImage">> = {
  ...CONTROLNET_FIELDS,
  controlMode: needed(
    field<ControlNetUnionOptions["controlMode"]>(
      (value) => isMode(value) || isListOf(value, (each) => isMode(each) || isListOf(each, isMode)),
      "a whole number of at least 0, or a list with one for each picture",
    ),
    "the type of control, such as 3 for lines",
  ),
};

function isMode(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** The ControlNet Unions of a pipeline. */
export interface ControlNetUnionComponents {
  /** The ControlNet Union, or several; their residuals are summed. */
  readonly controlnet: PerNet<ControlNetUnionModel> | MultiControlNetUnionModel;
}

export const CONTROLNET_UNION_PARTS: Fields<ControlNetUnionComponents> = {
  controlnet: part(
    field<PerNet<ControlNetUnionModel> | MultiControlNetUnionModel>(
      (value) =>
        value instanceof MultiControlNetUnionModel ||
        value instanceof ControlNetUnionModel ||
        isListOf(value, (each) => each instanceof ControlNetUnionModel),
      "a ControlNetUnionModel, a list of them or a MultiControlNetUnionModel",
    ),
  ),
};

/** Loads a pipeline's ControlNet Unions, unless the caller gave them. */
export async function loadControlNetUnions(
  source: ComponentSource,
  given: Partial<ControlNetUnionComponents>,
): Promise<ControlNetUnionComponents["controlnet"]> {
  const classes = { ControlNetUnionModel, MultiControlNetUnionModel };
  return given.controlnet ?? source.load<ControlNetUnionModel | MultiControlNetUnionModel>("controlnet", classes, undefined);
}

/** The ControlNet Unions one by one. @throws ArgumentError for one that was made for other UNets. */
export function controlNetUnionsOf({
  controlnet,
  unet,
}: ControlNetUnionComponents & Pick<UNetComponents, "unet">): readonly ControlNetUnionModel[] {
  const nets = controlnet instanceof MultiControlNetUnionModel ? controlnet.nets : [controlnet].flat();
  for (const net of nets) expectFitting("ControlNet Union", net.config, unet.config);
  return nets;
}

/** One picture that a ControlNet Union follows. */
interface Condition {
  readonly image: Tensor;
  readonly mode: number;
  readonly scale: number;
  readonly start: number;
  readonly end: number;
}

/** A ControlNet Union with its pictures in one call. */
interface ActiveUnion {
  readonly net: ControlNetUnionModel;
  readonly conditions: readonly Condition[];
}

/** What a call's control is made of. */
export interface ControlNetUnionCall {
  readonly nets: readonly ControlNetUnionModel[];
  readonly call: Call<LatentDiffusionRequest & ControlNetUnionOptions>;
  readonly fit: ControlFit;
  readonly vae: Parameters<typeof readControlImages>[2];
  /** The weight if the call names none; 1 by default. */
  readonly scale: number | undefined;
  /** Whether networks that average their residuals over the picture always act as in guess mode. */
  readonly poolingGuesses: boolean;
}

/** Reads the pictures of a call for its ControlNet Unions. @throws ArgumentError if lists do not match in length. */
export async function prepareControlNetUnions(given: ControlNetUnionCall): Promise<Control> {
  const { nets, call, fit, vae, scale: usualScale = 1, poolingGuesses } = given;
  const { controlnetConditioningScale = usualScale, controlGuidanceStart = 0, controlGuidanceEnd = 1, guessMode = false } = call.request;
  const pictures = picturesPerNet(nets, call.request);
  // One network has settings for each picture, several networks have settings for each network.
  const isSeveral = nets.length > 1;
  const [count, what] = isSeveral ? [nets.length, "ControlNet Unions"] : [pictures[0]?.length ?? 0, "pictures"];
  const scales = settingPerNet("controlnetConditioningScale", controlnetConditioningScale, count, what);
  const starts = settingPerNet("controlGuidanceStart", controlGuidanceStart, count, what);
  const ends = settingPerNet("controlGuidanceEnd", controlGuidanceEnd, count, what);
  const { numImagesPerPrompt = 1 } = call.request;
  const options = { fit, vae, batch: call.batch, numImagesPerPrompt, argument: "controlImage" };
  const active = await Promise.all(
    nets.map(async (net, i): Promise<ActiveUnion> => {
      const conditions = (pictures[i] ?? []).map(async ({ image, mode }, j) => {
        const at = isSeveral ? i : j;
        const [scale = 1, start = 0, end = 1] = [scales[at], starts[at], ends[at]];
        expectSpan(start, end);
        return { image: await readImagesForBatch(image, options), mode, scale, start, end };
      });
      return { net, conditions: await Promise.all(conditions) };
    }),
  );
  const size = sizeOfControl(
    active.flatMap(({ conditions }) => conditions.map(({ image }) => image)),
    "controlImage",
  );
  const guesses = guessMode || (poolingGuesses && (nets[0]?.config.globalPoolConditions ?? false));
  return { size, inputs: (turn) => residualsOf(active, turn, { guesses, isGuided: call.guidance.at(turn.index).isGuided }) };
}

interface ModePicture {
  readonly image: ImageInput;
  readonly mode: number;
}

/** For each network its pictures with their types. @throws ArgumentError unless there is a type for each picture */
function picturesPerNet(
  nets: readonly ControlNetUnionModel[],
  { controlImage, controlMode }: ControlNetUnionOptions,
): readonly (readonly ModePicture[])[] {
  const images = listOf(controlImage) as readonly ImageInput[];
  const modes = listOf(controlMode) as readonly (number | readonly number[])[];
  const isSeveral = nets.length > 1;
  if (images.length !== modes.length || (isSeveral && images.length !== nets.length)) {
    throw new ArgumentError(
      (name) =>
        `${images.length} were given as ${name("controlImage")} and ${modes.length} as ${name("controlMode")}${isSeveral ? ` for ${nets.length} ControlNet Unions` : ""}; expected one type for each picture`,
      { argument: "controlMode" },
    );
  }
  const paired = modes.map((mode, i): readonly ModePicture[] => {
    const image = images[i] as ImageInput;
    if (typeof mode === "number") return [{ image, mode }];
    const list = listOf(image) as readonly ImageInput[];
    if (!isSeveral || list.length !== mode.length) {
      throw new ArgumentError((name) => `${name("controlMode")}[${i}] is a list of ${mode.length}; expected a type for each picture`, {
        argument: "controlMode",
      });
    }
    return mode.map((each, j) => ({ image: list[j] as ImageInput, mode: each }));
  });
  const perNet = isSeveral ? paired : [paired.flat()];
  for (const [i, net] of nets.entries()) for (const { mode } of perNet[i] ?? []) expectMode(mode, net);
  return perNet;
}

function expectMode(mode: number, { config: { numControlType: count } }: ControlNetUnionModel): void {
  if (mode < count) return;
  throw new ArgumentError((name) => `${name("controlMode")} is ${mode}; this ControlNet Union has the types 0 to ${count - 1}`, {
    argument: "controlMode",
    hint: "the types 6 (tile) and 7 (repaint) are those of ProMax",
  });
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}

async function residualsOf(
  nets: readonly ActiveUnion[],
  turn: ControlTurn,
  { guesses: guessMode, isGuided }: { readonly guesses: boolean; readonly isGuided: boolean },
): Promise<Partial<UNet2DConditionInputs>> {
  const { scaled, timestep, conditioning } = turn;
  const isHalf = isGuided && guessMode;
  const inputs = isHalf ? conditionalHalf(conditioning) : textInputs(conditioning);
  const fromMulti = nets.length > 1;
  const scaleOf = ({ scale, start, end }: Condition) => (isActive(turn, start, end) ? scale : 0);
  // As in diffusers, of several networks only those that act are run.
  const acting = nets.filter(({ conditions: [first] }) => !fromMulti || (first && scaleOf(first) !== 0));
  const outputs = await Promise.all(
    acting.map(({ net, conditions }) => {
      const types = new Float32Array(net.config.numControlType);
      for (const { mode } of conditions) types[mode] = 1;
      return net.forward(scaled, timestep, {
        ...inputs,
        controlnetCond: conditions.map(({ image }) => image),
        controlType: new Tensor("float32", [1, types.length], types),
        controlTypeIdx: conditions.map(({ mode }) => mode),
        conditioningScale: conditions.map(scaleOf),
        fromMulti,
        guessMode,
      });
    }),
  );
  return summedResiduals(outputs, isHalf);
}
