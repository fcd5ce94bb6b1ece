import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { checkpoint } from "../helpers/fixtures.js";
import { temporaryFolder } from "../helpers/temporary.js";
import { darkroom } from "./darkroom.js";

const PARTS = ["-m", checkpoint("sd1-mini"), "--motion", checkpoint("options/motion-adapter")];
const SHORT = ["--frames", "3", "--steps", "2", "--seed", "4"];

describe("darkroom animate", () => {
  it("writes an animation, the same one for the same seed, and another one with a motion LoRA", async () => {
    const home = temporaryFolder();
    const animate = (...more: string[]) => darkroom(["animate", "a red fox", ...PARTS, ...SHORT, ...more], home);
    expect(await animate("--fps", "4")).toMatchObject({ code: 0, stdout: "a-red-fox-4.webp\n" });
    const file = readFileSync(join(home, "a-red-fox-4.webp"));
    expect(await sharp(file, { animated: true }).metadata()).toMatchObject({ pages: 3, pageHeight: 32, delay: [250, 250, 250], loop: 0 });
    expect(await animate("--fps", "4", "-o", "same.webp", "-q")).toEqual({ code: 0, stdout: "same.webp\n", stderr: "" });
    expect(readFileSync(join(home, "same.webp"))).toEqual(file);
    const lora = `${checkpoint("options/motion-lora")}:0.7`;
    expect((await animate("--fps", "4", "-o", "moved.webp", "--lora", lora)).code).toBe(0);
    expect(readFileSync(join(home, "moved.webp"))).not.toEqual(file);
    expect((await animate("-o", "fox.gif", "--size", "24x16")).code).toBe(0);
    expect(await sharp(join(home, "fox.gif"), { animated: true }).metadata()).toMatchObject({ pages: 3, width: 24, pageHeight: 16 });
  });

  it("takes weights in fewer bits", async () => {
    const home = temporaryFolder();
    expect(await darkroom(["animate", "a fox", ...PARTS, ...SHORT, "--quantize", "q8", "-q"], home)).toMatchObject({ code: 0, stderr: "" });
  });

  it("refuses what it cannot do before it loads anything, and leaves no file", async () => {
    const home = temporaryFolder();
    const refused = async (...more: string[]) => {
      const { code, stderr } = await darkroom(["animate", "a fox", ...PARTS, ...more], home);
      expect(code).not.toBe(0);
      return stderr;
    };
    expect(await refused("-o", "fox.mp4")).toContain("expected a file name ending in .webp, .gif, .png or .apng");
    expect(await refused("-o", "fox.gif", "--quality", "50")).toContain("--quality is for WebP");
    expect(await refused("--scheduler", "oiler")).toContain("oiler");
    expect(await refused("--frames", "9", "--steps", "1")).toContain("trained for 8 at most");
    expect(await refused("--motion", checkpoint("sd1-mini/unet"))).toContain("expected MotionAdapter");
    const other = async (name: string) => refused("-m", checkpoint(name), "--frames", "2", "--steps", "1");
    expect(await other("sdxl-base-mini")).toContain(
      `--model is ${checkpoint("sdxl-base-mini")}, a checkpoint of Stable Diffusion XL; animate is for Stable Diffusion 1`,
    );
    expect(await other("x2-upscaler-mini")).toContain("animate is for Stable Diffusion 1");
    expect(await other("ddpm-mini")).toContain("animate is for Stable Diffusion 1");
    expect(await other("sd1-inpaint-mini")).toContain("this UNet takes 9 channels; this pipeline needs one that takes 4");
    expect(readdirSync(home)).toEqual([]);
    const { code, stderr } = await darkroom(["animate", "a fox", "-m", checkpoint("sd1-mini")], home);
    expect([code, stderr]).toEqual([2, expect.stringContaining("--motion")]);
    expect(existsSync(join(home, "a-fox.webp"))).toBe(false);
  });
});
