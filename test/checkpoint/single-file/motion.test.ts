import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readConfig } from "../../../src/checkpoint/config.js";
import { openCheckpoint } from "../../../src/hub/open-checkpoint.js";
import { inspect } from "../../../src/inspect/inspect.js";
import { MotionAdapter } from "../../../src/models/motion-adapter.js";
import { UNet2DConditionModel } from "../../../src/models/unet-2d-condition.js";
import { AnimateDiffPipeline } from "../../../src/pipelines/animatediff.js";
import { DiffusionPipeline } from "../../../src/pipelines/diffusion-pipeline.js";
import { Tensor } from "../../../src/tensor/tensor.js";
import { changedPart } from "../../helpers/checkpoints.js";
import { checkpoint } from "../../helpers/fixtures.js";
import { readTensors, writeSafetensors } from "../../helpers/safetensors.js";
import { originalTensors, singleFile } from "../../helpers/single-files.js";
import { temporaryFolder } from "../../helpers/temporary.js";

const cpu = { device: "cpu" } as const;
const VERSIONS = ["motion-adapter", "motion-adapter-v3"];

describe("motion modules in a single file", () => {
  it.each(VERSIONS)("are those of the folder: %s", async (name) => {
    await using folder = await MotionAdapter.fromPretrained(checkpoint(`options/${name}`), cpu);
    const inferred = await openCheckpoint(singleFile(name), { wanted: { kind: "network", network: "motion_adapter" } });
    const config = await readConfig(inferred, "config.json");
    // The file does not state these two.
    expect(config).toMatchObject({ motionNumAttentionHeads: 8, motionNormNumGroups: 32 });
    expect({ ...folder.config, ...config, motionNumAttentionHeads: 2, motionNormNumGroups: 4 }).toMatchObject(folder.config);
    await using file = await MotionAdapter.fromSingleFile(singleFile(name), { ...cpu, config: checkpoint(`options/${name}`) });
    expect(file.weights.names().toSorted()).toEqual(folder.weights.names().toSorted());
    expect(file.config).toEqual(folder.config);
  });

  it("whose channels do not divide into the groups of their norms are refused, as by torch", async () => {
    const wrong = /block_out_channels has 16, which does not divide into 32 groups \(motion_norm_num_groups\)/;
    await expect(MotionAdapter.fromSingleFile(singleFile("motion-adapter"), cpu)).rejects.toThrow(wrong);
    const folder = changedPart("options/motion-adapter", { config: { motion_norm_num_groups: 32 } });
    await expect(MotionAdapter.fromPretrained(folder, cpu)).rejects.toThrow(wrong);
    const unet = await UNet2DConditionModel.fromPretrained(changedPart("sd1-mini/unet", { config: { norm_num_groups: 32 } }), cpu);
    await using _ = unet;
    const inputs = { encoderHiddenStates: Tensor.zeros([1, 3, 32]) };
    await expect(unet.forward(Tensor.zeros([1, 4, 8, 8]), 9, inputs)).rejects.toThrow(/16 channels .* 32 groups \(norm_num_groups\)/);
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
