import { join } from "node:path";
import type { Scale } from "./checkpoints/families.js";
import type { Task } from "./job.js";
import type { Measurement } from "./measurements.js";
import type { Mode } from "./ours/mode.js";
import { ROOT } from "./paths.js";

/** A program that is measured, its options, and the jobs that it can do. */
export interface Contender {
  readonly name: string;
  readonly command: readonly [program: string, ...args: string[]];
  readonly options: Readonly<Record<string, unknown>>;
  readonly tasks: readonly Task[];
  /** It supports the usual networks only. */
  readonly onlyRealSizes: boolean;
}

/** Darkroom's modes. To add one, add a line. */
export const MODES: Readonly<Record<string, Mode>> = {
  exact: {},
  fp16: { variant: "fp16" },
  "low-memory": { lowMemory: true },
  fast: { precision: "fast" },
  "cache-2": { request: { cache: { interval: 2 } } },
  "cache-3": { request: { cache: { interval: 3 } } },
};

const PARTS = ["unet", "vae-decode", "vae-encode", "text"] as const;
const WHOLE = ["start", "picture"] as const;

interface Peer {
  readonly script: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly tasks: readonly Task[];
  readonly onlyRealSizes?: boolean;
}

/** The Python stacks, each at its best known setting. */
export const PEERS: Readonly<Record<string, Peer>> = {
  "diffusers-fp32": { script: "diffusers_peer.py", options: { dtype: "float32" }, tasks: [...PARTS, ...WHOLE] },
  "diffusers-bf16": { script: "diffusers_peer.py", options: { dtype: "bfloat16", variant: "fp16" }, tasks: [...PARTS, ...WHOLE] },
  "openvino-f32": { script: "openvino_peer.py", options: { precision: "f32" }, tasks: ["prepare", ...PARTS, ...WHOLE] },
  "openvino-bf16": { script: "openvino_peer.py", options: { precision: "bf16" }, tasks: ["prepare", ...PARTS, ...WHOLE] },
  "sd-cpp": { script: "sd_cpp_peer.py", options: {}, tasks: ["unet", ...WHOLE], onlyRealSizes: true },
};

/** Darkroom in one of its modes; `options` are added to those of the mode. */
export function ours(mode: string, options: Readonly<Record<string, unknown>> = {}): Contender {
  return {
    name: `darkroom-${mode}`,
    command: [process.execPath, join(ROOT, "bench/.build/ours/main.js")],
    options: { ...MODES[mode], ...options },
    tasks: [...PARTS, ...WHOLE],
    onlyRealSizes: false,
  };
}

/** A Python stack, run by the interpreter `python`. */
export function peer(name: string, python: string): Contender {
  const { script, options, tasks, onlyRealSizes = false } = PEERS[name] as Peer;
  return { name, command: [python, join(ROOT, "bench/peers", script)], options, tasks, onlyRealSizes };
}

/** Whether a contender supports a measurement. */
export function isFor({ tasks, onlyRealSizes }: Contender, { job, isEmbedded }: Measurement, scale: Scale): boolean {
  return tasks.includes(job.task) && !(onlyRealSizes && (isEmbedded || scale === "tiny"));
}
