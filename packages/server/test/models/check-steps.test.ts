import { describe, expect, it } from "vitest";
import { checkpoint } from "../../../../test/helpers/fixtures.js";
import { createApp } from "../../src/http/app.js";
import { Catalog } from "../../src/models/catalog.js";
import { offerOf } from "../../src/models/offer.js";
import { testServer } from "../http/test-server.js";
import { MemoryStore } from "../memory-store.js";

const models = new Catalog(
  offerOf({
    models: [
      { name: "emoji-128", source: offerOf({}).models[0].source },
      { name: "mini", source: checkpoint("sd1-mini") },
      { name: "ddpm", source: checkpoint("ddpm-mini") },
    ],
  }),
);

const check = (request: object, model = "emoji-128") => models.check(model, { prompt: "a fox", ...request });

describe("steps that the scheduler cannot take", () => {
  it.each([
    [
      { numInferenceSteps: 1000, scheduler: "ddim", timestepSpacing: "leading" },
      /^timestep 1000 is not one of the 1000 training timesteps/,
    ],
    [{ numInferenceSteps: 1001 }, /trained with only 1000 timesteps/],
    [{ numInferenceSteps: 60, scheduler: "lcm" }, /60 steps are more than the 50 original steps/],
  ])("%j are refused before there is a job", async (request, message) => {
    await expect(check(request)).rejects.toMatchObject({ argument: "numInferenceSteps", message: expect.stringMatching(message) });
  });

  it.each([
    { numInferenceSteps: 999, scheduler: "ddim" },
    { numInferenceSteps: 1000, scheduler: "ddim", timestepSpacing: "trailing" },
    { numInferenceSteps: 1000, scheduler: "euler" },
    { numInferenceSteps: 1000, scheduler: "dpm++-2m-karras" },
    { numInferenceSteps: 60, scheduler: "lcm", schedulerConfig: { originalInferenceSteps: 100 } },
    { numInferenceSteps: 60, scheduler: "lcm", image: "AA==" },
    { numInferenceSteps: 1 },
    { timesteps: [999, 500], scheduler: "lcm" },
    {},
  ])("%j can be taken", async (request) => {
    for (const model of ["emoji-128", "mini"]) await check(request, model);
  });

  it("of a model without prompts are known, too", async () => {
    await models.check("ddpm", { numInferenceSteps: 1000 });
    await expect(models.check("ddpm", { numInferenceSteps: 2000 })).rejects.toThrow(/trained with only 1000 timesteps/);
  });

  it("are an error of each API in its words, and no job", async () => {
    const { jobs } = testServer();
    const app = createApp({ jobs, results: new MemoryStore(), models });
    const post = async (path: string, body: object) => {
      const reply = await app.request(`http://localhost${path}`, { method: "POST", body: JSON.stringify({ prompt: "a fox", ...body }) });
      return [reply.status, JSON.stringify(await reply.json())];
    };
    const refused = expect.stringMatching(/original steps/);
    expect(await post("/api/jobs", { numInferenceSteps: 1000, scheduler: "lcm" })).toEqual([400, refused]);
    expect(await post("/v1/images/generations", { steps: 1000, scheduler: "lcm" })).toEqual([400, refused]);
    expect(await post("/sdapi/v1/txt2img", { steps: 1000, sampler_name: "LCM" })).toEqual([400, refused]);
    expect(await post("/hf", { inputs: "x", parameters: { num_inference_steps: 1000, scheduler: "lcm" } })).toEqual([400, refused]);
    expect(jobs.all).toEqual([]);
  });
});
