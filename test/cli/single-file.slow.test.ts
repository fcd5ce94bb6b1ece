import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { AutoencoderKL } from "../../src/models/autoencoder-kl.js";
import { StableDiffusionPipeline } from "../../src/pipelines/stable-diffusion.js";
import { StableDiffusionXLPipeline } from "../../src/pipelines/stable-diffusion-xl.js";
import { EulerAncestralDiscreteScheduler } from "../../src/schedulers/euler-ancestral-discrete.js";
import { changedCheckpoint } from "../helpers/checkpoints.js";
import { checkpoint } from "../helpers/fixtures.js";
import { SMALL, smallFile } from "../helpers/full-size-files.js";
import { HubServer } from "../helpers/hub-server.js";
import { readTensors, writeSafetensors } from "../helpers/safetensors.js";
import { singleFile } from "../helpers/single-files.js";
import { temporaryFolder } from "../helpers/temporary.js";
import { loraFile } from "../lora/loras.js";
import { embeddingFile } from "../pipelines/embeddings.js";
import { darkroom, expectFailure } from "./darkroom.js";
import { device, makePicture, opened, parametersOf, request, saveInputs } from "./pictures.js";

let folder: string;
beforeEach(async () => {
  folder = temporaryFolder();
  await saveInputs(folder);
});

const generated = (...args: string[]) => makePicture(folder, request.prompt, ...args);
/** A small file as it is: it needs a size, as its UNet is not as large as those of its family. */
const small = (path: string, ...args: string[]) => generated("--model", path, "--size", "64x64", ...args);
const control = (...nets: string[]) => [...nets.flatMap((net) => ["--control", net]), "--control-image", "in.png"];

describe("darkroom generate --model FILE", () => {
  it("makes the picture that its folder makes, with --config", async () => {
    const config = checkpoint("sd1-mini");
    expect(await generated("--model", singleFile("sd1-mini"), "--config", config)).toEqual(await generated("--model", config));
  });

  it("takes a file by its name, and writes the name without ending into the settings", async () => {
    copyFileSync(smallFile(SMALL.sd15(), 1), join(folder, "small-v1.safetensors"));
    await small("small-v1.safetensors");
    expect((await parametersOf(folder)).settings).toMatchObject({ Model: "small-v1", Scheduler: "PNDMScheduler" });
  });

  it("needs no --config for networks of the usual proportions, nor do --refiner and --control", async () => {
    const [base, refiner] = [smallFile(SMALL["sdxl-base"](), 1), smallFile(SMALL["sdxl-refiner"](), 2)];
    expect(await small(base, "--refiner", refiner, "--refine-from", "0.5")).not.toEqual(await small(base));
    const [model, net] = [smallFile(SMALL.sd15(), 3), smallFile(SMALL.controlnet(), 4)];
    expect(await small(model, ...control(net))).not.toEqual(await small(model));
  });

  it("reads the .yaml beside it, but --prediction wins", async () => {
    const path = smallFile(SMALL.sd15(), 1);
    const noise = await small(path);
    const velocity = await small(path, "--prediction", "v_prediction");
    expect(velocity).not.toEqual(noise);
    expect((await parametersOf(folder)).settings).toMatchObject({ "Prediction type": "v_prediction" });
    writeFileSync(path.replace(/safetensors$/, "yaml"), 'model: { params: { parameterization: "v" } }');
    expect(await small(path)).toEqual(velocity);
    expect(await small(path, "--prediction", "epsilon")).toEqual(noise);
  });

  it("takes --spacing together with --scheduler", async () => {
    const path = smallFile(SMALL["sdxl-base"](), 1);
    const euler = ["--scheduler", "euler-a", "--spacing", "trailing"];
    const picture = await small(path, ...euler);
    expect((await parametersOf(folder)).settings).toMatchObject({ "Timestep spacing": "trailing" });
    const pipe = await opened(StableDiffusionXLPipeline.fromSingleFile(path, { device }));
    pipe.scheduler = EulerAncestralDiscreteScheduler.fromConfig(pipe.scheduler.config, { timestepSpacing: "trailing" });
    expect(picture).toEqual((await pipe.generate({ ...request, guidanceScale: 5, width: 64, height: 64 })).images[0]);
  });

  it("says what to do if a Stable Diffusion 2 file does not state what it predicts", async () => {
    const run = await darkroom(["generate", "a fox", "--model", smallFile(SMALL.sd2(), 1), "--size", "64x64", "--steps", "1"], folder);
    expect(run.code).toBe(0);
    expect(run.stderr).toMatch(/does not say whether it predicts noise or velocity; .* give --prediction epsilon$/m);
  });

  it("refuses a spacing for a scheduler that has none", async () => {
    const args = ["--model", smallFile(SMALL.sd15(), 1), "--scheduler", "edm-euler", "--spacing", "trailing", "--quiet"];
    expectFailure(await darkroom(["generate", "a fox", ...args], folder), 2, /--spacing does not apply to EDMEulerScheduler/);
  });

  it.each([
    ["--prediction", "velocity", "epsilon, v_prediction, sample"],
    ["--spacing", "late", "linspace, leading, trailing"],
  ])("knows no %s %s", async (option, value, choices) => {
    expectFailure(
      await darkroom(["generate", "a fox", option, value], folder),
      2,
      new RegExp(`${option} .*Allowed choices are ${choices}`),
    );
  });

  it("works with LoRAs and embeddings", async () => {
    const config = checkpoint("sd1-mini");
    copyFileSync(loraFile("sd1_peft"), join(folder, "fox.safetensors"));
    const args = ["--lora-dir", ".", "--embedding", embeddingFile("cat-toy")];
    const picture = (...model: string[]) => makePicture(folder, "a red <cat-toy> <lora:fox:0.7>", ...model, ...args);
    expect(await picture("--model", singleFile("sd1-mini"), "--config", config)).toEqual(await picture("--model", config));
  });
});

