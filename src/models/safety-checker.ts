import * as v from "valibot";
import { count } from "../checkpoint/schema.js";
import type { Value } from "../graph/graph.js";
import { unitLength } from "../graph/ops/norms.js";
import { affine } from "../graph/ops/products.js";
import type { Scope } from "../graph/scope.js";
import { linear } from "../layers/basic.js";
import type { Folder } from "../platform/folder.js";
import { roundTiesToEven } from "../tensor/round.js";
import type { Tensor } from "../tensor/tensor.js";
import { clipVisionSchema, poolVision, visionStates } from "./clip-vision.js";
import { expectShape } from "./expect-shape.js";
import { Model, type ModelOptions, openModel } from "./model.js";

const schema = v.object({
  /** Config of the image encoder; its own defaults by default. */
  visionConfig: v.nullish(clipVisionSchema, {}),
  /** Width of the embeddings that are compared with the concepts; 512 by default. */
  projectionDim: v.nullish(count, 512),
});

/** `config.json` of a StableDiffusionSafetyChecker, with transformers' defaults. @interface */
export type SafetyCheckerConfig = v.InferOutput<typeof schema>;

/** The result of checking a batch. */
export interface SafetyCheck {
  /** For each picture, whether it is close to one of the concepts. */
  readonly hasNsfwConcepts: readonly boolean[];
  /** For each picture, the similarity to each concept minus the concept's threshold. Above 0 is a hit. */
  readonly conceptScores: readonly (readonly number[])[];
  /** The same for the special-care concepts. A hit of one makes the other checks stricter. */
  readonly specialCareScores: readonly (readonly number[])[];
}

/** Finds pictures that show what is not safe for work (described by Rando et al. 2022). Matches diffusers' StableDiffusionSafetyChecker. */
export class StableDiffusionSafetyChecker extends Model<SafetyCheckerConfig> {
  protected override readonly library = "transformers";
  protected override readonly modelType = "clip";

  /** @throws CheckpointError, ConfigError, DeviceError */
  static async fromPretrained(source: string | Folder, options: ModelOptions = {}): Promise<StableDiffusionSafetyChecker> {
    return new StableDiffusionSafetyChecker(await openModel("StableDiffusionSafetyChecker", schema, source, options));
  }

  protected override savedName(name: string): string {
    return /^(concept|special_care)_embeds|^visual_projection\./.test(name) ? name : `vision_model.vision_model.${name}`;
  }

  /**
   * Checks pictures [batch, 3, image_size, image_size] that a CLIPImageProcessor made. It does not change the pictures; pipelines replace
   * hits with black pictures.
   * @throws ArgumentError for another shape.
   */
  async forward(clipInput: Tensor): Promise<SafetyCheck> {
    const { numChannels, imageSize } = this.config.visionConfig;
    expectShape("clipInput", clipInput, ["batch", numChannels, imageSize, imageSize]);
    const outputs = await this.run("check", { clip_input: clipInput }, (inputs, w) => similarities(inputs.clip_input, w, this.config));
    const [batch = 0] = clipInput.shape;
    const specials = rows(outputs.special_cosines, batch);
    const concepts = rows(outputs.concept_cosines, batch);
    const checks = specials.map((special, i) => {
      // A special-care hit lowers the thresholds that follow by 0.01.
      let adjustment = 0;
      const specialCareScores = special.map((cosine, j) => {
        const score = scoreOf(cosine, outputs.special_thresholds.data[j] as number, adjustment);
        if (score > 0) adjustment = 0.01;
        return score;
      });
      const conceptScores = (concepts[i] ?? []).map((cosine, j) =>
        scoreOf(cosine, outputs.concept_thresholds.data[j] as number, adjustment),
      );
      return { specialCareScores, conceptScores, isHit: conceptScores.some((score) => score > 0) };
    });
    return {
      hasNsfwConcepts: checks.map(({ isHit }) => isHit),
      conceptScores: checks.map(({ conceptScores }) => conceptScores),
      specialCareScores: checks.map(({ specialCareScores }) => specialCareScores),
    };
  }
}

/** The cosines [batch, concepts] between the embeddings of the pictures and of the concepts, and the concepts' thresholds. */
async function similarities(pixels: Value, w: Scope, { visionConfig, projectionDim }: SafetyCheckerConfig) {
  const pooled = poolVision(await visionStates(pixels, w, visionConfig), w, visionConfig);
  const pictures = unitLength(linear(pooled, w.at("visual_projection"), projectionDim));
  const concepts = (name: string) => {
    const [known = 0] = w.shapeOf(name);
    const cosines = affine(pictures, unitLength(w.tensor(name, [known, projectionDim])));
    return { cosines, thresholds: w.tensor(`${name}_weights`, [known]) };
  };
  const special = concepts("special_care_embeds");
  const concept = concepts("concept_embeds");
  return {
    special_cosines: special.cosines,
    special_thresholds: special.thresholds,
    concept_cosines: concept.cosines,
    concept_thresholds: concept.thresholds,
  };
}

/** A score with diffusers' float32 arithmetic: three decimals, halves to even. */
function scoreOf(cosine: number, threshold: number, adjustment: number): number {
  const raw = Math.fround(Math.fround(cosine - threshold) + Math.fround(adjustment));
  return roundTiesToEven(Math.fround(raw * 1000)) / 1000;
}

function rows(tensor: Tensor, batch: number): number[][] {
  return tensor.chunk(batch).map((row) => row.toArray());
}
