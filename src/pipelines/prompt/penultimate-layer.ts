import { ArgumentError } from "../../errors.js";
import type { CLIPTextModel } from "../../models/clip-text.js";
import type { Tensor } from "../../tensor/tensor.js";
import { expectInteger } from "../shared/arguments.js";
import type { ClipFeatures } from "./clip-features.js";

/**
 * Features for Stable Diffusion XL: the output of the text encoder's penultimate layer, or of a lower one with `clipSkip`, and the
 * projected pooled features.
 */
export async function readPenultimate(
  model: CLIPTextModel,
  inputIds: Tensor<"int64">,
  clipSkip: number | undefined,
): Promise<ClipFeatures> {
  if (clipSkip !== undefined) expectInteger("clipSkip", clipSkip, 0);
  return model.recall(`penultimate layer but ${clipSkip ?? 0}`, [inputIds], async () => {
    const output = await model.forward(inputIds, { outputHiddenStates: true });
    const { hiddenStates = [] } = output;
    const promptEmbeds = hiddenStates.at(-(2 + (clipSkip ?? 0)));
    if (!promptEmbeds)
      throw new ArgumentError((name) => `${name("clipSkip")} is ${clipSkip}; the text encoder has only ${hiddenStates.length - 1} layers`, {
        argument: "clipSkip",
      });
    return { promptEmbeds, ...("textEmbeds" in output && { pooledPromptEmbeds: output.textEmbeds as Tensor }) };
  });
}
