import type { CLIPTextModel } from "../../models/clip-text.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { ClipFeatures } from "./clip-features.js";
import { layerFromEnd } from "./layer-from-end.js";

/**
 * Features for the latent upscaler: the output of the text encoder's last layer, or of a lower one with `clipSkip`, without the norm that
 * follows, and the pooled features.
 */
export async function readLastLayer(model: CLIPTextModel, inputIds: Tensor<"int64">, clipSkip = 0): Promise<ClipFeatures> {
  return model.recall(`last layer but ${clipSkip}`, [inputIds], async () => {
    const { hiddenStates = [], poolerOutput } = await model.forward(inputIds, { outputHiddenStates: true });
    return { promptEmbeds: layerFromEnd(hiddenStates, 1, clipSkip), pooledPromptEmbeds: poolerOutput };
  });
}
