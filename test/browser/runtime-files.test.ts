import { expect, it } from "vitest";
import { describeInBrowser, openPage } from "../../packages/page/test/e2e/browser.js";
import { type Darkroom, enter, startSite } from "./site.js";

declare const darkroom: Darkroom;

const REQUEST = { prompt: "a red fox", numInferenceSteps: 1, seed: 7 };

describeInBrowser("the files of the runtime", () => {
  const site = startSite();
  const cdn = startSite();

  it("may come from another origin that allows it, with the modules", async () => {
    cdn.handler = (_, response) => {
      response.setHeader("access-control-allow-origin", "*");
      return false;
    };
    const page = await openPage();
    await page.goto(`${site.address}/models/emoji-128/model_index.json`);
    const content = `import * as darkroom from "${cdn.address}/darkroom.js"; globalThis.darkroom = darkroom;`;
    await page.addScriptTag({ type: "module", content });
    await page.waitForFunction(() => "darkroom" in globalThis);
    expect(await page.evaluate(widthOfPicture, REQUEST)).toBe(128);
  });

  it("are found where setRuntimeFiles says, the runtime's .wasm in a folder of its own", async () => {
    const asked: string[] = [];
    site.handler = (request, response) => {
      const [, file] = /^\/elsewhere\/(.*)$/.exec(request.url ?? "") ?? [];
      if (file === undefined) return false;
      asked.push(file);
      response.writeHead(307, { location: `/${file.replace("own-worker", "worker-wasm")}` }).end();
      return true;
    };
    const page = await openPage();
    await enter(page, site);
    await page.evaluate(() => darkroom.setRuntimeFiles({ wasmWorker: "/elsewhere/own-worker.js", wasmFolder: "/elsewhere" }));
    expect(await page.evaluate(widthOfPicture, REQUEST)).toBe(128);
    expect(new Set(asked)).toEqual(new Set(["own-worker.js", "ort-wasm-simd-threaded.wasm"]));
    const refused = await page.evaluate(() => {
      try {
        darkroom.setRuntimeFiles({ worker: "/x.js" } as object);
        return "";
      } catch (error) {
        return (error as Error).message;
      }
    });
    expect(refused).toMatch(/worker/);
  });
});

/** Runs in a page. */
async function widthOfPicture(request: typeof REQUEST): Promise<number | undefined> {
  const pipe = await darkroom.DiffusionPipeline.fromPretrained("emoji-128", { device: "wasm" });
  const { images } = await pipe.generate(request);
  await pipe.dispose();
  return images[0]?.width;
}
