import { Graph, type GraphOptions, type Value } from "../graph/graph.js";
import { type ByteRange, type GraphCapabilities, targetLowering } from "../graph/lowering.js";
import { fusedAttention, writtenOutAttention } from "../graph/ops/attention.js";
import { scale } from "../graph/ops/elementwise.js";
import { narrow } from "../graph/ops/precision.js";
import { Tensor } from "../tensor/tensor.js";
import { isProcessor, type Precision, type ResolvedDevice } from "./device.js";
import { DeviceSessions, runtimeMessage } from "./device-sessions.js";
import type { EngineHost } from "./engine-host.js";
import type { NamedTensors } from "./session.js";
import type { SessionSettings } from "./session-options.js";
import type { Transport } from "./transport.js";

/** What a device is capable of, as measured on this machine. A fact that was not measured counts as no. */
export interface Capabilities extends GraphCapabilities {
  readonly device: ResolvedDevice;
  /** Whether its driver computes in software. */
  readonly isSoftware?: boolean | undefined;
}

/** What is measured. */
export interface ProbeOptions {
  /** The precision that is wanted. Half precision and the byte range are only measured for "fast". */
  readonly precision: Precision;
  /** A driver that computes in software counts as a problem. */
  readonly onlyHardware: boolean;
}

/** A device's capabilities, or why it does not work. */
export type ProbeResult =
  | { readonly capabilities: Capabilities; readonly problem?: undefined }
  | { readonly capabilities?: undefined; readonly problem: string };

/** A minimal graph, for trying a device: y = 2x. */
export function probeGraph(options: GraphOptions): Graph {
  const graph = new Graph(options);
  graph.output("y", scale(narrow(graph.input("x", "float32", [1])), 2));
  return graph;
}

/**
 * Measures what a device is capable of by running small graphs on it. The native CPU is assumed to work: trying it would delay the first
 * picture.
 * @throws DeviceError if the thread has ended.
 */
export async function probe(
  transport: Transport,
  host: EngineHost,
  settings: SessionSettings,
  { precision, onlyHardware }: ProbeOptions,
): Promise<ProbeResult> {
  const { device } = settings;
  const sessions = new DeviceSessions(transport, settings);
  const isFast = precision === "fast";
  const missing = host.missingFor(device);
  if (missing !== undefined) return { problem: missing };
  if (isProcessor(device)) {
    if (device !== "cpu") await transport.ask({ kind: "wait" });
    const byteRange = isFast ? await measureByteRange(sessions) : undefined;
    return { capabilities: Object.freeze({ device, halfPrecision: false, fusedAttention: true, byteRange, isSoftware: false }) };
  }
  let isSoftware: boolean;
  try {
    const session = await sessions.create(probeGraph({ capabilities: { device } }).finish());
    isSoftware = host.computesInSoftware();
    await session.release();
  } catch (cause) {
    // Without the thread, no other device works either.
    if (transport.hasEnded) throw cause;
    return { problem: runtimeMessage(cause) };
  }
  if (onlyHardware && isSoftware) return { problem: "its driver computes in software" };
  const halfPrecision = isFast && (await computesHalves(sessions, device));
  const fusedAttention = !targetLowering(device).attention.mustBeChecked || (await isFusedAttentionRight(sessions, device));
  const diffusionOperators = (halfPrecision && (await hasDiffusionOperators(sessions, device))) || undefined;
  return { capabilities: Object.freeze({ device, halfPrecision, fusedAttention, diffusionOperators, byteRange: undefined, isSoftware }) };
}

/** A device without half precision loads such a graph, but refuses to run it. */
async function computesHalves(sessions: DeviceSessions, device: ResolvedDevice): Promise<boolean> {
  if (!targetLowering(device).halfPrecision) return false;
  try {
    const graph = probeGraph({ capabilities: { device, halfPrecision: true }, precision: "fast" });
    const { y } = await runOnce(sessions, graph, { x: Tensor.from([1]) });
    return y?.data[0] === 2;
  } catch {
    return false;
  }
}

/** WebGPU's fused attention is twice as fast on a GPU. On drivers with narrow subgroups its results are wrong by some per cent. */
async function isFusedAttentionRight(sessions: DeviceSessions, device: ResolvedDevice): Promise<boolean> {
  const [tokens, width, heads] = [64, 64, 2];
  const graph = new Graph({ capabilities: { device } });
  const [query, key, value] = ["query", "key", "value"].map((name) => graph.input(name, "float32", [1, tokens, width])) as [
    Value,
    Value,
    Value,
  ];
  graph.output("fused", fusedAttention(query, key, value, heads));
  graph.output("written", writtenOutAttention(query, key, value, heads));
  const wave = (step: number) =>
    Tensor.from(
      Array.from({ length: tokens * width }, (_, i) => Math.sin(i * step)),
      [1, tokens, width],
    );
  try {
    const { fused, written } = await runOnce(sessions, graph, { query: wave(0.7), key: wave(1.3), value: wave(2.1) });
    return fused?.toArray().every((number, i) => Math.abs(Number(number) - Number(written?.data[i])) < 1e-4) ?? false;
  } catch {
    return false;
  }
}

/** The provider's operators for diffusion. Their check is loaded where there is something to check: not in pages. */
async function hasDiffusionOperators(sessions: DeviceSessions, device: ResolvedDevice): Promise<boolean> {
  if (!targetLowering(device).channelsLast) return false;
  const { areDiffusionOperatorsRight } = await import("./diffusion-operators.js");
  return areDiffusionOperatorsRight(device, (graph, feeds) => runOnce(sessions, graph, feeds));
}

/** Finds out whether sums of two products of bytes are clipped to 16 bits, as on x86 processors without VNNI. */
async function measureByteRange(sessions: DeviceSessions): Promise<ByteRange> {
  const width = 64;
  const graph = new Graph();
  const [a, b] = [graph.input("a", "uint8", [1, width]), graph.input("b", "int8", [width, 1])];
  graph.output("sum", graph.node("MatMulInteger", [a, b], { shape: [1, 1], dtype: "int32" }));
  const { sum } = await runOnce(sessions, graph, {
    a: new Tensor("uint8", [1, width], new Uint8Array(width).fill(255)),
    b: new Tensor("int8", [width, 1], new Int8Array(width).fill(127)),
  });
  return sum?.data[0] === 255 * 127 * width ? 127 : 63;
}

async function runOnce(sessions: DeviceSessions, graph: Graph, feeds: NamedTensors): Promise<NamedTensors> {
  const session = await sessions.load(graph.finish());
  return session.run(feeds).finally(() => session.release());
}
