import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { StableDiffusionPipeline } from "../../src/pipelines/stable-diffusion.js";
import { changedCheckpoint } from "../helpers/checkpoints.js";
import { checkpoint } from "../helpers/fixtures.js";
import { filesOf, HubServer } from "../helpers/hub-server.js";
import { temporaryFolder } from "../helpers/temporary.js";
import { loraFile } from "../lora/loras.js";
import { embeddingFile } from "../pipelines/embeddings.js";
import { darkroom, darkroomProcess, expectFailure } from "./darkroom.js";
import { device, makePicture, opened, parametersOf, request, saveInputs } from "./pictures.js";

const SD1 = "someone/sd1";

let folder: string;
beforeEach(async () => {
  folder = temporaryFolder();
  await saveInputs(folder);
});

const generate = (...args: string[]) => darkroom(["generate", "a red fox", "--steps", "1", "--device", device, ...args], folder);

/** How often the hub was asked what each repository has. */
function questions({ log }: HubServer): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { path } of log) {
    const [, id] = /^\/api\/models\/(.+)\/revision\//.exec(path) ?? [];
    if (id !== undefined) counts[id] = (counts[id] ?? 0) + 1;
  }
  return counts;
}

/** Bytes of unfinished downloads of {@link SD1}. */
function unfinished({ cacheDir }: HubServer): number[] {
  const blobs = join(cacheDir, "models--someone--sd1/blobs");
  const names = existsSync(blobs) ? readdirSync(blobs).filter((name) => name.endsWith(".incomplete")) : [];
  return names.map((name) => statSync(join(blobs, name)).size);
}

describe("darkroom generate --model ID", () => {
  it("makes the picture that the checkpoint's folder makes, and asks the hub once", async () => {
    const hub = await HubServer.start({ [SD1]: "sd1-mini" });
    const pipe = await opened(StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), { device }));
    const { images } = await pipe.generate(request);
    expect(await makePicture(folder, request.prompt, "--model", SD1)).toEqual(images[0]);
    expect((await parametersOf(folder)).settings).toMatchObject({ Model: "sd1" });
    expect(questions(hub)).toEqual({ [SD1]: 1 });
    const paths = hub.log.map(({ host, path }) => `${host} ${path}`);
    expect(paths).toEqual([...new Set(paths)]);
  });

  it("asks the hub for the commit only, if everything is in the cache", async () => {
    const hub = await HubServer.start({ [SD1]: "sd1-mini" });
    await generate("--model", SD1, "--out", "a.png");
    hub.log.splice(0);
    await generate("--model", SD1, "--out", "b.png");
    expect(hub.log.map(({ path }) => path)).toEqual([`/api/models/${SD1}/revision/main`]);
  });

  it("reports the download in short lines if stderr is piped, and prints only the path on stdout", async () => {
    const hub = await HubServer.start({ [SD1]: "sd1-mini" });
    hub.fail(/^\/[0-9a-f]{64}$/, { slow: 5 }, 3);
    const { stdout, stderr } = await generate("--model", SD1, "--out", "a.png");
    expect(stdout).toBe("a.png\n");
    expect(stderr).toMatch(/^downloading someone\/sd1: 1\.9 MB in 11 files$/m);
    expect(stderr).toMatch(/^\d0% {2}\d\.\d of 1\.9 MB {2}[\d.]+ [kM]?B\/s {2}.* left$/m);
    expect(stderr).toMatch(/^someone\/sd1: 1\.9 MB, [\d.]+ s$/m);
  });

  it("reports nothing with --quiet", async () => {
    await HubServer.start({ [SD1]: "sd1-mini" });
    expect(await generate("--model", SD1, "--out", "a.png", "--quiet")).toEqual({ code: 0, stdout: "a.png\n", stderr: "" });
  });

  it("takes the --revision", async () => {
    const hub = await HubServer.start({ [SD1]: "sd2-mini" });
    hub.push(SD1, "sd1-mini", "old");
    const other = await makePicture(folder, request.prompt, "--model", SD1, "--revision", "old");
    expect(other).toEqual(await makePicture(folder, request.prompt, "--model", checkpoint("sd1-mini")));
    expect(questions(hub)).toEqual({ [SD1]: 1 });
  });

  it("downloads into --cache-dir, and then needs no network with --offline", async () => {
    const hub = await HubServer.start({ [SD1]: "sd1-mini" });
    const args = ["--model", SD1, "--cache-dir", "cache", "--quiet"];
    await generate(...args, "--out", "a.png");
    expect(readdirSync(join(folder, "cache"))).toContain("models--someone--sd1");
    expect(existsSync(hub.cacheDir)).toBe(false);
    await hub.stop();
    expect(await generate(...args, "--offline", "--out", "b.png")).toMatchObject({ code: 0, stderr: "" });
  });
});

