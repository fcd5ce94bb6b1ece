import { ArgumentError, CheckpointError, HubError } from "../../errors.js";
import type { LayerChange } from "../../graph/layer-change.js";
import { ADAPTER_FIELDS, type AdapterSource } from "../../hub/find-adapter.js";
import { findIPAdapter } from "../../hub/find-ip-adapter.js";
import { type FoundSource, findSource } from "../../hub/find-source.js";
import { CLIPImageProcessor } from "../../image/clip-image-processor.js";
import { attentionPaths } from "../../models/attention-paths.js";
import { CLIPVisionModelWithProjection } from "../../models/clip-vision.js";
import { type IPAdapterFile, readIPAdapter } from "../../models/ip-adapter-file.js";
import type { UNet2DConditionModel } from "../../models/unet-2d-condition.js";
import { checkOptions } from "../../options/check-options.js";
import { type Fields, orNull, text, texts } from "../../options/fields.js";
import type { Folder } from "../../platform/folder.js";
import type { ComponentSource } from "../shared/components.js";
import type { IPAdapterParts } from "./ip-adapters.js";

/** Where IP-Adapters are loaded from: a `.safetensors` file, a folder or a hub id, or a list with one for each adapter. */
export type IPAdapterSources = string | Folder | File | readonly (string | Folder | File)[];

/** Options of `loadIPAdapter`. Lists have an entry for each adapter; one entry serves all. */
export interface LoadIPAdapterOptions extends Omit<AdapterSource, "subfolder" | "weightName"> {
  /** The folder of the file inside the folder or repository, such as "models". */
  readonly subfolder?: string | readonly string[] | undefined;
  /** The name of the file, such as "ip-adapter_sd15.safetensors". */
  readonly weightName?: string | readonly string[] | undefined;
  /**
   * The folder of the image encoder: a name is a folder beside the adapter's file, "image_encoder" by default; a path with a slash is
   * inside the source, such as "models/image_encoder", or a folder or hub id of its own. Null: none is loaded, and calls take
   * `ipAdapterImageEmbeds` only. It is loaded only if the pipeline has no image encoder yet.
   */
  readonly imageEncoderFolder?: string | null | undefined;
}

const { subfolder: _subfolder, weightName: _weightName, ...SOURCE } = ADAPTER_FIELDS;

const LOAD_FIELDS: Fields<LoadIPAdapterOptions> = { ...SOURCE, subfolder: texts, weightName: texts, imageEncoderFolder: orNull(text) };

/** The classes of feature extractors that a checkpoint may have, by name. */
export const FEATURE_EXTRACTORS = { CLIPImageProcessor, CLIPFeatureExtractor: CLIPImageProcessor };

/** A checkpoint's own image encoder, unless the caller gave one; null if it has none. */
export async function loadImageEncoder(
  source: ComponentSource,
  given: CLIPVisionModelWithProjection | null | undefined,
): Promise<CLIPVisionModelWithProjection | null> {
  if (given !== undefined || !source.has("image_encoder")) return given ?? null;
  return source.load("image_encoder", { CLIPVisionModelWithProjection }, undefined);
}

interface OneSource {
  readonly source: FoundSource;
  readonly subfolder: string | undefined;
  readonly weightName: string | undefined;
}

/** `loadIPAdapter` of a pipeline; `own` is where its parts come from. */
export async function loadIPAdapters(
  pipe: IPAdapterParts,
  source: IPAdapterSources,
  options: LoadIPAdapterOptions,
  own: ComponentSource | undefined,
): Promise<void> {
  const checked = checkOptions(options, LOAD_FIELDS, { call: "loadIPAdapter", elsewhere: scaleElsewhere });
  const { subfolder, weightName, imageEncoderFolder = "image_encoder", ...from } = checked;
  const sources = await oneByOne(source, subfolder, weightName);
  const files: IPAdapterFile[] = [];
  for (const { source: each, ...place } of sources) {
    const { folder, path } = await findIPAdapter(each, { ...from, ...place });
    files.push(await readIPAdapter(folder, path));
  }
  const adapters = pipe.unet.ipAdapters.open(files);
  if (!pipe.imageEncoder && imageEncoderFolder !== null) {
    const needing = adapters.findIndex(({ projection }) => !projection.takesIdentity);
    const encoder = await openImageEncoder(sources[Math.max(needing, 0)] as OneSource, imageEncoderFolder, {
      ...from,
      engine: pipe.unet.ipAdapters.engine,
      isNeeded: needing !== -1,
    });
    if (encoder) pipe.imageEncoder = own ? own.adopt(encoder) : encoder;
  }
  pipe.featureExtractor ??= await featureExtractorOf(pipe.imageEncoder, own);
  await pipe.unet.ipAdapters.use(adapters);
  for (const [i, file] of files.entries()) addLora(`faceid_${i}`, file, pipe.unet);
}

