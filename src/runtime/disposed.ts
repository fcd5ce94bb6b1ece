import { DeviceError } from "../errors.js";

/** What calls fail with that come, or still wait, after a dispose. */
export function disposed(): DeviceError {
  return new DeviceError("the pipeline or model was disposed");
}
