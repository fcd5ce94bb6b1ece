import { describe, expect, it } from "vitest";
import { embeddedCheckpointPath } from "../../src/hub/embedded.js";
import { loadImage } from "../../src/image/load-image.js";
import { resizeTensorBilinear } from "../../src/image/resize-tensor.js";
import { VaeImageProcessor } from "../../src/image/vae-image-processor.js";
import { AutoencoderKL } from "../../src/models/autoencoder-kl.js";
import { colouredLatents, measureColours } from "../../src/pipelines/shared/latent-colours.js";
import { Tensor } from "../../src/tensor/tensor.js";

describe("colours of latents", () => {
  it("are those of the autoencoder, if its colours are sums of channels", async () => {
    const shares = [
      [0.1, 0, -0.05],
      [0, 0.2, 0],
      [0.05, -0.1, 0.1],
    ];
    const decode = async ({ shape, data }: Tensor) => {
      const [, channels = 0, height = 0, width = 0] = shape;
      const plane = height * width;
      const pixels = Array.from({ length: 3 * plane }, (_, i) => {
        const [colour, at] = [Math.floor(i / plane), i % plane];
        return (
          0.5 + Array.from({ length: channels }, (_, c) => (shares[c]?.[colour] ?? 0) * (data[c * plane + at] ?? 0)).reduce((a, b) => a + b)
        );
      });
      return Tensor.from(pixels, [1, 3, height, width]);
    };
    const { rows } = await measureColours(3, decode);
    for (const [channel, row] of [...shares, [0.5, 0.5, 0.5]].entries())
      for (const [colour, share] of row.entries()) expect(rows[channel]?.[colour]).toBeCloseTo(share, 2);
    const { shape, data } = colouredLatents(Tensor.from([1, 1, 1], [1, 3, 1, 1]), { rows });
    expect(shape).toEqual([1, 3, 1, 1]);
    expect(data[0]).toBeCloseTo(0.65, 2);
  });

  it("show a picture about as a trained autoencoder decodes it", async () => {
    await using vae = await AutoencoderKL.fromPretrained(embeddedCheckpointPath(), { subfolder: "vae", device: "cpu" });
    const scale = vae.config.scalingFactor;
    const decode = async (latents: Tensor) =>
      (await vae.decode(latents.div(scale))).sample.map((value) => Math.min(Math.max(value / 2 + 0.5, 0), 1));
    const source = await loadImage(new URL("../../docs/pictures.png", import.meta.url).pathname);
    const image = new VaeImageProcessor({ vaeScaleFactor: vae.scaleFactor }).preprocess(source, { width: 256, height: 256 });
    const latents = (await vae.encode(image)).latentDist.mode().mul(scale);
    const decoded = await decode(latents);
    const colours = await measureColours(vae.config.latentChannels, decode);
    const [, , height = 0, width = 0] = decoded.shape;
    const difference = resizeTensorBilinear(colouredLatents(latents, colours), height, width).sub(decoded);
    const error = Math.sqrt(difference.mul(difference).mean().item());
    const plain = Math.sqrt(decoded.sub(decoded.mean().item()).mul(decoded.sub(decoded.mean().item())).mean().item());
    expect(error).toBeLessThan(0.6 * plain);
  });
});
