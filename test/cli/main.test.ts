import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decode } from "fast-png";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseParameters } from "../../src/image/parameters.js";
import { encodePng, readPngText } from "../../src/image/png.js";
import { SCHEDULERS } from "../../src/schedulers/registry.js";
import { darkroom, darkroomProcess, expectFailure } from "./darkroom.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "darkroom-cli-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Few steps of the embedded checkpoint, on the device every machine has. */
const generate = (...args: string[]) => darkroom(["generate", ...args, "--steps", "2", "--device", "cpu"], folder);
const pixelsOf = (name: string) => decode(readFileSync(join(folder, name))).data;
const settingsOf = async (name: string) => parseParameters((await readPngText(readFileSync(join(folder, name)))).parameters ?? "");

const PIXEL = { width: 1, height: 1, data: new Uint8Array(3) };

describe("darkroom", () => {
  it("has a help that fits a screen of 24 lines by 80 columns", async () => {
    const { code, stdout } = await darkroom(["--help"], folder);
    const lines = stdout.trimEnd().split("\n");
    expect(code).toBe(0);
    expect(lines.length).toBeLessThanOrEqual(24);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(stdout).toContain("Example:");
  });

  it("has a help for generate that fits 80 columns, in groups", async () => {
    const { stdout } = await darkroom(["generate", "--help"], folder);
    expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
    const groups = stdout.match(/^\w.*:$/gm);
    const control = "Control (repeated for several networks, in order; one value may stand for all):";
    const hub = "Hugging Face hub (token in HF_TOKEN):";
    const families = "Of some families (3: Stable Diffusion 3 and 3.5):";
    expect(groups).toEqual(["Arguments:", "Picture:", families, "From a picture:", "Other networks:", control, hub, "Output:", "Running:"]);
  });

  it.each(["picture", "families", "start", "networks", "control", "hub", "output", "running"])(
    "has a help for generate on one subject that fits 60 lines by 80 columns: %s",
    async (subject) => {
      const { code, stdout, stderr } = await darkroom(["generate", "--help", subject], folder);
      const lines = stdout.trimEnd().split("\n");
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(lines.length).toBeLessThanOrEqual(60);
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
      expect(stdout.match(/^\w.*:$/gm)).toHaveLength(1);
      const whole = (await darkroom(["generate", "--help"], folder)).stdout;
      expect(whole.split("\n").slice(0, 6).join(" ")).toContain(subject);
      const options = (text: string) => text.match(/^ +(-\w, )?--[\w-]+/gm) ?? [];
      expect(options(stdout).length).toBeGreaterThan(2);
      const names = options(whole).map((option) => option.trim());
      for (const option of options(stdout)) expect(names).toContain(option.trim());
      expect(await darkroom(["help", "generate", subject], folder)).toEqual({ code: 0, stdout, stderr: "" });
      expect((await darkroom(["generate", "-h", subject], folder)).stdout).toBe(stdout);
    },
  );

  it("refuses an unknown subject of the help, and lists them", async () => {
    const unknown = await darkroom(["generate", "--help", "controll"], folder);
    expectFailure(
      unknown,
      2,
      /"controll" is no subject of the help of generate; expected picture, families, start, networks, control, hub/,
    );
    expect(unknown.stderr).toContain("did you mean darkroom generate --help control?");
    expect((await darkroom(["generate", "fox", "--help"], folder)).stdout).toBe((await darkroom(["generate", "--help"], folder)).stdout);
  });

  it("prints its version", async () => {
    expect(await darkroom(["--version"], folder)).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
  });

  it("shows its help without a command, as for wrong usage", async () => {
    expect(await darkroom([], folder)).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining("Usage: darkroom") });
  });

  it.each([
    [["genrate"], /unknown command 'genrate'\n {2}did you mean darkroom generate\?$/m],
    [["gen", "a red fox"], /unknown command 'gen'\n {2}did you mean darkroom generate "a red fox"\?$/m],
    [["Model"], /unknown command 'Model'\n {2}did you mean darkroom models\?$/m],
    [["a red fox", "--seed", "7"], /unknown command 'a red fox'\n {2}to make a picture of it: darkroom generate "a red fox" --seed 7; /],
    [["a", "red", "fox"], /unknown command 'a'\n {2}to make a picture of it: darkroom generate "a red fox"/],
    [["fox"], /to make a picture of it: darkroom generate "fox"; darkroom --help lists the commands$/m],
  ])("refuses an unknown command, and suggests one: %j", async (args, message) => {
    expectFailure(await darkroom(args, folder), 2, message);
  });
});

