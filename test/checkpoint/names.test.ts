import { describe, expect, it } from "vitest";
import { canonical } from "../../src/checkpoint/names.js";
import { openWeights } from "../../src/checkpoint/weights.js";
import { openFolder } from "../../src/platform/node/platform.js";

const partOf = (checkpoint: string) => openWeights(openFolder(`test/checkpoints/${checkpoint}`));

describe("canonical", () => {
  it("leaves today's names alone", () => {
    const name = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight";
    expect(canonical(name)).toBe(name);
  });

  it.each(["text_model.embeddings.position_ids", "embeddings.position_ids"])("leaves out the buffer %s", (name) => {
    expect(canonical(name)).toBeUndefined();
  });

  it("keeps the position embedding", () => {
    expect(canonical("text_model.embeddings.position_embedding.weight")).toBe("embeddings.position_embedding.weight");
  });

  it.each(["vision_model.vision_model.", "vision_model.", ""])("takes the prefix %j off an image encoder's names", (prefix) => {
    expect(canonical(`${prefix}pre_layrnorm.weight`)).toBe("pre_layrnorm.weight");
  });

  it("keeps a text encoder's projection", () => {
    expect(canonical("text_projection.weight")).toBe("text_projection.weight");
  });

  it.each([
    ["query", "to_q"],
    ["key", "to_k"],
    ["value", "to_v"],
    ["proj_attn", "to_out.0"],
  ])("knows an old attention's %s as %s", (old, today) => {
    expect(canonical(`encoder.mid_block.attentions.0.${old}.weight`)).toBe(`encoder.mid_block.attentions.0.${today}.weight`);
    expect(canonical(`down_blocks.1.attentions.10.${old}.bias`)).toBe(`down_blocks.1.attentions.10.${today}.bias`);
  });
});

describe("the checkpoints' names", () => {
  it("are the same for old and today's text encoders", async () => {
    const [old, today] = [await partOf("sd1-mini/text_encoder"), await partOf("sd2-mini/text_encoder")];
    expect(old.names().sort()).toEqual(today.names().sort());
  });

  it("are the same for old and today's autoencoders", async () => {
    const [old, today] = [await partOf("sd1-mini/vae"), await partOf("sd2-mini/vae")];
    expect(old.names().sort()).toEqual(today.names().sort());
  });

  it("of a text encoder with projection are the plain one's and the projection", async () => {
    const [plain, projected] = [await partOf("sdxl-base-mini/text_encoder"), await partOf("sdxl-base-mini/text_encoder_2")];
    expect(projected.names().sort()).toEqual([...plain.names(), "text_projection.weight"].sort());
  });
});
