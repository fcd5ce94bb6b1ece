import { printable } from "../checkpoint/json.js";
import { CheckpointError } from "../errors.js";
import type { Axis, BiasChange, Factor, Gain, LayerChange, Magnitude, WeightChange } from "../graph/layer-change.js";
import type { StoredTensor } from "../tensor/stored-tensor.js";
import { type Shape, sizeOf } from "../tensor/tensor.js";
import { baseFamily } from "./base-family.js";
import type { LeftOut, LoraFile, LoraLayer } from "./lora-file.js";
import { methodOfRole } from "./lora-methods.js";
import type { LoraRole } from "./lora-names.js";

/** A layer of a network, with the shape of its weight: one axis for a norm, two for a linear layer, four for a convolution. */
export interface Place {
  readonly path: string;
  readonly shape: Shape;
}

/** How a layer changes, and its tensors that are not used for it. */
export interface MatchedLayer {
  readonly change: LayerChange;
  readonly leftOut: readonly LeftOut[];
}

/** Returns the tensor of a role, if there is one, after checking its shape: [rows, ...] with `columns` numbers in each row. */
type Fitting = (role: LoraRole, rows: number, columns: number) => StoredTensor | undefined;

/** How a LoRA changes the layer at `place`. @throws CheckpointError if a tensor's shape does not fit the layer. */
export function layerChange(lora: LoraFile, layer: LoraLayer, place: Place): MatchedLayer {
  const used = new Set<LoraRole>(["alpha", "on_input"]);
  const take = (role: LoraRole) => {
    used.add(role);
    return layer.tensors[role];
  };
  const fitting: Fitting = (role, rows, columns) => {
    const tensor = take(role);
    const [first, ...others] = tensor?.shape ?? [];
    const fits = !tensor || (tensor.length > 0 && (first === rows || columns === 1) && sizeOf([first ?? 1, ...others]) === rows * columns);
    return fits ? tensor : misfit(lora, tensor, columns === 1 ? [rows] : [rows, columns], place);
  };
  const weight = weightChange(lora, layer, place, fitting);
  const bias = biasChange(layer, place, fitting, weight);
  const magnitude = weight && place.shape.length > 1 ? magnitudeOf(lora, place, take) : undefined;
  const change = { ...(weight && { weight, ...(magnitude && { magnitude }) }), ...(bias && { bias }) };
  const unused = (Object.entries(layer.tensors) as [LoraRole, StoredTensor][]).filter(([role]) => !used.has(role));
  return { change, leftOut: unused.map(([role, { name }]) => ({ tensors: [name], reason: whyUnused(role, layer) })) };
}

/** Why a layer does not use its tensor of a role. */
function whyUnused(role: LoraRole, { method }: LoraLayer): string {
  const own = methodOfRole(role);
  return own === undefined || own === method
    ? "are not used by their layer's method"
    : `belong to a second method (${own}) on layers with ${method}`;
}

