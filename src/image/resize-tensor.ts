import { Tensor } from "../tensor/tensor.js";
import { exactWeights, FILTERS } from "./resize.js";

/**
 * A batch [batch, channels, height, width] in another size, as torch's `interpolate` does by default: the nearest value to the left and
 * above.
 */
export function resizeTensorNearest(tensor: Tensor, height: number, width: number): Tensor {
  return nearest(tensor, height, width, 0);
}

/**
 * A batch [batch, channels, height, width] in another size, as torch's `interpolate` with mode "nearest-exact": the value under the middle
 * of the new pixel.
 */
export function resizeTensorNearestExact(tensor: Tensor, height: number, width: number): Tensor {
  return nearest(tensor, height, width, 0.5);
}

/** `shift` is the place in a new pixel whose value is taken. */
function nearest(tensor: Tensor, height: number, width: number, shift: number): Tensor {
  const [batch = 0, channels = 0, fromHeight = 0, fromWidth = 0] = tensor.shape;
  if (height === fromHeight && width === fromWidth) return tensor;
  const places = (size: number, from: number) => {
    const ratio = Math.fround(from / size);
    return Array.from({ length: size }, (_, i) => Math.min(Math.floor(Math.fround((i + shift) * ratio)), from - 1));
  };
  const [rows, columns] = [places(height, fromHeight), places(width, fromWidth)];
  const data = new Float32Array(batch * channels * height * width);
  let at = 0;
  for (let plane = 0; plane < batch * channels; plane++) {
    for (const row of rows) {
      const start = (plane * fromHeight + row) * fromWidth;
      for (const column of columns) data[at++] = tensor.data[start + column] as number;
    }
  }
  return new Tensor("float32", [batch, channels, height, width], data);
}

/** A batch [batch, channels, height, width] in another size, as torch's `interpolate` with mode "bicubic" (`align_corners` false). */
export function resizeTensorBicubic(tensor: Tensor, height: number, width: number): Tensor {
  const [batch = 0, channels = 0, fromHeight = 0, fromWidth = 0] = tensor.shape;
  // torch's cubic has another slope than PIL's: a is -0.75.
  const near = (x: number) => ((-0.75 + 2) * x - (-0.75 + 3)) * x * x + 1;
  const far = (x: number) => ((-0.75 * x + 5 * 0.75) * x - 8 * 0.75) * x + 4 * 0.75;
  const places = (size: number, from: number) =>
    Array.from({ length: size }, (_, i) => {
      const at = ((i + 0.5) * from) / size - 0.5;
      const share = at - Math.floor(at);
      const values = [far(share + 1), near(share), near(1 - share), far(2 - share)] as const;
      return values.map((value, j) => ({ index: Math.min(Math.max(Math.floor(at) + j - 1, 0), from - 1), value }));
    });
  const [rows, columns] = [places(height, fromHeight), places(width, fromWidth)];
  const data = new Float32Array(batch * channels * height * width);
  let at = 0;
  for (let plane = 0; plane < batch * channels; plane++) {
    for (const row of rows) {
      for (const column of columns) {
        let sum = 0;
        for (const y of row) {
          const start = (plane * fromHeight + y.index) * fromWidth;
          for (const x of column) sum += y.value * x.value * (tensor.data[start + x.index] as number);
        }
        data[at++] = sum;
      }
    }
  }
  return new Tensor("float32", [batch, channels, height, width], data);
}

/** A batch [batch, channels, height, width] in another size, as torch's `interpolate` with mode "bilinear" (`align_corners` false). */
export function resizeTensorBilinear(tensor: Tensor, height: number, width: number): Tensor {
  const [batch = 0, channels = 0, fromHeight = 0, fromWidth = 0] = tensor.shape;
  const places = (size: number, from: number) =>
    Array.from({ length: size }, (_, i) => {
      const at = Math.max(((i + 0.5) * from) / size - 0.5, 0);
      const first = Math.min(Math.floor(at), from - 1);
      return { first, next: Math.min(first + 1, from - 1), share: at - first };
    });
  const [rows, columns] = [places(height, fromHeight), places(width, fromWidth)];
  const data = new Float32Array(batch * channels * height * width);
  let at = 0;
  for (let plane = 0; plane < batch * channels; plane++) {
    const value = (row: number, column: number) => tensor.data[(plane * fromHeight + row) * fromWidth + column] as number;
    for (const row of rows) {
      for (const { first, next, share } of columns) {
        const above = value(row.first, first) * (1 - share) + value(row.first, next) * share;
        const below = value(row.next, first) * (1 - share) + value(row.next, next) * share;
        data[at++] = above * (1 - row.share) + below * row.share;
      }
    }
  }
  return new Tensor("float32", [batch, channels, height, width], data);
}

/**
 * A batch [batch, channels, height, width] in another size, as torch's `interpolate` with mode "bilinear" or "bicubic" and `antialias`: the
 * filters are PIL's, and edges have no weight beyond them.
 */
export function resizeTensorAntialiased(tensor: Tensor, height: number, width: number, filter: "bilinear" | "bicubic"): Tensor {
  const [batch = 0, channels = 0, fromHeight = 0, fromWidth = 0] = tensor.shape;
  const planes = batch * channels;
  const rows = exactWeights(fromHeight, 0, fromHeight, height, FILTERS[filter]);
  const columns = exactWeights(fromWidth, 0, fromWidth, width, FILTERS[filter]);
  const wide = new Float32Array(planes * fromHeight * width);
  for (let i = 0; i < wide.length; i++) {
    const [line, column] = [Math.floor(i / width), i % width];
    const from = line * fromWidth + (columns.starts[column] as number);
    let sum = 0;
    for (let j = 0; j < (columns.counts[column] as number); j++) {
      sum += (tensor.data[from + j] as number) * (columns.exact[column * columns.room + j] as number);
    }
    wide[i] = sum;
  }
  const data = new Float32Array(planes * height * width);
  for (let i = 0; i < data.length; i++) {
    const [line, column] = [Math.floor(i / width), i % width];
    const row = line % height;
    const from = Math.floor(line / height) * fromHeight + (rows.starts[row] as number);
    let sum = 0;
    for (let j = 0; j < (rows.counts[row] as number); j++) {
      sum += (wide[(from + j) * width + column] as number) * (rows.exact[row * rows.room + j] as number);
    }
    data[i] = sum;
  }
  return new Tensor("float32", [batch, channels, height, width], data);
}
