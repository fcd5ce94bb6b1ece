import { ArgumentError } from "../../errors.js";
import type { CLIPTextModel } from "../../models/clip-text.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { ClipFeatures } from "./clip-features.js";

/**
 * Features for the latent upscaler: the output of the text encoder's last layer, or of a lower one with `clipSkip`, without the norm that
 * follows, and the pooled features.
 */
export async function readLastLayer(model: CLIPTextModel, inputIds: Tensor<"int64">, clipSkip = 0): Promise<ClipFeatures> {
  return model.recall(`last layer but ${clipSkip}`, [inputIds], async () => {
    const { hiddenStates = [], poolerOutput } = await model.forward(inputIds, { outputHiddenStates: true });
    const promptEmbeds = hiddenStates.at(-(1 + clipSkip));
    if (promptEmbeds) return { promptEmbeds, pooledPromptEmbeds: poolerOutput };
    throw new ArgumentError((name) => `${name("clipSkip")} is ${clipSkip}; the text encoder has only ${hiddenStates.length - 1} layers`, {
      argument: "clipSkip",
    });
  });
}
