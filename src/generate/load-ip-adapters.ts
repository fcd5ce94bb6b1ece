import { ArgumentError } from "../errors.js";
import { findIPAdapter } from "../hub/find-ip-adapter.js";
import { type ExistingSource, expectThere, findSource } from "../hub/find-source.js";
import type { LoadIPAdapterOptions } from "../pipelines/adapters/load-ip-adapters.js";
import type { UNetPipeline } from "../pipelines/unet-pipeline.js";
import type { ModelSource } from "./model-source.js";
import { pathOf } from "./name-of.js";
import type { IPAdapterRequest } from "./open-request.js";

/** A pipeline that IP-Adapters are loaded into. */
export type ImagePromptable = Pick<UNetPipeline<never>, "loadIPAdapter" | "unet">;

/** IP-Adapters whose files can be read, as a pipeline loads them. */
export interface OpenIPAdapters {
  readonly sources: readonly ModelSource[];
  readonly options: LoadIPAdapterOptions;
}

/** Where files come from. */
type From = Omit<LoadIPAdapterOptions, "subfolder" | "weightName" | "imageEncoderFolder">;

/** IP-Adapters whose sources exist. */
export type FoundIPAdapters = readonly (IPAdapterRequest & { readonly found: ExistingSource })[];

/** Parses the sources. @throws CheckpointError for a path that does not exist; ArgumentError for several image encoders */
export async function findIPAdapters(adapters: readonly IPAdapterRequest[]): Promise<FoundIPAdapters> {
  const encoders = new Set(adapters.flatMap(({ imageEncoder }) => imageEncoder ?? []));
  if (encoders.size > 1) {
    throw new ArgumentError(
      (name) => `${name("ipAdapters")} name ${encoders.size} image encoders: ${[...encoders].join(", ")}; a run has one for all adapters`,
      { argument: "ipAdapters", hint: "give adapters that were trained with the same image encoder" },
    );
  }
  const all: FoundIPAdapters[number][] = [];
  for (const adapter of adapters) all.push({ ...adapter, found: await expectThere(await findSource(adapter.source)) });
  return all;
}

/** Opens the files. Those on the hub are downloaded. @throws CheckpointError, HubError; the signal's reason */
export async function openIPAdapters(adapters: FoundIPAdapters, from: (source: ModelSource) => From): Promise<OpenIPAdapters | undefined> {
  const [first] = adapters;
  if (!first) return undefined;
  const names: string[] = [];
  for (const { found, source, subfolder, weightName } of adapters) {
    names.push((await findIPAdapter(found, { ...from(source), subfolder, weightName })).path);
  }
  return {
    sources: adapters.map(({ source }) => source),
    options: {
      ...from(first.source),
      subfolder: adapters.map(({ subfolder = "" }) => subfolder),
      weightName: names,
      imageEncoderFolder: adapters.find(({ imageEncoder }) => imageEncoder !== undefined)?.imageEncoder,
    },
  };
}

/**
 * Loads IP-Adapters into a pipeline and those that share its UNet. @throws CheckpointError, ArgumentError for one that takes no pictures
 */
export async function loadIPAdapters(pipe: ImagePromptable, { sources, options }: OpenIPAdapters): Promise<void> {
  await pipe.loadIPAdapter(sources, options);
  const identity = pipe.unet.encoderHidProj?.imageProjectionLayers.findIndex(({ takesIdentity }) => takesIdentity) ?? -1;
  if (identity === -1) return;
  throw new ArgumentError(
    (name) => `${name("ipAdapters")}: ${pathOf(sources[identity] ?? "")} is for FaceID: it takes embeddings of faces, not pictures`,
    { argument: "ipAdapters", hint: "in a program, a pipeline takes them: loadIPAdapter(source), generate({ ipAdapterImageEmbeds })" },
  );
}
