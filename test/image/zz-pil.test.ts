import { readFileSync } from "node:fs";
import { it } from "vitest";
import { gaussianBlur } from "../../src/image/blur.js";
import { GrayPicture, toGray } from "../../src/image/gray-picture.js";
import { Picture } from "../../src/image/picture.js";
import { resize } from "../../src/image/resize.js";
import { readTensors } from "../helpers/safetensors.js";
it("pil", () => {
  const t = readTensors("/work/tmp/nets/pil.safetensors");
  const cases = JSON.parse(readFileSync("/work/tmp/nets/pil.json", "utf8"));
  const bad: Record<string, number> = {}, good: Record<string, number> = {};
  for (const [n, c] of cases.entries()) {
    const P = c.channels === 3 ? Picture : GrayPicture;
    const p: any = new P(c.width, c.height, (t[`${n}.in`] as any).data);
    const out = c.kind === "resize" ? resize(p, c.toWidth, c.toHeight, { resampling: c.mode, box: c.box ?? undefined }) : c.kind === "blur" ? gaussianBlur(p, c.radius) : toGray(p);
    const e = (t[`${n}.out`] as any).data as Uint8Array;
    const d = out.data.reduce((m: number, v: number, i: number) => Math.max(m, Math.abs(v - e[i]!)), out.data.length === e.length ? 0 : 999);
    const key = c.kind + (c.mode ?? "");
    if (d) { bad[key] = (bad[key] ?? 0) + 1; if (bad[key]! < 3) console.log(n, d, c); } else good[key] = (good[key] ?? 0) + 1;
  }
  console.log(good, bad);
});
