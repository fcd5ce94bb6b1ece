import { describe, expect, it, vi } from "vitest";
import { ArgumentError, CheckpointError, ConfigError } from "../../src/errors.js";
import { Picture } from "../../src/image/picture.js";
import { Upscaler } from "../../src/models/upscaler.js";
import { createEngine } from "../../src/platform/node/engine.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { expectClose } from "../helpers/differences.js";
import { checkpoint, readFixture } from "../helpers/fixtures.js";

const file = (name: string) => checkpoint(`upscalers/${name}.safetensors`);
const open = (name: string, options = {}) => Upscaler.fromSingleFile(file(name), { device: "cpu", ...options });
const tensors = (name: string) => {
  const { tensor } = readFixture("upscalers", name);
  return { pixels: tensor("pixels") as Tensor, result: tensor("result") as Tensor };
};

function picture(width: number, height: number): Picture {
  return new Picture(
    width,
    height,
    Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 37 + ((i * i) % 101)) % 256),
  );
}

/** The largest difference of two pictures' bytes. */
const difference = (a: Picture, b: Picture) => a.data.reduce((most, value, i) => Math.max(most, Math.abs(value - (b.data[i] ?? 0))), 0);

describe("Upscaler", () => {
  it("makes the picture of spandrel's pixels", async () => {
    const { pixels, result } = tensors("unshuffled-x2");
    await using upscaler = await open("unshuffled-x2", { lowMemory: true });
    const small = Picture.fromTensor(pixels);
    const whole = await upscaler.forward(small.toTensor().unsqueeze(0));
    const large = await upscaler.upscale(small);
    expect([large.width, large.height]).toEqual([small.width * 2, small.height * 2]);
    expect(difference(large, Picture.fromTensor(whole))).toBe(0);
    expect(difference(large, Picture.fromTensor(result))).toBeLessThan(8);
  });

  it.each([
    ["compact-x2", 24, 12, [53, 41]],
    // Tiles begin at multiples of the squares of pixels that go in as channels.
    ["unshuffled-x2", 121, 81, [171, 19]],
  ] as const)("tiles of %s are blended without seams", async (name, tile, overlap, size) => {
    await using upscaler = await open(name);
    const small = picture(size[0], size[1]);
    const [tiled, whole] = [await upscaler.upscale(small, { tile, overlap }), await upscaler.upscale(small, { tile: 0 })];
    expect([tiled.width, tiled.height]).toEqual([whole.width, whole.height]);
    const differences = tiled.data.map((value, i) => Math.abs(value - (whole.data[i] ?? 0)));
    expect(differences.reduce((sum, value) => sum + value, 0) / differences.length).toBeLessThan(4);
  });

  it("stays loaded for the tiles of a picture, and frees its memory after them, when memory comes before speed", async () => {
    const engine = await createEngine({ device: "cpu", lowMemory: true });
    const [load, released] = [vi.spyOn(engine, "load"), vi.fn()];
    await using upscaler = await open("compact-x2", { engine });
    load.mockImplementation(async (...args) => {
      const session = await Object.getPrototypeOf(engine).load.apply(engine, args);
      vi.spyOn(session, "release").mockImplementation(released);
      return session;
    });
    await upscaler.upscale(picture(40, 30), { tile: 16, overlap: 4 });
    expect(load).toHaveBeenCalledTimes(1);
    expect(released).toHaveBeenCalledTimes(1);
    await engine.dispose();
  });

  it("saves a folder that opens again", async () => {
    const { pixels, result } = tensors("old-x1");
    await using upscaler = await open("old-x1");
    const folder = `${(await import("node:os")).tmpdir()}/upscaler-${process.pid}`;
    await upscaler.savePretrained(folder);
    await using again = await Upscaler.fromPretrained(folder, { device: "cpu" });
    expectClose(await again.forward(pixels), result);
    await (await import("node:fs/promises")).rm(folder, { recursive: true });
  });

  it("refuses what it cannot run, by name", async () => {
    await expect(open("gray")).rejects.toThrow(/is an upscaler \(ESRGAN\) from 1 channel/);
    await expect(open("gray")).rejects.toThrow(ConfigError);
    const unet = `${checkpoint("sd1-mini")}/unet/diffusion_pytorch_model.safetensors`;
    await expect(Upscaler.fromSingleFile(unet)).rejects.toThrow(CheckpointError);
    await expect(Upscaler.fromSingleFile(unet)).rejects.toThrow(/not an upscaler/);
    await using upscaler = await open("compact-x1");
    await expect(upscaler.upscale(picture(8, 8), { tile: 32, overlap: 32 })).rejects.toThrow(ArgumentError);
    await expect(upscaler.forward(new Tensor("float32", [1, 1, 4, 4], new Float32Array(16)))).rejects.toThrow(/pixels/);
  });
});
