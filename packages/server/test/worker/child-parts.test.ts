import { ArgumentError, CheckpointError, DeviceError, Generator, loadImage, Picture, rand } from "darkroom";
import { describe, expect, it } from "vitest";
import { offerOf } from "../../src/models/offer.js";
import { downloadLog } from "../../src/worker/download-log.js";
import { jobErrorOf } from "../../src/worker/job-error.js";
import { LARGEST_PREVIEW, previewOf } from "../../src/worker/preview.js";

const offer = offerOf({ models: [{ name: "fox", source: "/srv/models/fox-v2.safetensors" }], loraFolders: ["/srv/loras"] });

describe("a preview", () => {
  it("has at most 512 pixels a side and 64 kB, even of noise", async () => {
    const noise = Picture.fromTensor(rand([3, 600, 1200], new Generator(1)));
    const { type, base64 } = await previewOf(noise);
    const bytes = Buffer.from(base64, "base64");
    expect(type).toBe("image/jpeg");
    expect(bytes.length).toBeLessThanOrEqual(LARGEST_PREVIEW);
    const { width, height } = await loadImage(bytes);
    expect(width).toBeLessThanOrEqual(512);
    expect(width / height).toBeCloseTo(2, 1);
  });

  it("of a small picture has its size", async () => {
    const { base64 } = await previewOf(new Picture(64, 32, new Uint8Array(64 * 32 * 3)));
    expect(await loadImage(Buffer.from(base64, "base64"))).toMatchObject({ width: 64, height: 32 });
  });
});

describe("the log of a download", () => {
  it("has a line every ten seconds, and one for the end", () => {
    const lines: string[] = [];
    let time = 0;
    const note = downloadLog(
      (line) => lines.push(line),
      () => time,
    );
    for (const loaded of [1, 2, 3, 4]) {
      const files = { done: loaded === 4 ? 1 : 0, total: 1 };
      note({ file: "unet.safetensors", loaded: loaded * 1e9, total: 4e9, bytesPerSecond: 1, secondsLeft: 1, files }, "owner/fox");
      time += 6000;
    }
    expect(lines).toEqual([
      "downloading owner/fox: 1000 of 4000 MB",
      "downloading owner/fox: 3000 of 4000 MB",
      "downloading owner/fox: 4000 of 4000 MB",
    ]);
  });
});

describe("an error of a job", () => {
  it("has the argument and the hint", () => {
    const error = new ArgumentError("width is 63", { argument: "width", hint: "64" });
    expect(jobErrorOf(error, offer)).toEqual({ kind: "argument", message: "width is 63", hint: "64", argument: "width" });
  });

  it("has the kind of the library's error", () => {
    expect(jobErrorOf(new CheckpointError("it is damaged"), offer).kind).toBe("checkpoint");
    const hint = (name: (option: string) => string) => `open it with ${name("fromPretrained")}, or ${name("loadTextualInversion")}`;
    expect(jobErrorOf(new CheckpointError("it is no LoRA", { hint }), offer).hint).toBe(
      "open it with model, or the server's --embedding-dir",
    );
    expect(jobErrorOf(new DeviceError("no memory"), offer).kind).toBe("device");
    expect(jobErrorOf(new RangeError("Array buffer allocation failed"), offer).kind).toBe("device");
    expect(jobErrorOf(new TypeError("x is not a function"), offer)).toEqual({ kind: "internal", message: "x is not a function" });
  });

  it("says what to do when memory ran out, whether JavaScript or the device noticed", () => {
    for (const error of [new RangeError("Array buffer allocation failed"), new DeviceError("Failed to allocate memory for buffer")]) {
      expect(jobErrorOf(error, offer).hint).toContain("make smaller pictures");
    }
  });

  it("has names instead of the server's paths", () => {
    const error = new CheckpointError("/srv/models/fox-v2.safetensors does not go with /srv/loras/ink.safetensors");
    expect(jobErrorOf(error, offer).message).toBe("fox does not go with ink.safetensors");
  });
});