/** The adapters' sources; a single entry of a list is for all of them. */
async function oneByOne(
  source: IPAdapterSources,
  subfolder: string | readonly string[] | undefined,
  weightName: string | readonly string[] | undefined,
): Promise<readonly OneSource[]> {
  const lists = { source: [source].flat(), subfolder: [subfolder ?? []].flat(), weightName: [weightName ?? []].flat() };
  const count = Math.max(...Object.values(lists).map(({ length }) => length));
  for (const [name, { length }] of Object.entries(lists)) {
    if (length <= 1 || length === count) continue;
    throw new ArgumentError(`${length} were given as ${name} for ${count} IP-Adapters; expected one, or one for each`, { argument: name });
  }
  const at = <T>(list: readonly T[], i: number) => (list.length > 1 ? list[i] : list[0]);
  const found = await Promise.all(lists.source.map((each) => findSource(each as string | Folder | File)));
  return Array.from({ length: count }, (_, i) => ({
    source: at(found, i) as FoundSource,
    subfolder: at(lists.subfolder, i),
    weightName: at(lists.weightName, i),
  }));
}

type EncoderOptions = Omit<NonNullable<Parameters<typeof CLIPVisionModelWithProjection.fromPretrained>[1]>, "subfolder"> & {
  readonly isNeeded: boolean;
};

/** The image encoder of an adapter's source. @throws CheckpointError if there is none and one is needed. */
async function openImageEncoder(
  { source, subfolder = "" }: OneSource,
  folder: string,
  { isNeeded, ...options }: EncoderOptions,
): Promise<CLIPVisionModelWithProjection | undefined> {
  const open = (from: string | Folder, path?: string) =>
    CLIPVisionModelWithProjection.fromPretrained(from, { ...options, subfolder: path });
  // A path from the root or from the working directory is never inside the source.
  if (/^(\.{0,2}|[a-z]:)[\\/]/i.test(folder)) return open(folder);
  const beside = [...(subfolder ? [subfolder] : []), folder].join("/");
  const path = folder.includes("/") ? folder : beside;
  if (source.place === "hub") {
    const file = source.kind === "file" ? source.file : undefined;
    const id = source.kind === "file" ? source.file.id : source.id;
    const directory = file?.path.replace(/[^/]*$/, "") ?? "";
    try {
      return await open(id, folder.includes("/") ? folder : `${directory}${path}`);
    } catch (error) {
      const isAbsent = error instanceof CheckpointError || (error instanceof HubError && error.problem === "file-not-found");
      if (!isNeeded && isAbsent) return undefined;
      throw error;
    }
  }
  const root = source.place === "nowhere" ? undefined : source.folder;
  if (root && (await root.open(path).has("config.json"))) return open(root, path);
  if (folder.includes("/")) return open(folder);
  if (!isNeeded) return undefined;
  throw new CheckpointError(`${root?.name ?? source.name}/${path} does not exist; an IP-Adapter needs its image encoder`, {
    hint: 'give its folder as imageEncoderFolder, such as "models/image_encoder", or null to give ipAdapterImageEmbeds in place of pictures',
  });
}

async function featureExtractorOf(
  encoder: CLIPVisionModelWithProjection | null,
  own: ComponentSource | undefined,
): Promise<CLIPImageProcessor> {
  if (own?.has("feature_extractor")) return own.load("feature_extractor", FEATURE_EXTRACTORS, undefined);
  const size = encoder?.config.imageSize ?? 224;
  return new CLIPImageProcessor({ size, cropSize: size });
}

/** Loads the LoRA that a file of FaceID may have, as diffusers does: it becomes the only active one. */
function addLora(name: string, { layers: weights }: IPAdapterFile, unet: UNet2DConditionModel): void {
  if (unet.adapters.names.includes(name)) return;
  const [selfs, crosses] = [attentionPaths(unet.weights, "attn1"), attentionPaths(unet.weights, "attn2")];
  const paths = crosses.flatMap((cross, i) => [selfs[i] ?? "", cross]);
  const changes = new Map<string, LayerChange>();
  for (const [i, path] of paths.entries()) {
    for (const layer of ["to_q", "to_k", "to_v", "to_out"]) {
      const [down, up] = [`${i}.${layer}_lora.down.weight`, `${i}.${layer}_lora.up.weight`];
      if (!weights.has(down) || !weights.has(up)) continue;
      const weight = { method: "lora", down: weights.get(down), up: weights.get(up), scale: 1 } as const;
      changes.set(`${path}.${layer === "to_out" ? "to_out.0" : layer}`, { weight });
    }
  }
  if (changes.size > 0) unet.adapters.add(name, changes);
}

function scaleElsewhere(option: string): string | undefined {
  return ["scale", "weight", "strength", "ipAdapterScale"].includes(option)
    ? "an IP-Adapter's scale is set by setIPAdapterScale(scale)"
    : undefined;
}
