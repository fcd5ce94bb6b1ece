import type { HiddenStatesOptions, LanguageModel } from "../../models/language-model.js";
import type { Tensor } from "../../tensor/tensor.js";

/**
 * The hidden states of a language model, as its `hiddenStates` gives them; those of an earlier call with the same inputs, if they are kept.
 */
export async function recallStates<Options extends HiddenStatesOptions & Readonly<Record<string, Tensor | Tensor<"int64"> | undefined>>>(
  model: Pick<LanguageModel<unknown>, "recall"> & {
    hiddenStates(inputIds: Tensor<"int64">, layers: readonly number[], options: Options): Promise<readonly Tensor[]>;
  },
  inputIds: Tensor<"int64">,
  layers: readonly number[],
  options: Options,
): Promise<readonly Tensor[]> {
  const given = Object.entries(options).flatMap(([name, tensor]) => (tensor ? [{ name, tensor }] : []));
  const names = given.map(({ name }) => name);
  const inputs = [inputIds, ...given.map(({ tensor }) => tensor)];
  const states = await model.recall<Readonly<Record<string, Tensor>>>(`states ${layers}, ${names}`, inputs, async () =>
    Object.fromEntries((await model.hiddenStates(inputIds, layers, options)).entries()),
  );
  return layers.map((_, i) => states[i] as Tensor);
}
