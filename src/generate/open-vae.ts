import { readConfig } from "../checkpoint/config.js";
import { ConfigError } from "../errors.js";
import type { Autoencoder } from "../models/autoencoder.js";
import type { Folder } from "../platform/folder.js";
import type { PartOptions } from "./workflows/workflow.js";

/** The autoencoder in `folder`, of the class its `config.json` names. @throws CheckpointError, ConfigError, DeviceError */
export async function openVae(folder: Folder, options: Omit<PartOptions, "vae">): Promise<Autoencoder> {
  const { _className: className } = await readConfig(folder, "config.json");
  const { AUTOENCODERS } = await import("../pipelines/shared/component-classes.js");
  if (typeof className === "string" && Object.hasOwn(AUTOENCODERS, className)) {
    return AUTOENCODERS[className as keyof typeof AUTOENCODERS].fromPretrained(folder, options);
  }
  throw new ConfigError(
    (name) => `${folder.name}/config.json is of class ${className}; expected ${Object.keys(AUTOENCODERS).join(" or ")} for ${name("vae")}`,
  );
}
