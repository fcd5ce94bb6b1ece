import { readFileSync } from "node:fs";
import { expect, it, onTestFinished } from "vitest";
import { describeInBrowser, openPage } from "../../packages/page/test/e2e/browser.js";
import type { DownloadProgress } from "../../src/index.js";
import { checkpoint } from "../helpers/fixtures.js";
import { filesOf } from "../helpers/hub-server.js";
import { type Darkroom, enter, startSite } from "./site.js";

declare const darkroom: Darkroom;

describeInBrowser("files that the user gives to a page", () => {
  const site = startSite();

  it("open as the folder that they were chosen from, and give the same picture as its address", async () => {
    const page = await openPage();
    await enter(page, site);
    const paths = filesOf(checkpoint("sd1-mini")).map(([path]) => path);
    const [given, served] = await page.evaluate(async (paths) => {
      const files = paths.map(async (path) => {
        const bytes = await (await fetch(`/checkpoints/sd1-mini/${path}`)).arrayBuffer();
        const file = new File([bytes], path.split("/").at(-1) as string);
        return Object.defineProperty(file, "webkitRelativePath", { value: `chosen/${path}` });
      });
      const folder = darkroom.openFiles(await Promise.all(files));
      const made: string[] = [folder.name];
      for (const source of [folder, "/checkpoints/sd1-mini"]) {
        const pipe = await darkroom.StableDiffusionPipeline.fromPretrained(source, { device: "wasm" });
        const { images } = await pipe.generate({ prompt: "a fox", numInferenceSteps: 1, height: 64, width: 64, seed: 1 });
        made.push(String(images[0]?.data));
        await pipe.dispose();
      }
      return [made.slice(0, 2), [made[0], made[2]]];
    }, paths);
    expect(given).toEqual(served);
    expect(given?.[0]).toBe("chosen");
  });

  it("are named in errors: a file that is no checkpoint, no file, a server that does not answer", async () => {
    const page = await openPage();
    await enter(page, site);
    const problems = await page.evaluate(async () => {
      const file = new File(["no weights"], "fox.safetensors");
      const single = darkroom.DiffusionPipeline.fromSingleFile(file).catch(({ name, message }: Error) => `${name}: ${message}`);
      const folder = darkroom.DiffusionPipeline.fromPretrained(darkroom.openFiles([file])).catch(
        ({ name, message }: Error) => `${name}: ${message}`,
      );
      let none = "";
      try {
        darkroom.openFiles([]);
      } catch (error) {
        none = String(error);
      }
      const [silent, empty] = ["http://127.0.0.1:9/none", "/none"].map((address) =>
        darkroom.DiffusionPipeline.fromPretrained(address).catch(({ name, message }: Error) => `${name}: ${message}`),
      );
      return [await single, await folder, none, await silent, await empty];
    });
    expect(problems).toEqual([
      expect.stringMatching(/^CheckpointError: \.\/fox\.safetensors: not a safetensors file/),
      expect.stringMatching(/^CheckpointError: fox\.safetensors has no model_index\.json/),
      expect.stringMatching(/^ArgumentError: files is .*expected at least one File/),
      expect.stringMatching(/^CheckpointError: http:.*none cannot be read: /),
      "CheckpointError: /none does not exist, or has no file of a checkpoint",
    ]);
  });

  it("may lie on a server: its weights are kept until they change there, listed and removed", async () => {
    const page = await openPage();
    await enter(page, site);
    const asked: string[] = [];
    let stamp = "first";
    site.handler = ({ method, url = "", headers }, response) => {
      if (!url.endsWith(".safetensors")) return false;
      // Reading a header is a request for a range that ends.
      if (method === "GET" && !/-\d+$/.test(headers.range ?? "")) asked.push(url);
      response.setHeader("etag", `"${stamp}"`);
      return false;
    };
    onTestFinished(() => {
      site.handler = undefined;
    });
    const make = () =>
      page.evaluate(async () => {
        const pipe = await darkroom.StableDiffusionPipeline.fromPretrained("/checkpoints/sd1-mini", { device: "wasm" });
        const { images } = await pipe.generate({ prompt: "a fox", numInferenceSteps: 1, height: 64, width: 64, seed: 1 });
        await pipe.dispose();
        return String(images[0]?.data);
      });
    const first = await make();
    const weights = [...asked].sort();
    expect(weights).toEqual([...new Set(weights)]);
    expect(weights).toContain("/checkpoints/sd1-mini/unet/diffusion_pytorch_model.safetensors");
    asked.length = 0;
    expect(await make()).toBe(first);
    expect(asked).toEqual([]);
    stamp = "second";
    expect(await make()).toBe(first);
    expect(asked.sort()).toEqual(weights);
    const [listed, freed, after] = await page.evaluate(async () => {
      const [{ id, size } = { id: "", size: 0 }] = await darkroom.listCachedRepositories();
      return [{ id, size }, await darkroom.removeCachedRepository(id), await darkroom.listCachedRepositories()] as const;
    });
    expect(listed.id).toBe(`${site.address}/checkpoints/sd1-mini/`);
    expect(freed).toBe(listed.size);
    expect(after).toEqual([]);
  });

  it("report the progress of downloads from a server, and go on where a connection broke", async () => {
    const page = await openPage();
    await enter(page, site);
    const path = "/checkpoints/sd1-mini/unet/diffusion_pytorch_model.safetensors";
    const ranges: (string | undefined)[] = [];
    site.handler = ({ method, url, headers: { range } }, response) => {
      // Reading a header is a request for a range that ends.
      if (method !== "GET" || url !== path || /-\d+$/.test(range ?? "")) return false;
      ranges.push(range);
      if (ranges.length > 1) return false;
      const bytes = readFileSync(checkpoint(path.replace("/checkpoints/", "")));
      response.writeHead(200, { "content-length": bytes.length }).write(bytes.subarray(0, 1000));
      // The bytes arrive before the end does.
      setTimeout(() => response.destroy(), 300);
      return true;
    };
    onTestFinished(() => {
      site.handler = undefined;
    });
    const { seen, again } = await page.evaluate(async () => {
      const open = async () => {
        const seen: { file: string; loaded: number; total: number; done: number }[] = [];
        const onProgress = ({ file, loaded, total, files }: DownloadProgress) => void seen.push({ file, loaded, total, done: files.done });
        const pipe = await darkroom.DiffusionPipeline.fromPretrained("/checkpoints/sd1-mini", { device: "wasm", onProgress });
        await pipe.dispose();
        return seen;
      };
      return { seen: await open(), again: await open() };
    });
    expect(ranges).toEqual([undefined, "bytes=1000-"]);
    const last = seen.at(-1);
    expect(last?.loaded).toBe(last?.total);
    expect(last?.done).toBeGreaterThanOrEqual(3);
    expect(seen.map(({ file }) => file)).toContain("unet/diffusion_pytorch_model.safetensors");
    expect(again).toEqual([]);
  });

  it("are asked for again where a server that is busy stopped, and not for ever", async () => {
    const page = await openPage();
    await enter(page, site);
    const path = "/checkpoints/sd1-mini/unet/diffusion_pytorch_model.safetensors";
    // What the server answers to the first requests of each kind, before it sends what is there.
    const refusals: Record<string, (number | "break")[]> = {
      "HEAD config": [503],
      "GET config": [429],
      "HEAD weights": [429],
      "GET weights": [503, "break", 429],
    };
    const ranges: (string | undefined)[] = [];
    site.handler = ({ method, url, headers: { range } }, response) => {
      // Reading a header is a request for a range that ends.
      const file = url === path && !/-\d+$/.test(range ?? "") ? "weights" : url?.endsWith("/unet/config.json") ? "config" : "";
      const refusal = refusals[`${method} ${file}`]?.shift();
      if (method === "GET" && file === "weights") ranges.push(range);
      if (refusal === "break") {
        const bytes = readFileSync(checkpoint(path.replace("/checkpoints/", "")));
        response.writeHead(200, { "content-length": bytes.length }).write(bytes.subarray(0, 1000));
        // The bytes arrive before the end does.
        setTimeout(() => response.destroy(), 300);
      } else if (refusal !== undefined) response.writeHead(refusal, { "retry-after": "1" }).end();
      return refusal !== undefined;
    };
    onTestFinished(() => {
      site.handler = undefined;
    });
    const open = () =>
      page.evaluate(async () => {
        const opened = darkroom.UNet2DConditionModel.fromPretrained("/checkpoints/sd1-mini/unet", { device: "wasm" });
        return opened.then(
          async (unet) => {
            const { size } = (
              await unet.forward(darkroom.Tensor.zeros([1, 4, 8, 8]), 1, { encoderHiddenStates: darkroom.Tensor.zeros([1, 77, 32]) })
            ).sample;
            await unet.dispose();
            return String(size);
          },
          (error) => `${error.name}: ${error.message} (${error.hint})`,
        );
      });
    expect(await open()).toBe("256");
    expect(ranges).toEqual([undefined, undefined, "bytes=1000-", "bytes=1000-"]);
    refusals["GET weights"] = Array(20).fill(503);
    await page.evaluate(async () => {
      for (const { id } of await darkroom.listCachedRepositories()) await darkroom.removeCachedRepository(id);
    });
    ranges.length = 0;
    expect(await open()).toMatch(/^CheckpointError: .*safetensors cannot be read: the server answered 503 .*try again later/);
    expect(ranges).toHaveLength(5);
  });

  it("are no longer read when the signal aborts", async () => {
    const page = await openPage();
    await enter(page, site);
    const stopped = await page.evaluate(async () => {
      const stop = new AbortController();
      const onProgress = () => stop.abort(new Error("enough"));
      const options = { device: "wasm", onProgress, signal: stop.signal } as const;
      return darkroom.DiffusionPipeline.fromPretrained("/checkpoints/sd1-mini", options).then(() => "opened", String);
    });
    expect(stopped).toBe("Error: enough");
  });
});
