import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { findLora } from "../../src/hub/find-lora.js";
import { parseHubFile, parseHubLink, revisionOf } from "../../src/hub/hub-file.js";
import { openCheckpoint } from "../../src/hub/open-checkpoint.js";
import { readLora } from "../../src/lora/lora-file.js";
import { AutoencoderKL } from "../../src/models/autoencoder-kl.js";
import { UNet2DConditionModel } from "../../src/models/unet-2d-condition.js";
import { StableDiffusionPipeline } from "../../src/pipelines/stable-diffusion.js";
import { checkpointError, hubError } from "../helpers/errors.js";
import { checkpoint } from "../helpers/fixtures.js";
import { HubServer } from "../helpers/hub-server.js";
import { singleFile } from "../helpers/single-files.js";
import { loraFile } from "../lora/loras.js";

const ENDPOINT = "https://mirror.example/hub";

describe("the address of a file on the hub", () => {
  const file = { id: "owner/name", revision: "main", path: "v1-5.safetensors" };
  it.each([
    ["https://huggingface.co/owner/name/blob/main/v1-5.safetensors", file],
    ["https://huggingface.co/owner/name/resolve/main/v1-5.safetensors?download=true", file],
    ["https://hf.co/owner/name/blob/main/v1-5.safetensors#copy", file],
    ["huggingface.co/owner/name/blob/main/v1-5.safetensors", file],
    [`${ENDPOINT}/owner/name/blob/main/v1-5.safetensors`, file],
    [
      "https://huggingface.co/owner/name/blob/refs%2Fpr%2F1/a/b%20c.safetensors",
      { ...file, revision: "refs/pr/1", path: "a/b c.safetensors" },
    ],
    ["https://huggingface.co/owner/name/blob/refs/pr/1/a/b.safetensors", { ...file, revision: "refs/pr/1", path: "a/b.safetensors" }],
  ])("is %s", (link, expected) => {
    expect(parseHubLink(link, ENDPOINT)).toEqual(expected);
  });

  it.each([
    "https://civitai.com/api/download/models/1",
    "https://huggingface.co/owner/name",
    "https://huggingface.co/owner/name/tree/main/unet",
    "https://huggingface.co/datasets/owner/name/blob/main/x.safetensors",
    "https://huggingface.co/owner/name/blob/main/../../secret.safetensors",
    "https://huggingface.co/owner/name/blob/main/%2e%2e/secret.safetensors",
    "https://huggingface.co.evil.example/owner/name/blob/main/x.safetensors",
    "https://huggingface.co/owner/name/blob/main/%zz.safetensors/../x",
  ])("is not %s", (link) => {
    expect(() => parseHubLink(link, ENDPOINT)).toThrow(/is not the address of a file on the hub/);
  });
});

describe("the address of a repository", () => {
  it.each(["https://huggingface.co/owner/name", "hf.co/owner/name/"])("is distinguished from the address of a file: %s", async (link) => {
    expect((await checkpointError(openCheckpoint(link))).hint).toBe("to open the repository, give its id: owner/name");
  });
});

describe("the short name of a file on the hub", () => {
  it.each([
    ["owner/name/v1-5.safetensors", { id: "owner/name", path: "v1-5.safetensors" }],
    ["owner/name/a/b c.safetensors", { id: "owner/name", path: "a/b c.safetensors" }],
  ])("is %s", (name, expected) => {
    expect(parseHubFile(name)).toEqual({ ...expected, revision: undefined });
  });

  it.each([
    "owner/v1-5.safetensors",
    "owner/name/../secret.safetensors",
    "./owner/name/x.safetensors",
    "/owner/name/x.safetensors",
    "o--o/n/x",
  ])("is not %s", (name) => {
    expect(parseHubFile(name)).toBeUndefined();
  });
});

describe("the revision of a file on the hub", () => {
  const file = (revision: string | undefined) => ({ id: "owner/name", path: "x.safetensors", revision });

  it.each([
    [undefined, undefined, undefined],
    [undefined, "v1", "v1"],
    ["v1", undefined, "v1"],
    ["v1", "v1", "v1"],
    ["main", "v1", "v1"],
  ])("is, by its name %s and the option %s, %s", (own, asked, expected) => {
    expect(revisionOf(file(own), asked)).toBe(expected);
  });

  it("is not named twice", () => {
    expect(() => revisionOf(file("v1"), "v2")).toThrow(/revision is "v2", but the address of the file in owner\/name names "v1"/);
  });
});

