import { join } from "node:path";
import type { ModelOptions } from "../../src/models/model.js";
import { Upscaler } from "../../src/models/upscaler.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import type { ParityCase } from "./cases.js";
import { type Comparison, exactly, withinAbsolute } from "./comparison.js";
import { TOLERANCE } from "./models.js";

/** A forward pass of an upscaler, by spandrel. */
export async function compareUpscaler(
  { meta, tensors }: ParityCase,
  { checkpoints, ...options }: { checkpoints: string } & ModelOptions,
): Promise<Comparison[]> {
  const { pixels, result } = tensors() as { pixels?: Tensor; result?: Tensor };
  if (!pixels || !result) throw new Error("the case has no pixels or no result");
  await using upscaler = await Upscaler.fromSingleFile(join(checkpoints, String(meta.checkpoint)), options);
  const scale = (result.shape[3] ?? 0) / (pixels.shape[3] ?? 1);
  return [exactly("scale", [upscaler.scale], [scale]), withinAbsolute("result", await upscaler.forward(pixels), result, TOLERANCE)];
}
