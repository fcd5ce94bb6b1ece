import { ConfigError } from "../errors.js";
import { isObject, type JsonObject, printable } from "./json.js";

/** The methods whose weights Darkroom computes with. */
const METHODS = ["bitsandbytes", "gguf"];

/**
 * Refuses a network whose weights are quantised by a method that Darkroom does not know, before a tensor's dtype gives a less clear error.
 * `owner` is its config in messages.
 * @throws ConfigError that names the method.
 */
export function refuseOtherQuantisation(owner: string, { quantization_config: config }: JsonObject): void {
  if (!isObject(config)) return;
  const { quant_method: method = "bitsandbytes" } = config;
  if (typeof method === "string" && METHODS.includes(method)) return;
  const name = typeof method === "string" ? printable(method) : "an unknown method";
  throw new ConfigError(`${owner}: its weights are quantised by ${name}; Darkroom reads those of ${METHODS.join(", ")} and fp8`, {
    hint: "take the checkpoint's full weights, with quantize if memory is short, or a GGUF file",
  });
}
