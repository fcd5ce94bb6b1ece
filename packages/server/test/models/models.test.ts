import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ArgumentError, embeddedCheckpointPath } from "darkroom";
import type { GenerateRequest } from "darkroom/generate";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Models } from "../../src/http/models.js";
import { Catalog } from "../../src/models/catalog.js";
import { checkOffer } from "../../src/models/check-offer.js";
import { parseNamedSource, parseNamedSources } from "../../src/models/named-source.js";
import { type Offer, offerOf } from "../../src/models/offer.js";
import { resolveRequest } from "../../src/models/resolve-request.js";

const MODELS = [
  { name: "fox", source: "/models/fox-v2.safetensors" },
  { name: "xl", source: "owner/xl" },
];

let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "darkroom-models-"));
  await mkdir(join(folder, "styles"));
  await mkdir(join(folder, "twice"));
  for (const name of ["ink.safetensors", "styles/wash.safetensors", "styles/ink-2.safetensors", "twice/ink-2.safetensors", "notes.txt"]) {
    await writeFile(join(folder, name), "");
  }
});

afterAll(() => rm(folder, { recursive: true }));

function offer(others: Partial<Offer> = {}): Offer {
  return offerOf({ models: MODELS, ...others });
}

async function refusal(request: GenerateRequest, model = "fox", given: Partial<Offer> = {}): Promise<ArgumentError> {
  const error = await resolveRequest(model, request, offer(given)).catch((thrown: unknown) => thrown);
  if (error instanceof ArgumentError) return error;
  throw new Error(`expected an ArgumentError, got ${error}`);
}

describe("the name of a model", () => {
  it("is the last part of a path or a hub id, without the ending", () => {
    expect(parseNamedSource("models/fox.safetensors")).toEqual({ name: "fox", source: "models/fox.safetensors" });
    expect(parseNamedSource("owner/fox-v1.5")).toEqual({ name: "fox-v1.5", source: "owner/fox-v1.5" });
    expect(parseNamedSource("C:\\models\\fox\\")).toEqual({ name: "fox", source: "C:\\models\\fox\\" });
  });

  it("can be given before =", () => {
    expect(parseNamedSource("fox=models/a=b.safetensors")).toEqual({ name: "fox", source: "models/a=b.safetensors" });
    expect(parseNamedSource("models/a=b.safetensors").name).toBe("a=b");
  });

  it("is that of one model only", () => {
    expect(() => parseNamedSources(["a/fox", "b/fox"])).toThrow("a/fox and b/fox are both called fox");
    expect(() => parseNamedSources(["fox="])).toThrow(ArgumentError);
  });
});

describe("what a server offers", () => {
  it("is the embedded checkpoint if no model was given", async () => {
    const catalog = new Catalog(offerOf({}));
    expect(catalog.defaultModel).toBe("emoji-128");
    expect(await catalog.models()).toMatchObject([
      {
        name: "emoji-128",
        state: "ready",
        family: "Stable Diffusion",
        scheduler: "DDIMScheduler",
        size: 128,
        defaults: { starts: { noise: { steps: 20, guidance: 4 } } },
      },
    ]);
  });

  it("is listed with the models that cannot be read", async () => {
    const models = [
      { name: "lost", source: "/nowhere/lost.safetensors" },
      { name: "hub", source: "owner/fox" },
    ];
    const runtime = { cacheDir: folder };
    expect(await new Catalog(offerOf({ models, runtime })).models()).toEqual([
      { name: "lost", state: "unreadable" },
      { name: "hub", state: "not-downloaded" },
    ]);
  });

  it("is refused with a checkpoint of a family that makes no pictures, and with one that is not downloaded where downloads are off", async () => {
    const source = join(folder, "flux");
    await mkdir(source);
    await writeFile(join(source, "model_index.json"), JSON.stringify({ _class_name: "HunyuanImagePipeline" }));
    const refused = checkOffer(offerOf({ models: [{ name: "flux", source }] }));
    await expect(refused).rejects.toThrow("the model flux cannot be offered: no pictures can be made with a HunyuanImagePipeline yet");
    const hub = offerOf({ models: [{ name: "hub", source: "owner/fox" }], runtime: { cacheDir: folder, localFilesOnly: true } });
    await expect(checkOffer(hub)).rejects.toMatchObject({ hint: expect.stringContaining("download it first") });
  });

  it("has LoRAs in folders and below, by name", async () => {
    const catalog = new Catalog(offerOf({ loraFolders: [folder, "/nowhere"] }));
    expect((await catalog.loras()).map(({ name }) => name)).toEqual(["ink", "ink-2", "ink-2", "wash"]);
  });
});

