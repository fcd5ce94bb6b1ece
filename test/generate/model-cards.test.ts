import { cpSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { FAMILIES, isNamed, publishedLike, TRANSFORMER_FAMILIES } from "../../src/families/lookups.js";
import { checkpointDefaults } from "../../src/generate/checkpoint-defaults.js";
import { openWorkflow } from "../../src/generate/open-workflow.js";
import type { StartEvent } from "../../src/generate/run.js";
import { inspect } from "../../src/inspect/inspect.js";
import { camelCase } from "../../src/letter-case.js";
import { device } from "../cli/pictures.js";
import { changedCheckpoint } from "../helpers/checkpoints.js";
import { checkpoint } from "../helpers/fixtures.js";
import { temporaryFolder } from "../helpers/temporary.js";

/** The defaults that lists of models show, and those of a run. */
async function shownAndUsed(model: string) {
  const found = await inspect(model);
  const { steps, guidance } = (found.kind === "checkpoint" && checkpointDefaults(found)?.starts.noise) || expect.fail();
  await using workflow = await openWorkflow({ model, device });
  const { value } = await workflow.run({ prompt: "a fox", width: 32, height: 32 }).next();
  const { numInferenceSteps, guidanceScale } = (value as StartEvent).settings;
  return { shown: [steps, guidance], used: [numInferenceSteps, guidanceScale] };
}

describe("the defaults of a checkpoint with a transformer", () => {
  it.each(["z-image-mini", "flux2-klein-mini", "flux2-klein-base-mini", "flux-schnell-mini", "flux-dev-mini", "chroma-mini", "sd3-mini"])(
    "are shown as they are used: %s",
    async (name) => {
      const { shown, used } = await shownAndUsed(checkpoint(name));
      expect(shown).toEqual(used);
    },
  );

  it("are 3.5 large turbo's by its name, since its configs are those of 3.5 large", async () => {
    const large = changedCheckpoint("sd35-mini", "transformer/config.json", {});
    const folder = join(temporaryFolder(), "stable-diffusion-3.5-large-turbo");
    cpSync(large, folder, { recursive: true });
    const family = TRANSFORMER_FAMILIES.find(({ id }) => id === "sd3") ?? expect.fail();
    const like = (name: string, transformer: object) => publishedLike(family, { name, options: {}, scheduler: { shift: 3 }, transformer });
    const ofLarge = { qkNorm: "rms_norm", numLayers: 38 };
    expect(like(folder, ofLarge)?.defaults).toEqual({ steps: 4, guidance: 0 });
    expect(like("stabilityai/stable-diffusion-3.5-large", ofLarge)?.defaults).toEqual({ steps: 28, guidance: 3.5 });
    expect(like("x", { qkNorm: "rms_norm", numLayers: 24 })?.repository).toMatch(/3\.5-medium$/);
    expect(like("x", { qkNorm: null, numLayers: 24 })?.repository).toMatch(/3-medium-diffusers$/);
    expect(like("x", { numLayers: 24 })?.repository).toMatch(/3-medium-diffusers$/);
  });

  it.each([
    ["owner/large-turbo", true],
    ["/models/sd3.5_large_turbo.safetensors", true],
    ["/cache/models--stabilityai--stable-diffusion-3.5-large-turbo/snapshots/0123abcd", true],
    ["C:\\turbo\\large", false],
    ["/home/turbo/large/", false],
  ])("are found by the last part of a name: %s", (name, expected) => {
    expect(isNamed(name, "turbo")).toBe(expected);
  });

  it("are those of the published checkpoint itself", () => {
    for (const family of TRANSFORMER_FAMILIES) {
      for (const each of family.published) {
        const camel = (fields: object = {}) => Object.fromEntries(Object.entries(fields).map(([name, value]) => [camelCase(name), value]));
        const traits = {
          name: each.repository,
          options: camel(each.indexOptions),
          scheduler: camel(each.scheduler),
          transformer: camel(each.config),
        };
        expect(publishedLike(family, traits)?.defaults).toEqual(each.defaults);
      }
    }
    expect(FAMILIES.length).toBeGreaterThan(TRANSFORMER_FAMILIES.length);
  });
});
