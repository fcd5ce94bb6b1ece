import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/errors.js";
import { Graph } from "../../src/graph/graph.js";
import { diskFile, encodeOnDisk, locationOf } from "../../src/platform/node/disk-file.js";

describe("a file on disk", () => {
  it("can be sent to another thread", () => {
    const file = diskFile("/models/w.safetensors");
    expect(locationOf(structuredClone(file))).toBe("/models/w.safetensors");
  });

  it("has one id, and other files have others", () => {
    expect(diskFile("/a").id).toBe(diskFile("/a").id);
    expect(diskFile("/a").id).not.toBe(diskFile("/b").id);
  });

  it("is none of another platform", () => {
    expect(() => locationOf({ id: "blob 3" })).toThrow(new ArgumentError("the file blob 3 is not on this machine's disk"));
  });
});

describe("a model's root", () => {
  const encode = async (...paths: string[]) => {
    const graph = new Graph();
    paths.forEach((path, i) => {
      const weight = { name: `w${i}`, dtype: "float32", shape: [1], file: diskFile(path), offset: 0, length: 4 } as const;
      graph.output(`y${i}`, graph.weight(weight, [1]));
    });
    const { bytes, sessionConfig } = await encodeOnDisk(graph.finish().model);
    return { bytes, root: sessionConfig.model_external_initializers_file_folder_path };
  };
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1");

  it("is that of the file system if there are no drives", async () => {
    const { root, bytes } = await encode("/models/unet/w.safetensors");
    expect(root).toBe("/");
    expect(text(bytes)).toContain("models/unet/w.safetensors");
    expect(text(bytes)).not.toContain("/models");
  });

  it("is the drive on Windows", async () => {
    const { root, bytes } = await encode("D:\\models\\a.safetensors", "d:\\other\\b.safetensors");
    expect(root).toBe("D:\\");
    expect(text(bytes)).toContain("models\\a.safetensors");
    expect(text(bytes)).not.toMatch(/D:/i);
  });

  it("cannot be two drives", async () => {
    await expect(encode("C:\\a.safetensors", "D:\\b.safetensors")).rejects.toThrow(ArgumentError);
    await expect(encode("C:\\a.safetensors", "D:\\b.safetensors")).rejects.toThrow(/weights lie on two drives, C:\\ and D:\\/);
  });

  it("does not matter to a graph without weights", async () => {
    expect((await encode()).root).toBe("/");
  });
});
