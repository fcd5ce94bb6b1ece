import { resolveScheduler } from "darkroom";
import { checkRequest, type GenerateRequest } from "darkroom/generate";
import { checkCount, checkLimits, type Size } from "./limits.js";
import { checkPicture } from "./picture-file.js";
import type { ServerContext } from "./server-context.js";

type PictureOption = "image" | "maskImage" | "depthMap" | "controlImage";

/** The options that take several pictures. */
const LISTS: ReadonlySet<PictureOption> = new Set(["image", "controlImage"]);

/** Says that a request starts from a picture, before that picture is read. */
const SOME_PICTURE = "AA==";

/**
 * A request from outside, as a job can hold it: every option and every name is checked, every picture is base64 and within the limits.
 * @throws ArgumentError
 */
export async function prepareRequest(
  { models, limits }: Pick<ServerContext, "models" | "limits">,
  model: string,
  given: object,
): Promise<GenerateRequest> {
  const { image, maskImage, depthMap, controlImage, ...others } = given as GenerateRequest;
  checkCount(others, limits);
  const request = checkRequest(others);
  if (request.scheduler !== undefined) resolveScheduler(request.scheduler);
  // What is cheap to refuse is refused before pictures are read.
  checkLimits(request, limits);
  const sent = { image, depthMap };
  const named = Object.entries(sent).filter(([, picture]) => picture !== undefined && picture !== null);
  await models.check(model, { ...request, ...Object.fromEntries(named.map(([option]) => [option, SOME_PICTURE])) });
  const pictures: Partial<Record<PictureOption, string | string[]>> = {};
  let start: Size | undefined;
  for (const [option, picture] of Object.entries({ image, maskImage, depthMap, controlImage }) as [PictureOption, unknown][]) {
    if (picture === undefined || picture === null) continue;
    const files: Awaited<ReturnType<typeof checkPicture>>[] = [];
    for (const each of Array.isArray(picture) && LISTS.has(option) ? picture : [picture])
      files.push(await checkPicture(each, option, limits));
    const texts = files.map(({ base64 }) => base64);
    pictures[option] = Array.isArray(picture) ? texts : (texts[0] as string);
    // Several pictures are only referred to: the new one has a size of its own.
    if (option === "image" && !Array.isArray(picture)) start = files[0];
  }
  const { size: side, defaults } = (await models.model(model)) ?? {};
  checkLimits(request, limits, { start, side, enlarges: defaults?.enlarges });
  const { seed } = request;
  return { ...request, ...(pictures as Partial<GenerateRequest>), ...(typeof seed === "bigint" && { seed: String(seed) }) };
}
