import type { Page } from "playwright-core";
import { expect, it } from "vitest";
import { describeInBrowser, openPage } from "../../packages/page/test/e2e/browser.js";
import { HubServer } from "../helpers/hub-server.js";
import { type Darkroom, enter, startSite } from "./site.js";

declare const darkroom: Darkroom;

const UNET = "unet/diffusion_pytorch_model.safetensors";

describeInBrowser("a hub's repository in a page", () => {
  const site = startSite();
  const openSite = async () => {
    const page = await openPage();
    await enter(page, site);
    return page;
  };

  it("is downloaded with progress, kept, used without the network, listed and removed", async () => {
    const hub = await HubServer.start({ "owner/sd1": "sd1-mini" });
    const page = await openSite();
    const first = await open(page, hub.url);
    expect(first).toMatchObject({ className: "StableDiffusionPipeline", pixel: expect.any(Number) });
    expect(first.progress.at(-1)).toMatchObject({ loaded: first.progress[0]?.total });
    const requests = hub.log.length;
    const again = await open(page, hub.url, { localFilesOnly: true });
    expect(again).toEqual({ ...first, progress: [] });
    expect(hub.log.length).toBe(requests);
    // A new page of the origin finds it, too.
    const other = await page.context().newPage();
    await enter(other, site);
    expect(await open(other, hub.url, { localFilesOnly: true })).toEqual({ ...first, progress: [] });
    const [listed, freed, after] = await page.evaluate(async () => {
      const listed = await darkroom.listCachedRepositories();
      return [listed, await darkroom.removeCachedRepository("owner/sd1"), await darkroom.listCachedRepositories()] as const;
    });
    expect(listed).toMatchObject([{ id: "owner/sd1", unfinished: 0, revisions: [{ refs: ["main"] }] }]);
    expect(freed).toBe(listed[0]?.size);
    expect(listed[0]?.size).toBe(first.progress.at(-1)?.loaded);
    expect(after).toEqual([]);
  });

  it("goes on where a connection broke", async () => {
    const hub = await HubServer.start({ "owner/sd1": "sd1-mini" });
    hub.fail(/^\/[0-9a-f]{64}$/, { cutAfter: 1000 });
    const page = await openSite();
    await open(page, hub.url);
    const ranges = hub.log.filter(({ host, range }) => host === "cdn" && range !== undefined).map(({ range }) => range);
    expect(ranges).toEqual(["bytes=1000-"]);
  });

  it("goes on where a page was closed, or a download was stopped", async () => {
    const hub = await HubServer.start({ "owner/sd1": "sd1-mini" });
    hub.fail(/^\/[0-9a-f]{64}$/, { slow: 300 }, 20);
    const page = await openSite();
    const stopped = await page.evaluate(async (endpoint) => {
      const stop = new AbortController();
      const onProgress = ({ loaded }: { loaded: number }) => {
        if (loaded > 40_000) stop.abort(new Error("enough"));
      };
      const options = { endpoint, onProgress, signal: stop.signal };
      return darkroom.DiffusionPipeline.fromPretrained("owner/sd1", options).catch(String);
    }, hub.url);
    expect(stopped).toBe("Error: enough");
    hub.forgive();
    const [{ unfinished } = { unfinished: 0 }] = await page.evaluate(() => darkroom.listCachedRepositories());
    expect(unfinished).toBeGreaterThan(0);
    hub.log.length = 0;
    await open(page, hub.url);
    expect(hub.log.some(({ host, range }) => host === "cdn" && range !== undefined)).toBe(true);
  });

  it("is downloaded again if its bytes are damaged, once", async () => {
    const hub = await HubServer.start({ "owner/sd1": "sd1-mini" });
    hub.fail(/\/resolve\/.*\/unet\/config.json/, { damage: true });
    const page = await openSite();
    await open(page, hub.url);
    await page.evaluate(() => darkroom.removeCachedRepository("owner/sd1"));
    hub.fail(/^\/[0-9a-f]{64}$/, { damage: true }, 20);
    expect(await failure(page, hub.url)).toMatchObject({
      name: "HubError",
      problem: "corrupt",
      message: expect.stringContaining("sha256"),
    });
  });

  it("is downloaded once by two tabs at once", async () => {
    const hub = await HubServer.start({ "owner/sd1": "sd1-mini" });
    const page = await openSite();
    const other = await page.context().newPage();
    await enter(other, site);
    hub.fail(/^\/[0-9a-f]{64}$/, { slow: 50 }, 4);
    const [one, two] = await Promise.all([open(page, hub.url), open(other, hub.url)]);
    expect(one.pixel).toBe(two.pixel);
    const bodies = hub.log.filter(({ host, method }) => host === "cdn" && method === "GET").map(({ path }) => path);
    expect(bodies.length).toBe(new Set(bodies).size);
  });

  it("is read while another tab adds to its list of files", async () => {
    const hub = await HubServer.start({ "owner/sd1": "sd1-mini" });
    const page = await openSite();
    await open(page, hub.url);
    const other = await page.context().newPage();
    await enter(other, site);
    // The same list is written again and again, as a download does after each file.
    const writing = other.evaluate(async () => {
      const root = await navigator.storage.getDirectory();
      const cache = await root.getDirectoryHandle("darkroom");
      const snapshots = await (await cache.getDirectoryHandle("models--owner--sd1")).getDirectoryHandle("snapshots");
      for await (const file of snapshots.values()) {
        if (!(file instanceof FileSystemFileHandle)) continue;
        const text = await (await file.getFile()).text();
        for (let times = 0; times < 300; times++) {
          const writer = await file.createWritable();
          await writer.write(text);
          await writer.close();
        }
      }
    });
    const counts = await page.evaluate(async () => {
      const counts: (number | undefined)[] = [];
      for (let times = 0; times < 100; times++) counts.push((await darkroom.listCachedRepositories())[0]?.revisions[0]?.files);
      return counts;
    });
    await writing;
    expect(counts[0]).toBeGreaterThan(5);
    expect(new Set(counts)).toEqual(new Set([counts[0]]));
  });

  it("names the quota if there is no room", async () => {
    const hub = await HubServer.start({ "owner/sd1": "sd1-mini" });
    const page = await openSite();
    const session = await page.context().newCDPSession(page);
    await session.send("Storage.overrideQuotaForOrigin", { origin: site.address, quotaSize: 10_000 });
    expect(await failure(page, hub.url)).toMatchObject({
      name: "HubError",
      problem: "disk",
      message: expect.stringMatching(
        /^owner\/sd1: the browser gives this origin no more room: \S+ GB are used, and the quota is said to be/,
      ),
      hint: expect.stringContaining("removeCachedRepository"),
    });
  });

  it("is refused with the names of options, since a page has no environment", async () => {
    const hub = await HubServer.start({ "owner/sd1": "sd1-mini" });
    const page = await openSite();
    const problems = await page.evaluate(async (endpoint) => {
      const hintOf = (id: string, options: object) =>
        darkroom.DiffusionPipeline.fromPretrained(id, { endpoint, ...options }).then(
          () => "opened",
          (error: { hint?: string }) => error.hint,
        );
      return [
        await hintOf("owner/none", {}),
        await hintOf("owner/sd1", { localFilesOnly: true }),
        await hintOf("owner/sd1", { endpoint: `${location.origin}/none` }),
      ];
    }, hub.url);
    expect(problems).toEqual([
      "check the spelling; a private repository needs the option token set to a token that may read it",
      "download it once with the network: without localFilesOnly",
      expect.not.stringMatching(/HF_|NODE_/),
    ]);
  });

  it("can be one file of it", async () => {
    const hub = await HubServer.start({ "owner/sd1": "sd1-mini" });
    const page = await openSite();
    const problem = await page.evaluate(
      async ({ endpoint, file }) =>
        darkroom.DiffusionPipeline.fromSingleFile(`owner/sd1/${file}`, { endpoint }).then(
          () => "",
          (error: Error) => error.message,
        ),
      { endpoint: hub.url, file: UNET },
    );
    // It is read as far as its header, which tells that it is not a whole checkpoint.
    expect(problem).toContain(UNET.split("/")[1]);
    expect(hub.fetched).toContain(UNET);
  });
});

