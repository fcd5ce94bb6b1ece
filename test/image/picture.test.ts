import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decode } from "fast-png";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ArgumentError, OutputError } from "../../src/errors.js";
import { gridShape, makeImageGrid } from "../../src/image/grid.js";
import { loadImage } from "../../src/image/load-image.js";
import { Picture } from "../../src/image/picture.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { collectWarnings } from "../helpers/warnings.js";

describe("Picture", () => {
  it("interleaves the channels of a [3, height, width] tensor", () => {
    const picture = Picture.fromTensor(Tensor.from([1, 0, 0.2, 0.4, 0.6, 0.8], [3, 1, 2]));
    expect(picture).toMatchObject({ width: 2, height: 1 });
    expect([...picture.data]).toEqual([255, 51, 153, 0, 102, 204]);
  });

  it("rounds ties to even, as numpy", () => {
    // 0.5, 1.5 and 2.5 of 255 are exact in float32 after the product.
    const values = [0.5 / 255, 1.5 / 255, 2.5 / 255].map(Math.fround);
    expect(values.map((value) => Math.fround(value * 255))).toEqual([0.5, 1.5, 2.5]);
    expect([...Picture.fromTensor(Tensor.from(values, [3, 1, 1])).data]).toEqual([0, 2, 2]);
  });

  it("clamps values outside 0..1", () => {
    expect([...Picture.fromTensor(Tensor.from([-0.2, 1.3, 0.4], [3, 1, 1])).data]).toEqual([0, 255, 102]);
  });

  it.each([
    ["0..255", [0, 128, 255], 'values between 0.00 and 255; floats outside 0..1 are clamped (for 0..255 use x.to("uint8"))'],
    [
      "-1..1",
      [-1, 0, 1],
      "values between -1.00 and 1.00; floats outside 0..1 are clamped (for -1..1, as autoencoders give it, use x.div(2)",
    ],
    ["NaN", [0, Number.NaN, 1], "values that include NaN"],
  ])("warns of values in %s", (_, values, message) => {
    const warnings = collectWarnings();
    Picture.fromTensor(Tensor.from(values, [3, 1, 1]));
    expect(warnings).toEqual([expect.stringContaining(message)]);
  });

  it("comes back from its tensor unchanged", () => {
    const picture = new Picture(
      16,
      16,
      Uint8Array.from({ length: 768 }, (_, i) => i % 256),
    );
    expect(Picture.fromTensor(picture.toTensor()).data).toEqual(picture.data);
  });

  it("is the same picture channels first or last, alone or in a batch of one, as floats or bytes", () => {
    const picture = new Picture(
      5,
      4,
      Uint8Array.from({ length: 60 }, (_, i) => (i * 41) % 256),
    );
    const planes = picture.toTensor();
    const bytes = planes.permute(1, 2, 0).mul(255).round().to("uint8");
    expect(bytes.data).toEqual(picture.data);
    for (const channelsFirst of [planes, planes.to("float64"), planes.to("float16"), bytes.permute(2, 0, 1)]) {
      for (const tensor of [channelsFirst, channelsFirst.permute(1, 2, 0)]) {
        expect(Picture.fromTensor(tensor)).toEqual(picture);
        expect(Picture.fromTensor(tensor.unsqueeze(0))).toEqual(picture);
      }
    }
  });

  it("uses the first axis as channels if the last axis is possible, too", () => {
    const data = Uint8Array.from({ length: 27 }, (_, i) => i);
    expect(Picture.fromTensor(new Tensor("uint8", [3, 3, 3], data)).data.slice(0, 3)).toEqual(Uint8Array.of(0, 9, 18));
    expect(Picture.fromTensor(new Tensor("uint8", [3, 2, 3], data.slice(0, 18)))).toMatchObject({ width: 3, height: 2 });
    expect(Picture.fromTensor(new Tensor("uint8", [1, 3, 1, 3], data.slice(0, 9)))).toMatchObject({ width: 3, height: 1 });
  });

  it("keeps its pixels when the tensor changes", () => {
    const tensor = new Tensor("uint8", [1, 1, 3], Uint8Array.of(1, 2, 3));
    const picture = Picture.fromTensor(tensor);
    tensor.data[0] = 9;
    expect(picture.data[0]).toBe(1);
  });

  it.each([[2, 3, 8, 8], [1, 8, 8], [4, 8, 8], [8, 8], [8, 8, 4], [1, 1, 3, 8, 8], [3], []].map((shape) => [shape]))(
    "refuses a tensor of shape %j",
    (shape) => {
      expect(() => Picture.fromTensor(Tensor.zeros(shape))).toThrow(`[height, width, 3], or a batch of one; found [${shape}]`);
    },
  );

  it("names the argument if it is not a tensor of floats or bytes", () => {
    for (const wrong of [Tensor.zeros([3, 2, 2]).to("int64"), Tensor.zeros([3, 2, 2]).to("bool"), null, "a.png", [1, 2, 3]]) {
      let error: unknown;
      try {
        Picture.fromTensor(wrong as unknown as Tensor);
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toBeInstanceOf(ArgumentError);
      expect(error).toMatchObject({ argument: "tensor" });
    }
  });

  it("refuses pixels that do not fill its size", () => {
    expect(() => new Picture(2, 2, new Uint8Array(11))).toThrow(/2x2 needs 12 bytes; 11/);
  });
});

describe("Picture.save", () => {
  const picture = new Picture(2, 1, Uint8Array.of(1, 2, 3, 250, 251, 252));
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "darkroom-picture-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it("writes the pixels as a PNG file and nothing beside it", async () => {
    await picture.save(join(folder, "a.png"));
    expect(await readdir(folder)).toEqual(["a.png"]);
    const { width, height, channels, data } = decode(await readFile(join(folder, "a.png")));
    expect({ width, height, channels, data: [...data] }).toEqual({ width: 2, height: 1, channels: 3, data: [...picture.data] });
  });

  it("replaces an existing file", async () => {
    await writeFile(join(folder, "a.png"), "old");
    await picture.save(join(folder, "a.png"));
    expect(await readFile(join(folder, "a.png"))).toEqual(Buffer.from(picture.toPng()));
  });

  it("leaves an existing file alone with overwrite: false", async () => {
    await writeFile(join(folder, "a.png"), "old");
    await expect(picture.save(join(folder, "a.png"), { overwrite: false })).rejects.toThrow(OutputError);
    expect(await readFile(join(folder, "a.png"), "utf8")).toBe("old");
    expect(await readdir(folder)).toEqual(["a.png"]);
  });

  it("names the formats if the ending is unknown", async () => {
    await expect(picture.save(join(folder, "a.bmp"))).rejects.toThrow(/a\.bmp; supported names end in \.png, \.jpg, \.jpeg or \.webp/);
    expect(await readdir(folder)).toEqual([]);
  });

  it.each([
    ["a.jpg", "ffd8ff"],
    ["a.JPEG", "ffd8ff"],
    ["a.webp", "52494646"],
    ["a.PNG", "89504e47"],
  ])("writes the format that the ending says: %s", async (name, start) => {
    await picture.save(join(folder, name), { text: { parameters: "a fox" } });
    expect((await readFile(join(folder, name))).toString("hex").startsWith(start)).toBe(true);
    const read = await loadImage(join(folder, name));
    expect([read.width, read.height]).toEqual([picture.width, picture.height]);
    expect(await readdir(folder)).toEqual([name]);
  });

  it("says why a file cannot be written", async () => {
    await expect(picture.save(join(folder, "none", "a.png"))).rejects.toThrow(/none\/a\.png: its folder does not exist/);
  });

  it("leaves no temporary file if a folder has the name", async () => {
    await mkdir(join(folder, "a.png", "inside"), { recursive: true });
    await expect(picture.save(join(folder, "a.png"))).rejects.toThrow(OutputError);
    expect(await readdir(folder)).toEqual(["a.png"]);
  });
});

