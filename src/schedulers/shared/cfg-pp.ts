// CFG++ (Chung et al. 2024, arXiv:2406.08070): the step goes to the guided picture, in the direction of the unconditional prediction.
import { ArgumentError } from "../../errors.js";
import type { Tensor } from "../../tensor/tensor.js";
import { sumFloat32 } from "../float32/arithmetic.js";
import type { StepOptions } from "./scheduler.js";

/** The model's output for the negative prompt. @throws ArgumentError if the caller has none. */
export function unconditionalOf(className: string, { unconditional }: StepOptions): Tensor {
  if (unconditional) return unconditional;
  throw new ArgumentError(`${className} needs the prediction for the negative prompt as well; it got the guided one alone`, {
    argument: "scheduler",
    hint: "step takes it as its option unconditional; for a network without guidance, choose another scheduler",
  });
}

/** The guided output at `factor` times its guidance scale. */
export function scaledGuidance(guided: Tensor, unconditional: Tensor, factor: number): Tensor {
  return factor === 1 ? guided : sumFloat32([1, unconditional], [factor, guided.sub(unconditional)]);
}
