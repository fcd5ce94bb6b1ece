import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { camelCaseKeys } from "../../src/checkpoint/config.js";
import type { LoraWeight } from "../../src/index.js";
import { camelCase } from "../../src/letter-case.js";
import type { ParityCase } from "./cases.js";
import type { Comparison } from "./comparison.js";
import { comparePipeline, type PipelineContext } from "./pipelines.js";

/** What Python did with LoRAs before it made the pictures. */
export interface LoraMeta {
  /** The files in the folder `adapters`, and the adapters' names. */
  readonly loras: readonly (readonly [file: string, name: string | null])[];
  readonly list_adapters: Readonly<Record<string, readonly string[]>>;
  readonly set_adapters?: readonly [names: string | readonly string[], weights: unknown];
  readonly fuse_lora?: {
    readonly lora_scale: number;
    readonly adapter_names?: readonly string[];
    readonly components?: readonly string[];
  };
  readonly unload?: boolean;
  readonly disable?: boolean;
}

/** The methods of pipelines that LoRAs can change. */
interface Adaptable {
  loadLoraWeights(source: string, options: object): Promise<unknown>;
  setAdapters(names: string | readonly string[], weights: unknown): void;
  getListAdapters(): object;
  fuseLora(options: object): void;
  unfuseLora(): void;
  unloadLoraWeights(): void;
  enableLora(): void;
  disableLora(): void;
}

/** A call of a pipeline with LoRAs. Cases of one checkpoint share its pipeline, each with its own LoRAs. */
export async function compareLora(parityCase: ParityCase, context: PipelineContext): Promise<Comparison[]> {
  const { loras, list_adapters, set_adapters, fuse_lora, unload, disable, ...meta } = parityCase.meta as unknown as LoraMeta;
  const prepare = async (opened: unknown): Promise<void> => {
    const pipe = opened as Adaptable;
    pipe.unfuseLora();
    pipe.unloadLoraWeights();
    pipe.enableLora();
    for (const [file, name] of loras) {
      await pipe.loadLoraWeights(join(parityCase.folder, "adapters", `${file}.safetensors`), { adapterName: name ?? undefined });
    }
    expectListed(pipe.getListAdapters(), camelCaseKeys(list_adapters as never));
    if (set_adapters) {
      const [names, weights] = set_adapters;
      pipe.setAdapters(names, Array.isArray(weights) ? weights.map(inCamelCase) : inCamelCase(weights));
    }
    if (fuse_lora) {
      const { lora_scale, adapter_names, components } = fuse_lora;
      pipe.fuseLora({ loraScale: lora_scale, adapterNames: adapter_names, components: components?.map(camelCase) });
    }
    if (unload) pipe.unloadLoraWeights();
    if (disable) pipe.disableLora();
  };
  return comparePipeline({ ...parityCase, meta: meta as ParityCase["meta"] }, { ...context, prepare });
}

function expectListed(found: object, expected: object): void {
  if (!isDeepStrictEqual(found, expected)) {
    throw new Error(`the adapters are ${JSON.stringify(found)}; Python lists ${JSON.stringify(expected)}`);
  }
}

/** Weights as Python is given them, in our words. The blocks of a UNet have the same names. */
function inCamelCase(weights: unknown): LoraWeight {
  if (typeof weights !== "object" || weights === null) return weights as LoraWeight;
  const { unet, ...others } = weights as Record<string, never>;
  return { ...(unet !== undefined && { unet }), ...camelCaseKeys(others) };
}
