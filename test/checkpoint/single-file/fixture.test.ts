import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { FULL_SIZE } from "../../helpers/full-size-files.js";
import { originalTensors } from "../../helpers/single-files.js";

type Tree = { readonly [name: string]: string | Tree };

const readFixture = (name: string) => JSON.parse(readFileSync(new URL(`../../fixtures/single-file/${name}.json`, import.meta.url), "utf8"));
const MADE: Readonly<Record<string, Tree>> = readFixture("names");

/** A tree of names with dots between. */
function flat(tree: Tree, prefix = ""): [string, string][] {
  return Object.entries(tree).flatMap(([name, value]) =>
    typeof value === "string" ? [[prefix + name, value] as [string, string]] : flat(value, `${prefix}${name}.`),
  );
}

function hashOf(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

describe("the single files of these tests", () => {
  it.each(Object.keys(MADE))("have the names, shapes and bytes that diffusers' own scripts give %s", (name) => {
    const tensors = Object.entries(originalTensors(name)).map(([key, { shape, data }]) => {
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      return [key, `${shape.join("x")} ${hashOf(bytes).slice(0, 8)}`];
    });
    expect(Object.fromEntries(tensors)).toEqual(Object.fromEntries(flat(MADE[name] ?? {})));
  });

  it.each(Object.keys(FULL_SIZE))("have the names and shapes of the full-sized %s", (name) => {
    const lines = Object.entries(FULL_SIZE[name]?.() ?? {}).map(([key, shape]) => `${key} ${shape.join("x")}`);
    expect({ tensors: lines.length, sha256: hashOf(lines.sort().join("\n")) }).toEqual({
      tensors: readFixture("full-size")[name].tensors,
      sha256: readFixture("full-size")[name].sha256,
    });
  });
});
