import { DeviceError } from "../errors.js";

/** The error of calls that wait or are made after `dispose`. */
export function disposed(): DeviceError {
  return new DeviceError("the pipeline or model was disposed");
}
