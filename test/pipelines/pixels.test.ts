import { describe, expect, it } from "vitest";
import { ConsistencyModelPipeline } from "../../src/pipelines/consistency-model.js";
import { DDPMPipeline } from "../../src/pipelines/ddpm.js";
import { DiffusionPipeline } from "../../src/pipelines/diffusion-pipeline.js";
import { ScoreSdeVePipeline } from "../../src/pipelines/score-sde-ve.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { setWarningHandler } from "../../src/warnings.js";
import { checkpoint } from "../helpers/fixtures.js";

const cpu = { device: "cpu" } as const;

describe("a consistency model", () => {
  it("is opened by its model_index.json, and takes classes in every form", async () => {
    await using pipe = (await DiffusionPipeline.fromPretrained(checkpoint("consistency-mini"), cpu)) as unknown as ConsistencyModelPipeline;
    expect(pipe).toBeInstanceOf(ConsistencyModelPipeline);
    const made = async (classLabels: number | number[] | Tensor<"int64">) =>
      (await pipe.generate({ classLabels, seed: 1, outputType: "tensor" })).images.toArray();
    const pixels = await made(4);
    expect(await made([4])).toEqual(pixels);
    expect(await made(Tensor.from([4]).to("int64"))).toEqual(pixels);
    expect(await made(5)).not.toEqual(pixels);
  });

  it("needs a class for each picture, among those it has", async () => {
    await using pipe = await ConsistencyModelPipeline.fromPretrained(checkpoint("consistency-mini"), cpu);
    await expect(pipe.generate({ batchSize: 2, classLabels: 4 })).rejects.toThrow("1 classLabels were given for 2 pictures");
    await expect(pipe.generate({ classLabels: 10 })).rejects.toThrow("class 10 is outside the 10 classes");
    await expect(pipe.generate({ classLabels: -1 })).rejects.toThrow("classLabels");
    await expect(pipe.generate({ timesteps: [0, 22] })).rejects.toThrow("custom timesteps must descend");
    await expect(pipe.generate({ latents: Tensor.zeros([1, 3, 4, 4]) })).rejects.toThrow("latents are [1,3,4,4]; expected [1,3,8,8]");
  });

  it("takes timesteps rather than a number of steps, with a warning", async () => {
    await using pipe = await ConsistencyModelPipeline.fromPretrained(checkpoint("consistency-mini"), cpu);
    const warnings: string[] = [];
    const before = setWarningHandler((message) => warnings.push(message));
    try {
      const request = { classLabels: 1, seed: 1, timesteps: [22, 0], outputType: "tensor" } as const;
      const both = await pipe.generate({ ...request, numInferenceSteps: 5 });
      expect(both.images).toEqual((await pipe.generate(request)).images);
      expect(warnings).toEqual(["both numInferenceSteps and timesteps were given; timesteps count"]);
    } finally {
      setWarningHandler(before);
    }
  });
});

describe("a score-based model", () => {
  it("previews its steps, and needs its own scheduler", async () => {
    await using pipe = await ScoreSdeVePipeline.fromPretrained(checkpoint("score-sde-mini"), cpu);
    let last: Awaited<ReturnType<typeof pipe.generate>>["images"] | undefined;
    const run = pipe.steps({ numInferenceSteps: 3, seed: 2 });
    for await (const { preview, total } of run) {
      last = await preview();
      expect(total).toBe(3);
    }
    expect(last).toEqual((await run.result).images);
    pipe.scheduler = "ddpm";
    await expect(pipe.generate({ numInferenceSteps: 3 })).rejects.toThrow("ScoreSdeVePipeline needs a ScoreSdeVeScheduler");
  });

  it("has a scheduler that other pipelines refuse", async () => {
    await using pipe = await DDPMPipeline.fromPretrained(checkpoint("ddpm-mini"), { ...cpu, scheduler: "ScoreSdeVeScheduler" });
    await expect(pipe.generate({ numInferenceSteps: 3 })).rejects.toThrow("its steps are stepCorrect and stepPred");
  });
});
