import { describe, expect, it } from "vitest";
import { joinBitsandbytes } from "../../src/checkpoint/bitsandbytes.js";
import { refuseOtherQuantisation } from "../../src/checkpoint/quantisation-config.js";
import { openWeights } from "../../src/checkpoint/weights.js";
import { openFolder } from "../../src/platform/node/platform.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { checkpointError } from "../helpers/errors.js";
import { readTensors, writeSafetensors } from "../helpers/safetensors.js";
import { temporaryFolder } from "../helpers/temporary.js";

const FILE = "diffusion_pytorch_model.safetensors";
const FOLDER = "test/checkpoints/quantised/flux-schnell-mini-bnb_nf4";
const LAYER = "x_embedder.weight";

/** The error for the checkpoint's weights with some tensors changed. */
async function complaint(change: (tensors: Record<string, unknown>) => void): Promise<string> {
  const tensors: Record<string, unknown> = { ...readTensors(`${FOLDER}/${FILE}`) };
  change(tensors);
  const folder = temporaryFolder();
  writeSafetensors(`${folder}/${FILE}`, tensors as never);
  return (await checkpointError(openWeights(openFolder(folder)))).message;
}

const state = (json: unknown) => new Tensor("uint8", [JSON.stringify(json).length], new TextEncoder().encode(JSON.stringify(json)));

describe("bitsandbytes' weights", () => {
  it("have the shape that their description states, and take what lies beside them", async () => {
    const weights = await openWeights(openFolder(FOLDER));
    expect(weights.get(LAYER)).toMatchObject({ dtype: "float32", shape: [32, 64], packing: { format: "NF4", block: 64 } });
    expect(weights.names().filter((name) => /absmax|quant_|SCB/.test(name))).toEqual([]);
  });

  it("are refused if what belongs to them is missing or does not fit", async () => {
    const stateName = `${LAYER}.quant_state.bitsandbytes__nf4`;
    expect(await complaint((tensors) => delete tensors[`${LAYER}.absmax`])).toContain(`tensor ${LAYER}.absmax is missing beside`);
    expect(await complaint((tensors) => delete tensors[LAYER])).toContain("describes a weight that is missing");
    expect(
      await complaint((tensors) => {
        tensors[stateName] = state({ shape: [32, 128], blocksize: 64 });
      }),
    ).toContain("1024 bytes and 32 scales, which do not fit [32,128]");
    expect(
      await complaint((tensors) => {
        tensors[stateName] = state({ shape: [32, -64], blocksize: 64 });
      }),
    ).toContain("is no description");
  });

  it("leave other files alone", async () => {
    expect(await joinBitsandbytes(openFolder(FOLDER), [])).toEqual([]);
  });
});

describe("refuseOtherQuantisation", () => {
  it("names a method whose weights Darkroom cannot compute with", () => {
    const refuse = (quantization_config: Record<string, string>) => () => refuseOtherQuantisation("a/config.json", { quantization_config });
    expect(refuse({ quant_method: "torchao" })).toThrow(/a\/config.json: its weights are quantised by torchao; Darkroom reads/);
    expect(refuse({ quant_method: "bitsandbytes" })).not.toThrow();
    expect(() => refuseOtherQuantisation("a/config.json", {})).not.toThrow();
  });
});
