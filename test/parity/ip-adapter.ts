import { join } from "node:path";
import { openFolder } from "#platform";
import { IPAdapterFaceIDPlusImageProjection } from "../../src/models/image-projection.js";
import { readIPAdapter } from "../../src/models/ip-adapter-file.js";
import type { ModelOptions } from "../../src/models/model.js";
import { UNet2DConditionModel } from "../../src/models/unet-2d-condition.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import type { ParityCase } from "./cases.js";
import { type Comparison, withinAbsolute } from "./comparison.js";
import { TOLERANCE } from "./models.js";

interface IPAdapterMeta {
  /** The checkpoint of the UNet. */
  readonly checkpoint: string;
  /** The adapter's file in `ip-adapter-mini`. */
  readonly subfolder: string;
  readonly weight_name: string;
}

/** A forward pass of a UNet with an IP-Adapter, at two scales. */
export async function compareIPAdapter(
  { meta, tensors }: ParityCase,
  { checkpoints, ...options }: { checkpoints: string } & ModelOptions,
): Promise<Comparison[]> {
  const { checkpoint, subfolder, weight_name } = meta as unknown as IPAdapterMeta;
  const all = tensors() as Record<string, Tensor>;
  const take = (name: string) => all[name] ?? fail(name);
  await using unet = await UNet2DConditionModel.fromPretrained(join(checkpoints, checkpoint), { ...options, subfolder: "unet" });
  const folder = openFolder(join(checkpoints, "ip-adapter-mini", subfolder));
  await unet.ipAdapters.use(unet.ipAdapters.open([await readIPAdapter(folder, weight_name)]));
  const [projection] = unet.encoderHidProj?.imageProjectionLayers ?? [];
  if (!projection) throw new Error("the UNet has no image projection");
  if (projection instanceof IPAdapterFaceIDPlusImageProjection) projection.clipEmbeds = take("clip_embeds");

  const [rows = 0, pictures = 0, ...rest] = take("embeds").shape;
  const tokens = await projection.forward(take("embeds").reshape([rows * pictures, ...rest]));
  const comparisons = [withinAbsolute("projected", tokens.reshape(take("projected").shape), take("projected"), TOLERANCE)];
  for (const scale of [1, 0.4]) {
    unet.ipAdapters.setScales([scale]);
    const { sample } = await unet.forward(take("sample"), 431, {
      encoderHiddenStates: take("encoder_hidden_states"),
      imageEmbeds: [take("embeds")],
      ...("text_embeds" in all && { addedCond: { textEmbeds: take("text_embeds"), timeIds: take("time_ids") } }),
    });
    const name = `out.${scale.toFixed(1)}`;
    comparisons.push(withinAbsolute(name, sample, take(name), TOLERANCE));
  }
  return comparisons;
}

function fail(name: string): never {
  throw new Error(`the case has no ${name}`);
}
