import { DeviceError } from "../errors.js";

/** The error of calls that are waiting at `dispose`, and of all calls after it. */
export function disposed(): DeviceError {
  return new DeviceError("the pipeline or model was disposed");
}