describe("a single file on the hub", () => {
  const start = () =>
    HubServer.start({
      "someone/single": { "v1/model.safetensors": readFileSync(singleFile("sd1-mini")), "other.safetensors": "x", "README.md": "y" },
      "someone/folder": "sd1-mini",
    });

  it("is downloaded alone, and a config repository without weights", async () => {
    const hub = await start();
    const link = `${hub.url}/someone/single/blob/main/v1/model.safetensors`;
    await using pipe = await StableDiffusionPipeline.fromSingleFile(link, { device: "cpu", config: "someone/folder" });
    expect(pipe.unet.config.blockOutChannels).toEqual([16, 32]);
    expect(hub.fetched).toEqual([
      "model_index.json",
      "scheduler/scheduler_config.json",
      "text_encoder/config.json",
      "tokenizer/merges.txt",
      "tokenizer/tokenizer_config.json",
      "tokenizer/vocab.json",
      "unet/config.json",
      "v1/model.safetensors",
      "vae/config.json",
    ]);
  });

  it("is read from the cache the next time, also without the network", async () => {
    const hub = await start();
    const link = `${hub.url}/someone/single/resolve/main/v1/model.safetensors`;
    const config = checkpoint("sd1-mini");
    await openCheckpoint(link, { config });
    const files = hub.fetched.length;
    await hub.stop();
    await using vae = await AutoencoderKL.fromSingleFile(link, { device: "cpu", config, localFilesOnly: true });
    expect(vae.config.latentChannels).toBe(4);
    expect(hub.fetched).toHaveLength(files);
  });

  it("can be a LoRA", async () => {
    const hub = await HubServer.start({
      "someone/loras": { "a/fox.safetensors": readFileSync(loraFile("sd1_kohya")), "b.safetensors": "x" },
    });
    const { folder, path } = await findLora(`${hub.url}/someone/loras/blob/main/a/fox.safetensors`, {});
    expect((await readLora(folder, path)).layers.length).toBeGreaterThan(0);
    expect(hub.fetched).toEqual(["a/fox.safetensors"]);
  });

  it("is named if it does not exist", async () => {
    const hub = await start();
    const error = await checkpointError(openCheckpoint(`${hub.url}/someone/single/blob/main/no.safetensors`));
    expect(error.message).toBe("someone/single has no no.safetensors at revision main");
    const missing = await hubError(openCheckpoint(`${hub.url}/no/body/blob/main/no.safetensors`));
    expect(missing.problem).toBe("repository-not-found");
  });

  it("at another site is refused before any request", async () => {
    const hub = await start();
    const error = await checkpointError(openCheckpoint("https://civitai.com/models/1/model.safetensors"));
    expect(error.hint).toMatch(/download a file from elsewhere first/);
    expect(hub.log).toEqual([]);
  });

  it("has a short name, and the revision of the options", async () => {
    const hub = await start();
    hub.push("someone/single", { "v1/model.safetensors": readFileSync(singleFile("sd1-inpaint-mini")) }, "inpaint");
    const config = checkpoint("sd1-inpaint-mini");
    const name = "someone/single/v1/model.safetensors";
    await using unet = await UNet2DConditionModel.fromSingleFile(name, { device: "cpu", config, revision: "inpaint" });
    expect(unet.weights.get("conv_in.weight").shape[1]).toBe(9);
    const link = `${hub.url}/someone/single/blob/main/v1/model.safetensors`;
    const { name: opened } = await openCheckpoint(link, { config, revision: "inpaint" });
    expect(opened).toBe(name);
    expect(hub.fetched).toEqual(["v1/model.safetensors"]);
  });

  it("is downloaded with the config that PEFT writes beside a LoRA", async () => {
    const hub = await HubServer.start({
      "someone/lora": {
        "a/adapter_model.safetensors": readFileSync(loraFile("sd1_peft")),
        "a/adapter_config.json": "{}",
        "adapter_config.json": "{}",
      },
    });
    await findLora("someone/lora/a/adapter_model.safetensors", {});
    expect(hub.fetched.sort()).toEqual(["a/adapter_config.json", "a/adapter_model.safetensors"]);
  });

  it("is distinguished from a path as far as the name allows", async () => {
    await start();
    const error = await hubError(openCheckpoint("loras/animals/fox.safetensors"));
    expect(error.message).toMatch(
      /^loras\/animals\/fox\.safetensors is not a local file, and loras\/animals is neither a folder here nor a repo/,
    );
    const path = await checkpointError(openCheckpoint("test/animals/fox.safetensors"));
    expect(path.message).toBe("test/animals/fox.safetensors does not exist");
  });
});
