import { expect, expectTypeOf, it } from "vitest";
import * as node from "#platform";
import type { Platform } from "../../src/platform/platform.js";

it("is complete on Node", () => {
  const platform = node satisfies Platform;
  expect(Object.values(platform).every((each) => typeof each === "function")).toBe(true);
});

it("exports nothing on Node that other platforms lack", () => {
  expectTypeOf<keyof typeof node>().toEqualTypeOf<keyof Platform>();
});

it("is the same in a browser", () => {
  type Web = typeof import("../../src/platform/web/platform.js");
  expectTypeOf<Web>().toExtend<Platform>();
  expectTypeOf<keyof Web>().toEqualTypeOf<keyof Platform>();
});
