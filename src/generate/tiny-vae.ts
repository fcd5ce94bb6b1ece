import { readConfig } from "../checkpoint/config.js";
import { ArgumentError } from "../errors.js";
import { tinyAutoencoderOf } from "../families/tiny-autoencoders.js";
import { findSource } from "../hub/find-source.js";
import type { Folder } from "../platform/folder.js";
import type { KnownFamily } from "./families.js";
import type { ModelSource } from "./model-source.js";

/** The name of the tiny autoencoder for a checkpoint's latents, whichever it is. */
const TINY_VAE = "taesd";

/** Whether a request's `vae` is that name. An existing path wins. */
export async function isTinyVae(vae: ModelSource | undefined): Promise<boolean> {
  return vae === TINY_VAE && (await findSource(vae)).place === "nowhere";
}

/** The hub id of the tiny autoencoder for a family's latents. @throws ArgumentError if there is none */
export function expectTinyVae({ id, name: family }: KnownFamily): string {
  const repository = tinyAutoencoderOf(id);
  if (repository !== undefined) return repository;
  throw new ArgumentError((name) => `${name("vae")} is "${TINY_VAE}"; there is none for the latents of ${family}`, {
    argument: "vae",
    hint: (name) => `leave ${name("vae")} out`,
  });
}

/**
 * Checks that the tiny autoencoder in `tiny` decodes the latents of the checkpoint's own in `own`: as many channels and pixels for each
 * latent, and latents that are not normalised in another way. @throws ArgumentError
 */
export async function expectTinyFits(tiny: Folder, own: Folder): Promise<void> {
  if (!(await own.has("config.json"))) return;
  const [small, large] = [await readConfig(tiny, "config.json"), await readConfig(own, "config.json")];
  const levels = (field: unknown) => (Array.isArray(field) ? field.length : 4);
  const described = (channels: unknown, blocks: unknown) =>
    `${channels ?? 4} channels and ${2 ** (levels(blocks) - 1)} pixels for each latent`;
  const [expected, found] = [
    described(small.latentChannels, small.decoderBlockOutChannels),
    `${described(large.latentChannels, large.blockOutChannels)}${large.latentsMean ? ", normalised by a mean and a deviation" : ""}`,
  ];
  if (expected === found) return;
  throw new ArgumentError((name) => `${name("vae")} is "${TINY_VAE}", for latents with ${expected}; the checkpoint's have ${found}`, {
    argument: "vae",
    hint: (name) => `leave ${name("vae")} out: the checkpoint's own autoencoder fits`,
  });
}