describe("a request", () => {
  it("is checked before it becomes a job", async () => {
    const models: Models = new Catalog(offer());
    await models.check("fox", { prompt: "a fox" });
    await expect(models.check("fox", { prompt: "<lora:ink>" })).rejects.toThrow("the server has no LoRA called");
  });

  it("gets the sources of what it names", async () => {
    const given = { vaes: [{ name: "soft", source: "/vae/soft" }], controlnets: [{ name: "edges", source: "/nets/edges" }] };
    const request = { prompt: "a fox", vae: "soft", controlnet: ["edges"], refiner: "xl", seed: 3 };
    expect(await resolveRequest("fox", request, offer({ ...given, runtime: { device: "cpu", localFilesOnly: true } }))).toEqual({
      opening: { device: "cpu", model: "/models/fox-v2.safetensors", vae: "/vae/soft", controlnet: ["/nets/edges"], refiner: "owner/xl" },
      run: { prompt: "a fox", seed: 3 },
    });
  });

  it("gets the file of the upscaler that its second pass names, and no other file", async () => {
    const given = offer({ upscalers: [{ name: "fine", source: "/up/4x-fine.safetensors" }] });
    const hires = { scale: 2, upscaler: "fine" };
    const { opening, run } = await resolveRequest("fox", { prompt: "a fox", hires }, given);
    expect(opening.hiresUpscaler).toBe("/up/4x-fine.safetensors");
    expect(run.hires).toEqual({ scale: 2, upscaler: "/up/4x-fine.safetensors" });
    const built = await resolveRequest("fox", { prompt: "a fox", hires: { upscaler: "latent" } }, given);
    expect(built.opening).not.toHaveProperty("hiresUpscaler");
    const path = { ...hires, upscaler: "/up/4x-fine.safetensors" };
    await expect(resolveRequest("fox", { prompt: "a fox", hires: path }, given)).rejects.toMatchObject({
      argument: "hires.upscaler",
      hint: "it has fine",
    });
    await expect(resolveRequest("fox", { prompt: "a fox", hires, hiresUpscaler: "/etc" }, given)).rejects.toThrow(
      /hiresUpscaler is for the server to choose/,
    );
  });

  it.each(["textEncoder", "quantize", "lowMemory", "config", "device"] as const)(
    "does not say how networks are opened: %s",
    async (option) => {
      const request = { prompt: "a fox", [option]: "/etc" } as never;
      await expect(resolveRequest("fox", request, offer())).rejects.toMatchObject({ argument: option });
    },
  );

  it("is computed in the bits that the server is started for", async () => {
    const { opening } = await resolveRequest("fox", { prompt: "a fox" }, offer({ runtime: { quantize: "q8" } }));
    expect(opening).toMatchObject({ quantize: "q8" });
  });

  it("gets the files of LoRAs in it and in its prompt, and of embeddings whose names are words of its prompts", async () => {
    const request = { prompt: "a fox <lora:wash:0.5>, Ink", loras: [{ name: "ink", weight: 2 }] };
    const { opening } = await resolveRequest("fox", request, offer({ loraFolders: [folder], embeddingFolders: [folder] }));
    expect(opening.loras).toEqual([
      { name: "ink", weight: 2, source: join(folder, "ink.safetensors") },
      { name: "wash", weight: 0.5, source: join(folder, "styles/wash.safetensors") },
    ]);
    expect(opening.embeddings).toEqual([
      { source: join(folder, "ink.safetensors"), token: "Ink" },
      { source: join(folder, "styles/wash.safetensors"), token: "wash" },
    ]);
  });

  it.each([
    [{ vae: embeddedCheckpointPath() }, "vae"],
    [{ refiner: "/etc" }, "refiner"],
    [{ controlnet: ["../nets/edges"] }, "controlnet"],
    [{ model: embeddedCheckpointPath() }, "model"],
    [{ config: "owner/config" }, "config"],
    [{ embeddings: [{ source: "/etc/passwd" }] }, "embeddings"],
    [{ loras: [{ source: "owner/lora" }] }, "loras"],
    [{ loras: [{ name: "../ink" }] }, "loras"],
    [{ prompt: "<lora:../ink:1>" }, "loras"],
    [{ device: "cuda" as const }, "device"],
  ])("cannot name a path, an address or a device: %o", async (request, argument) => {
    expect((await refusal({ prompt: "a fox", ...request }, "fox", { loraFolders: [join(folder, "styles")] })).argument).toBe(argument);
  });

  it("for a model that is not offered is told which ones are", async () => {
    expect(await refusal({ prompt: "a fox" }, "dog")).toMatchObject({ argument: "model", hint: "it has fox, xl" });
  });

  it("for a LoRA whose name two files have is refused without their paths", async () => {
    const { message, hint } = await refusal({ prompt: "<lora:ink-2:1>" }, "fox", { loraFolders: [folder] });
    expect(`${message} ${hint}`).toContain("several LoRAs called ink-2");
    expect(`${message} ${hint}`).not.toContain(folder);
  });
});
