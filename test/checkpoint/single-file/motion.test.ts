import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { inspect } from "../../../src/inspect/inspect.js";
import { MotionAdapter } from "../../../src/models/motion-adapter.js";
import { AnimateDiffPipeline } from "../../../src/pipelines/animatediff.js";
import { DiffusionPipeline } from "../../../src/pipelines/diffusion-pipeline.js";
import { checkpoint } from "../../helpers/fixtures.js";
import { readTensors, writeSafetensors } from "../../helpers/safetensors.js";
import { originalTensors, singleFile } from "../../helpers/single-files.js";
import { temporaryFolder } from "../../helpers/temporary.js";

const cpu = { device: "cpu" } as const;
const VERSIONS = ["motion-adapter", "motion-adapter-v3"];

describe("motion modules in a single file", () => {
  it.each(VERSIONS)("are those of the folder: %s", async (name) => {
    await using folder = await MotionAdapter.fromPretrained(checkpoint(`options/${name}`), cpu);
    await using file = await MotionAdapter.fromSingleFile(singleFile(name), cpu);
    expect(file.weights.names().toSorted()).toEqual(folder.weights.names().toSorted());
    // The file does not state these two.
    expect({ ...file.config, motionNumAttentionHeads: 2, motionNormNumGroups: 4 }).toEqual(folder.config);
    expect(file.config.motionNumAttentionHeads).toBe(8);
  });

  it.each(VERSIONS)("make the same videos: %s", async (name) => {
    const config = checkpoint(`options/${name}`);
    const request = { prompt: "a fox", numFrames: 3, numInferenceSteps: 2, seed: 4, outputType: "latent" } as const;
    const videos = [];
    for (const open of [MotionAdapter.fromPretrained(config, cpu), MotionAdapter.fromSingleFile(singleFile(name), { ...cpu, config })]) {
      await using motionAdapter = await open;
      await using pipe = await AnimateDiffPipeline.fromPretrained(checkpoint("sd1-mini"), { ...cpu, motionAdapter, scheduler: "euler-a" });
      videos.push((await pipe.generate(request)).frames);
    }
    expect(videos[0]).toEqual(videos[1]);
  });

  it("are known by name, and refused where a checkpoint is expected", async () => {
    const path = singleFile("motion-adapter");
    expect(await inspect(path)).toMatchObject({ kind: "network", className: "MotionAdapter" });
    await expect(DiffusionPipeline.fromPretrained(path)).rejects.toThrow(/holds one network \(MotionAdapter\), not a whole checkpoint/);
    await expect(MotionAdapter.fromSingleFile(singleFile("vae-swap-mini"))).rejects.toThrow(/is an autoencoder, not a motion adapter/);
  });

  it("with other tensors beside them, as those of SparseCtrl, are refused by name", async () => {
    const path = join(temporaryFolder(), "sparse.safetensors");
    const [hint] = Object.values(readTensors(join(checkpoint("controlnet-mini"), "diffusion_pytorch_model.safetensors")));
    writeSafetensors(path, { ...originalTensors("motion-adapter"), ...(hint && { "controlnet_cond_embedding.conv_in.weight": hint }) });
    await expect(MotionAdapter.fromSingleFile(path)).rejects.toThrow(/AnimateDiff/);
  });
});
