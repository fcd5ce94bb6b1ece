import * as v from "valibot";

/** The rotary embeddings that are computed: positions as they are. "mrope" has three positions for each token. */
const kind = v.optional(v.nullable(v.picklist(["default", "mrope"])));
const scaling = v.object({
  /** "default": positions as they are; "mrope": with three positions for each token. Darkroom computes no other kind. */
  ropeType: kind,
  /** The older name of `ropeType`. */
  type: kind,
  /** The base of the frequencies. */
  ropeTheta: v.nullish(v.number()),
  /** Frequencies of frames, rows and columns, in a rotary embedding with three positions. */
  mropeSection: v.nullish(v.array(v.number())),
});

/**
 * Schema of the rotary embedding in configs of transformers: version 4 has `rope_theta` and `rope_scaling`, version 5 `rope_parameters`.
 */
export const ropeFields = {
  /** The base of the rotary embedding's frequencies; the class's own by default. */
  ropeTheta: v.nullish(v.number()),
  /** How the rotary embedding differs from the plain one. */
  ropeScaling: v.nullish(scaling),
  /** The same in configs of transformers 5, with `rope_theta`. */
  ropeParameters: v.nullish(scaling),
};

/** The rotary embedding of a config. */
export interface RopeConfig {
  readonly ropeTheta?: number | null | undefined;
  readonly ropeScaling?: v.InferOutput<typeof scaling> | null | undefined;
  readonly ropeParameters?: v.InferOutput<typeof scaling> | null | undefined;
}

/** The base of a config's frequencies. */
export function thetaOf({ ropeTheta, ropeScaling, ropeParameters }: RopeConfig, classDefault: number): number {
  return ropeTheta ?? ropeParameters?.ropeTheta ?? ropeScaling?.ropeTheta ?? classDefault;
}
