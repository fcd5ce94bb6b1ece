import { createEngine } from "#platform";
import type { Device } from "../../src/runtime/device.js";
import type { Engine } from "../../src/runtime/engine.js";
import type { ParityCase } from "./cases.js";
import { type Comparison, holds, NotSupported } from "./comparison.js";
import { compareIPAdapter } from "./ip-adapter.js";
import { compareLora } from "./lora.js";
import { compareModel } from "./models.js";
import { comparePipeline, type OpenedPipeline } from "./pipelines.js";
import { comparePromptEncoding } from "./prompt-encoding.js";
import { compareQuantised } from "./quantised.js";
import { compareRng } from "./rng.js";
import { compareScheduler } from "./schedulers.js";
import { Shelf } from "./shelf.js";
import { compareTokenizer } from "./tokenizer.js";
import { compareUpscaler } from "./upscalers.js";

/** The result of a case. */
export interface ParityResult {
  readonly case: string;
  readonly outcome: "pass" | "miss" | "not supported yet";
  /** The comparison with the largest error relative to its tolerance. */
  readonly worst?: Comparison;
  /** The reason if there is none, or the comparisons that failed. */
  readonly message?: string;
}

/** Runs cases one after the other. They share an engine, and the pipelines opened last. */
export class ParityRun implements AsyncDisposable {
  private engine: Engine | undefined;
  /** A pipeline and its refiner. */
  private readonly pipelines = new Shelf<OpenedPipeline>(2);

  /** Checkpoints lie in the folder `checkpoints`. */
  constructor(
    private readonly checkpoints: string,
    private readonly device: Device = "cpu",
  ) {}

  async run(parityCase: ParityCase): Promise<ParityResult> {
    const id = `${parityCase.group}/${parityCase.name}`;
    try {
      const comparisons = await this.compare(parityCase);
      if (comparisons.length === 0) return { case: id, outcome: "miss", message: "there is nothing to compare" };
      const misses = comparisons.filter((comparison) => !holds(comparison));
      const message = misses.map(({ what }) => what).join(", ");
      const outcome = misses.length === 0 ? "pass" : "miss";
      return { case: id, outcome, worst: worstOf(comparisons), ...(message && { message: `misses: ${message}` }) };
    } catch (error) {
      if (error instanceof NotSupported) return { case: id, outcome: "not supported yet", message: error.message };
      return { case: id, outcome: "miss", message: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pipelines[Symbol.asyncDispose]();
    await this.engine?.dispose();
  }

  private async compare(parityCase: ParityCase): Promise<Comparison[]> {
    const { checkpoints, device, pipelines } = this;
    switch (parityCase.group) {
      case "rng":
        return compareRng(parityCase);
      case "schedulers":
      case "scheduler-options":
        return compareScheduler(parityCase);
      case "tokenizer":
        return compareTokenizer(parityCase, { checkpoints });
      case "models":
        this.engine ??= await createEngine({ device });
        return compareModel(parityCase, { checkpoints, engine: this.engine });
      case "prompt-encoding":
        this.engine ??= await createEngine({ device });
        return comparePromptEncoding(parityCase, { checkpoints, engine: this.engine });
      case "ip-adapter":
        this.engine ??= await createEngine({ device });
        return compareIPAdapter(parityCase, { checkpoints, engine: this.engine });
      case "upscalers":
        this.engine ??= await createEngine({ device });
        return compareUpscaler(parityCase, { checkpoints, engine: this.engine });
      case "quantised":
        this.engine ??= await createEngine({ device });
        return compareQuantised(parityCase, { checkpoints, engine: this.engine });
      case "lora":
        return compareLora(parityCase, { checkpoints, device, pipelines });
      case "pipelines":
      case "step-cache":
      case "steering":
      case "quality":
        return comparePipeline(parityCase, { checkpoints, device, pipelines });
    }
  }
}

/** The comparison with the largest error relative to its tolerance. */
function worstOf(comparisons: readonly Comparison[]): Comparison | undefined {
  const share = ({ error, tolerance }: Comparison) => (error === 0 ? 0 : error / tolerance);
  return comparisons.toSorted((a, b) => share(b) - share(a))[0];
}
