import { resolveScheduler } from "darkroom";
import { checkRequest, type GenerateRequest } from "darkroom/generate";
import { checkCount, checkLimits, type Size } from "./limits.js";
import { checkPicture } from "./picture-file.js";
import type { ServerContext } from "./server-context.js";

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
  const pictures: { image?: string; maskImage?: string; depthMap?: string; controlImage?: string | string[] } = {};
  let start: Size | undefined;
  if (image !== undefined && image !== null) {
    const file = await checkPicture(image, "image", limits);
    pictures.image = file.base64;
    start = file;
  }
  if (maskImage !== undefined && maskImage !== null) pictures.maskImage = (await checkPicture(maskImage, "maskImage", limits)).base64;
  if (depthMap !== undefined && depthMap !== null) pictures.depthMap = (await checkPicture(depthMap, "depthMap", limits)).base64;
  if (Array.isArray(controlImage)) {
    pictures.controlImage = [];
    for (const each of controlImage) pictures.controlImage.push((await checkPicture(each, "controlImage", limits)).base64);
  } else if (controlImage !== undefined && controlImage !== null) {
    pictures.controlImage = (await checkPicture(controlImage, "controlImage", limits)).base64;
  }
  const { size: side, defaults } = (await models.model(model)) ?? {};
  checkLimits(request, limits, { start, side, enlarges: defaults?.enlarges });
  const { seed } = request;
  return { ...request, ...pictures, ...(typeof seed === "bigint" && { seed: String(seed) }) };
}