function weightChange(lora: LoraFile, layer: LoraLayer, place: Place, fitting: Fitting): WeightChange | undefined {
  const { method, scale, tensors } = layer;
  const [out = 0, ins = 1] = place.shape;
  const places = sizeOf(place.shape) / (out * ins);
  const isNorm = place.shape.length === 1;
  if (isNorm && !["full differences", "trained norms", "trained biases"].includes(method)) {
    return misfit(lora, Object.values(tensors)[0], place.shape, place);
  }
  const whole = (role: LoraRole, rows: number, columns: number) => fitting(role, rows, columns) as StoredTensor;
  switch (method) {
    case "LoRA":
      return lowRank(lora, layer, place, fitting);
    case "LoHa": {
      const factor = (n: 1 | 2): Factor => {
        const [a, b, core] = [`hada_w${n}_a`, `hada_w${n}_b`, `hada_t${n}`] as const;
        return product(tensors, fitting, { left: a, right: b, core }, out, ins, places);
      };
      return { method: "loha", factors: [factor(1), factor(2)], scale };
    }
    case "LoKr": {
      const first = (role: LoraRole) => tensors[role]?.shape[0] ?? 0;
      const last = (role: LoraRole) => tensors[role]?.shape[1] ?? 0;
      const grid = tensors.lokr_w1 ? ([first("lokr_w1"), last("lokr_w1")] as const) : ([first("lokr_w1_a"), last("lokr_w1_b")] as const);
      const [rows, columns] = [out / grid[0], ins / grid[1]];
      if (!Number.isInteger(rows) || !Number.isInteger(columns))
        return misfit(lora, tensors.lokr_w1 ?? tensors.lokr_w1_a, [out, ins], place);
      const blocks = tensors.lokr_w1
        ? { whole: whole("lokr_w1", ...grid) }
        : product(tensors, fitting, { left: "lokr_w1_a", right: "lokr_w1_b" }, ...grid, 1);
      const entries = tensors.lokr_w2
        ? { whole: whole("lokr_w2", rows, columns * places) }
        : product(tensors, fitting, { left: "lokr_w2_a", right: "lokr_w2_b", core: "lokr_t2" }, rows, columns, places);
      return { method: "lokr", blocks, entries, grid, scale };
    }
    case "GLoRA": {
      // Older versions of LyCORIS write the matrices of each pair in reverse order.
      const isOld = tensors.a1?.shape[0] !== ins || tensors.b1?.shape[0] !== out;
      const pair = (a: LoraRole, b: LoraRole) => (isOld ? { left: b, right: a } : { left: a, right: b });
      const input = product(tensors, fitting, pair("a1", "a2"), ins, ins, 1);
      return { method: "glora", input, output: product(tensors, fitting, pair("b1", "b2"), out, ins, places), scale };
    }
    case "full differences":
      return { method: "full", difference: whole("diff", out, ins * places) };
    case "trained norms": {
      const difference = isNorm ? fitting("w_norm", out, 1) : misfit(lora, tensors.w_norm ?? tensors.b_norm, place.shape, place);
      return difference && { method: "full", difference };
    }
    case "IA3":
      return gain(lora, layer, place, fitting);
    case "trained biases":
      return undefined;
  }
}

/** A product [rows, columns · places]. With a core, the matrices are [rank, rows] and [rank, columns]. */
function product(
  tensors: LoraLayer["tensors"],
  fitting: Fitting,
  { left, right, core }: { readonly left: LoraRole; readonly right: LoraRole; readonly core?: LoraRole },
  rows: number,
  columns: number,
  places: number,
): Factor {
  const size = (role: LoraRole, axis: number) => tensors[role]?.shape[axis] ?? 0;
  if (core && tensors[core]) {
    const [p, q] = [size(core, 0), size(core, 1)];
    return {
      left: fitting(left, p, rows) as StoredTensor,
      right: fitting(right, q, columns) as StoredTensor,
      core: fitting(core, p, q * places) as StoredTensor,
    };
  }
  const rank = size(right, 0);
  return { left: fitting(left, rows, rank) as StoredTensor, right: fitting(right, rank, columns * places) as StoredTensor };
}

function gain(lora: LoraFile, { tensors, isOnInput }: LoraLayer, place: Place, fitting: Fitting): Gain {
  const [out = 0, ins = 0] = place.shape;
  const neutral = tensors.ia3_l ? 1 : 0;
  const tensor = (tensors.ia3_l ?? tensors.gain) as StoredTensor;
  fitting(tensors.ia3_l ? "ia3_l" : "gain", sizeOf(tensor.shape), 1);
  const size = sizeOf(tensor.shape);
  // In PEFT's linear layers, the shape shows it: [out, 1] or [1, in].
  const onInput = isOnInput ?? (out !== ins ? size === ins : neutral === 1 && place.shape.length === 2 && tensor.shape[0] === 1 && ins > 1);
  const axis: Axis = onInput ? "in" : "out";
  if (size !== (onInput ? ins : out)) return misfit(lora, tensor, [onInput ? ins : out], place);
  return { method: "ia3", gain: tensor, axis, neutral };
}

