import type { CLIPTextModel } from "../../models/clip-text.js";
import type { Tensor } from "../../tensor/tensor.js";
import { expectInteger } from "../shared/arguments.js";
import type { ClipFeatures } from "./clip-features.js";
import { layerFromEnd } from "./layer-from-end.js";

/**
 * Features for Stable Diffusion XL: the output of the text encoder's penultimate layer, or of a lower one with `clipSkip`, and the
 * projected pooled features.
 */
export async function readPenultimate(model: CLIPTextModel, inputIds: Tensor<"int64">, clipSkip = 0): Promise<ClipFeatures> {
  expectInteger("clipSkip", clipSkip, 0);
  return model.recall(`penultimate layer but ${clipSkip}`, [inputIds], async () => {
    const output = await model.forward(inputIds, { outputHiddenStates: true });
    const promptEmbeds = layerFromEnd(output.hiddenStates ?? [], 2, clipSkip);
    return { promptEmbeds, ...("textEmbeds" in output && { pooledPromptEmbeds: output.textEmbeds as Tensor }) };
  });
}
