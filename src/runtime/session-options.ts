import type { FinishedGraph, Preparation } from "../graph/finished-graph.js";
import type { OnnxModel } from "../graph/onnx.js";
import { byteSize } from "../tensor/dtype.js";
import { sizeOf } from "../tensor/tensor.js";
import { isProcessor, type ResolvedDevice } from "./device.js";
import type { EncodedModel } from "./engine-host.js";
import type { LoadOptions } from "./session.js";
import type { LoadTask, PreparationTask, SessionOptions } from "./transport.js";

/** What all sessions of an engine have in common. */
export interface SessionSettings {
  readonly device: ResolvedDevice;
  /** Which of several GPUs. */
  readonly deviceId?: number | undefined;
  /** ONNX Runtime writes a profile of each session, when it is released, to a file whose path begins with this. */
  readonly profile?: string | undefined;
  /** Whether threads that wait for work spin. They start sooner, and take processor time from other processes. */
  readonly spins: boolean;
  /** Threads that compute on the CPU; if undefined, one for each core. */
  readonly threads?: number | undefined;
  /** Bytes that networks can take on the CPU; undefined if that is not known. */
  readonly availableMemory?: (() => number | undefined) | undefined;
  /** How the platform encodes models. */
  readonly encode: (model: OnnxModel) => Promise<EncodedModel>;
}

/**
 * If an intermediate result has at least this many numbers, the network's working memory is freed after each run. SD 1.5's VAE reaches it
 * with 128x128 pixels.
 */
const LARGE_VALUE = 2 ** 22;

/**
 * So is it if a run widens a weight to at least this many numbers, 32 MB. The C library asks the system for each such block and gives it
 * back at once, and the system clears it: 2 of 10 s of processor time for a prompt in Qwen3-4B, whose weights of 100 MB are widened.
 */
const LARGE_WIDENED = 2 ** 23;

/** The task that loads a graph with an engine's settings. */
export async function loadTask(settings: SessionSettings, graph: FinishedGraph, options: LoadOptions = {}): Promise<LoadTask> {
  const { model, largestValue = 0, largestWidened = 0, preparations = [] } = graph;
  const { keepsMemory: runsOften = false, copiesWeights = false } = options;
  // C's allocator keeps part of the memory it is given back (0.6 GB after SD 1.5's VAE at 512x512), and fragments more. The runtime's arena
  // is better for large values, even if all memory is freed after the run. With a profile the session stays: its runs belong in one file.
  const hasLarge = largestValue >= LARGE_VALUE || (settings.device === "cpu" && largestWidened >= LARGE_WIDENED);
  const isLarge = isProcessor(settings.device) && !runsOften && hasLarge;
  const keepsMemory = isLarge || runsOften;
  const { bytes, sessionConfig, mounts } = await settings.encode(model);
  const prepared: PreparationTask[] = [];
  for (const { model, outputs, file } of preparations) {
    const { bytes, sessionConfig, mounts } = await settings.encode(model);
    // The optimizer would merge two transpositions into one, which may be slower.
    prepared.push({ model: bytes, options: sessionOptions(settings, sessionConfig, { optimizes: false }), outputs, file, mounts });
  }
  return {
    kind: "load",
    model: bytes,
    options: sessionOptions(settings, sessionConfig, {
      keepsMemory,
      copiesWeights: copiesWeights || packsFile(settings, preparations),
      // Graphs are already written in the way that is fastest on the CPU. In large ones the runtime's optimizer finds nothing to fuse, and
      // takes 0.3 s for SD 1.5's UNet and 3 s for its VAE at 1024x1024.
      optimizes: copiesWeights || !keepsMemory,
    }),
    mounts,
    endsAfterRun: isLarge && settings.profile === undefined,
    preparations: prepared,
  };
}

/**
 * Whether the runtime packs weights that are written to a file while the graph is loaded: the copies must leave half of the memory to
 * others. Without them, the file stays mapped, and 8-bit products take 1.5 times as long (MatMulIntegerToFloat, 1056 rows).
 */
function packsFile({ availableMemory }: SessionSettings, preparations: readonly Preparation[]): boolean {
  const written = preparations.filter(({ file }) => file !== undefined).flatMap(({ outputs }) => outputs);
  const bytes = written.reduce((sum, { dtype, shape }) => sum + sizeOf(shape) * byteSize(dtype), 0);
  return preparations.some(({ file }) => file !== undefined) && bytes <= (availableMemory?.() ?? Number.POSITIVE_INFINITY) / 2;
}

interface Choices {
  /** Whether working memory is kept between runs. */
  readonly keepsMemory?: boolean;
  /** Whether the runtime may copy weights into forms that are faster. */
  readonly copiesWeights?: boolean;
  /** Whether the runtime optimizes the graph. */
  readonly optimizes?: boolean;
}

function sessionOptions(settings: SessionSettings, config: EncodedModel["sessionConfig"], choices: Choices): SessionOptions {
  const { device, deviceId, profile, spins, threads } = settings;
  const { keepsMemory = false, copiesWeights = false, optimizes = true } = choices;
  const provider = deviceId === undefined || isProcessor(device) ? device : { name: device, deviceId };
  const profiling = profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: profile };
  const waiting = spins ? {} : { intra_op: { allow_spinning: "0" } };
  const common = { executionProviders: [provider], ...profiling };
  if (!isProcessor(device)) return { ...common, graphOptimizationLevel: "extended", extra: { session: config } };
  return {
    ...common,
    // "all" would reorder every convolution weight: 13 s for Stable Diffusion 1.5, for steps that are 10 % faster.
    graphOptimizationLevel: optimizes ? "extended" : "disabled",
    // The runtime's arena saves the time that the system needs to hand out fresh memory (0.2 to 1 s for a gigabyte), and keeps it until the
    // session ends.
    enableCpuMemArena: keepsMemory,
    // One block of memory for a whole run peaks a fifth higher, and is no faster.
    enableMemPattern: false,
    ...(threads !== undefined && { intraOpNumThreads: threads }),
    extra: {
      // Packing weights and widening half-precision ones at load copies them: up to 17 s and twice the memory for Stable Diffusion 1.5, for
      // steps that are 2 % faster.
      // The optimizer would replace what widens weights in blocks by products in 8-bit integers.
      session: { ...config, ...waiting, disable_prepacking: copiesWeights ? "0" : "1", disable_quant_qdq: "1" },
      optimization: { disable_specified_optimizers: copiesWeights ? "" : "ConstantFolding" },
    },
  };
}
