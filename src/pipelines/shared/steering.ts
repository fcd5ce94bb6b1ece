import { ArgumentError } from "../../errors.js";
import { given, isPlain } from "../../given.js";
import { checkOptions } from "../../options/check-options.js";
import { type Fields, field, real, tensor } from "../../options/fields.js";
import type { Turn } from "../../runtime/call-queue.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { LoopTurn, StepEnding } from "./denoising-loop.js";
import type { GuidancePlan } from "./guidance-plan.js";
import type { DenoisingStep } from "./pipeline-run.js";

/** Tensors of a run by the names of options: `promptEmbeds`, `mask`, ... */
export type StepTensors = Readonly<Record<string, Tensor | undefined>>;

/** A part of a run whose tensors `onStepEnd` sees and may replace. */
export interface Steerable {
  /** The names of the tensors that may be replaced, also of negative features that the run does not have. */
  readonly names: readonly string[];
  /** The tensors that turn `index` of the loop used. */
  tensors(index: number): StepTensors;
  /** Uses these tensors at all later turns. */
  replace(tensors: StepTensors): void;
}

/** Tensors that are the same at all turns unless they are replaced. */
export class ReplaceableTensors<Tensors extends Readonly<Record<string, Tensor>>> implements Steerable {
  constructor(
    /** The tensors of the next turn. */
    public current: Tensors,
  ) {}

  get names(): readonly string[] {
    return Object.keys(this.current);
  }

  tensors(): Tensors {
    return this.current;
  }

  replace(tensors: StepTensors): void {
    this.current = { ...this.current, ...tensors };
  }
}

/** The values of a run that `onStepEnd` may replace. They keep their shapes, and their values are finite. */
export interface StepChanges {
  /** The latents that the next step starts from, or that the picture is decoded from. */
  readonly latents?: Tensor | undefined;
  /** The scheduler's estimate of the noiseless latents. Previews show it, and a latent consistency model's picture is made of the last. */
  readonly denoised?: Tensor | undefined;
  /**
   * The guidance of all later steps. At 1 and below they are not guided, and the negative prompt is not computed. It can be raised above 1
   * if the call was guided at first, or with negative embeddings.
   */
  readonly guidanceScale?: number | undefined;
  /** Features of the prompts. Another number of tokens is possible if the negative ones have it, too. */
  readonly promptEmbeds?: Tensor | undefined;
  /** Features of the negative prompts. */
  readonly negativePromptEmbeds?: Tensor | undefined;
  /** XL: pooled features of the prompts; diffusers' `add_text_embeds`. */
  readonly pooledPromptEmbeds?: Tensor | undefined;
  /** XL: pooled features of the negative prompts. */
  readonly negativePooledPromptEmbeds?: Tensor | undefined;
  /** XL: size and crop numbers, a row for each picture. */
  readonly addTimeIds?: Tensor | undefined;
  /** XL: size and crop numbers for the negative prompt. */
  readonly negativeAddTimeIds?: Tensor | undefined;
  /** Inpainting: the mask of the latents [batch, 1, height / factor, width / factor], 1 in the part that is repainted. */
  readonly mask?: Tensor | undefined;
  /** Inpainting by a network with nine input channels: latents of the picture without the masked part. */
  readonly maskedImageLatents?: Tensor | undefined;
}

/**
 * A finished step, as `onStepEnd` gets it. Tensors of texts have a row for each picture, with the prompts and the negative prompts apart,
 * as in a request. (diffusers joins both under guidance.) What a pipeline does not have is undefined.
 */
export interface StepEnd extends DenoisingStep, Omit<StepChanges, "latents" | "promptEmbeds" | "guidanceScale"> {
  /** Features of the prompts. */
  readonly promptEmbeds: Tensor;
  /** The guidance of this step. */
  readonly guidanceScale: number;
  /** Skips the steps that are left: the picture is decoded from these latents. diffusers' `pipe._interrupt = True`. */
  interrupt(): void;
}

/**
 * Called after every step of the scheduler, before the step is yielded to a loop over `steps`. What it returns replaces the run's values;
 * undefined changes nothing. The run waits for a promise. An error it throws ends the run. It must not change tensors in place.
 */
// biome-ignore lint/suspicious/noConfusingVoidType: a callback without a return statement is a function of void
export type OnStepEnd = (step: StepEnd) => StepChanges | undefined | void | Promise<StepChanges | undefined | void>;

/** The option `onStepEnd` of a request. */
export interface SteeringOptions {
  /**
   * Called after every step of the scheduler; may replace latents, embeddings and guidance, and end the run early: see {@link StepEnd} and
   * {@link StepChanges}. diffusers' `callback_on_step_end`. Of a list, each gets the values that the one before it returned.
   */
  readonly onStepEnd?: OnStepEnd | readonly OnStepEnd[] | undefined;
}

export const STEERING_FIELDS: Fields<SteeringOptions> = {
  onStepEnd: field<OnStepEnd | readonly OnStepEnd[]>(
    (value) => [value].flat().every((each) => typeof each === "function"),
    "a function or a list of functions",
  ),
};

/** What steers a run. */
export interface SteeringInput {
  readonly onStepEnd: OnStepEnd | readonly OnStepEnd[];
  readonly guidance: GuidancePlan;
  readonly parts: readonly Steerable[];
  /** The step as loops over a run get it. */
  readonly asStep: (turn: LoopTurn) => DenoisingStep;
}

/**
 * Runs `onStepEnd` after a turn of the loop. As between two steps of a loop over `steps`, other calls may take the `queueTurn` of a run
 * that waits for long. The function throws an ArgumentError for replacements that do not fit.
 */
