/*
 * How an operation is written for ONNX Runtime depends on where the graph will run. All these choices are in one table here: a row for each
 * target, a column for each choice. Layers and models never ask for the target. They call operations, and these read the graph's
 * `lowering`.
 *
 * Measurements are of ONNX Runtime 1.30.
 */

/** What a graph can be written for. "wasm" is the CPU as WebAssembly offers it: in a browser, and in Node without the native library. */
export type Target = "cpu" | "wasm" | "webgpu" | "cuda" | "coreml" | "dml";

/** The types that a network's numbers can have. */
export type Float = "float32" | "float16";

/**
 * The largest weight of a product in 8-bit integers, of either sign. Processors without 8-bit dot products clip sums of two products of
 * 8-bit weights.
 */
export type ByteRange = 127 | 63;

/** What a graph must know about the device that will run it. A fact that is not given counts as no. */
export interface GraphCapabilities {
  /** The row of the table. */
  readonly device: Target;
  /** Whether it computes in half precision. */
  readonly halfPrecision?: boolean | undefined;
  /**
   * Whether the provider's fused attention gives right results on this device. It matters only if the table says that it must be checked.
   */
  readonly fusedAttention?: boolean | undefined;
  /**
   * Whether the provider's operators for diffusion give right results in half precision on this device: convolution and group norm with
   * channels last, and the gated GELU.
   */
  readonly diffusionOperators?: boolean | undefined;
  /** The largest weight of products in 8-bit integers; undefined if it was not measured. */
  readonly byteRange?: ByteRange | undefined;
}

/** A row of the table. */
export interface TargetLowering {
  /**
   * In "fast" mode, products from this size up are computed in 8-bit integers, if the device's byte range is known; undefined: none are.
   */
  readonly bytes: ByteSizes | undefined;
  /** In "fast" mode, the whole network is computed in half precision, if the device can. */
  readonly halfPrecision: boolean;
  /** 3 x 3 convolutions from this size up are written as Winograd's algorithm; undefined: all are the runtime's own. */
  readonly winograd: WinogradSizes | undefined;
  /** Whether convolutions of 6, 9, 15, 18, ... channels (multiples of 3, but not of 4) get one more channel, of zeros. */
  readonly padsThreeChannels: boolean;
  /**
   * In half precision, pictures have their channels last, and convolutions and group norms are operations of the runtime that take them so,
   * if the device's are right.
   */
  readonly channelsLast: boolean;
  /** Whether a gated GELU of this width, value and gate together, is one operation of the runtime. */
  readonly gatedGelu: (width: number, float: Float) => boolean;
  /** Which attention is one operation of the runtime (fused), and which is written out step by step. */
  readonly attention: AttentionSizes & {
    /** Whether the fused operation is right only on some devices, so that each device must be checked first. */
    readonly mustBeChecked: boolean;
  };
  /** Sines and cosines: the runtime's own, or written out with a polynomial. */
  readonly sine: "own" | "polynomial";
  /** Pictures and hidden layers in blocks of rows that fit the processor's caches; undefined: always whole. */
  readonly rowBlocks: RowBlocks | undefined;
  /**
   * Weights that differ from their file's (fused adapters, transposes, fp8). "prepared": graphs of their own make them, once, when the
   * network is loaded. "folded": they are nodes of the network's graph, whose constants the provider computes when it is loaded.
   */
  readonly weights: "prepared" | "folded";
  /**
   * Products with quantised weights in blocks. "fused": the runtime's MatMulNBits multiplies with them as they are. "widened": its
   * DequantizeLinear widens a weight in one pass, right before a product of floats. "written": the widening is written out, operation by
   * operation, in blocks of rows.
   */
  readonly blockProducts: "fused" | "widened" | "written";
}

/** Sizes below which rounding to bytes costs more than it saves, or saves too little for the error it makes. */
export interface ByteSizes {
  /** Features or channels of input and output. */
  readonly fewestFeatures: number;
  /** Rows or pixels. */
  readonly fewestRows: number;
}

/** Sizes of attention. */
export interface AttentionSizes {
  /** Channels of the widest head that is fused. */
  readonly widestFusedHead: number;
  /** Head width times queries times keys up to which attention is fused. */
  readonly largestFused: number;
  /** Scores of all pictures and heads together that are computed at once. If there are more, queries are taken in blocks. */
  readonly largestScores: number;
}

/** Sizes from which Winograd's convolution pays. */
export interface WinogradSizes {
  /** Channels below which the transforms cost more than the multiplications saved. */
  readonly fewestChannels: number;
  /** Squares of 4 x 4 pixels, in all pictures together, below which evaluating the kernels costs more than the multiplications saved. */
  readonly fewestSquares: number;
}

/** Sizes of blocks of rows, each a count of numbers. */
export interface RowBlocks {
  /** The largest picture that is worked on as a whole. */
  readonly largestWhole: number;
  /** The largest band of a larger picture. */
  readonly largestBand: number;
  /** The largest part of a feed-forward's hidden layer. */
  readonly largestHidden: number;
}

/** All attention is fused, and all its scores are computed at once. */
const ALL_FUSED: TargetLowering["attention"] = {
  widestFusedHead: Number.POSITIVE_INFINITY,
  largestFused: Number.POSITIVE_INFINITY,
  largestScores: Number.POSITIVE_INFINITY,
  mustBeChecked: false,
};

const never = () => false;

