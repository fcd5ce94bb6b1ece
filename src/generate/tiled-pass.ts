import { crop, paste } from "../image/crop.js";
import type { Picture } from "../image/picture.js";
import { type Box, resize } from "../image/resize.js";
import { reflectedPicture, TileJoiner, tileGrid } from "../image/tile-grid.js";
import { preparedPicture } from "./control-pictures.js";
import type { Control } from "./controls.js";
import type { PixelSize } from "./enlarge.js";
import type { HiresPass } from "./hires.js";
import { eachStep, type RunnerResult, type RunnerStep } from "./runner.js";
import type { ImageStart, NamedPicture } from "./start.js";
import type { Job, OpenNetworks } from "./workflows/workflow.js";

/** The tiles of a picture. Their sides are whole numbers of latents, each of `factor` pixels. */
export function tilesOf({ width, height }: PixelSize, { tile = Number.POSITIVE_INFINITY, overlap: shared = 0 }: HiresPass, factor = 1) {
  const side = (length: number) => Math.min(Math.max(Math.floor(tile / factor), 1), Math.ceil(length / factor)) * factor;
  const [tileWidth, tileHeight] = [side(width), side(height)];
  const overlap = Math.min(shared, tileWidth - 1, tileHeight - 1);
  const sizes = { tileWidth, tileHeight, overlap };
  return { ...sizes, ...tileGrid(Math.max(width, tileWidth), Math.max(height, tileHeight), sizes) };
}

/**
 * Repaints a large picture tile by tile, as the script "SD upscale" of AUTOMATIC1111's web UI: each tile is a picture of its own with the
 * same prompt, the first with `seed` and each next one with the next seed. Pictures that networks follow are cut like the large one.
 */
export async function* tiledPass(
  networks: OpenNetworks,
  jobOf: (start: Omit<ImageStart, "kind">) => Job,
  large: Picture,
  pass: HiresPass,
  seed: bigint,
  signal: AbortSignal | undefined,
): AsyncGenerator<RunnerStep, RunnerResult, void> {
  const { tops, lefts, tileWidth, tileHeight, overlap } = tilesOf(large, pass, networks.pipeline.vaeScaleFactor);
  // A picture that is smaller than a tile is continued to one.
  const picture = reflectedPicture(large, tileWidth, tileHeight);
  const { width, height } = picture;
  const tiles = tops.flatMap((top) => lefts.map((left) => ({ top, left, isLast: left === lefts.at(-1) })));
  const joiner = new TileJoiner(width, height, overlap);
  const { controls, imagePrompts } = jobOf({ image: { picture, name: TILE } });
  const followed = controls.map((control) => inSizeOf(control, large, picture));
  const masked = imagePrompts.map((prompt) => ({ ...prompt, masks: prompt.masks?.map((mask) => enlargedMask(mask, large)) }));
  let nsfwContentDetected: boolean | undefined;
  let shown = picture;
  for (const [i, { top, left, isLast }] of tiles.entries()) {
    signal?.throwIfAborted();
    const box: Box = [left, top, left + tileWidth, top + tileHeight];
    const cut = (whole: Picture) => ({ picture: crop(whole, box), name: TILE });
    const runner = await networks.runner({
      ...jobOf({ image: cut(picture) }),
      controls: followed.map((each) => ({ ...each, image: cut(each.image.picture) })),
      imagePrompts: masked.map((each) => ({ ...each, masks: each.masks?.map((mask) => cut(mask.picture)) })),
    });
    const result = yield* eachStep(runner.run(BigInt.asUintN(64, seed + BigInt(i)), signal), ({ done, total, preview }) => ({
      done: i * total + done,
      total: tiles.length * total,
      preview: async () => crop(paste(shown, await preview(), left, top), [0, 0, large.width, large.height]),
    }));
    shown = paste(shown, result.image, left, top);
    joiner.add(result.image, left, top, isLast);
    if (result.nsfwContentDetected !== undefined) nsfwContentDetected = nsfwContentDetected || result.nsfwContentDetected;
  }
  return { image: crop(joiner.picture, [0, 0, large.width, large.height]), nsfwContentDetected };
}

const TILE = "tile";

function enlargedMask(mask: NamedPicture, { width, height }: Picture): NamedPicture {
  return { ...mask, picture: resize(mask.picture, width, height, { resampling: "lanczos" }) };
}

/** The picture that a network follows, ready to be cut: preprocessed, and as large as the picture that is repainted. */
function inSizeOf(control: Control, { width, height }: Picture, continued: Picture): Control {
  const prepared = preparedPicture(control, { width, height });
  const large = resize(prepared, width, height, { resampling: "lanczos" });
  const picture = reflectedPicture(large, continued.width, continued.height);
  return { ...control, image: { ...control.image, picture }, preprocessor: "none", resizeMode: "default" };
}
