import { join } from "node:path";
import type { FamilyName, Scale } from "./checkpoints/families.js";
import type { Task } from "./job.js";
import type { Measurement } from "./measurements.js";
import type { Mode } from "./ours/mode.js";
import { ROOT } from "./paths.js";
import type { EnvironmentName } from "./prepare.js";

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
  q8: { quantize: "q8" },
  q4: { quantize: "q4" },
  "q4-low-memory": { quantize: "q4", lowMemory: true },
  "cache-2": { request: { cache: { interval: 2 } } },
  "cache-3": { request: { cache: { interval: 3 } } },
  "cache-0.1": { request: { cache: { threshold: 0.1 } } },
  "cache-0.2": { request: { cache: { threshold: 0.2 } } },
  "cache-0.4": { request: { cache: { threshold: 0.4 } } },
  "merge-0.5": { request: { tokenMerging: 0.5 } },
  "guided-0.2-0.8": { request: { guidanceInterval: { start: 0.2, stop: 0.8 } } },
};

const PARTS = ["unet", "transformer", "vae-decode", "vae-encode", "text"] as const;
const WHOLE = ["start", "picture"] as const;

interface Peer {
  readonly script: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly tasks: readonly Task[];
  readonly onlyRealSizes?: boolean;
  /** The Python environment that it needs; that of most peers by default. */
  readonly environment?: EnvironmentName;
  /** The checkpoints that it can open; those with a UNet by default. */
  readonly families?: readonly FamilyName[];
}

const UNETS: readonly FamilyName[] = ["sd15", "sdxl"];
/** The whole Z-Image has 20 GB in bfloat16, of which diffusers would copy every byte. */
const DIFFUSERS: readonly FamilyName[] = [...UNETS, "z-image"];
/** stable-diffusion.cpp knows Z-Image with all its layers only. */
const GGUF = { script: "sd_cpp_peer.py", tasks: ["transformer", ...WHOLE], onlyRealSizes: true, families: ["z-image-full"] } as const;

/** The Python stacks, each at its best known setting. */
export const PEERS: Readonly<Record<string, Peer>> = {
  "diffusers-fp32": { script: "diffusers_peer.py", options: { dtype: "float32" }, tasks: [...PARTS, ...WHOLE], families: DIFFUSERS },
  "diffusers-bf16": {
    script: "diffusers_peer.py",
    options: { dtype: "bfloat16", variant: "fp16" },
    tasks: [...PARTS, ...WHOLE],
    families: DIFFUSERS,
  },
  "openvino-f32": { script: "openvino_peer.py", options: { precision: "f32" }, tasks: ["prepare", ...PARTS, ...WHOLE] },
  "openvino-bf16": { script: "openvino_peer.py", options: { precision: "bf16" }, tasks: ["prepare", ...PARTS, ...WHOLE] },
  optimum: { script: "optimum_peer.py", options: {}, tasks: ["prepare", ...PARTS, ...WHOLE], environment: "optimum" },
  "sd-cpp": { script: "sd_cpp_peer.py", options: {}, tasks: ["unet", ...WHOLE], onlyRealSizes: true },
  "sd-cpp-q8": { ...GGUF, options: { weights: "q8_0" } },
  "sd-cpp-q4": { ...GGUF, options: { weights: "q4_0" } },
};

/** The names of the Python stacks that can open a checkpoint. */
export function peersOf(family: FamilyName): string[] {
  return Object.keys(PEERS).filter((name) => (PEERS[name]?.families ?? UNETS).includes(family));
}

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

/** The Python environment that a Python stack needs. */
export function environmentOf(name: string): EnvironmentName {
  return PEERS[name]?.environment ?? "peers";
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