describe("darkroom generate, with ids for all networks", () => {
  it("asks the hub once for each, and downloads no part that another provides", async () => {
    const hub = await HubServer.start({
      "someone/xl": "sdxl-base-mini",
      "someone/refiner": "sdxl-refiner-mini",
      "someone/vae": "vae-swap-mini",
      "someone/lora": { "pytorch_lora_weights.safetensors": readFileSync(loraFile("xl_peft")) },
      "someone/ink": { "ink.safetensors": readFileSync(embeddingFile("ink")), "other.safetensors": "x" },
    });
    const ids = ["--model", "someone/xl", "--refiner", "someone/refiner", "--vae", "someone/vae"];
    const adapters = ["--lora", "someone/lora:0.5", "--embedding", "someone/ink/ink.safetensors:red"];
    const { code, stderr } = await generate(...ids, ...adapters, "--steps", "2");
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(questions(hub)).toEqual(Object.fromEntries(["xl", "refiner", "vae", "lora", "ink"].map((name) => [`someone/${name}`, 1])));
    const fetched = (id: string) => hub.log.flatMap(({ path }) => new RegExp(`^/${id}/resolve/[^/]+/([^/]+)/.*`).exec(path)?.[1] ?? []);
    expect(fetched("someone/xl")).not.toContain("vae");
    expect(new Set(fetched("someone/refiner"))).toEqual(new Set(["scheduler", "unet"]));
    expect(hub.fetched).not.toContain("other.safetensors");
  });

  it("takes ControlNets by id", async () => {
    const hub = await HubServer.start({ [SD1]: "sd1-mini", "someone/edges": "controlnet-mini" });
    const picture = await makePicture(folder, request.prompt, "--model", SD1, "--control", "someone/edges", "--control-image", "in.png");
    const local = ["--model", checkpoint("sd1-mini"), "--control", checkpoint("controlnet-mini"), "--control-image", "in.png"];
    expect(picture).toEqual(await makePicture(folder, request.prompt, ...local));
    expect(questions(hub)).toEqual({ [SD1]: 1, "someone/edges": 1 });
  });
});

describe("darkroom generate, interrupted while it downloads", () => {
  it("stops with 130, and the next run continues", async () => {
    const hub = await HubServer.start({ [SD1]: "sd1-mini" });
    hub.fail(/^\/[0-9a-f]{64}$/, { slow: 20 }, 3);
    let sent = false;
    const args = ["generate", "a fox", "--model", SD1, "--steps", "1", "--device", device];
    const { code, stdout, stderr } = await darkroomProcess(args, folder, (text, child) => {
      if (sent || !/^[34]0%/m.test(text)) return;
      sent = true;
      child.kill("SIGINT");
    });
    expect({ code, stdout }).toEqual({ code: 130, stdout: "" });
    expect(stderr).toMatch(/what was downloaded is kept; the same command goes on where this one stopped\ndarkroom: stopped\n$/);
    const sizes = unfinished(hub);
    expect(sizes.length).toBeGreaterThan(0);
    hub.log.splice(0);
    expect(await generate("--model", SD1)).toMatchObject({ code: 0 });
    expect(hub.log.flatMap(({ host, range }) => (host === "cdn" && range ? [range] : [])).sort()).toEqual(
      sizes.map((size) => `bytes=${size}-`).sort(),
    );
    expect(unfinished(hub)).toEqual([]);
  });
});

