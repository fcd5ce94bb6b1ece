import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openFolder } from "#platform";
import { CLIPImageProcessor } from "../../src/image/clip-image-processor.js";
import { GrayPicture } from "../../src/image/gray-picture.js";
import { IPAdapterMaskProcessor } from "../../src/image/ip-adapter-mask-processor.js";
import type { Picture } from "../../src/image/picture.js";
import { CLIPVisionModelWithProjection } from "../../src/models/clip-vision.js";
import { IPAdapterFaceIDPlusImageProjection } from "../../src/models/image-projection.js";
import { readIPAdapter } from "../../src/models/ip-adapter-file.js";
import { downsampleMask } from "../../src/models/ip-adapter-masks.js";
import { UNet2DConditionModel } from "../../src/models/unet-2d-condition.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { expectClose } from "../helpers/differences.js";
import { checkpoint, readFixture } from "../helpers/fixtures.js";
import { pictureOf } from "../image/pictures-of.js";

const ROOT = checkpoint("ip-adapter-mini");
const device = "cpu";

interface Meta {
  readonly checkpoint: string;
  readonly subfolder: string;
  readonly weight_name: string;
}

const read = (folder: string, file: string) => readIPAdapter(openFolder(`${ROOT}/${folder}`), file);

async function openUNet({ checkpoint: name, subfolder, weight_name }: Meta): Promise<UNet2DConditionModel> {
  const unet = await UNet2DConditionModel.fromPretrained(checkpoint(name), { device, subfolder: "unet" });
  await unet.ipAdapters.use(unet.ipAdapters.open([await read(subfolder, weight_name)]));
  return unet;
}

describe("a UNet with an IP-Adapter", () => {
  it.each(["sd15", "sd15-plus", "sd15-full-face", "sd15-faceid", "sd15-faceid-plus", "sdxl", "sdxl-plus"])(
    "gives what diffusers gives: %s",
    async (name) => {
      const { meta, tensor } = readFixture<Meta>("ip-adapter", name);
      const input = (key: string) => tensor(key) as Tensor;
      await using unet = await openUNet(meta);
      const [projection] = unet.encoderHidProj?.imageProjectionLayers ?? [];
      if (projection instanceof IPAdapterFaceIDPlusImageProjection) projection.clipEmbeds = input("clip_embeds");
      const imageEmbeds = [input("embeds")];
      const [rows = 0, pictures = 0, ...rest] = input("embeds").shape;
      const tokens = await projection?.forward(input("embeds").reshape([rows * pictures, ...rest]));
      expectClose(tokens?.reshape(input("projected").shape) as Tensor, tensor("projected"));
      const isXL = meta.checkpoint.startsWith("sdxl");
      const conditions = {
        encoderHiddenStates: input("encoder_hidden_states"),
        ...(isXL && { addedCond: { textEmbeds: input("text_embeds"), timeIds: input("time_ids") } }),
      };
      for (const scale of ["1.0", "0.4"]) {
        unet.ipAdapters.setScales([Number(scale)]);
        const { sample } = await unet.forward(input("sample"), 431, { ...conditions, imageEmbeds });
        expectClose(sample, tensor(`out.${scale}`));
      }
    },
  );
});

describe("the parts of IP-Adapters", () => {
  let unet: UNet2DConditionModel;
  beforeAll(async () => {
    unet = await UNet2DConditionModel.fromPretrained(checkpoint("sd1-mini"), { device, subfolder: "unet" });
  });
  afterAll(() => unet.dispose());

  it("encode pictures of any size as transformers does", async () => {
    const { tensor } = readFixture("ip-adapter", "encoder");
    const photos = [0, 1].map((i) => pictureOf(tensor(`photo.${i}`)) as Picture);
    const pixels = new CLIPImageProcessor({ size: 28, cropSize: 28 }).preprocess(photos, { backend: "torchvision" });
    expectClose(pixels, tensor("pixel_values"), 1e-6);
    await using encoder = await CLIPVisionModelWithProjection.fromPretrained(ROOT, { device, subfolder: "models/image_encoder" });
    const { imageEmbeds, hiddenStates } = await encoder.forward(pixels, { outputHiddenStates: true });
    expectClose(imageEmbeds, tensor("image_embeds"));
    expectClose(hiddenStates?.at(-2) as Tensor, tensor("penultimate"));
  });

  it("make masks as diffusers does, in any proportions", () => {
    const { tensor } = readFixture("ip-adapter", "masks");
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