export function steering(queueTurn: Turn, { asStep, ...input }: SteeringInput): (turn: LoopTurn) => Promise<StepEnding> {
  const withTurn = (step: DenoisingStep): DenoisingStep => ({ ...step, preview: () => queueTurn.during(step.preview) });
  return async (turn) => {
    queueTurn.rest();
    const ending = await steer(turn, { ...input, asStep: (loopTurn) => withTurn(asStep(loopTurn)) });
    await queueTurn.resume();
    return ending;
  };
}

async function steer(turn: LoopTurn, { onStepEnd, ...run }: SteeringInput): Promise<StepEnding> {
  let ending: StepEnding = { ...turn, isInterrupted: false };
  for (const callOne of [onStepEnd].flat()) {
    const { latents, predicted, isInterrupted } = ending;
    const next = await steerOnce({ ...turn, latents, predicted }, callOne, run);
    ending = { ...next, isInterrupted: isInterrupted || next.isInterrupted };
  }
  return ending;
}

async function steerOnce(
  turn: LoopTurn,
  onStepEnd: OnStepEnd,
  { guidance, parts, asStep }: Omit<SteeringInput, "onStepEnd">,
): Promise<StepEnding> {
  let isInterrupted = false;
  const tensors: StepTensors = Object.assign({}, ...parts.map((part) => part.tensors(turn.index)));
  const step: StepEnd = {
    ...(tensors as { readonly promptEmbeds: Tensor }),
    ...asStep(turn),
    denoised: turn.predicted,
    guidanceScale: guidance.at(turn.index).scale,
    interrupt: () => {
      isInterrupted = true;
    },
  };
  const names = parts.flatMap((part) => part.names);
  const { latents, denoised, guidanceScale, ...replaced } = changesOf(await onStepEnd(step), step, names);
  if (guidanceScale !== undefined) guidance.replace(guidanceScale);
  for (const part of parts) part.replace(Object.fromEntries(Object.entries(replaced).filter(([name]) => part.names.includes(name))));
  const { scale, isGuided } = guidance.at(turn.index + 1);
  if (isGuided) expectNegative(names, { ...tensors, ...replaced }, scale);
  return { latents: latents ?? turn.latents, predicted: denoised ?? turn.predicted, isInterrupted };
}

/** The changes that `onStepEnd` returned, checked. Values that are the step's own are no changes, so `{ ...step, latents }` is one. */
function changesOf(returned: unknown, step: StepEnd, names: readonly string[]): StepChanges {
  if (returned === undefined || returned === null) return {};
  if (!isPlain(returned)) {
    throw wrong(`onStepEnd returned ${given(returned)}; expected an object with changes, such as { latents }, or undefined`);
  }
  const own = step as unknown as Readonly<Record<string, unknown>>;
  const changed = Object.fromEntries(Object.entries(returned).filter(([name, value]) => value !== own[name]));
  const tensors = ["latents", ...(step.denoised ? ["denoised"] : []), ...names];
  const fields = { ...Object.fromEntries(tensors.map((name) => [name, tensor])), guidanceScale: real() };
  const changes = checkOptions<StepChanges>(changed, fields as unknown as Fields<StepChanges>, {
    call: "onStepEnd's result",
    prefix: "onStepEnd.",
  });
  const { guidanceScale: _, ...replaced } = changes;
  for (const [name, value] of Object.entries(replaced))
    expectReplacement(name, value, { ...(own as StepTensors), ...replaced }, own as StepTensors);
  return changes;
}

/** @throws ArgumentError unless a replacement has the shape of what it replaces, and finite values. */
function expectReplacement(name: string, value: Tensor, after: StepTensors, before: StepTensors): void {
  // Prompts and negative prompts may have different numbers of tokens from the start.
  const isAsBefore = String(value.shape) === String(before[name]?.shape);
  const [batch, ...sides] = (before[name] ?? before[positiveOf(name)] ?? value).shape;
  const expected = isText(name)
    ? [batch, after[name === "promptEmbeds" ? "negativePromptEmbeds" : "promptEmbeds"]?.shape[1] ?? value.shape[1], ...sides.slice(1)]
    : [batch, ...sides];
  if (!isAsBefore && String(value.shape) !== String(expected)) {
    throw wrong(`onStepEnd returned ${name} [${value.shape}]; expected [${expected}]`, {
      hint:
        value.shape[0] === batch
          ? undefined
          : "there is a row for each picture, and negative features are apart; guidanceScale: 1 alone turns guidance off",
    });
  }
  const bad = value.data.find((each) => !Number.isFinite(each));
  if (bad !== undefined) throw wrong(`onStepEnd returned ${name} with the value ${bad}; expected finite numbers`);
}

/** Whether the tensor has features of every token: texts may get longer or shorter, if both halves do. */
function isText(name: string): boolean {
  return name === "promptEmbeds" || name === "negativePromptEmbeds";
}

function positiveOf(name: string): string {
  const positive = name.replace(/^negative/, "");
  return positive.charAt(0).toLowerCase() + positive.slice(1);
}

/** @throws ArgumentError if guidance was turned on without features of negative prompts. */
function expectNegative(names: readonly string[], tensors: StepTensors, scale: number): void {
  const missing = names.find((name) => name.startsWith("negative") && !tensors[name]);
  if (missing === undefined) return;
  throw wrong(`onStepEnd set guidanceScale ${scale}, but the call began without guidance, so it has no ${missing}`, {
    hint: "return them as well, or begin with a guidanceScale above 1",
  });
}

function wrong(message: string, { hint }: { readonly hint?: string | undefined } = {}): ArgumentError {
  return new ArgumentError(message, { argument: "onStepEnd", hint });
}
