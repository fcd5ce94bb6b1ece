import { canny } from "../image/canny.js";
import { toRgb } from "../image/gray-picture.js";
import { Picture } from "../image/picture.js";
import { VaeImageProcessor } from "../image/vae-image-processor.js";
import type { Control } from "./controls.js";

/** A size; the picture's own where it is not given. */
interface PartialSize {
  readonly width?: number | undefined;
  readonly height?: number | undefined;
}

const RESIZING = new VaeImageProcessor({ vaeScaleFactor: 1 });

/** The picture that a network follows: resized, then preprocessed, so that lines are as thick as the network knows them. */
export function preparedPicture({ image, preprocessor, resizeMode }: Control, size: PartialSize): Picture {
  const { picture } = image;
  const { width = picture.width, height = picture.height } = size;
  // Pipelines stretch pictures themselves.
  if (preprocessor === "none" && resizeMode === "default") return picture;
  const isRight = picture.width === width && picture.height === height;
  const resized = isRight ? picture : toRgb(RESIZING.resize(picture, width, height, resizeMode));
  if (preprocessor === "none") return resized;
  if (preprocessor === "invert") return inverted(resized);
  const { name: _, ...thresholds } = typeof preprocessor === "string" ? { name: preprocessor } : preprocessor;
  return toRgb(canny(resized, thresholds));
}

function inverted({ width, height, data }: Picture): Picture {
  return new Picture(
    width,
    height,
    data.map((value) => 255 - value),
  );
}
