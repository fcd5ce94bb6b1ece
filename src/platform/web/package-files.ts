import { CheckpointError } from "../../errors.js";
import type { FileRef } from "../../tensor/stored-tensor.js";
import type { Folder } from "../folder.js";
import { urlFolder } from "./url-folder.js";
import { blobFile } from "./web-file.js";

/** How paths of the package's checkpoints begin. No address does. */
export const PACKAGED = "darkroom:";

/*
 * The files of the package, each written out: bundlers copy a file that they see in such an expression, and webpack refuses folders.
 */
const TOKENIZER: Readonly<Record<string, URL>> = {
  "vocab.json": new URL("../../../models/clip-tokenizer/vocab.json", import.meta.url),
  "merges.txt": new URL("../../../models/clip-tokenizer/merges.txt", import.meta.url),
};
const CHECKPOINTS: Readonly<Record<string, Readonly<Record<string, URL>>>> = {
  "emoji-128": {
    "model_index.json": new URL("../../../models/emoji-128/model_index.json", import.meta.url),
    "scheduler/scheduler_config.json": new URL("../../../models/emoji-128/scheduler/scheduler_config.json", import.meta.url),
    "text_encoder/config.json": new URL("../../../models/emoji-128/text_encoder/config.json", import.meta.url),
    "text_encoder/model.safetensors": new URL("../../../models/emoji-128/text_encoder/model.safetensors", import.meta.url),
    "tokenizer/merges.txt": new URL("../../../models/emoji-128/tokenizer/merges.txt", import.meta.url),
    "tokenizer/special_tokens_map.json": new URL("../../../models/emoji-128/tokenizer/special_tokens_map.json", import.meta.url),
    "tokenizer/tokenizer_config.json": new URL("../../../models/emoji-128/tokenizer/tokenizer_config.json", import.meta.url),
    "tokenizer/vocab.json": new URL("../../../models/emoji-128/tokenizer/vocab.json", import.meta.url),
    "unet/config.json": new URL("../../../models/emoji-128/unet/config.json", import.meta.url),
    "unet/diffusion_pytorch_model.safetensors": new URL(
      "../../../models/emoji-128/unet/diffusion_pytorch_model.safetensors",
      import.meta.url,
    ),
    "vae/config.json": new URL("../../../models/emoji-128/vae/config.json", import.meta.url),
    "vae/diffusion_pytorch_model.safetensors": new URL(
      "../../../models/emoji-128/vae/diffusion_pytorch_model.safetensors",
      import.meta.url,
    ),
  },
};

/** The folder with CLIP's vocabulary and merges, for checkpoints without a tokenizer. */
export function openTokenizerFiles(): Folder {
  return new PackagedFolder("CLIP's tokenizer", TOKENIZER);
}

/** The path of a checkpoint in the package. */
export function packagedCheckpoint(name: string): string {
  return PACKAGED + name;
}

/** The checkpoint in the package whose path {@link packagedCheckpoint} gave; undefined for any other path. */
export function packagedFolder(path: string, name: string): Folder | undefined {
  const files = path.startsWith(PACKAGED) ? CHECKPOINTS[path.slice(PACKAGED.length)] : undefined;
  return files && new PackagedFolder(name, files);
}

/** Files of the package by their paths. Bundlers give each an address of its own. */
class PackagedFolder implements Folder {
  constructor(
    readonly name: string,
    private readonly files: Readonly<Record<string, URL>>,
    private readonly below = "",
  ) {}

  async check(): Promise<void> {}

  async list(): Promise<readonly string[]> {
    const own = Object.keys(this.files).filter((path) => path.startsWith(this.below));
    return own.map((path) => path.slice(this.below.length)).filter((name) => !name.includes("/"));
  }

  async has(path: string): Promise<boolean> {
    return Object.hasOwn(this.files, this.below + path);
  }

  async size(path: string): Promise<number> {
    const [folder, name] = this.locate(path);
    return folder ? folder.size(name) : (await bytesOf(name)).length;
  }

  async read(path: string, offset = 0, length?: number): Promise<Uint8Array<ArrayBuffer>> {
    const [folder, name] = this.locate(path);
    if (folder) return folder.read(name, offset, length);
    const bytes = await bytesOf(name);
    return bytes.slice(offset, length === undefined ? undefined : offset + length);
  }

  async file(path: string): Promise<FileRef> {
    const [folder, name] = this.locate(path);
    if (!folder) return blobFile(new Blob([await bytesOf(name)]));
    return folder.file(name);
  }

  open(subfolder: string): Folder {
    return new PackagedFolder(`${this.name}/${subfolder}`, this.files, `${this.below}${subfolder}/`);
  }

  /** The folder of a file at its address, and the file's name there; no folder for a small file that the bundler put into the code. */
  private locate(path: string): readonly [Folder | undefined, string] {
    const url = this.files[this.below + path]?.href;
    if (url === undefined) throw new CheckpointError(`${this.name}/${path} does not exist`);
    if (url.startsWith("data:")) return [undefined, url];
    const end = url.lastIndexOf("/");
    return [urlFolder(url.slice(0, end), this.name, { keeps: false }), decodeURIComponent(url.slice(end + 1))];
  }
}

/** The bytes of a data URL. */
async function bytesOf(url: string): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await (await fetch(url)).arrayBuffer());
}
