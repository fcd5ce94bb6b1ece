import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { DDPMPipeline, OutputError } from "../../src/index.js";
import { checkpoint } from "../helpers/fixtures.js";
import { temporaryFolder } from "../helpers/temporary.js";

/** Renamings until every further one fails, as after the end of the process. */
const left = vi.hoisted(() => ({ renames: Number.POSITIVE_INFINITY }));
vi.mock("node:fs/promises", async (original) => {
  const fs = await original<typeof import("node:fs/promises")>();
  const rename: typeof fs.rename = async (from, to) => {
    if (left.renames-- <= 0) throw Object.assign(new Error("killed"), { code: "EIO" });
    return fs.rename(from, to);
  };
  return { ...fs, rename };
});
afterEach(() => {
  left.renames = Number.POSITIVE_INFINITY;
});

/** A saved pipeline, and what its folder holds. */
async function savedFolder() {
  const folder = join(temporaryFolder(), "saved");
  const pipe = await DDPMPipeline.fromPretrained(checkpoint("ddpm-mini"));
  await pipe.savePretrained(folder);
  return { folder, pipe, earlier: contents(folder) };
}

function contents(folder: string): ReadonlyMap<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(
    files
      .map(({ parentPath, name }) => join(parentPath, name))
      .map((path) => [path.slice(folder.length + 1), readFileSync(path, "latin1")]),
  );
}

describe("saving into a folder that has files", () => {
  it("changes nothing if it fails in the middle", async () => {
    const { folder, pipe } = await savedFolder();
    await using _ = pipe;
    // A file is in the place of a folder.
    rmSync(join(folder, "unet"), { recursive: true });
    writeFileSync(join(folder, "unet"), "");
    const before = contents(folder);
    await expect(pipe.savePretrained(folder, { dtype: "float16" })).rejects.toThrow(/cannot write .*saved/);
    expect(contents(folder)).toEqual(before);
    expect(readdirSync(dirname(folder))).toEqual(["saved"]);
  });

  it("leaves no folder with parts of two saves that opens, wherever it is killed", async () => {
    const { folder, pipe, earlier } = await savedFolder();
    await using _ = pipe;
    const fresh = join(dirname(folder), "fresh");
    await pipe.savePretrained(fresh, { dtype: "float16" });
    const later = contents(fresh);
    // Each file is moved away and replaced.
    for (let renames = 0; renames <= 2 * later.size; renames++) {
      rmSync(folder, { recursive: true, force: true });
      await pipe.savePretrained(folder);
      left.renames = renames;
      const save = pipe.savePretrained(folder, { dtype: "float16" });
      if (renames < 2 * later.size) await expect(save).rejects.toThrow(OutputError);
      else await save;
      left.renames = Number.POSITIVE_INFINITY;
      const found = contents(folder);
      if (found.has("model_index.json")) expect([earlier, later]).toContainEqual(found);
      const unet = (files: ReadonlyMap<string, string>) => [...files].filter(([path]) => dirname(path) === "unet").sort();
      if (found.has("unet/config.json")) expect([unet(earlier), unet(later)]).toContainEqual(unet(found));
    }
  });
});
