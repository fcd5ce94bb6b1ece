import { describe, expect, it } from "vitest";
import { MotionAdapter } from "../../src/models/motion-adapter.js";
import { AnimateDiffPipeline } from "../../src/pipelines/animatediff.js";
import { AnimateDiffVideoToVideoPipeline } from "../../src/pipelines/animatediff-video-to-video.js";
import { StableDiffusionPipeline } from "../../src/pipelines/stable-diffusion.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { input } from "../cli/pictures.js";
import { checkpoint } from "../helpers/fixtures.js";

const cpu = { device: "cpu" } as const;
const request = { prompt: "a fox", numInferenceSteps: 2, seed: 4, outputType: "latent" } as const;

async function open(): Promise<AnimateDiffVideoToVideoPipeline> {
  const motionAdapter = await MotionAdapter.fromPretrained(checkpoint("options/motion-adapter"), cpu);
  return AnimateDiffVideoToVideoPipeline.fromPretrained(checkpoint("sd1-mini"), { ...cpu, motionAdapter, scheduler: "euler" });
}

describe("AnimateDiffVideoToVideoPipeline", () => {
  it("groups the frames by video, and shares its parts with the pipeline from text", async () => {
    await using pipe = await open();
    const video = [input, input, input];
    const { frames } = await pipe.generate({ ...request, prompt: ["a fox", "a tree"], video: [video, video], outputType: "image" });
    expect(frames.map((each) => each.map(({ width, height }) => [width, height]))).toEqual([
      [
        [72, 48],
        [72, 48],
        [72, 48],
      ],
      [
        [72, 48],
        [72, 48],
        [72, 48],
      ],
    ]);
    const other = await AnimateDiffPipeline.fromPipe(pipe);
    expect((await other.generate({ ...request, numFrames: 2 })).frames.shape).toEqual([1, 4, 2, 16, 16]);
  });

  it("takes a tensor of frames, and latents with noise", async () => {
    await using pipe = await open();
    const video = Tensor.full([1, 2, 3, 16, 16], 0.5);
    const { frames } = await pipe.generate({ ...request, video });
    expect(frames.shape).toEqual([1, 4, 2, 8, 8]);
    const latents = Tensor.full([1, 4, 2, 8, 8], 0.5);
    expect((await pipe.generate({ ...request, video, latents })).frames).not.toEqual(frames);
  });

  it.each([
    ["no video", {}, /needs video/],
    ["frames that are no pictures", { video: [5] }, /^video is \[5\]/],
    ["another number of videos than prompts", { video: [[input], [input]] }, /^2 videos were given for 1 prompts/],
    [
      "videos of other lengths",
      { prompt: ["a", "b"], video: [[input], [input, input]] },
      /^video 1 has .*\[2,3,48,72\], and video 0 \[1,3,48,72\]/,
    ],
    [
      "latents of another shape",
      { video: [input], latents: Tensor.zeros([1, 4, 2, 6, 9]) },
      /^latents are \[1,4,2,6,9\]; expected \[1,4,1,24,36\]/,
    ],
    ["a strength above 1", { video: [input], strength: 2 }, /^strength is 2/],
  ])("refuses %s", async (_, options, message) => {
    await using pipe = await open();
    await expect(pipe.generate({ ...request, ...options } as never)).rejects.toThrow(message);
  });

  it("is named where a video is given to another pipeline", async () => {
    await using pipe = await StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), cpu);
    await expect(pipe.generate({ prompt: "a", video: [input] } as never)).rejects.toMatchObject({
      hint: "video belongs to AnimateDiffVideoToVideoPipeline",
    });
  });
});
