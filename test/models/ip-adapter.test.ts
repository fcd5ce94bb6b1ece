import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openFolder } from "#platform";
import { CLIPImageProcessor } from "../../src/image/clip-image-processor.js";
import { GrayPicture } from "../../src/image/gray-picture.js";
import { IPAdapterMaskProcessor } from "../../src/image/ip-adapter-mask-processor.js";
import type { Picture } from "../../src/image/picture.js";
import { CLIPVisionModelWithProjection } from "../../src/models/clip-vision.js";
import { readIPAdapter } from "../../src/models/ip-adapter-file.js";
import { downsampleMask } from "../../src/models/ip-adapter-masks.js";
import { UNet2DConditionModel } from "../../src/models/unet-2d-condition.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { expectClose } from "../helpers/differences.js";
import { checkpoint, readFixture } from "../helpers/fixtures.js";
import { pictureOf } from "../image/pictures-of.js";

const ROOT = checkpoint("ip-adapter-mini");
const device = "cpu";

const read = (folder: string, file: string) => readIPAdapter(openFolder(`${ROOT}/${folder}`), file);

describe("the parts of IP-Adapters", () => {
  let unet: UNet2DConditionModel;
  beforeAll(async () => {
    unet = await UNet2DConditionModel.fromPretrained(checkpoint("sd1-mini"), { device, subfolder: "unet" });
  });
  afterAll(() => unet.dispose());

  it("encode pictures of any size as transformers does", async () => {
    const { tensor } = readFixture("image", "ip-adapter-encoder");
    const photos = [0, 1].map((i) => pictureOf(tensor(`photo.${i}`)) as Picture);
    const pixels = new CLIPImageProcessor({ size: 28, cropSize: 28 }).preprocess(photos, { backend: "torchvision" });
    expectClose(pixels, tensor("pixel_values"), 1e-6);
    await using encoder = await CLIPVisionModelWithProjection.fromPretrained(ROOT, { device, subfolder: "models/image_encoder" });
    const { imageEmbeds, hiddenStates } = await encoder.forward(pixels, { outputHiddenStates: true });
    expectClose(imageEmbeds, tensor("image_embeds"));
    expectClose(hiddenStates?.at(-2) as Tensor, tensor("penultimate"));
  });

  it("make masks as diffusers does, in any proportions", () => {
    const { tensor } = readFixture("image", "ip-adapter-masks");
    const masks = [0, 1].map((i) => {
      const { shape, data } = tensor(`mask.${i}`);
      return new GrayPicture(shape[1] ?? 0, shape[0] ?? 0, data as Uint8Array);
    });
    const processor = new IPAdapterMaskProcessor();
    expectClose(processor.preprocess(masks), tensor("own"), 0);
    const sized = processor.preprocess(masks, { height: 48, width: 32 });
    expectClose(sized, tensor("sized"), 0);
    for (const queries of [96, 24, 30]) {
      const down = downsampleMask(sized.slice(0, 1), queries);
      // Python repeats it for two rows and three features.
      const python = tensor(`down.${queries}`) as Tensor;
      expectClose(down.reshape([queries]), python.slice(0, 1).slice(0, 1, 2).reshape([queries]), 1e-6);
    }
  });

  it("are refused by a UNet of another family", async () => {
    const file = await read("sdxl_models", "ip-adapter_sdxl.safetensors");
    expect(() => unet.ipAdapters.open([file])).toThrow(
      /ip-adapter_sdxl.safetensors: this IP-Adapter has 8 cross-attention layers of width 64; the UNet has 4 of width 32$/,
    );
  });

  it("belong to the UNet's layers in diffusers' order: down, up, middle", async () => {
    const file = await read("models", "ip-adapter_sd15.safetensors");
    const [adapter] = unet.ipAdapters.open([file]);
    expect([...(adapter?.layers.keys() ?? [])]).toEqual([
      "down_blocks.0.attentions.0.transformer_blocks.0.attn2",
      "up_blocks.1.attentions.0.transformer_blocks.0.attn2",
      "up_blocks.1.attentions.1.transformer_blocks.0.attn2",
      "mid_block.attentions.0.transformer_blocks.0.attn2",
    ]);
  });
});