describe("Picture.encode", () => {
  // Slopes and edges in grey, as drawings have.
  const drawing = new Picture(
    64,
    64,
    Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => {
      const pixel = Math.floor(i / 3);
      return ((pixel % 64) * 3 + Math.floor(pixel / 64) * 2) % 200;
    }),
  );

  it.each(["jpeg", "webp"] as const)("makes %s files larger and closer with quality", async (format) => {
    const files = await Promise.all(
      [10, undefined, 100].map((quality) => drawing.encode(format, quality === undefined ? {} : { quality })),
    );
    const sizes = files.map(({ length }) => length);
    expect(sizes).toEqual([...sizes].sort((a, b) => a - b));
    const pictures = await Promise.all(files.map((file) => loadImage(file)));
    const errors = pictures.map(({ data }) => data.reduce((sum, value, i) => sum + Math.abs(value - (drawing.data[i] as number)), 0));
    expect(errors).toEqual([...errors].sort((a, b) => b - a));
  });

  it("refuses an invalid quality, and any quality for PNG", async () => {
    for (const quality of [0, 101, 1.5, "90" as unknown as number]) {
      await expect(drawing.encode("jpeg", { quality })).rejects.toMatchObject({ name: "ArgumentError", argument: "quality" });
    }
    await expect(drawing.encode("png", { quality: 90 })).rejects.toThrow("quality was given for PNG");
  });

  it("refuses an unknown format, and a text that the format cannot hold", async () => {
    await expect(drawing.encode("gif" as "png")).rejects.toThrow('format is "gif"; expected one of png, jpeg, webp');
    await expect(drawing.encode("webp", { text: { Comment: "x" } })).rejects.toThrow('a webp file takes only "parameters"');
  });

  it("refuses a picture larger than the format takes", async () => {
    const long = new Picture(16384, 1, new Uint8Array(16384 * 3));
    await expect(long.encode("webp")).rejects.toThrow("the picture is 16384x1; a webp file takes at most 16383 pixels a side");
    expect((await long.encode("jpeg")).length).toBeGreaterThan(0);
  });

  it("leaves settings out of a JPEG file that has no room for them, with a warning", async () => {
    const warnings = collectWarnings();
    const room = "x".repeat(Math.floor((65533 - 6 - 44 - 8) / 2));
    expect((await drawing.encode("jpeg", { text: { parameters: room } })).length).toBeGreaterThan(65533);
    expect(warnings).toEqual([]);
    const bytes = await drawing.encode("jpeg", { text: { parameters: `${room}x` } });
    expect(warnings).toEqual([expect.stringMatching(/^the settings take 65528 bytes, but a JPEG file has room for 65527/)]);
    expect(await loadImage(bytes)).toMatchObject({ width: 64 });
    expect((await drawing.encode("webp", { text: { parameters: `${room}x` } })).length).toBeGreaterThan(65533);
  });
});

