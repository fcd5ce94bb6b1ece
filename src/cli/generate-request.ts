import { resolve } from "node:path";
import { ArgumentError } from "../errors.js";
import type { Device } from "../runtime/engine.js";
import { EMBEDDED_MODEL } from "./package.js";
import type { Size } from "./values.js";

/** What `darkroom generate` was asked for, checked as far as the words alone tell. */
export interface GenerateRequest {
  readonly prompt: string;
  readonly negativePrompt: string;
  /** The checkpoint's folder. */
  readonly model: string;
  /** One picture each. */
  readonly seeds: readonly bigint[];
  readonly steps: number;
  readonly guidance: number;
  readonly guidanceRescale: number;
  /** Undefined for the checkpoint's own, as `scheduler` is. */
  readonly size: Size | undefined;
  readonly scheduler: string | undefined;
  readonly clipSkip: number | undefined;
  readonly device: Device;
  readonly variant: string | undefined;
  readonly out: string | undefined;
  readonly grid: boolean;
  readonly force: boolean;
}

/** The options as commander hands them over. */
export interface GenerateOptions {
  readonly model?: string;
  readonly negative: string;
  readonly steps?: number;
  readonly guidance?: number;
  readonly guidanceRescale: number;
  readonly seed?: bigint;
  readonly size?: Size;
  readonly count: number;
  readonly scheduler?: string;
  readonly clipSkip?: number;
  readonly device: Device;
  readonly variant?: string;
  readonly out?: string;
  readonly grid?: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** @throws ArgumentError if `--model` is empty, or the last picture's seed would be beyond 2^64 - 1. */
export function toRequest(prompt: string, options: GenerateOptions): GenerateRequest {
  const model = options.model ?? EMBEDDED_MODEL;
  if (model === "") throw new ArgumentError("--model is empty; expected the folder of a checkpoint");
  const embedded = resolve(model) === EMBEDDED_MODEL;
  const first = options.seed ?? BigInt(crypto.getRandomValues(new Uint32Array(1))[0] ?? 0);
  if (first + BigInt(options.count) > 2n ** 64n) {
    throw new ArgumentError(`--seed is ${first} and --count ${options.count}: the last picture's seed would be beyond 2^64 - 1`, {
      hint: "picture i uses seed + i; give a smaller seed",
    });
  }
  return {
    prompt,
    negativePrompt: options.negative,
    model,
    seeds: Array.from({ length: options.count }, (_, i) => first + BigInt(i)),
    // diffusers' defaults; the embedded checkpoint's as its model card advises.
    steps: options.steps ?? (embedded ? 20 : 50),
    guidance: options.guidance ?? (embedded ? 5 : 7.5),
    guidanceRescale: options.guidanceRescale,
    size: options.size,
    scheduler: options.scheduler,
    clipSkip: options.clipSkip,
    device: options.device,
    variant: options.variant,
    out: options.out,
    grid: options.grid ?? false,
    force: options.force ?? false,
  };
}
