import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import type { ServerModule } from "../../../../src/cli/server-module.js";
import { DEFAULT_LIMITS } from "../../src/http/limits.js";
import * as exports from "../../src/index.js";
import { DarkroomProcess, serve, temporaryFolder } from "./darkroom-process.js";

it("has what the command line takes from this package, in the types that it has written down", () => {
  const module: ServerModule = exports;
  expect(module).toMatchObject({ parseNamedSources: expect.any(Function), startServer: expect.any(Function) });
});

describe("darkroom serve", () => {
  it("has an option for every limit, by the name that errors give it", async () => {
    const help = new DarkroomProcess(["serve", "--help"]);
    expect(await help.ended).toBe(0);
    for (const name of [...Object.keys(DEFAULT_LIMITS), "maxWaiting"]) {
      expect(help.stdout).toContain(`--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} <`);
    }
    expect(Math.max(...help.stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it("makes a picture with the embedded checkpoint by the call that it prints, and ends with 0 at Ctrl-C", async () => {
    const folder = await temporaryFolder();
    const server = await serve(folder);
    expect(server.stdout).toContain(`page    ${server.address}/\n`);
    expect(server.stdout).toContain(`baseURL: "${server.address}/v1"`);
    expect(server.stdout).toContain(`folder  ${folder}\n`);
    const [, url = "", body = ""] = /curl (\S+) -d '(.*)' -o fox\.png/.exec(server.stdout) ?? [];
    const reply = await fetch(url, { method: "POST", body });
    expect(reply.headers.get("content-type")).toBe("image/png");
    expect(await server.kill("SIGINT")).toBe(0);
    expect(server.stderr).toBe("");
  });

  it.each([
    ["an exception", 'throw new Error("bang")'],
    ["a rejected promise", 'Promise.reject(new Error("bang"))'],
  ])("writes %s that nobody catches to its log and goes on; only --verbose adds the stack", async (_, bang) => {
    const folder = await temporaryFolder();
    const preload = join(folder, "bang.mjs");
    await writeFile(preload, `process.on("SIGUSR2", () => { ${bang}; });`);
    for (const verbose of [false, true]) {
      const options = { NODE_OPTIONS: `--import ${pathToFileURL(preload)}` };
      const server = await serve(join(folder, "data"), verbose ? ["--verbose"] : [], options);
      server.signal("SIGUSR2");
      await server.prints(/bang/);
      expect(/\n {4}at /.test(server.stderr)).toBe(verbose);
      expect(await server.call("/ready")).toMatchObject({ status: 200 });
      expect(await server.kill("SIGINT")).toBe(0);
    }
  });

  it("offers models, autoencoders, ControlNets, LoRAs and embeddings by the names that it was given", async () => {
    const folder = await temporaryFolder();
    const checkpoints = join(import.meta.dirname, "../../../../test/checkpoints");
    await mkdir(join(folder, "loras"));
    await writeFile(join(folder, "loras", "ink.safetensors"), "");
    const models = ["--model", join(checkpoints, "sd1-mini"), "--model", `xl=${join(checkpoints, "sdxl-base-mini")}`];
    const parts = [
      ...["--vae", `bright=${join(checkpoints, "vae-swap-mini")}`, "--controlnet", join(checkpoints, "controlnet-mini")],
      ...["--upscaler", `fine=${join(checkpoints, "upscalers/compact-x2.safetensors")}`],
      ...["--lora-dir", join(folder, "loras"), "--embedding-dir", folder, "--max-steps", "7"],
    ];
    const { call } = await serve(join(folder, "data"), [...models, ...parts]);
    const { body } = await call("/api/models");
    expect(body).toMatchObject({
      default: "sd1-mini",
      models: [
        { name: "sd1-mini", family: "Stable Diffusion" },
        { name: "xl", family: "Stable Diffusion XL" },
      ],
      vaes: ["bright"],
      controlnets: ["controlnet-mini"],
      upscalers: ["fine"],
      loras: ["ink"],
      limits: { maxSteps: 7 },
    });
    const refused = await call("/api/jobs", { method: "POST", body: '{"prompt": "a fox", "numInferenceSteps": 8}' });
    expect(refused).toMatchObject({ status: 400, body: { error: { message: expect.stringContaining("maxSteps") } } });
  });

  it("needs a key where it was given any: as option, in a file, or in DARKROOM_API_KEYS", async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, "keys"), "second\nthird\n");
    const keys = ["--api-key", "first", "--api-key-file", join(folder, "keys")];
    const { call, stdout } = await serve(join(folder, "data"), keys, { DARKROOM_API_KEYS: "fourth,fifth" });
    const statusFor = async (key: string) => (await call("/v1/models", { headers: { authorization: `Bearer ${key}` } })).status;
    for (const key of ["first", "second", "third", "fourth", "fifth"]) expect(await statusFor(key)).toBe(200);
    expect(await statusFor("sixth")).toBe(401);
    expect((await call("/v1/models")).status).toBe(401);
    expect(stdout).toContain("Authorization: Bearer KEY");
    expect(stdout).not.toContain("first");
  });

  const anywhere = ["--folder", "unused"];
  it.each([
    [["--folder", ""], 2, /--folder: the folder has an empty name\n {2}/],
    [["--host", "0.0.0.0", ...anywhere], 2, /--api-key: .* 0\.0\.0\.0, .* without an API key\n {2}/],
    [["--host", "192.0.2.1", "--api-key", "k", "--folder", "FOLDER"], 2, /--host: the server cannot listen on 192\.0\.2\.1/],
    [["--model", "nowhere.safetensors", ...anywhere], 3, /nowhere\.safetensors does not exist\n {2}/],
    [["--model", "FOLDER", ...anywhere], 3, /has no model_index\.json/],
    [["--model", "owner/name", "--offline", ...anywhere], 3, /the cache does not have owner\/name/],
    [["--model", "a/fox", "--model", "b/fox", ...anywhere], 2, /--model: a\/fox and b\/fox are both called fox\n {2}/],
    [["--lora-dir", "nowhere", ...anywhere], 2, /--lora-dir: .*nowhere does not exist\n {2}/],
    [["--memory-budget", "6 apples"], 2, /--memory-budget is "6 apples"; expected .*6GB/],
    [["--memory-budget", "10", ...anywhere], 2, /--memory-budget is 10 bytes; .*expected at least \d+\n {2}such as --memory-budget 6GB/],
    [["--folder", "/proc/x"], 2, /the folder \/proc\/x\/pictures cannot be used: /],
    [["--port", "70000"], 2, /--port is "70000"; expected a whole number, 0 to 65535/],
    [["--api-key-file", "nowhere"], 2, /--api-key-file: nowhere cannot be read/],
    [["--prot", "80"], 2, /unknown option '--prot'\n {2}did you mean --port\?/],
  ])("refuses what cannot work at the start: %j", async (args, code, message) => {
    const folder = await temporaryFolder();
    const server = new DarkroomProcess(["serve", ...args.map((each) => (each === "FOLDER" ? folder : each))]);
    expect(await server.ended).toBe(code);
    expect(server.stderr).toMatch(message);
    expect(server.stderr).not.toMatch(/^\s+at /m);
    expect(server.stdout).toBe("");
  });

  it("says that its port or its folder is taken", async () => {
    const folder = await temporaryFolder();
    const { address } = await serve(join(folder, "one"));
    const samePort = new DarkroomProcess(["serve", "--port", new URL(address).port, "--folder", join(folder, "two")]);
    expect(await samePort.ended).toBe(2);
    expect(samePort.stderr).toMatch(/--port: port \d+ of 127\.0\.0\.1 is in use\n {2}/);
    const sameFolder = new DarkroomProcess(["serve", "--port", "0", "--folder", join(folder, "one")]);
    expect(await sameFolder.ended).toBe(2);
    expect(sameFolder.stderr).toMatch(/--folder: .*queue\.db is in use by another process\n {2}/);
  });
});
