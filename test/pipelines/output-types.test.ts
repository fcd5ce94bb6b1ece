import { expect, it } from "vitest";
import { DDPMPipeline, StableDiffusionPipeline } from "../../src/index.js";
import { checkpoint } from "../helpers/fixtures.js";

it("outputType np and uint8 are the pictures in numpy's order, as floats and as bytes", async () => {
  await using pipe = await StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"));
  const request = { prompt: ["a red fox", "a cat"], seed: 7, numInferenceSteps: 2, width: 16, height: 32 } as const;
  const { images: pictures } = await pipe.generate(request);
  const { images: tensor } = await pipe.generate({ ...request, outputType: "tensor" });
  const { images: floats } = await pipe.generate({ ...request, outputType: "np" });
  const { images: bytes } = await pipe.generate({ ...request, outputType: "uint8" });
  expect(floats.shape).toEqual([2, 32, 16, 3]);
  expect(floats).toEqual(tensor.permute(0, 2, 3, 1));
  expect([bytes.dtype, bytes.shape]).toEqual(["uint8", [2, 32, 16, 3]]);
  expect(bytes.data).toEqual(Uint8Array.from(pictures.flatMap(({ data }) => [...data])));
});

it("pipelines without a prompt have them, too", async () => {
  await using pipe = await DDPMPipeline.fromPretrained(checkpoint("ddpm-mini"));
  const { images: bytes } = await pipe.generate({ seed: 1, numInferenceSteps: 2, outputType: "uint8" });
  const { images: pictures } = await pipe.generate({ seed: 1, numInferenceSteps: 2 });
  expect(bytes.data).toEqual(Uint8Array.from(pictures[0]?.data ?? []));
});
