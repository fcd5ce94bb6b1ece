import { readSafetensorsHeader } from "../checkpoint/safetensors.js";
import { type Located, Weights } from "../checkpoint/weights.js";
import { CheckpointError } from "../errors.js";
import type { Folder } from "../platform/folder.js";
import type { StoredTensor } from "../tensor/stored-tensor.js";
import { attentionPaths } from "./attention-paths.js";

/** An IP-Adapter whose file was read. Its weights stay in the file. */
export interface IPAdapterFile {
  /** The file's name in messages. */
  readonly name: string;
  /** The weights of its image projection. */
  readonly projection: Weights;
  /** The weights of its attention layers: `1.to_k_ip.weight`, `1.to_v_ip.weight`, `3.to_k_ip.weight`, ... */
  readonly layers: Weights;
}

/** A cross-attention layer of a UNet. */
export interface CrossAttention {
  /** Its path, such as `down_blocks.0.attentions.0.transformer_blocks.0.attn2`. */
  readonly path: string;
  /** The path of its transformer, such as `down_blocks.0.attentions.0`. */
  readonly transformer: string;
  /** The shape of its keys' weight [inner, width]. */
  readonly shape: readonly [inner: number, width: number];
}

/** An IP-Adapter's weights of one attention layer. */
export interface ImageAttention {
  readonly key: StoredTensor;
  readonly value: StoredTensor;
}

/** Reads an IP-Adapter's file, with the names that Tencent gives. @throws CheckpointError if it has no such tensors. */
export async function readIPAdapter(folder: Folder, path: string): Promise<IPAdapterFile> {
  const { name, tensors } = await readSafetensorsHeader(folder, path);
  const part = (prefix: string): Weights => {
    const own = [...tensors.values()].flatMap((stored): [string, Located & { readonly folder: Folder }][] => {
      if (!stored.name.startsWith(prefix)) return [];
      const short = stored.name.slice(prefix.length);
      return [[short, { folder, path, stored, name: short }]];
    });
    if (own.length === 0) {
      throw new CheckpointError(`${name} has no tensors image_proj.* and ip_adapter.*, so it is no IP-Adapter`, {
        hint: "give the .safetensors file of an IP-Adapter, such as ip-adapter_sd15.safetensors of h94/IP-Adapter",
      });
    }
    return new Weights(name, new Map(own), (short) => prefix + short);
  };
  return { name, projection: part("image_proj."), layers: part("ip_adapter.") };
}

/** A UNet's cross-attention layers, in the order of an IP-Adapter's. */
export function crossAttentions(unet: Weights): CrossAttention[] {
  return attentionPaths(unet, "attn2").map((path) => {
    const [inner = 0, width = 0] = unet.shapeOf(`${path}.to_k.weight`);
    return { path, transformer: path.replace(/\.transformer_blocks\..*/, ""), shape: [inner, width] };
  });
}

/** An adapter's weights for the UNet's layers, by their paths. @throws CheckpointError if the adapter is for another UNet. */
export function matchIPAdapter({ name, layers }: IPAdapterFile, unet: readonly CrossAttention[]): Map<string, ImageAttention> {
  const found = layers.names().filter((tensor) => tensor.endsWith(".to_k_ip.weight"));
  const [, width] = found[0] === undefined ? [] : layers.shapeOf(found[0]);
  const [, expected] = unet[0]?.shape ?? [];
  const refuse = (what: string): never => {
    throw new CheckpointError(`${name}: ${what}`, {
      hint: "the IP-Adapter is for another family of checkpoints: use one that was trained for this one, such as ip-adapter_sd15 for Stable Diffusion 1.x or ip-adapter_sdxl for XL",
    });
  };
  if (found.length !== unet.length || width !== expected) {
    refuse(
      `this IP-Adapter has ${found.length} cross-attention layers of width ${width}; the UNet has ${unet.length} of width ${expected}`,
    );
  }
  // Tencent numbers all attention layers; those with even numbers are self-attention.
  return new Map(
    unet.map(({ path, shape }, i) => {
      const [key, value] = ["to_k_ip", "to_v_ip"].map((tensor) => {
        const stored = layers.get(`${2 * i + 1}.${tensor}.weight`);
        if (String(stored.shape) === String(shape)) return stored;
        return refuse(`tensor ip_adapter.${stored.name} is [${stored.shape.join(", ")}]; the UNet's layer has [${shape.join(", ")}]`);
      }) as [StoredTensor, StoredTensor];
      return [path, { key, value }];
    }),
  );
}
