import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { type Device, embeddedCheckpointPath, type Precision, type Quantisation } from "darkroom";
import { lastName, type NamedSource } from "./named-source.js";

/** Everything that requests can name, and where it runs. It is plain data: the processes of models get a copy. */
export interface Offer {
  /** The first one is the default. */
  readonly models: readonly [NamedSource, ...NamedSource[]];
  /** Autoencoders for a request's `vae`. */
  readonly vaes: readonly NamedSource[];
  /** ControlNets for a request's `controlnet`. */
  readonly controlnets: readonly NamedSource[];
  /** Upscalers for the second pass, a request's `hires.upscaler`. */
  readonly upscalers: readonly NamedSource[];
  /** Folders of LoRAs. They are known by the names of their files, in the folders or below. */
  readonly loraFolders: readonly string[];
  /** Folders of embeddings. Prompts name them by their files' names. */
  readonly embeddingFolders: readonly string[];
  readonly runtime: RuntimeOptions;
}

/** Where networks run, and how they get there. */
export interface RuntimeOptions {
  /** auto by default. */
  readonly device?: Device | undefined;
  readonly deviceId?: number | undefined;
  /** exact by default. */
  readonly precision?: Precision | undefined;
  /** Makes weights in 4 or 8 bits of full ones. */
  readonly quantize?: Quantisation | undefined;
  readonly lowMemory?: boolean | undefined;
  /** Weight files to prefer, such as fp16. */
  readonly variant?: string | undefined;
  /** Uses downloaded files only, never the network. */
  readonly localFilesOnly?: boolean | undefined;
  /** Folder of downloads. */
  readonly cacheDir?: string | undefined;
}

/** An offer as a program gives it. */
export type PartialOffer = Partial<Omit<Offer, "models">> & { readonly models?: readonly NamedSource[] | undefined };

/** An offer with its defaults filled in, and its paths absolute: without models, the embedded checkpoint is offered. */
export function offerOf({
  models = [],
  vaes = [],
  controlnets = [],
  upscalers = [],
  loraFolders = [],
  embeddingFolders = [],
  runtime = {},
}: PartialOffer): Offer {
  const [first = embedded(), ...rest] = models.map(absolute);
  return {
    models: [first, ...rest],
    vaes: vaes.map(absolute),
    controlnets: controlnets.map(absolute),
    upscalers: upscalers.map(absolute),
    loraFolders: loraFolders.map((folder) => resolve(folder)),
    embeddingFolders: embeddingFolders.map((folder) => resolve(folder)),
    runtime,
  };
}

function embedded(): NamedSource {
  // The path, since a folder of this name in the current directory would win over the name.
  const source = embeddedCheckpointPath();
  return { name: lastName(source), source };
}

/** What is no path is a name of the hub, or of the checkpoint in the package. */
function absolute({ name, source }: NamedSource): NamedSource {
  return { name, source: existsSync(source) ? resolve(source) : source };
}