function biasChange(
  { tensors, scale }: LoraLayer,
  { shape: [out = 0] }: Place,
  fitting: Fitting,
  weight: WeightChange | undefined,
): BiasChange | undefined {
  // PEFT multiplies the layer's output, bias included; LyCORIS multiplies only the weight.
  if (weight?.method === "ia3") return weight.axis === "out" && weight.neutral === 1 ? weight : undefined;
  for (const role of ["diff_b", "b_norm", "up_bias"] as const) {
    if (!tensors[role]) continue;
    return { difference: fitting(role, out, 1) as StoredTensor, scale: role === "up_bias" ? scale : 1 };
  }
  return undefined;
}

/**
 * DoRA's lengths. PEFT has those of the rows; LyCORIS and kohya-ss have those of the columns or, in newer versions, the rows, as the shape
 * shows.
 */
function magnitudeOf(lora: LoraFile, place: Place, take: (role: LoraRole) => StoredTensor | undefined): Magnitude | undefined {
  const [out = 0, ins = 0] = place.shape;
  const peft = take("lora_magnitude_vector");
  const lengths = peft ?? take("dora_scale");
  if (!lengths) return undefined;
  const size = sizeOf(lengths.shape);
  const ofRows = peft !== undefined || (size === out && (size !== ins || lengths.shape.length === 1 || lengths.shape[0] === out));
  if (size !== (ofRows ? out : ins) || lengths.length === 0) return misfit(lora, lengths, ofRows ? [out, 1] : [1, ins], place);
  return { lengths, axis: ofRows ? "out" : "in", weighting: peft ? "peft" : "lycoris" };
}

function lowRank(lora: LoraFile, { tensors, scale }: LoraLayer, place: Place, fitting: Fitting): WeightChange {
  const [out = 0, ins = 0, kernel = 1] = place.shape;
  const { down, mid, up } = tensors as Readonly<Record<"down" | "up", StoredTensor>> & { readonly mid?: StoredTensor };
  const [rank = 0, inner = 0] = [up.shape[1], down.shape[0]];
  const expect = (tensor: StoredTensor, rows: number, columns: number, size: number) => {
    const [a, b, h = 1, w = 1, ...more] = tensor.shape;
    if (tensor.shape.length >= 2 && a === rows && b === columns && h === size && w === size && more.length === 0 && tensor.length > 0)
      return;
    misfit(lora, tensor, size === 1 && kernel === 1 ? [rows, columns] : [rows, columns, size, size], place);
  };
  const reads = narrowedInputs(down, place);
  expect(down, inner, reads ?? ins, mid ? 1 : kernel);
  if (mid) expect(mid, rank, inner, kernel);
  expect(up, out, mid ? rank : inner, 1);
  for (const [role, tensor] of [
    ["down", down],
    ["mid", mid],
    ["up", up],
  ] as const) {
    if (tensor) fitting(role, tensor.shape[0] ?? 0, sizeOf(tensor.shape.slice(1)));
  }
  return { method: "lora", down, up, scale, ...(mid && { mid }), ...(reads !== undefined && { inputs: ins }) };
}

/**
 * FLUX.1 Fill reads a masked picture beside the latents, so that LoRAs of FLUX.1 have fewer inputs in its first layer. They change what it
 * does with the latents, its first inputs, as in diffusers.
 */
function narrowedInputs({ shape: [, columns = 0] }: StoredTensor, { path, shape: [, ins = 0] }: Place): number | undefined {
  return /^(x_embedder|img_in)$/.test(path) && columns > 0 && columns < ins ? columns : undefined;
}

function misfit(lora: LoraFile, tensor: StoredTensor | undefined, expected: Shape, { path, shape }: Place): never {
  const family = baseFamily(lora.header);
  throw new CheckpointError(
    `${lora.name}: tensor ${printable(tensor?.name ?? "")} is [${tensor?.shape.join(", ")}]; expected [${expected.join(", ")}] for ${path}, whose weight is [${shape.join(", ")}]`,
    { hint: `the LoRA was made for another network${family ? `: it looks like one for ${family}` : ""}` },
  );
}
