import { LayerNames, type NamePair } from "./layer-names.js";

// In the original code a T2I-Adapter is one list of residual blocks. diffusers groups the blocks into levels.

/** Residual blocks of a level, if the file does not show it. */
const USUAL_LAYERS = 2;
/** More blocks than any adapter has. */
const MOST_BLOCKS = 100;

/** The names of a T2I-Adapter's layers. `names` are those of its tensors in the original layout. */
export function adapterNames(names: Iterable<string>): LayerNames {
  let last = 0;
  let layers = Number.POSITIVE_INFINITY;
  let isLight = false;
  for (const name of names) {
    const [, index = "", rest = ""] = /^body\.(\d{1,2})\.(.*)$/.exec(name) ?? [];
    if (index === "") continue;
    last = Math.max(last, Number(index));
    isLight ||= rest.startsWith("out_conv.");
    // The first block of a level with other channels has a further convolution.
    if (rest.startsWith("in_conv.") && Number(index) > 0) layers = Math.min(layers, Number(index));
  }
  return new LayerNames(
    isLight ? lightBlocks(last) : [["conv_in", "adapter.conv_in"], ...blocks(last, Number.isFinite(layers) ? layers : USUAL_LAYERS)],
  );
}

function* blocks(last: number, layers: number): Generator<NamePair> {
  for (let index = 0; index <= Math.min(last, MOST_BLOCKS); index++) {
    const level = `adapter.body.${Math.floor(index / layers)}`;
    yield [`body.${index}`, `${level}.resnets.${index % layers}`];
    yield [`body.${index}.in_conv`, `${level}.in_conv`];
  }
}

function* lightBlocks(last: number): Generator<NamePair> {
  for (let level = 0; level <= last; level++) {
    yield [`body.${level}`, `adapter.body.${level}`];
    yield [`body.${level}.body`, `adapter.body.${level}.resnets`];
  }
}
