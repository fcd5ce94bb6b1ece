import type { Call } from "../shared/call.js";
import { derive } from "../shared/per-step.js";
import type { Conditioning } from "../shared/predictor.js";
import { stepsWalked } from "../shared/timesteps.js";
import type { PromptInput } from "./prompt-options.js";
import type { EncodedPrompt, TextEncoders, TextFeatures } from "./text-encoders.js";

/**
 * The network's inputs at each turn of the loop over `timesteps`, made of the prompts' features. A scheduler of order 2 has two turns for a
 * step; the prompt changes between steps only.
 */
export async function conditionOn<Request extends PromptInput, Features extends TextFeatures, Inputs extends object>(
  textEncoders: TextEncoders<Request, Features>,
  { request, scheduler, steps: all, isGuided }: Call<Request>,
  timesteps: readonly number[],
  toInputs: (encoded: EncodedPrompt<Features>) => Inputs,
): Promise<Conditioning<Inputs>> {
  const steps = stepsWalked(scheduler, timesteps, all);
  const inputs = derive([await textEncoders.encode(request, { isGuided, steps })], toInputs);
  return { at: (index) => inputs.at(Math.min(Math.floor(index / scheduler.order) + 1, steps ?? 1)) };
}
