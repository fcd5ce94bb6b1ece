import type { Defaults, Model, StartKind } from "../api/types.js";

/** What a model can do, as far as is known: a model that is not there yet may be able to do everything. */
export interface Abilities {
  readonly takesPrompt: boolean;
  readonly takesGuidance: boolean;
  readonly takesPicture: boolean;
  readonly takesMask: boolean;
  readonly takesControl: boolean;
  /** It makes no pictures from noise alone. */
  readonly needsPicture: boolean;
  readonly needsMask: boolean;
  /** By what a picture starts from. */
  readonly defaults: Readonly<Partial<Record<StartKind, Defaults>>>;
}

export function abilitiesOf(model: Model | undefined): Abilities {
  const { takesPrompt, starts } = model?.defaults ?? {};
  if (takesPrompt === undefined || starts === undefined) {
    return {
      takesPrompt: true,
      takesGuidance: true,
      takesPicture: true,
      takesMask: true,
      takesControl: true,
      needsPicture: false,
      needsMask: false,
      defaults: {},
    };
  }
  const { noise, image, mask } = starts;
  return {
    takesPrompt,
    takesGuidance: Object.values(starts).some(({ guidance }) => guidance !== undefined),
    takesPicture: image !== undefined || mask !== undefined,
    takesMask: mask !== undefined,
    takesControl: Object.keys(starts).some((start) => start.startsWith("controlnet-")),
    needsPicture: noise === undefined,
    needsMask: noise === undefined && image === undefined,
    defaults: starts,
  };
}

/** What a picture starts from, by the pictures that are given. */
export function startKind(hasPicture: boolean, hasMask: boolean): StartKind {
  if (!hasPicture) return "noise";
  return hasMask ? "mask" : "image";
}