describe("darkroom generate --vae FILE", () => {
  it("gives the pictures of its folder, scaled as the model's own autoencoder", async () => {
    const model = ["--model", checkpoint("sd1-mini")];
    const expected = await generated(...model, "--vae", checkpoint("vae-swap-mini"));
    expect(await generated(...model, "--vae", singleFile("vae-swap-mini"))).toEqual(expected);
    const ofFile = ["--model", singleFile("sd1-mini"), "--config", checkpoint("sd1-mini")];
    expect(await generated(...ofFile, "--vae", singleFile("vae-swap-mini"))).toEqual(expected);
    // XL's latents are scaled by another factor than those of Stable Diffusion 1, for which such a file alone would be taken.
    const xl = ["--model", checkpoint("sdxl-base-mini")];
    expect(await generated(...xl, "--vae", singleFile("sdxl-base-mini"))).toEqual(await generated(...xl));
  });

  it("is scaled for the model, even if the model has no autoencoder", async () => {
    const whole = smallFile(SMALL["sdxl-base"](), 1);
    const split = (name: string, isOwn: (name: string) => boolean) => {
      writeSafetensors(join(folder, name), Object.fromEntries(Object.entries(readTensors(whole)).filter(([tensor]) => isOwn(tensor))));
      return name;
    };
    const base = split("base.safetensors", (name) => !name.startsWith("first_stage_model."));
    const vae = split("vae.safetensors", (name) => name.startsWith("first_stage_model."));
    expect(await small(base, "--vae", vae)).toEqual(await small(whole));
    expectFailure(await darkroom(["generate", "a fox", "--model", base], folder), 3, /has no autoencoder.*\n.*give one: --vae$/m);
  });

  it("is built and scaled as the file suggests, if the model's own is of another kind", async () => {
    const [vae, own] = [smallFile(SMALL.vae(), 2), changedCheckpoint("sd1-mini", "vae/config.json", { _class_name: "AutoencoderTiny" })];
    const picture = await generated("--model", own, "--size", "64x64", "--vae", vae);
    const pipe = await opened(
      StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), {
        device,
        vae: await opened(AutoencoderKL.fromSingleFile(vae, { device })),
      }),
    );
    expect(picture).toEqual((await pipe.generate({ ...request, width: 64, height: 64 })).images[0]);
  });
});

