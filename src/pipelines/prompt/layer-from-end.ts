import { ArgumentError } from "../../errors.js";
import type { Tensor } from "../../tensor/tensor.js";

/**
 * The output of a layer of CLIP: 1 is the last one, 2 the one before it, and each `clipSkip` goes one lower. @throws ArgumentError if there
 * are not so many layers
 */
export function layerFromEnd(hiddenStates: readonly Tensor[], place: number, clipSkip: number): Tensor {
  const output = hiddenStates.at(-(place + clipSkip));
  if (output) return output;
  throw new ArgumentError((name) => `${name("clipSkip")} is ${clipSkip}; the text encoder has only ${hiddenStates.length - 1} layers`, {
    argument: "clipSkip",
  });
}
