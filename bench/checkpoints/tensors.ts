/** A tensor's name and shape as a checkpoint's file holds them. */
export type NamedShape = readonly [name: string, shape: readonly number[]];

/** Tensors of one part, in the order of the network. */
export type Tensors = Generator<NamedShape, void>;

// torch.nn's layers, as the tensors they have.

export function* linear(name: string, inputs: number, outputs: number, { bias = true } = {}): Tensors {
  yield [`${name}.weight`, [outputs, inputs]];
  if (bias) yield [`${name}.bias`, [outputs]];
}

export function* conv(name: string, inputs: number, outputs: number, kernel = 3): Tensors {
  yield [`${name}.weight`, [outputs, inputs, kernel, kernel]];
  yield [`${name}.bias`, [outputs]];
}

export function* norm(name: string, width: number): Tensors {
  yield [`${name}.weight`, [width]];
  yield [`${name}.bias`, [width]];
}

/** diffusers' ResnetBlock2D; `time` is the width of the time embedding, if the network has one. */
export function* resnet(name: string, inputs: number, outputs: number, time?: number): Tensors {
  yield* norm(`${name}.norm1`, inputs);
  yield* conv(`${name}.conv1`, inputs, outputs);
  if (time !== undefined) yield* linear(`${name}.time_emb_proj`, time, outputs);
  yield* norm(`${name}.norm2`, outputs);
  yield* conv(`${name}.conv2`, outputs, outputs);
  if (inputs !== outputs) yield* conv(`${name}.conv_shortcut`, inputs, outputs, 1);
}