describe("makeImageGrid", () => {
  const dot = (value: number) => new Picture(1, 1, Uint8Array.of(value, value, value));

  it("fills row after row", () => {
    const grid = makeImageGrid([1, 2, 3, 4, 5, 6].map(dot), 2, 3);
    expect(grid).toMatchObject({ width: 3, height: 2 });
    expect([...grid.data].filter((_, i) => i % 3 === 0)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("keeps the rows of each picture together", () => {
    const tall = (value: number) => new Picture(1, 2, new Uint8Array(6).fill(value));
    expect([...makeImageGrid([tall(1), tall(2)], 1, 2).data].filter((_, i) => i % 3 === 0)).toEqual([1, 2, 1, 2]);
  });

  it("refuses a count that does not fill it", () => {
    expect(() => makeImageGrid([dot(1), dot(2), dot(3)], 2, 2)).toThrow(/2 rows and 2 columns needs 4 pictures; 3/);
  });

  it("refuses pictures of different sizes", () => {
    expect(() => makeImageGrid([dot(1), new Picture(2, 1, new Uint8Array(6))], 1, 2)).toThrow(/picture 1 is 2x1/);
  });

  it.each([
    [{ rows: 1, cols: 2 }, undefined, "rows is { rows, cols } (an object); expected a whole number, at least 1"],
    [1, "2", 'cols is "2" (a string); expected a whole number, at least 1'],
    [0, 2, "rows is 0; expected a whole number, at least 1"],
  ])("refuses %j rows and %j columns", (rows, cols, message) => {
    expect(() => makeImageGrid([dot(1), dot(2)], rows as number, cols as number)).toThrow(message);
  });

  it("chooses the squarest full grid", () => {
    expect([1, 2, 4, 6, 7, 12].map(gridShape).map(({ rows, cols }) => `${rows}x${cols}`)).toEqual([
      "1x1",
      "1x2",
      "2x2",
      "2x3",
      "1x7",
      "3x4",
    ]);
  });
});