/** A processor's row. */
const PROCESSOR: TargetLowering = {
  bytes: { fewestFeatures: 64, fewestRows: 64 },
  // ONNX Runtime has few kernels for it on a processor.
  halfPrecision: false,
  // 1.8 times as fast as the runtime's convolution with 320 channels at 64 x 64, 1.9 with 640 at 32 x 32, 1.4 with 1280 at 16 x 16.
  winograd: { fewestChannels: 128, fewestSquares: 16 },
  padsThreeChannels: false,
  channelsLast: false,
  gatedGelu: never,
  attention: ALL_FUSED,
  sine: "own",
  rowBlocks: {
    // A denoising network's pictures at 64 x 64 stay whole.
    largestWhole: 1.5e7,
    // For Stable Diffusion 1.5's VAE at 512 x 512, bands of 2^18 are no faster and take 1.3 s longer to load; bands of 2^22 take 0.1 GB
    // more.
    largestBand: 2 ** 21,
    largestHidden: 2 ** 21,
  },
  // The runtime's folding also widens all half-precision weights: 17 s and twice the memory for Stable Diffusion 1.5. It is turned off on a
  // processor.
  weights: "prepared",
  // MatMulNBits takes 1.3 times as long with codes of 8 bits, and 1.4 times with codes of 4 that are not packed at load.
  blockProducts: "widened",
};

/** The row of a provider that brings kernels of its own, which are best left whole. */
const PROVIDER: TargetLowering = {
  bytes: undefined,
  halfPrecision: false,
  winograd: undefined,
  padsThreeChannels: false,
  channelsLast: false,
  gatedGelu: never,
  attention: ALL_FUSED,
  sine: "own",
  rowBlocks: undefined,
  // What is prepared would have to be fed to every run. Providers fold float32 constants themselves.
  weights: "folded",
  blockProducts: "written",
};

/** How operations are written for each target. Norms have no column: they are the same for all targets, but for pictures in bands. */
const LOWERINGS: { readonly [T in Target]: TargetLowering } = {
  cpu: PROCESSOR,
  /*
   * The CPU's kernels compiled to WebAssembly: in Chromium 156, graphs that are written for the CPU gave its numbers. Their speed is not
   * measured. Row blocks matter more there: memory ends at 4 GB. Winograd's matrix products and 8-bit ones have SIMD kernels. If relaxed
   * SIMD clips sums, the byte range that is measured is 63. There are no scratch files, so weights stay floats until a platform offers
   * another place for their bytes.
   */
  wasm: {
    ...PROCESSOR,
    attention: {
      ...ALL_FUSED,
      // An integer overflows in the operation at 2^30: 4096 queries and keys of a head of 64 channels fail, 4000 do not.
      largestFused: 2 ** 30 - 1,
      // The operation holds all scores at once: 1.07 GB for Stable Diffusion 1.5's UNet at 64 x 64. These are 128 MB.
      largestScores: 2 ** 25,
    },
  },
  webgpu: {
    ...PROVIDER,
    halfPrecision: true,
    // The kernel reads four numbers at once, of the value and of the gate. In half precision it fails.
    gatedGelu: (width, float) => float === "float32" && width % 8 === 0,
    // The provider computes such counts in threes and gets 3 x 3 kernels wrong.
    padsThreeChannels: true,
    attention: {
      ...ALL_FUSED,
      // A head of 512 channels over 4096 tokens, as in autoencoders, takes 106 ms in one operation and 44 ms written out.
      widestFusedHead: 256,
      // On the software drivers SwiftShader and lavapipe its results are 4 to 9 % off if 32 queries or more look at 16 keys or more.
      mustBeChecked: true,
    },
    // WGSL allows its own sine an error of 2^-11 even for small angles. In Node, sines in float64 could run on the CPU; ONNX Runtime Web
    // has none there.
    sine: "polynomial",
    blockProducts: "fused",
  },
  cuda: {
    ...PROVIDER,
    halfPrecision: true,
    // cuDNN's half-precision convolutions take pictures so. In float32 the provider's group norm would subtract squares of almost the same
    // size.
    channelsLast: true,
    // The widths that the kernel has.
    gatedGelu: (width) => [2560, 5120, 6144, 10240, 12288].includes(width),
    blockProducts: "fused",
  },
  coreml: PROVIDER,
  dml: PROVIDER,
};

/** How the operations of one graph are written: its target's row, with the facts of the device applied. */
export interface Lowering
  extends Pick<
    TargetLowering,
    "winograd" | "padsThreeChannels" | "channelsLast" | "gatedGelu" | "sine" | "rowBlocks" | "weights" | "blockProducts"
  > {
  /** What the network computes in; its inputs and outputs stay float32. */
  readonly float: Float;
  /** How large products are computed in 8-bit integers; undefined: in floats. */
  readonly bytes: (ByteSizes & { readonly range: ByteRange }) | undefined;
  /**
   * Which attention is fused. The widest head that is fused is 0 channels wide if the device's fused attention is wrong or was not checked.
   */
  readonly attention: AttentionSizes;
}

/** A target's row of the table. */
export function targetLowering(target: Target): TargetLowering {
  return LOWERINGS[target];
}

/** How a graph for this device is written. */
export function loweringFor(
  { device, halfPrecision, fusedAttention, diffusionOperators = false, byteRange }: GraphCapabilities,
  { precision = "exact" }: { readonly precision?: "exact" | "fast" } = {},
): Lowering {
  const { bytes, attention, ...row } = LOWERINGS[device];
  const isFast = precision === "fast";
  const isHalf = isFast && row.halfPrecision && halfPrecision === true;
  return {
    ...row,
    float: isHalf ? "float16" : "float32",
    channelsLast: row.channelsLast && isHalf && diffusionOperators,
    // CUDA's operators belong together: all were checked, or none is used.
    gatedGelu: row.channelsLast && !(isHalf && diffusionOperators) ? never : row.gatedGelu,
    bytes: isFast && bytes && byteRange ? { ...bytes, range: byteRange } : undefined,
    attention: attention.mustBeChecked && !fusedAttention ? { ...attention, widestFusedHead: 0 } : attention,
  };
}
