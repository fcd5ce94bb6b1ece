import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/errors.js";
import { extractLoraTags } from "../../src/prompt/lora-tags.js";
import { collectWarnings } from "../helpers/warnings.js";

describe("LoRA tags", () => {
  it.each<[string, unknown]>([
    ["<lora:style:0.8>", { name: "style", weight: 0.8 }],
    ["<lora:style>", { name: "style", weight: 1 }],
    ["<lora:style:0.8:0.5>", { name: "style", weight: 0.8, unetWeight: 0.5 }],
    ["<lora:style:te=0.8:unet=0.5>", { name: "style", weight: 0.8, unetWeight: 0.5 }],
    ["<lora:style:0.8:0.8>", { name: "style", weight: 0.8 }],
    ["<lora:My Style v1.2-b:-1>", { name: "My Style v1.2-b", weight: -1 }],
    ["<lyco:style:0.5>", { name: "style", weight: 0.5 }],
  ])("%s are read", (tag, lora) => {
    expect(extractLoraTags(tag)).toEqual({ prompt: "", loras: [lora] });
  });

  it("are taken out of the prompt, in their order, and nothing else", () => {
    expect(extractLoraTags("a fox <lora:b:0.5>, (snow:1.2)<lora:a> <hypernet:x:1> a < b")).toEqual({
      prompt: "a fox , (snow:1.2) <hypernet:x:1> a < b",
      loras: [
        { name: "b", weight: 0.5 },
        { name: "a", weight: 1 },
      ],
    });
  });

  it("give a warning that names ignored settings", () => {
    const warnings = collectWarnings();
    expect(extractLoraTags("<lora:style:0.8:lbw=1,0,0,1> <lora:b:unet=0.5:start=5>").loras).toEqual([
      { name: "style", weight: 0.8 },
      { name: "b", weight: 1, unetWeight: 0.5 },
    ]);
    expect(warnings).toEqual([
      "<lora:style:0.8:lbw=1,0,0,1> sets lbw, which is not supported; the LoRA has the same weight in all blocks and steps",
      expect.stringContaining("<lora:b:unet=0.5:start=5> sets start, which is not supported"),
    ]);
  });

  it("are refused without a name", () => {
    expect(() => extractLoraTags("<lora::0.5>")).toThrow(
      new ArgumentError("<lora::0.5> has no name; expected <lora:name> or <lora:name:weight>"),
    );
  });

  it.each(["<lora:a:strong>", "<lora:a:>", "<lora:a:1:NaN>", "<lora:a:te=x>"])(
    "are refused with a weight that is not a number: %s",
    (tag) => {
      expect(() => extractLoraTags(tag)).toThrow(ArgumentError);
    },
  );

  it("are read in linear time if they never end: more would exceed the limit of a test", () => {
    expect(extractLoraTags("<lora:".repeat(1_000_000)).loras).toEqual([]);
  });
});