describe("darkroom generate", () => {
  it("writes a PNG named after prompt and seed, and prints only its path on stdout", async () => {
    expect(await generate("a red fox", "--seed", "7")).toMatchObject({ code: 0, stdout: "a-red-fox-7.png\n" });
    expect(readdirSync(folder)).toEqual(["a-red-fox-7.png"]);
    expect(decode(readFileSync(join(folder, "a-red-fox-7.png")))).toMatchObject({ width: 128, height: 128, channels: 3 });
  });

  it("draws a seed for --seed -1, as web UIs do", async () => {
    const { stdout } = await generate("a red fox", "--seed", "-1", "--json", "--out", "a.png");
    const [seed] = JSON.parse(stdout).seeds;
    expect(Number(seed)).toBeGreaterThan(0);
    expect(Number(seed)).toBeLessThan(2 ** 32);
    expect((await settingsOf("a.png")).settings.Seed).toBe(String(seed));
  });

  it("writes JPEG and WebP with the settings, pictures and grid, with generated names and given ones", async () => {
    const jpeg = await generate("a red fox", "--seed", "7", "--count", "2", "--grid", "--jpeg", "--quality", "60");
    expect(jpeg.stdout).toBe("a-red-fox-7.jpg\na-red-fox-8.jpg\na-red-fox-7-grid.jpg\n");
    const webp = await generate("a red fox", "--seed", "7", "--out", "fox.webp");
    expect(webp.stdout).toBe("fox.webp\n");
    const read = async (name: string) => JSON.parse((await darkroom(["info", name, "--json"], folder)).stdout);
    expect(await read("a-red-fox-8.jpg")).toMatchObject({ software: "darkroom", prompt: "a red fox", width: 128, settings: { Seed: "8" } });
    expect(await read("a-red-fox-7-grid.jpg")).toMatchObject({ width: 256, settings: { Seed: "7", "Batch size": "2" } });
    expect(await read("fox.webp")).toMatchObject({ prompt: "a red fox", settings: { Seed: "7", Steps: "2" } });
  });

  it("warns once for all pictures of weights that are read as plain text, and of text that is cut off", async () => {
    const prompt = `a (red:1.3) fox ${"and a very long prompt ".repeat(40)}`;
    const { stderr, code } = await generate(prompt, "--count", "2", "--quiet");
    expect(code).toBe(0);
    expect(stderr.trimEnd().split("\n")).toEqual([
      'darkroom: warning: the prompt has "(red:1.3)", which is read as plain text; --weighted reads it as AUTOMATIC1111 does',
      expect.stringMatching(
        /^darkroom: warning: the prompt is longer than 32 tokens.*; --weighted reads it whole; cut off: "[^"]{120}\.\.\." and \d+ more/,
      ),
    ]);
  });

  it("prints the seed it drew", async () => {
    const { stdout, stderr } = await generate("a red fox");
    const [, seed] = /^seed (\d+)/m.exec(stderr) ?? [];
    expect(stdout).toBe(`a-red-fox-${seed}.png\n`);
  });

  it("makes the same picture from the same seed, another from another", async () => {
    await generate("a red fox", "--seed", "7", "--out", "a.png");
    await generate("a red fox", "--seed", "7", "--out", "b.png");
    await generate("a red fox", "--seed", "8", "--out", "c.png");
    expect(pixelsOf("a.png")).toEqual(pixelsOf("b.png"));
    expect(pixelsOf("a.png")).not.toEqual(pixelsOf("c.png"));
  });

  it("prints a short line for each step if stderr is piped", async () => {
    const { stderr } = await generate("a red fox");
    expect(stderr.match(/^step \d\/2 .*\/step .*left$/gm)).toHaveLength(2);
  });

  it("prints only the path with --quiet", async () => {
    expect(await generate("a red fox", "--out", "a.png", "--quiet")).toEqual({ code: 0, stdout: "a.png\n", stderr: "" });
  });

  it("prints one line of JSON with --json", async () => {
    const { code, stdout } = await generate("a red fox", "--seed", "7", "--out", "a.png", "--json", "--quiet");
    expect(code).toBe(0);
    expect(stdout.match(/\n/g)).toHaveLength(1);
    expect(JSON.parse(stdout)).toMatchObject({
      paths: ["a.png"],
      grid: null,
      seeds: [7],
      width: 128,
      height: 128,
      prompt: "a red fox",
      steps: 2,
      guidance: 4,
      scheduler: "DDIMScheduler",
      device: "cpu",
      seconds: { load: expect.any(Number), generate: expect.any(Number) },
    });
  });

  it("takes an empty prompt", async () => {
    expect(await generate("", "--seed", "1")).toMatchObject({ code: 0, stdout: "picture-1.png\n" });
  });

  it("takes a size", async () => {
    await generate("a red fox", "--size", "96x64", "--out", "a.png");
    expect(decode(readFileSync(join(folder, "a.png")))).toMatchObject({ width: 96, height: 64 });
  });

  it("takes a scheduler by alias and names it in the settings", async () => {
    await generate("a red fox", "--scheduler", "euler-a", "--out", "a.png");
    expect((await settingsOf("a.png")).settings).toMatchObject({ Sampler: "Euler a", Scheduler: "EulerAncestralDiscreteScheduler" });
  });

  it("writes the settings into the file", async () => {
    await generate("a red fox, 狐狸", "--negative", "blurry", "--seed", "7", "--clip-skip", "1", "--out", "a.png");
    expect(await settingsOf("a.png")).toEqual({
      prompt: "a red fox, 狐狸",
      negativePrompt: "blurry",
      settings: {
        Steps: "2",
        Sampler: "DDIM",
        "CFG scale": "4",
        Seed: "7",
        Size: "128x128",
        Model: "emoji-128",
        "Clip skip": "2",
        RNG: "CPU",
        Scheduler: "DDIMScheduler",
        Version: expect.stringMatching(/^darkroom \d/),
      },
    });
  });

  it("makes each of several pictures as it would alone, and a grid of them", async () => {
    const { stdout } = await generate("a red fox", "--seed", "7", "--count", "2", "--grid", "--out", "many/fox.png");
    expect(stdout).toBe("many/fox-1.png\nmany/fox-2.png\nmany/fox-grid.png\n");
    await generate("a red fox", "--seed", "8", "--out", "alone.png");
    expect(pixelsOf("many/fox-2.png")).toEqual(pixelsOf("alone.png"));
    expect(decode(readFileSync(join(folder, "many/fox-grid.png")))).toMatchObject({ width: 256, height: 128 });
  });

  it("finds a free name instead of overwriting", async () => {
    await generate("a red fox", "--seed", "7");
    expect(await generate("a red fox", "--seed", "7")).toMatchObject({ code: 0, stdout: "a-red-fox-7-2.png\n" });
  });

  it("overwrites a given file only with --force", async () => {
    writeFileSync(join(folder, "a.png"), "kept");
    expectFailure(await generate("a red fox", "--out", "a.png"), 5, /a\.png exists.*\n.*--force/);
    expect(readFileSync(join(folder, "a.png"), "utf8")).toBe("kept");
    expect(await generate("a red fox", "--out", "a.png", "--force")).toMatchObject({ code: 0, stdout: "a.png\n" });
    expect(pixelsOf("a.png")).toHaveLength(128 * 128 * 3);
  });
});

