import { describe, expect, it } from "vitest";
import { EMPTY_FIELDS, parseFields } from "../../src/logic/fields.js";
import { requestOf } from "../../src/logic/request.js";
import { isRepeatable, reuse } from "../../src/logic/reuse.js";
import { doneJob, job, SD } from "./samples.js";

describe("the form of a job whose settings are used again", () => {
  it("makes one of its pictures again: its seed, and what the defaults were", () => {
    const { fields, missing } = reuse(doneJob(), 1);
    expect(missing).toEqual([]);
    expect(requestOf(fields, SD)).toMatchObject({
      model: "sd",
      prompt: "a fox",
      width: 512,
      height: 640,
      numInferenceSteps: 50,
      guidanceScale: 7.5,
      seed: 0,
      numImagesPerPrompt: 1,
    });
  });

  it("makes all its pictures again from the first one's seed", () => {
    expect(reuse(doneJob()).fields).toMatchObject({ seed: "18446744073709551615", numImagesPerPrompt: "2" });
  });

  it("has what the request says of a job that made no picture", () => {
    const failed = job({ state: "failed", request: { prompt: "a fox", numInferenceSteps: 3, height: 64, scheduler: "ddim", seed: 9 } });
    const fields = { prompt: "a fox", numInferenceSteps: "3", width: "", height: "64", scheduler: "ddim", seed: "9", guidanceScale: "" };
    expect(reuse(failed).fields).toMatchObject(fields);
  });

  it("keeps the quality, and one ControlNet, but not several", () => {
    const request = { prompt: "a fox", controlnet: "canny" };
    const fieldsOf = (more: object) => reuse(job({ request: { ...request, ...more }, output: { format: "jpeg", quality: 70 } })).fields;
    expect(fieldsOf({})).toMatchObject({ format: "jpeg", quality: "70", controlnet: "canny" });
    expect(fieldsOf({ controlnet: ["canny", "depth"], controlGuidanceEnd: [0.5, 1] })).toMatchObject({ controlnet: "", others: {} });
  });

  it("keeps LoRAs, and options that the form has no field for", () => {
    const request = { prompt: "a fox", loras: [{ name: "ink", weight: 0.5, unetWeight: 0.1 }], clipSkip: 1, promptSyntax: "a1111" };
    const { fields } = reuse(doneJob({ request }));
    expect(fields.loras).toEqual([{ name: "ink", weight: "0.5", unetWeight: 0.1 }]);
    expect(fields.others).toEqual({ clipSkip: 1, promptSyntax: "a1111" });
  });

  it("keeps a guidance scale for each step, which the form's field does not hold", () => {
    const { fields } = reuse(doneJob({ request: { prompt: "a fox", guidanceScale: [7, 1] as never } }));
    expect(fields).toMatchObject({ guidanceScale: "", others: { guidanceScale: [7, 1] } });
  });

  it("says which pictures the server has not kept", () => {
    const done = doneJob();
    const withPictures = {
      ...done,
      result: done.result && { ...done.result, settings: { image: "data", maskImage: "data", strength: 1 } },
    };
    expect(reuse(withPictures)).toMatchObject({ missing: ["picture", "mask"], fields: { strength: "1" } });
    const controlled = doneJob({
      request: { prompt: "a fox", controlnet: "canny", controlnetConditioningScale: 0.5, controlMode: "canny", guessMode: true },
    });
    expect(reuse(controlled)).toMatchObject({
      missing: ["control picture"],
      fields: { controlnet: "canny", controlnetConditioningScale: "0.5", others: {} },
    });
    expect([done, withPictures, controlled].map(isRepeatable)).toEqual([true, false, false]);
  });
});

describe("stored fields", () => {
  it("are read as they were written", () => {
    const fields = { ...EMPTY_FIELDS, prompt: "a fox", loras: [{ name: "ink", weight: "1" }], others: { clipSkip: 1 } };
    expect(parseFields(JSON.stringify(fields))).toEqual(fields);
  });

  it("lose only what is not what it should be", () => {
    expect(parseFields('{"prompt":"a fox","seed":7,"loras":[null,{"name":"ink"}],"others":null,"more":1}')).toEqual({
      ...EMPTY_FIELDS,
      prompt: "a fox",
    });
    for (const text of [null, "", "{", "null", "[]", "7"]) expect(parseFields(text)).toEqual(EMPTY_FIELDS);
  });
});
