import { mkdirSync, readFileSync, readlinkSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { CheckpointError, ConfigError } from "../../src/errors.js";
import { openCheckpoint } from "../../src/hub/open-checkpoint.js";
import { openRepository } from "../../src/hub/open-repository.js";
import { CLIPImageProcessor } from "../../src/image/clip-image-processor.js";
import { AutoencoderKL } from "../../src/models/autoencoder-kl.js";
import { DDPMPipeline } from "../../src/pipelines/ddpm.js";
import { DiffusionPipeline } from "../../src/pipelines/diffusion-pipeline.js";
import { StableDiffusionPipeline } from "../../src/pipelines/stable-diffusion.js";
import { locationOf } from "../../src/platform/node/disk-file.js";
import { PNDMScheduler } from "../../src/schedulers/pndm.js";
import { CLIPTokenizer } from "../../src/tokenizer/clip.js";
import { checkpointError, hubError } from "../helpers/errors.js";
import { checkpoint } from "../helpers/fixtures.js";
import { filesOf, HubServer } from "../helpers/hub-server.js";
import { collectWarnings } from "../helpers/warnings.js";

const ID = "someone/mini";

/** Files every Stable Diffusion 1 pipeline reads. */
const SD1_FILES = [
  "model_index.json",
  "scheduler/scheduler_config.json",
  "text_encoder/config.json",
  "text_encoder/model.safetensors",
  "tokenizer/merges.txt",
  "tokenizer/tokenizer_config.json",
  "tokenizer/vocab.json",
  "unet/config.json",
  "unet/diffusion_pytorch_model.safetensors",
  "vae/config.json",
  "vae/diffusion_pytorch_model.safetensors",
];

/** A test checkpoint with other files beside its own; undefined takes one out. */
function withFiles(name: string, changes: Readonly<Record<string, string | undefined>>): Record<string, Uint8Array | string> {
  const files = { ...Object.fromEntries(filesOf(checkpoint(name))), ...changes };
  return Object.fromEntries(Object.entries(files).flatMap(([path, content]) => (content === undefined ? [] : [[path, content]])));
}

describe("a pipeline from the hub", () => {
  it("makes the same picture as its folder", async () => {
    await HubServer.start({ [ID]: "sd1-mini" });
    const pictures = [];
    for (const source of [ID, checkpoint("sd1-mini")]) {
      await using pipe = await StableDiffusionPipeline.fromPretrained(source);
      const { images } = await pipe.generate({ prompt: "a cat", numInferenceSteps: 2, seed: 0 });
      pictures.push(images[0]?.data);
    }
    expect(pictures[0]).toEqual(pictures[1]);
  });

  it("downloads the files it reads and no others", async () => {
    const others = ["README.md", "v1-5.ckpt", "v1-5.safetensors", "unet/diffusion_pytorch_model.bin", "unet/model.onnx", "onnx/model.onnx"];
    const more = [...others, "unet/diffusion_pytorch_model.fp16.safetensors", "vae/flax_model.msgpack", "tokenizer/tokenizer.json"];
    const hub = await HubServer.start({ [ID]: withFiles("sd1-mini", Object.fromEntries(more.map((path) => [path, "x"]))) });
    await openCheckpoint(ID);
    expect(hub.fetched).toEqual(SD1_FILES);
  });

  it("downloads the optional files of a tokenizer if they exist", async () => {
    const files = { "tokenizer/special_tokens_map.json": "{}", "tokenizer/added_tokens.json": '{"<new>": 999}' };
    const hub = await HubServer.start({ [ID]: withFiles("sd1-mini", files) });
    await openCheckpoint(ID);
    expect(hub.fetched).toEqual([...SD1_FILES, ...Object.keys(files)].sort());
  });

  it("downloads only the wanted variant of the weights", async () => {
    const hub = await HubServer.start({ [ID]: "sdxl-base-mini" });
    await openCheckpoint(ID, { variant: "fp16" });
    expect(hub.fetched.filter((path) => path.endsWith(".safetensors"))).toEqual([
      "text_encoder/model.fp16.safetensors",
      "text_encoder_2/model.fp16.safetensors",
      "unet/diffusion_pytorch_model.fp16.safetensors",
      "vae/diffusion_pytorch_model.fp16.safetensors",
    ]);
  });

  it("downloads full weights for the parts that lack the variant", async () => {
    const heard = collectWarnings();
    const files = withFiles("sdxl-base-mini", { "vae/diffusion_pytorch_model.fp16.safetensors": undefined });
    const hub = await HubServer.start({ [ID]: files });
    await using _pipe = await DiffusionPipeline.fromPretrained(ID, { variant: "fp16" });
    expect(hub.fetched).toContain("vae/diffusion_pytorch_model.safetensors");
    expect(hub.fetched).not.toContain("unet/diffusion_pytorch_model.safetensors");
    expect(heard).toEqual([`${ID}/vae has no fp16 variant; diffusion_pytorch_model.safetensors is used instead`]);
  });

  it("downloads the shards that an index lists, not the single file beside it", async () => {
    const index = { weight_map: { a: "diffusion_pytorch_model-1.safetensors", b: "diffusion_pytorch_model-2.safetensors" } };
    const hub = await HubServer.start({
      [ID]: withFiles("sd1-mini", {
        "unet/diffusion_pytorch_model.safetensors.index.json": JSON.stringify(index),
        "unet/diffusion_pytorch_model-1.safetensors": "one",
        "unet/diffusion_pytorch_model-2.safetensors": "two",
        "unet/diffusion_pytorch_model-3.safetensors": "of another index",
      }),
    });
    await openCheckpoint(ID);
    expect(hub.fetched.filter((path) => path.startsWith("unet/"))).toEqual([
      "unet/config.json",
      "unet/diffusion_pytorch_model-1.safetensors",
      "unet/diffusion_pytorch_model-2.safetensors",
      "unet/diffusion_pytorch_model.safetensors.index.json",
    ]);
  });

  it("leaves out parts that the caller gives or does not want", async () => {
    const index = JSON.parse(readFileSync(join(checkpoint("sd1-mini"), "model_index.json"), "utf8"));
    const checked = { ...index, safety_checker: ["stable_diffusion", "StableDiffusionSafetyChecker"] };
    const hub = await HubServer.start({
      [ID]: withFiles("sd1-mini", {
        "model_index.json": JSON.stringify(checked),
        "safety_checker/config.json": "{}",
        "safety_checker/model.safetensors": "x",
      }),
    });
    await using vae = await AutoencoderKL.fromPretrained(join(checkpoint("sd1-mini"), "vae"));
    await using _pipe = await StableDiffusionPipeline.fromPretrained(ID, { vae, safetyChecker: null, featureExtractor: undefined });
    expect(hub.fetched).toEqual(SD1_FILES.filter((path) => !path.startsWith("vae/")));
  });

  it("leaves out parts that are null in its index", async () => {
    const hub = await HubServer.start({ [ID]: withFiles("sd1-mini", { "safety_checker/model.safetensors": "x" }) });
    await openCheckpoint(ID);
    expect(hub.fetched).toEqual(SD1_FILES);
  });

  it("is read from the top folder of an old repository without subfolders", async () => {
    const part = (path: string) => readFileSync(join(checkpoint("ddpm-mini"), path));
    const hub = await HubServer.start({
      [ID]: {
        "model_index.json": part("model_index.json"),
        "scheduler_config.json": part("scheduler/scheduler_config.json"),
        "config.json": part("unet/config.json"),
        "diffusion_pytorch_model.safetensors": part("unet/diffusion_pytorch_model.safetensors"),
      },
    });
    await using pipe = await DDPMPipeline.fromPretrained(ID);
    expect(hub.fetched).toHaveLength(4);
    expect(pipe.unet.config.sampleSize).toBe(JSON.parse(part("unet/config.json").toString()).sample_size);
  });

  it("refuses an unknown class before the weights are downloaded", async () => {
    const hub = await HubServer.start({ [ID]: withFiles("sd1-mini", { "model_index.json": '{"_class_name": "HunyuanImagePipeline"}' }) });
    await expect(DiffusionPipeline.fromPretrained(ID)).rejects.toThrow(ConfigError);
    expect(hub.fetched).toEqual(["model_index.json"]);
  });

  it("refuses pickles before any weights are downloaded", async () => {
    const files = { "unet/diffusion_pytorch_model.safetensors": undefined, "unet/diffusion_pytorch_model.bin": "x" };
    const hub = await HubServer.start({ [ID]: withFiles("sd1-mini", files) });
    const error = await checkpointError(openCheckpoint(ID));
    expect(error.message).toMatch(/someone\/mini\/unet has weights only as diffusion_pytorch_model\.bin, a pickle/);
    expect(hub.fetched.filter((path) => path.endsWith(".safetensors"))).toEqual([]);
  });

  it("lists the files of a repository without a pipeline", async () => {
    await HubServer.start({ [ID]: { "v1-5.safetensors": "x" } });
    expect((await checkpointError(openCheckpoint(ID))).message).toMatch(
      /someone\/mini has no model_index\.json; it holds v1-5\.safetensors/,
    );
  });

  it("names a part whose files the repository lacks", async () => {
    await HubServer.start({ [ID]: withFiles("sd1-mini", { "scheduler/scheduler_config.json": undefined }) });
    const error = await hubError(openCheckpoint(ID));
    expect(error.message).toBe(`${ID} has no scheduler/scheduler_config.json`);
    expect(error.problem).toBe("file-not-found");
  });

  it("names the shard that the repository lacks", async () => {
    const index = JSON.stringify({ weight_map: { a: "model-1.safetensors" } });
    await HubServer.start({ [ID]: withFiles("sd1-mini", { "unet/diffusion_pytorch_model.safetensors.index.json": index }) });
    expect((await hubError(openCheckpoint(ID))).message).toBe(`${ID} has no unet/model-1.safetensors`);
  });
});

describe("a part from the hub", () => {
  it("downloads a model's config and weights", async () => {
    const hub = await HubServer.start({ [ID]: "sd1-mini" });
    await using _vae = await AutoencoderKL.fromPretrained(ID, { subfolder: "vae" });
    expect(hub.fetched).toEqual(["vae/config.json", "vae/diffusion_pytorch_model.safetensors"]);
  });

  it("opens a repository that is one model", async () => {
    const hub = await HubServer.start({ [ID]: "vae-swap-mini" });
    await using _vae = await AutoencoderKL.fromPretrained(ID);
    expect(hub.fetched).toEqual(["config.json", "diffusion_pytorch_model.safetensors"]);
  });

  it("downloads only a scheduler's config", async () => {
    const hub = await HubServer.start({ [ID]: "sd1-mini" });
    await PNDMScheduler.fromPretrained(ID, { subfolder: "scheduler" });
    expect(hub.fetched).toEqual(["scheduler/scheduler_config.json"]);
  });

  it("downloads only a tokenizer's files", async () => {
    const hub = await HubServer.start({ [ID]: "sd1-mini" });
    const tokenizer = await CLIPTokenizer.fromPretrained(ID, { subfolder: "tokenizer" });
    expect(hub.fetched).toEqual(["tokenizer/merges.txt", "tokenizer/tokenizer_config.json", "tokenizer/vocab.json"]);
    expect(tokenizer.encode("a cat")).toEqual(
      (await CLIPTokenizer.fromPretrained(join(checkpoint("sd1-mini"), "tokenizer"))).encode("a cat"),
    );
  });

  it("downloads only an image processor's config", async () => {
    const hub = await HubServer.start({ [ID]: "safety-mini" });
    await CLIPImageProcessor.fromPretrained(ID);
    expect(hub.fetched).toEqual(["preprocessor_config.json"]);
  });

  it("lists the subfolders if the wanted one does not exist", async () => {
    await HubServer.start({ [ID]: "sd1-mini" });
    const error = await hubError(AutoencoderKL.fromPretrained(ID, { subfolder: "vea" }));
    expect(error.message).toBe(`${ID} has no vea/config.json`);
    expect(error.hint).toMatch(/scheduler, text_encoder, tokenizer, unet, vae/);
  });

  it("does not count as the whole pipeline later", async () => {
    const part = (path: string) => readFileSync(join(checkpoint("ddpm-mini"), path));
    await HubServer.start({
      [ID]: { ...withFiles("ddpm-mini", {}), "config.json": part("unet/config.json"), "diffusion_pytorch_model.safetensors": "x" },
    });
    await openCheckpoint(ID, { wanted: { kind: "part", part: "model", subfolder: "" } });
    const folder = await openCheckpoint(ID);
    expect(await folder.has("model_index.json")).toBe(true);
  });
});

describe("the cache", () => {
  it("has the layout of huggingface_hub", async () => {
    const hub = await HubServer.start({ [ID]: "sd1-mini" });
    const commit = hub.push(ID, "sd1-mini");
    await openCheckpoint(ID);
    const root = join(hub.cacheDir, "models--someone--mini");
    expect(readFileSync(join(root, "refs/main"), "utf8")).toBe(commit);
    const link = readlinkSync(join(root, "snapshots", commit, "vae/diffusion_pytorch_model.safetensors"));
    expect(link).toMatch(/^\.\.\/\.\.\/\.\.\/blobs\/[0-9a-f]{64}$/);
    expect(readlinkSync(join(root, "snapshots", commit, "model_index.json"))).toMatch(/^\.\.\/\.\.\/blobs\/[0-9a-f]{40}$/);
  });

  it("names the checkpoint by its id", async () => {
    await HubServer.start({ [ID]: "sd1-mini" });
    expect((await openCheckpoint(ID)).open("unet").name).toBe(`${ID}/unet`);
  });

  it("is used first: a second run asks the hub only for the commit", async () => {
    const hub = await HubServer.start({ [ID]: "sd1-mini" });
    await openCheckpoint(ID);
    hub.log.length = 0;
    await openCheckpoint(ID);
    expect(hub.log.map(({ path }) => path)).toEqual([`/api/models/${ID}/revision/main`]);
  });

  it("serves a complete commit without a request", async () => {
    const hub = await HubServer.start({ [ID]: "sd1-mini" });
    const revision = hub.push(ID, "sd1-mini");
    await openCheckpoint(ID, { revision });
    hub.log.length = 0;
    await openCheckpoint(ID, { revision });
    expect(hub.log).toEqual([]);
  });

  it.each([
    ["localFilesOnly", async () => openCheckpoint(ID, { localFilesOnly: true })],
    [
      "HF_HUB_OFFLINE",
      async () => {
        vi.stubEnv("HF_HUB_OFFLINE", "1");
        return openCheckpoint(ID);
      },
    ],
  ])("is used without a request under %s", async (_, open) => {
    const hub = await HubServer.start({ [ID]: "sd1-mini" });
    await openCheckpoint(ID);
    hub.log.length = 0;
    expect(await (await open()).has("model_index.json")).toBe(true);
    expect(hub.log).toEqual([]);
  });

  it("names the missing files when it is offline", async () => {
    const hub = await HubServer.start({ [ID]: "sd1-mini" });
    const commit = hub.push(ID, "sd1-mini");
    await openCheckpoint(ID);
    const snapshot = join(hub.cacheDir, "models--someone--mini/snapshots", commit);
    rmSync(realpathSync(join(snapshot, "unet/diffusion_pytorch_model.safetensors")));
    rmSync(join(snapshot, "text_encoder/model.safetensors"));
    const error = await hubError(openCheckpoint(ID, { localFilesOnly: true }));
    expect(error.problem).toBe("offline");
    expect(error.message).toMatch(/it lacks text_encoder\/model\.safetensors, unet\/diffusion_pytorch_model\.safetensors$/);
    expect(error.hint).toMatch(/^download it once with the network/);
  });

  it("names a single file that it has instead of the parts, both offline and without an answer", async () => {
    const hub = await HubServer.start({ [ID]: { "README.md": "", "model.safetensors": new Uint8Array(8) } });
    await openRepository(ID, { kind: "names", choose: () => ["model.safetensors"] });
    const hint = `it has model.safetensors: to open this file, give ${ID}/model.safetensors`;
    expect(await hubError(openCheckpoint(ID, { localFilesOnly: true }))).toMatchObject({ problem: "offline", hint });
    expect(
      await hubError(openCheckpoint(ID, { wanted: { kind: "part", part: "model", subfolder: "" }, localFilesOnly: true })),
    ).toMatchObject({ problem: "offline", hint });
    hub.token = "sesame";
    expect(await hubError(openCheckpoint(ID))).toMatchObject({ problem: "repository-not-found", hint });
  });

  it("says that it lacks the whole repository", async () => {
    const hub = await HubServer.start({ [ID]: "sd1-mini" });
    const error = await hubError(openCheckpoint(ID, { localFilesOnly: true }));
    expect(error.message).toMatch(/does not have someone\/mini at revision main/);
    expect(hub.log).toEqual([]);
  });

  it("is repaired if files were deleted", async () => {
    const hub = await HubServer.start({ [ID]: "sd1-mini" });
    const folder = await openCheckpoint(ID);
    rmSync(locationOf(await folder.file("unet/config.json")));
    writeFileSync(locationOf(await folder.file("vae/config.json")), "");
    hub.log.length = 0;
    await openCheckpoint(ID);
    expect(hub.fetched).toEqual(["unet/config.json", "vae/config.json"]);
    expect(await folder.size("vae/config.json")).toBeGreaterThan(0);
  });

  it("downloads only the changed files of a new commit", async () => {
    const hub = await HubServer.start({ [ID]: "sd1-mini" });
    await openCheckpoint(ID);
    const config = readFileSync(join(checkpoint("sd1-mini"), "vae/config.json"), "utf8");
    const commit = hub.push(ID, withFiles("sd1-mini", { "vae/config.json": `${config}\n` }));
    hub.log.length = 0;
    const folder = await openCheckpoint(ID);
    expect(hub.fetched).toEqual(["vae/config.json"]);
    expect(readFileSync(join(hub.cacheDir, "models--someone--mini/refs/main"), "utf8")).toBe(commit);
    expect(Buffer.from(await folder.read("vae/config.json")).toString()).toBe(`${config}\n`);
  });

  it("keeps branches apart, with slashes in their names", async () => {
    const hub = await HubServer.start({ [ID]: "sd1-mini" });
    const commit = hub.push(ID, "sd2-mini", "refs/pr/1");
    await openCheckpoint(ID, { revision: "refs/pr/1" });
    expect(readFileSync(join(hub.cacheDir, "models--someone--mini/refs/refs/pr/1"), "utf8")).toBe(commit);
  });

  it("downloads a variant even if it has the full weights", async () => {
    const hub = await HubServer.start({ [ID]: "sdxl-base-mini" });
    const revision = hub.push(ID, "sdxl-base-mini");
    await openCheckpoint(ID, { revision });
    await openCheckpoint(ID, { revision, variant: "fp16" });
    expect(hub.fetched).toContain("unet/diffusion_pytorch_model.fp16.safetensors");
  });

  it.each([500, 401])("is used, with a warning, if the hub answers %i", async (status) => {
    const heard = collectWarnings();
    const hub = await HubServer.start({ [ID]: "sd1-mini" });
    await openCheckpoint(ID);
    hub.fail(/revision/, { status });
    const folder = await openCheckpoint(ID);
    expect(await folder.has("unet/diffusion_pytorch_model.safetensors")).toBe(true);
    expect(heard).toEqual([expect.stringMatching(/someone\/mini is read from the cache, as last downloaded$/)]);
  });

  it("is used, with a warning, if there is no answer", async () => {
    const heard = collectWarnings();
    const hub = await HubServer.start({ [ID]: "sd1-mini" });
    await openCheckpoint(ID);
    await hub.stop();
    await openCheckpoint(ID);
    expect(heard).toEqual([expect.stringMatching(/^someone\/mini: .* cannot be reached: .*ECONNREFUSED/)]);
  });

  it("names its missing files if there is no answer", async () => {
    const hub = await HubServer.start({ [ID]: "sd1-mini" });
    await openCheckpoint(ID, { wanted: { kind: "pipeline", without: ["vae"] } });
    await hub.stop();
    vi.stubGlobal("setTimeout", (work: () => void) => setImmediate(work));
    onTestFinished(() => void vi.unstubAllGlobals());
    const error = await hubError(openCheckpoint(ID));
    expect(error.message).toMatch(/the cache lacks vae\/config\.json, vae\/diffusion_pytorch_model\.safetensors$/);
    expect(error.problem).toBe("network");
  });

  it("is not used for a revision that does not exist on the hub", async () => {
    const hub = await HubServer.start({ [ID]: "sd1-mini" });
    await openCheckpoint(ID);
    hub.fail(/revision/, { status: 404, headers: { "x-error-code": "RevisionNotFound" } });
    expect((await hubError(openCheckpoint(ID))).problem).toBe("revision-not-found");
  });

  it("holds real files if links are switched off", async () => {
    const hub = await HubServer.start({ [ID]: "sd1-mini" });
    vi.stubEnv("HF_HUB_DISABLE_SYMLINKS", "1");
    const folder = await openCheckpoint(ID);
    expect(locationOf(await folder.file("vae/config.json"))).toMatch(/snapshots\/[0-9a-f]{40}\/vae\/config\.json$/);
    hub.log.length = 0;
    await openCheckpoint(ID);
    expect(hub.log).toHaveLength(1);
  });

  it("can be in a folder that the caller names", async () => {
    const hub = await HubServer.start({ [ID]: "sd1-mini" });
    const cacheDir = `${hub.cacheDir}-other`;
    const folder = await openCheckpoint(ID, { cacheDir });
    expect(locationOf(await folder.file("model_index.json"))).toContain(cacheDir);
  });
});

describe("the name of a checkpoint", () => {
  it("is a folder if one exists, else a hub id", async () => {
    const hub = await HubServer.start({ [ID]: "sd1-mini" });
    const here = process.cwd();
    mkdirSync(join(hub.cacheDir, ID), { recursive: true });
    process.chdir(hub.cacheDir);
    onTestFinished(() => process.chdir(here));
    const folder = await openCheckpoint(ID);
    expect(await folder.list()).toEqual([]);
    expect(hub.log).toEqual([]);
  });

  it.each(["./someone/mini", "/someone/mini", "someone", "someone/mini/vae", "someone/mini.safetensors"])(
    "is no id: %s",
    async (source) => {
      const hub = await HubServer.start({ [ID]: "sd1-mini" });
      const open = async () => (await openCheckpoint(source)).check();
      await expect(open()).rejects.toThrow(CheckpointError);
      expect(hub.log).toEqual([]);
    },
  );
});