describe("darkroom generate, before it downloads", () => {
  const refused = async (hub: HubServer, args: readonly string[], code: number, message: RegExp) => {
    expectFailure(await darkroom(["generate", ...args, "--quiet"], folder), code, message);
    return hub.fetched;
  };

  it("downloads only the model_index.json of a checkpoint that cannot do what is requested", async () => {
    const hub = await HubServer.start({ "someone/ddpm": "ddpm-mini" });
    expect(await refused(hub, ["a fox", "--model", "someone/ddpm"], 2, /ddpm, a DDPMPipeline, takes no prompt/)).toEqual([
      "model_index.json",
    ]);
  });

  it("downloads only the model_index.json of an unknown kind of checkpoint", async () => {
    const files = filesOf(changedCheckpoint("sd1-mini", "model_index.json", { _class_name: "HunyuanImagePipeline" }));
    const hub = await HubServer.start({ "someone/flux": Object.fromEntries(files) });
    expect(await refused(hub, ["a fox", "--model", "someone/flux"], 3, /HunyuanImagePipeline.*does not know/)).toEqual([
      "model_index.json",
    ]);
  });

  it.each([
    ["a picture", ["--image", "none.png"], 2, /none\.png cannot be read/],
    ["an autoencoder", ["--vae", "none"], 3, /none does not exist/],
    ["a LoRA", ["--lora", "none.safetensors:0.5"], 3, /none\.safetensors does not exist/],
    ["a place for the picture", ["--out", "in.png"], 5, /in\.png exists/],
  ])("does not ask the hub if %s is missing", async (_, args, code, message) => {
    const hub = await HubServer.start({ [SD1]: "sd1-mini" });
    await refused(hub, ["a fox", "--model", SD1, ...args], code, message);
    expect(hub.log).toEqual([]);
  });
});

describe("darkroom generate, refused by the hub", () => {
  it.each([
    [
      "an id that does not exist",
      ["--model", "someone/none"],
      /someone\/none is neither a folder here nor a repository on http.*\n\s+check the spelling/,
    ],
    ["a revision that is not there", ["--model", SD1, "--revision", "fp16"], /someone\/sd1 has no revision "fp16"\n/],
    [
      "a checkpoint that is not in the cache, offline",
      ["--model", SD1, "--offline"],
      /the cache does not have someone\/sd1.*\n.*without --offline/,
    ],
  ])("ends with 3 for %s", async (_, args, message) => {
    await HubServer.start({ [SD1]: "sd1-mini" });
    expectFailure(await generate(...args, "--quiet"), 3, message);
  });

  it("ends with 2 for a revision of a checkpoint on this machine", async () => {
    const args = ["--model", checkpoint("sd1-mini"), "--revision", "fp16"];
    expectFailure(await generate(...args), 2, /--revision has no effect on .*sd1-mini.*\n.*hub id/);
  });

  it("ends with 2 for a token in the arguments, and says where to put it", async () => {
    expectFailure(await generate("--token", "hf_x"), 2, /unknown option '--token'\n\s+set HF_TOKEN, .*every user/);
  });

  it("sends the token in HF_TOKEN", async () => {
    const hub = await HubServer.start({ [SD1]: "sd1-mini" });
    hub.token = "hf_secret";
    expectFailure(await generate("--model", SD1, "--quiet"), 3, /someone\/sd1 .*\n.*HF_TOKEN/);
    vi.stubEnv("HF_TOKEN", "hf_secret");
    expect(await generate("--model", SD1, "--quiet")).toMatchObject({ code: 0 });
  });
});
