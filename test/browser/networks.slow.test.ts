import { readdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { expect, it } from "vitest";
import { describeInBrowser, openPage } from "../../packages/page/test/e2e/browser.js";
import * as node from "../../src/index.js";
import { checkpoint } from "../helpers/fixtures.js";
import { type NetworkRuns, runNetworks } from "./networks.js";
import { type Darkroom, enter, startSite } from "./site.js";

/** All networks of the tests' checkpoints; motion modules are no network, and some configs have their weights in a GGUF file elsewhere. */
const NETWORKS = readdirSync(checkpoint(""), { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith("/config.json"))
  .filter((path) => readdirSync(dirname(checkpoint(path))).some((file) => file.endsWith(".safetensors")))
  .sort()
  .map((path) => {
    const { _class_name, architectures } = JSON.parse(readFileSync(checkpoint(path), "utf8"));
    return [dirname(path), (_class_name ?? architectures?.[0]) as string] as const;
  })
  .filter(([, className]) => className !== "MotionAdapter");

describeInBrowser("the networks of all tiny checkpoints on WASM", () => {
  const site = startSite();

  it("compute what they compute in Node", async () => {
    const page = await openPage();
    await enter(page, site);
    const given: NetworkRuns = { root: "/checkpoints/", device: "wasm", networks: NETWORKS };
    const inPage: Awaited<ReturnType<typeof runNetworks>> = await page.evaluate(`(${runNetworks})(darkroom, ${JSON.stringify(given)})`);
    const inNode = await runNetworks(node as Darkroom, { root: checkpoint(""), device: "cpu", networks: NETWORKS });
    expect(NETWORKS.length).toBeGreaterThan(70);
    for (const [folder] of NETWORKS) {
      const [one, other] = [inPage[folder], inNode[folder]];
      expect.soft(typeof other, `${folder} in Node: ${other}`).toBe("object");
      expect.soft(typeof one, `${folder} in the page: ${one}`).toBe("object");
      expect.soft(one?.length, folder).toBe(other?.length);
      expect.soft(one?.length, folder).toBeGreaterThan(0);
      expect.soft(furthest(one as readonly number[], other as readonly number[]), folder).toBeLessThanOrEqual(1e-4);
    }
  });
});

/** The largest difference; NaN for a pair in which only one is a number. */
function furthest(one: readonly number[], other: readonly number[]): number {
  return one.reduce((most, value, i) => {
    const distance = Object.is(value, other[i]) ? 0 : Math.abs(value - (other[i] as number));
    return distance <= most ? most : distance;
  }, 0);
}
