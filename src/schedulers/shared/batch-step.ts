import { ArgumentError } from "../../errors.js";
import { expectField } from "../../options/check-options.js";
import { numbers, tensor } from "../../options/fields.js";
import { concat, type Tensor } from "../../tensor/tensor.js";

const TIMESTEPS = numbers();

/**
 * Steps the rows of a batch, each from its own timestep, and joins them. A single timestep applies to all rows.
 * @throws ArgumentError for values that are not tensors or timesteps, and for another number of timesteps than rows.
 */
export function stepRows(
  modelOutput: Tensor,
  timesteps: readonly number[],
  sample: Tensor,
  step: (modelOutput: Tensor, timestep: number, sample: Tensor) => Tensor,
): Tensor {
  expectField("modelOutput", modelOutput, tensor);
  expectField("timesteps", timesteps, TIMESTEPS);
  expectField("sample", sample, tensor);
  const [rows = 0] = sample.shape;
  if (timesteps.length !== 1 && timesteps.length !== rows) {
    throw new ArgumentError(`${timesteps.length} timesteps were given for a batch of ${rows}; expected 1 or ${rows}`, {
      argument: "timesteps",
    });
  }
  const timestepOf = (row: number) => (timesteps.length === 1 ? timesteps[0] : timesteps[row]) as number;
  return concat(Array.from({ length: rows }, (_, i) => step(modelOutput.slice(i, i + 1), timestepOf(i), sample.slice(i, i + 1))));
}
