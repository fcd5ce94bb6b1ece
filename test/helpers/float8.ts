import type { DType } from "../../src/tensor/dtype.js";
import { sizeOf, Tensor } from "../../src/tensor/tensor.js";
import type { Tensors } from "./checkpoints.js";

type Float8 = "float8_e4m3fn" | "float8_e5m2";

/** How weights become fp8. */
export interface Float8Options {
  readonly dtype: Float8;
  /** Scales beside the weights of layers, as ComfyUI's first or its later files have them: one number, or one for each row. */
  readonly scales?: { readonly count: "one" | "row"; readonly names: "scale_weight" | "weight_scale" };
  /** Which tensors become fp8; all by default. */
  readonly includes?: (name: string) => boolean;
}

/** Tensors as an fp8 file has them, with scales and markers... */
export function inFloat8(tensors: Tensors, { dtype, scales, includes = () => true }: Float8Options): Tensors {
  const narrowed: Record<string, Tensor<DType>> = {};
  for (const [name, tensor] of Object.entries(tensors)) {
    const layer = /^(.+)\.weight$/.exec(name)?.[1];
    if (!includes(name) || tensor.dtype !== "float32") narrowed[name] = tensor;
    else if (!scales || layer === undefined || tensor.shape.length < 2) narrowed[name] = tensor.to(dtype);
    else {
      const scale = scaleOf(tensor as Tensor, scales.count);
      narrowed[name] = times(
        tensor as Tensor,
        scale.map((value) => 1 / value),
      ).to(dtype);
      narrowed[`${layer}.${scales.names}`] = scale;
      narrowed[`${layer}.${scales.names === "scale_weight" ? "scale_input" : "input_scale"}`] = Tensor.from([1]);
      if (scales.names === "weight_scale") narrowed[`${layer}.comfy_quant`] = bytes(`{"format": "${dtype}"}`);
    }
  }
  return scales?.names === "scale_weight" ? { ...narrowed, scaled_fp8: new Tensor(dtype, [0], new Uint8Array()) } : narrowed;
}

/** ...and the result of widening that file to float32: weight times scale, rounded once. */
export function widened(tensors: Tensors): Tensors {
  return Object.fromEntries(
    Object.entries(tensors).flatMap(([name, tensor]) => {
      if (/(scaled_fp8|comfy_quant|scale_weight|weight_scale|scale_input|input_scale)$/.test(name)) return [];
      const layer = name.replace(/\.weight$/, "");
      const scale = tensors[`${layer}.scale_weight`] ?? tensors[`${layer}.weight_scale`];
      const wide = tensor.dtype.startsWith("float8") ? tensor.to("float32") : tensor;
      return [[name, scale ? times(wide as Tensor, scale as Tensor) : wide]];
    }),
  );
}

function scaleOf({ data, shape }: Tensor, count: "one" | "row"): Tensor {
  const rows = count === "one" ? 1 : (shape[0] ?? 1);
  const width = data.length / rows;
  // Numbers that are not powers of two, so that their products are rounded.
  const largest = Array.from({ length: rows }, (_, row) =>
    data.subarray(row * width, (row + 1) * width).reduce((most, value) => Math.max(most, Math.abs(value)), 1e-6),
  );
  return Tensor.from(
    largest.map((value) => (value / 448) * 1.37),
    count === "one" ? [] : [rows, ...shape.slice(1).map(() => 1)],
  );
}

function times(tensor: Tensor, scale: Tensor): Tensor {
  const width = sizeOf(tensor.shape) / scale.size;
  return new Tensor(
    "float32",
    tensor.shape,
    tensor.data.map((value, i) => value * (scale.data[Math.floor(i / width)] as number)),
  );
}

function bytes(text: string): Tensor<DType> {
  const data = new TextEncoder().encode(text);
  return new Tensor("uint8", [data.length], data);
}
