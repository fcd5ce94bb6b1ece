import type { Call } from "../shared/call.js";
import type { TurnGuidance } from "../shared/guidance-plan.js";
import type { PerStep } from "../shared/per-step.js";
import type { Conditioning } from "../shared/predictor.js";
import type { Steerable, StepTensors } from "../shared/steering.js";
import { type LoopSteps, stepAtTurn, stepsWalked } from "../shared/timesteps.js";
import type { PromptInput, TextEmbeds } from "./prompt-options.js";
import { type EncodedPrompt, embedsOf, nameOfNegative, type TextEncoders, type TextFeatures } from "./text-encoders.js";

/**
 * The network's inputs at each turn of the loop over `timesteps`, made of the prompts' features. A scheduler of order 2 has two turns for a
 * step; the prompt changes between steps only. At a turn without guidance, the features have no negative ones.
 * @throws ArgumentError if the call's guidance does not fit the steps.
 */
export async function conditionOn<Request extends PromptInput<TextEmbeds>, Features extends TextFeatures, Inputs extends object>(
  textEncoders: TextEncoders<Request, Features>,
  { request, scheduler, steps: all, isGuided, guidance }: Call<Request>,
  timesteps: readonly number[],
  toInputs: (encoded: EncodedPrompt<Features>, guidanceScale: number) => Inputs,
): Promise<SteeredConditioning<Features, Inputs>> {
  const count = stepsWalked(scheduler, timesteps, all);
  const steps = { count, order: scheduler.order };
  guidance.fit(steps, timesteps, scheduler);
  const encoded = await textEncoders.encode(request, { isGuided, steps: count });
  return new SteeredConditioning(encoded, steps, (index) => guidance.at(index), toInputs);
}

/** The inputs that prompts make. A program may replace the prompts' features between two steps. */
export class SteeredConditioning<Features extends TextFeatures, Inputs extends object> implements Conditioning<Inputs>, Steerable {
  private replaced: StepTensors = {};
  private last: { readonly key: string; readonly inputs: Inputs } | undefined;

  constructor(
    private readonly encoded: PerStep<EncodedPrompt<Features>>,
    private readonly steps: LoopSteps,
    private readonly guidanceAt: (index: number) => TurnGuidance,
    private readonly toInputs: (encoded: EncodedPrompt<Features>, guidanceScale: number) => Inputs,
  ) {}

  at(index: number): Inputs {
    const { scale, isGuided } = this.guidanceAt(index);
    // Inputs are made once as long as nothing changes.
    const key = `${this.encoded.isConstant || stepAtTurn(index, this.steps)} ${scale} ${isGuided}`;
    if (this.last?.key === key) return this.last.inputs;
    const { positive, negative } = this.featuresAt(index);
    const inputs = this.toInputs({ positive, negative: isGuided ? negative : undefined }, scale);
    this.last = { key, inputs };
    return inputs;
  }

  get names(): readonly string[] {
    const { positive } = this.encoded.at(1);
    return Object.entries(positive).flatMap(([name, tensor]) => (tensor ? [name, nameOfNegative(name)] : []));
  }

  tensors(index: number): StepTensors {
    return embedsOf(this.featuresAt(index));
  }

  replace(tensors: StepTensors): void {
    this.replaced = { ...this.replaced, ...tensors };
    this.last = undefined;
  }

  private featuresAt(index: number): EncodedPrompt<Features> {
    const { positive, negative } = this.encoded.at(stepAtTurn(index, this.steps));
    const { replaced } = this;
    const replacing = (nameOf: (name: string) => string) =>
      Object.fromEntries(Object.keys(positive).flatMap((name) => (replaced[nameOf(name)] ? [[name, replaced[nameOf(name)]]] : [])));
    const opposite = replacing(nameOfNegative);
    return {
      positive: { ...positive, ...replacing((name) => name) },
      negative: negative || Object.keys(opposite).length > 0 ? ({ ...negative, ...opposite } as Features) : undefined,
    };
  }
}