describe("darkroom generate with files on the hub", () => {
  it("takes all of them by OWNER/NAME/FILE, downloads each once, and only the configs of --config", async () => {
    const hub = await HubServer.start({
      "someone/sd1": "sd1-mini",
      "someone/files": {
        "sd1.safetensors": readFileSync(singleFile("sd1-mini")),
        "nets/vae.safetensors": readFileSync(singleFile("vae-swap-mini")),
        "nets/control.safetensors": readFileSync(smallFile(SMALL.controlnet(), 4)),
        "loras/fox.safetensors": readFileSync(loraFile("sd1_peft")),
        "cat.safetensors": readFileSync(embeddingFile("cat-toy")),
      },
    });
    const args = (at: (path: string) => string) => [
      ...["--vae", at("nets/vae.safetensors"), "--lora", `${at("loras/fox.safetensors")}:0.5`],
      ...["--embedding", `${at("cat.safetensors")}:red`],
    ];
    const file = (path: string) => `someone/files/${path}`;
    const picture = await generated("--model", file("sd1.safetensors"), "--config", "someone/sd1", ...args(file));
    const isWeights = (path: string) => path.endsWith(".safetensors");
    const fetched = ["cat.safetensors", "loras/fox.safetensors", "nets/vae.safetensors", "sd1.safetensors"];
    expect(hub.fetched.filter(isWeights)).toEqual(fetched);
    const link = (path: string) => `${hub.url}/${file(path).replace("files/", "files/blob/main/")}`;
    expect(await generated("--model", link("sd1.safetensors"), "--config", "someone/sd1", ...args(link))).toEqual(picture);
    expect(hub.fetched.filter(isWeights)).toEqual(fetched);
  });

  it("downloads only the config of the model's autoencoder if a file replaces it", async () => {
    const hub = await HubServer.start({ "someone/sd1": "sd1-mini" });
    const [vae, model] = [singleFile("vae-swap-mini"), checkpoint("sd1-mini")];
    expect(await generated("--model", "someone/sd1", "--vae", vae)).toEqual(await generated("--model", model, "--vae", vae));
    expect(hub.fetched.filter((path) => path.startsWith("vae/"))).toEqual(["vae/config.json"]);
  });

  it("takes the --revision of a file", async () => {
    const hub = await HubServer.start({ "someone/files": { "model.safetensors": readFileSync(smallFile(SMALL.sd15(), 1)) } });
    const older = smallFile(SMALL.sd15(), 2);
    hub.push("someone/files", { "model.safetensors": readFileSync(older) }, "old");
    expect(await small("someone/files/model.safetensors", "--revision", "old")).toEqual(await small(older));
    const link = `${hub.url}/someone/files/blob/old/model.safetensors`;
    const run = await darkroom(["generate", "a fox", "--model", link, "--revision", "new"], folder);
    expectFailure(run, 2, /--revision is "new", but the address of the file in someone\/files names "old"/);
  });

  it.each([
    ["a --config that is not there", ["--config", "none"], /none does not exist/],
    ["an address that is no hub's", ["--lora", "https://civitai.com/fox.safetensors"], /is not the address of a file on the hub/],
    ["a pickle", ["--vae", "vae.ckpt"], /vae\.ckpt is a pickle/],
    ["a LoRA that is a pickle", ["--lora", "fox.pt"], /fox\.pt is a pickle/],
  ])("does not ask the hub if %s is given", async (_, args, message) => {
    const hub = await HubServer.start({});
    writeFileSync(join(folder, "fox.pt"), "");
    const model = ["--model", "someone/files/model.safetensors"];
    expectFailure(await darkroom(["generate", "a fox", ...model, ...args, "--quiet"], folder), 3, message);
    expect(hub.log).toEqual([]);
  });
});

describe("darkroom generate refuses", () => {
  const sd1 = ["--model", checkpoint("sd1-mini")];

  it.each([
    ["--config without --model", ["--config", checkpoint("sd1-mini")], 2, /--config needs --model: it describes the networks of that file/],
    ["--config for a folder", [...sd1, "--config", checkpoint("sd1-mini")], 2, /--config has no effect on .*sd1-mini.*\n.*a folder has/],
    ["a pickle", ["--model", "model.ckpt"], 3, /model\.ckpt is a pickle, which can run any code.*\n.*from_single_file/],
    ["a LoRA for a checkpoint", ["--model", loraFile("sd1_kohya")], 3, /is a LoRA, not a checkpoint\n.*load this with --lora$/m],
    ["an embedding for one", ["--model", embeddingFile("cat-toy")], 3, /is a textual inversion, not.*\n.*load this with --embedding$/m],
    ["a text for one", ["--model", "text.safetensors"], 3, /text\.safetensors: .*\n/],
  ])("%s", async (_, args, code, message) => {
    writeFileSync(join(folder, "text.safetensors"), "A text, of which a header of so many bytes cannot begin.");
    expectFailure(await darkroom(["generate", "a fox", ...args, "--quiet"], folder), code, message);
  });

  it.each([
    [
      "an autoencoder",
      SMALL.vae(),
      /holds one network \(AutoencoderKL\), not a whole.*\n.*replace its network with this one, opened by --vae$/m,
    ],
    ["a ControlNet", SMALL.controlnet(), /holds one network \(ControlNetModel\), not a whole.*\n.*, opened by --control$/m],
  ])("%s for a checkpoint", async (_, shapes, message) => {
    expectFailure(await darkroom(["generate", "a fox", "--model", smallFile(shapes, 1)], folder), 3, message);
  });

  it("a checkpoint as one of its networks, or as a LoRA", async () => {
    const file = singleFile("sd1-mini");
    const fails = async (args: readonly string[], message: RegExp) =>
      expectFailure(await darkroom(["generate", "a fox", ...sd1, ...args, "--quiet"], folder), 3, message);
    await fails(control(file), /has no ControlNet: no tensor's name begins with control_model\.\n\s+use a file that has one$/m);
    await fails(["--lora", file], /is a checkpoint \(Stable Diffusion 1\), not a LoRA\n\s+checkpoints are opened with --model$/m);
    await fails(["--embedding", file], /is a checkpoint \(.*\), not a textual inversion/);
    await fails(["--vae", smallFile(SMALL.controlnet(), 1)], /is a ControlNet, not an autoencoder\n.*--control/);
  });

  it("a ControlNet of unusual proportions, with a hint", async () => {
    const run = await darkroom(["generate", "a fox", ...sd1, ...control(singleFile("controlnet-mini"))], folder);
    expectFailure(
      run,
      3,
      /16 channels cannot be divided into the 32 groups.*\n.* A single network opens as a folder in diffusers' layout or, in/,
    );
  });
});
