import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { camelCaseKeys } from "../../src/checkpoint/config.js";
import type { Picture } from "../../src/image/picture.js";
import * as darkroom from "../../src/index.js";
import { camelCase } from "../../src/letter-case.js";
import { resolveScheduler } from "../../src/schedulers/registry.js";
import type { Scheduler } from "../../src/schedulers/shared/scheduler.js";
import { Tensor } from "../../src/tensor/tensor.js";
import type { Tensors } from "../helpers/checkpoints.js";
import { SMALL, type SmallName, smallFile } from "../helpers/full-size-files.js";
import { readTensors } from "../helpers/safetensors.js";
import { ORACLE_SEED } from "../helpers/single-file-oracle.js";
import { collectWarnings } from "../helpers/warnings.js";

// Pictures that Python diffusers made of the same files with the hub's configs (`make/single_file.py`); here nothing is given but the file.

interface Case {
  readonly file: SmallName;
  readonly pipeline: string;
  readonly call: Readonly<Record<string, never>>;
  readonly seed: number;
  /** Names of the schedulers with which Python's pipeline fails. */
  readonly failures: readonly string[];
}

interface Opened extends AsyncDisposable {
  scheduler: Scheduler;
  generate(request: object): Promise<{ readonly images: readonly Picture[] }>;
}

type Opener = { fromSingleFile(path: string, options: object): Promise<Opened> };

const EDM: Tensors = {
  edm_mean: Tensor.from([-1.6574, 1.886, -1.383, 2.5155], [1, 4, 1, 1]),
  edm_std: Tensor.from([8.4927, 5.9022, 6.5498, 5.2299], [1, 4, 1, 1]),
};

/** The cases, and what is written in the file that Python was told by a config. */
const CASES: Readonly<Record<string, { readonly added?: Tensors; readonly metadata?: Record<string, string> }>> = {
  sd15: {},
  "sd15-inpaint": {},
  "sd2-v": { metadata: { "modelspec.prediction_type": "v" } },
  "sd2-base": { metadata: { "modelspec.prediction_type": "epsilon" } },
  "sdxl-base": {},
  "sdxl-inpaint": {},
  playground: { added: EDM },
  "playground-img2img": { added: EDM },
  "ssd-1b": {},
  "segmind-vega": {},
  lcm: {},
  "lcm-sdxl": {},
};

const at = (name: string) => new URL(`../fixtures/single-file/${name}`, import.meta.url);

describe("a single file gives Python's pictures with every scheduler, and nothing but the file", () => {
  it.each(Object.entries(CASES))(
    "%s",
    async (name, written) => {
      collectWarnings();
      const { file, pipeline, call, seed }: Case = JSON.parse(readFileSync(at(`${name}.json`), "utf8"));
      const tensors = Object.entries(readTensors(at(`${name}.safetensors`).pathname));
      const inputs = Object.fromEntries(tensors.flatMap(([key, tensor]) => (key.startsWith("input.") ? [[key.slice(6), tensor]] : [])));
      const path = smallFile(SMALL[file](), ORACLE_SEED, written);
      await using pipe = await (darkroom as unknown as Record<string, Opener>)[pipeline]?.fromSingleFile(path, { device: "cpu" });
      if (!pipe) throw new Error(`there is no ${pipeline}`);
      const own = pipe.scheduler;
      const request = { ...camelCaseKeys(call), ...imagesOf(inputs), seed };
      const wrong: Record<string, number> = {};
      for (const [scheduler, expected] of tensors) {
        if (scheduler.startsWith("input.")) continue;
        const { class: schedulerClass, overrides } =
          scheduler === "own" ? { class: undefined, overrides: {} } : resolveScheduler(scheduler);
        const seeded = schedulerClass?.className === "DPMSolverSDEScheduler" && { noiseSamplerSeed: seed };
        pipe.scheduler = schedulerClass ? schedulerClass.fromConfig(own.config, { ...overrides, ...seeded }) : own;
        const [picture] = (await pipe.generate(request)).images;
        const difference = Math.max(...expected.toArray().map((value, i) => Math.abs(Number(value) - (picture?.data[i] ?? Number.NaN))));
        if (!(difference <= 1)) wrong[scheduler] = difference;
      }
      expect(wrong).toEqual({});
    },
    180_000,
  );
});

/** [height, width] or [height, width, channels] as images. */
function imagesOf(tensors: Tensors): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(tensors).map(([key, { shape, data }]) => {
      const [height, width, channels = 1] = shape;
      return [camelCase(key), { width, height, channels, data }];
    }),
  );
}
