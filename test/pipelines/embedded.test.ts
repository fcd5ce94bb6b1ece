import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { EMBEDDED_CHECKPOINT } from "../../src/hub/embedded.js";
import { loadImage, StableDiffusionImg2ImgPipeline, StableDiffusionPipeline } from "../../src/index.js";
import { EMBEDDED_CASES, embeddedPicture, requestOf } from "../helpers/embedded.js";

describe("the embedded checkpoint's pictures", () => {
  let pipe: StableDiffusionPipeline;
  beforeAll(async () => {
    pipe = await StableDiffusionPipeline.fromPretrained(EMBEDDED_CHECKPOINT, { device: "cpu" });
    return () => pipe.dispose();
  });

  it.each(EMBEDDED_CASES)("are Python's: $name", async (embedded) => {
    const own = pipe.scheduler;
    onTestFinished(() => {
      pipe.scheduler = own;
    });
    if (embedded.scheduler !== undefined) pipe.scheduler = embedded.scheduler;
    const request = requestOf(embedded);
    const { images } =
      embedded.image === undefined
        ? await pipe.generate(request)
        : await (await StableDiffusionImg2ImgPipeline.fromPipe(pipe)).generate({ ...request, image: embeddedPicture(embedded.image) });
    const expected = await loadImage(embeddedPicture(embedded.name));
    expect(images[0]).toMatchObject({ width: expected.width, height: expected.height });
    expect(Math.max(...(images[0]?.data ?? []).map((value, i) => Math.abs(value - (expected.data[i] ?? 0))))).toBeLessThanOrEqual(1);
  });
});