interface Opening {
  readonly localFilesOnly?: boolean;
}

/** Opens owner/sd1 in the page and makes a picture. */
function open(page: Page, endpoint: string, options: Opening = {}) {
  return page.evaluate(
    async ({ endpoint, options }) => {
      const progress: { loaded: number; total: number }[] = [];
      const onProgress = ({ loaded, total }: { loaded: number; total: number }) => void progress.push({ loaded, total });
      const pipe = await darkroom.DiffusionPipeline.fromPretrained("owner/sd1", { endpoint, device: "wasm", onProgress, ...options });
      const { images } = await pipe.generate({ prompt: "a fox", numInferenceSteps: 1, height: 64, width: 64, seed: 1 } as never);
      const [image] = images as { data: Uint8Array }[];
      await pipe.dispose();
      return { className: pipe.constructor.name && (pipe as { className?: string }).className, pixel: image?.data[100], progress };
    },
    { endpoint, options },
  );
}

/** The error of opening owner/sd1 in the page. */
function failure(page: Page, endpoint: string) {
  return page.evaluate(
    (endpoint) =>
      darkroom.DiffusionPipeline.fromPretrained("owner/sd1", { endpoint }).then(
        () => undefined,
        ({ name, message, problem, hint }) => ({ name, message, problem, hint }),
      ),
    endpoint,
  );
}
