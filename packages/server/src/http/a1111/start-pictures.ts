import type { GenerateRequest } from "darkroom/generate";
import { HttpError } from "../http-error.js";
import type { Limits, Size } from "../limits.js";
import type { Controls } from "./controlnet.js";
import { blurred, type Fit, inverted, type Raster, readMask, readPicture, resized, toBase64 } from "./raster.js";
import type { Img2ImgBody } from "./request.js";

/** What a request of img2img starts from, in the library's terms, and the ControlNets, which may follow it. */
export type StartFields = GenerateRequest & Pick<GenerateRequest, "image" | "maskImage" | "paddingMaskCrop" | "width" | "height">;

/** resize_mode: "Just resize", "Crop and resize", "Resize and fill", "Just resize (latent upscale)". */
const FITS: readonly Fit[] = ["stretch", "crop", "fill", "stretch"];

const DEFAULT_BLUR = 4;

/**
 * The pictures of a request of img2img, each with the mask, brought to the size that is asked for in the way that is asked for.
 * @throws ArgumentError
 */
export async function startsOf(body: Img2ImgBody, controls: Controls, limits: Limits): Promise<StartFields[]> {
  const { init_images: images = [] } = body;
  if (images.length === 0) {
    throw new HttpError(404, "Init image not found: init_images is empty", { code: "invalid_init_images", param: "init_images" });
  }
  if (images.length > limits.maxBatch) {
    throw new HttpError(
      422,
      `init_images holds ${images.length} pictures; this server takes at most ${limits.maxBatch} (limit: maxBatch)`,
      {
        code: "invalid_init_images",
        param: "init_images",
      },
    );
  }
  const starts: StartFields[] = [];
  for (const image of images) starts.push(await startOf(await readPicture(image, "init_images", limits), body, controls, limits));
  return starts;
}

async function startOf(picture: Raster, body: Img2ImgBody, controls: Controls, limits: Limits): Promise<StartFields> {
  const size = sizeFor(picture, body, limits);
  const fit = fitOf(body);
  // The part around the mask is cut from a ControlNet's picture as it is from this one.
  const place = { size: worksAroundMask(body) ? picture : size, start: { picture, fit } };
  const control = await controls.fields(place);
  if (body.mask === undefined) return { ...control, image: await toBase64(await resized(picture, size, fit)) };
  const mask = await maskFor(picture, body, limits);
  if (worksAroundMask(body)) {
    const paddingMaskCrop = body.inpaint_full_res_padding ?? 0;
    return { ...control, image: await toBase64(picture), maskImage: await toBase64(mask), paddingMaskCrop, ...size };
  }
  return {
    ...control,
    image: await toBase64(await resized(picture, size, fit)),
    maskImage: await toBase64(await resized(mask, size, fit)),
    // So wide that the part around the mask is the whole picture. Then the library puts back what the mask leaves, as the web UI does.
    paddingMaskCrop: Math.max(size.width, size.height),
    ...size,
  };
}

/** Whether only the masked part is worked on. */
export function worksAroundMask({ mask, inpaint_full_res: is = true }: Img2ImgBody): boolean {
  return mask !== undefined && is;
}

/** The web UI works in latents of 8 x 8 pixels and drops what is over. */
export function multipleOf8(side: number): number {
  return Math.max(Math.floor(side / 8), 1) * 8;
}

function sizeFor(picture: Size, { width = picture.width, height = picture.height }: Img2ImgBody, { maxPixels }: Limits): Size {
  if (width * height > maxPixels) {
    throw new HttpError(
      400,
      `a picture of ${width}x${height} has too many pixels; this server takes at most ${maxPixels} (limit: maxPixels)`,
      {
        code: "invalid_width",
        param: "width",
      },
    );
  }
  return { width: multipleOf8(width), height: multipleOf8(height) };
}

async function maskFor(picture: Size, body: Img2ImgBody, limits: Limits): Promise<Raster> {
  const mask = await resized(await readMask(body.mask, "mask", limits), picture);
  const radius = body.mask_blur ?? body.mask_blur_x ?? body.mask_blur_y ?? DEFAULT_BLUR;
  return blurred(body.inpainting_mask_invert ? await inverted(mask) : mask, radius);
}

function fitOf({ resize_mode: mode = 0 }: Img2ImgBody): Fit {
  const fit = FITS[mode];
  if (fit) return fit;
  throw new HttpError(422, `resize_mode is ${mode}; expected 0 to ${FITS.length - 1}`, {
    code: "invalid_resize_mode",
    param: "resize_mode",
  });
}