describe("darkroom generate, with a mistake", () => {
  it.each([
    [["--steps", "0"], /--steps is "0"; expected a whole number, at least 1/],
    [["--steps", "2.5"], /--steps is "2\.5"/],
    [["--guidance", "nan"], /--guidance is "nan"; expected a finite number/],
    [["--seed", "18446744073709551616"], /--seed is "18446744073709551616".*2\^64/],
    [["--size", "64"], /--size is "64"; expected WIDTHxHEIGHT/],
    [["--count", "0"], /--count is "0"/],
    [["--device", "tpu"], /'tpu' is invalid. Allowed choices are auto, cpu/],
    [["--scheduler", "eulr"], /eulr/],
    [["--out", "fox.tiff"], /fox\.tiff.*\.png/],
    [["--stpes", "3"], /unknown option '--stpes'\n.*did you mean --steps\?/],
    [["--guidance-scale", "3"], /unknown option '--guidance-scale'\n.*it is called --guidance$/m],
    [["--cfg=3"], /unknown option '--cfg=3'\n.*it is called --guidance$/m],
    [["--num_inference_steps", "3"], /it is called --steps$/m],
    [["--width", "64"], /it is called --size$/m],
    [["--output", "a.png"], /did you mean --out\?/],
    [["--prompt", "a fox"], /\n.*the prompt is given without a name/],
    [["--frobnicate"], /\n.*darkroom generate --help lists its options/],
    [["fox"], /too many arguments.*\n.*quotes/],
  ])("ends with 2 for %j", async (args, message) => {
    expectFailure(await darkroom(["generate", "a red", ...args], folder), 2, message);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("ends with 2 without a prompt", async () => {
    expectFailure(await darkroom(["generate"], folder), 2, /no prompt was given; emoji-128.* needs one\n.*darkroom generate "/);
  });

  it("ends with 2 for a size that the checkpoint cannot make", async () => {
    expectFailure(await generate("fox", "--size", "63x64", "--quiet"), 2, /--size: width is 63; expected a multiple of/);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("ends with 3 for a folder that does not exist", async () => {
    expectFailure(await generate("fox", "--model", "none"), 3, /none.*\n\s+\S/);
  });

  it.each([
    ["is missing", undefined, /model_index\.json/],
    ["is not JSON", "{", /model_index\.json.*JSON/],
    ["names an unknown class", '{"_class_name": "TeapotPipeline"}', /TeapotPipeline/],
  ])("ends with 3 when model_index.json %s", async (_, index, message) => {
    const model = join(folder, "model");
    cpSync(new URL("../checkpoints/sd1-mini", import.meta.url), model, { recursive: true });
    rmSync(join(model, "model_index.json"));
    if (index !== undefined) writeFileSync(join(model, "model_index.json"), index);
    expectFailure(await generate("fox", "--model", "model"), 3, message);
  });

  it("ends with 5 when the output cannot be written, before any work", async () => {
    writeFileSync(join(folder, "file"), "kept");
    const { stderr, ...run } = await generate("fox", "--out", "file/fox.png");
    expectFailure({ stderr, ...run }, 5, /cannot write file\/fox\.png: a part of its path is a file/);
    expect(stderr).not.toMatch(/step/);
  });

  it("shows the stack with --verbose", async () => {
    const { code, stderr } = await generate("fox", "--model", "none", "--verbose");
    expect(code).toBe(3);
    expect(stderr).toMatch(/^\s+at /m);
  });
});

describe("darkroom generate, interrupted", () => {
  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("stops between steps on %s with %d, leaving no half-written file", async (signal, exitCode) => {
    let sent = false;
    const args = ["generate", "a red fox", "--steps", "500", "--device", "cpu", "--out", "new/fox.png"];
    const { code, stdout, stderr } = await darkroomProcess(args, folder, (text, child) => {
      if (!sent && text.includes("step 1/500")) {
        sent = true;
        child.kill(signal);
      }
    });
    expect({ code, stdout }).toEqual({ code: exitCode, stdout: "" });
    expect(stderr).not.toContain("step 500/500");
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe("darkroom info", () => {
  it("prints the settings as AUTOMATIC1111 writes them", async () => {
    await generate("a red fox", "--seed", "7", "--out", "a.png");
    const { code, stdout } = await darkroom(["info", "a.png"], folder);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^a red fox\nSteps: 2, Sampler: DDIM, CFG scale: 4, Seed: 7, Size: 128x128, Model: emoji-128, .*\n$/);
  });

  it("prints them as one line of JSON with --json", async () => {
    await generate("a red fox", "--negative", "blurry", "--seed", "7", "--out", "a.png");
    const { stdout } = await darkroom(["info", "a.png", "--json"], folder);
    expect(stdout.match(/\n/g)).toHaveLength(1);
    expect(JSON.parse(stdout)).toMatchObject({
      path: "a.png",
      width: 128,
      prompt: "a red fox",
      negativePrompt: "blurry",
      settings: { Seed: "7" },
    });
  });

  it("prints settings of another program in the same form, with its name", async () => {
    const graph = { 1: { class_type: "KSampler", inputs: { seed: 5, steps: 20, sampler_name: "euler", positive: ["2", 0] } } };
    const texts = { prompt: JSON.stringify({ ...graph, 2: { class_type: "CLIPTextEncode", inputs: { text: "a red fox" } } }) };
    writeFileSync(join(folder, "a.png"), encodePng(PIXEL, texts));
    const { stdout } = await darkroom(["info", "a.png"], folder);
    expect(stdout).toBe("a red fox\nSteps: 20, Sampler: euler, Seed: 5, Software: ComfyUI\n");
  });

  it("names the program of settings that it cannot read", async () => {
    writeFileSync(join(folder, "a.png"), encodePng(PIXEL, { invokeai_metadata: "{}" }));
    expectFailure(await darkroom(["info", "a.png"], folder), 2, /a\.png holds settings of InvokeAI, but no prompt, seed or sampler/);
  });

  it("names the texts of a file without settings", async () => {
    writeFileSync(join(folder, "a.png"), encodePng(PIXEL, { Author: "me" }));
    expectFailure(await darkroom(["info", "a.png"], folder), 2, /a\.png holds no settings that can be read\n {2}texts it has: "Author"/);
  });

  it("refuses a file that is not a picture", async () => {
    writeFileSync(join(folder, "a.png"), "GIF89a");
    expectFailure(await darkroom(["info", "a.png"], folder), 2, /a\.png: not an image file that can be read/);
  });

  it("refuses a file that does not exist", async () => {
    expectFailure(await darkroom(["info", "a.png"], folder), 2, /a\.png: it does not exist/);
  });
});

describe("darkroom schedulers", () => {
  it("describes every scheduler in one line", async () => {
    const { code, stdout } = await darkroom(["schedulers"], folder);
    expect(code).toBe(0);
    for (const [className, { description }] of Object.entries(SCHEDULERS)) {
      const line = stdout.split("\n").find((text) => text.startsWith(`${className} `));
      expect(line).toContain(description);
    }
  });

  it("lists the short names with their meaning", async () => {
    const { stdout } = await darkroom(["schedulers"], folder);
    expect(stdout).toMatch(/^euler-karras +EulerDiscreteScheduler, useKarrasSigmas: true$/m);
  });
});
