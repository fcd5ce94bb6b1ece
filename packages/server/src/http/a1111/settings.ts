import * as v from "valibot";
import type { OutputOptions } from "../../jobs/job.js";
import { HttpError } from "../http-error.js";
import type { Models } from "../models.js";
import { described, jsonOf, readFields, text, whole } from "./fields.js";
import { expectName, findName, titleOf } from "./names.js";

/** The settings that have an effect here, under the web UI's names. */
const FIELDS = {
  sd_model_checkpoint: described("A model of GET /sdapi/v1/sd-models.", text),
  sd_vae: described("An autoencoder of GET /sdapi/v1/sd-vae; Automatic for the model's own.", text),
  CLIP_stop_at_last_layers: described("1 uses all layers of the text encoder, 2 leaves the last one out, and so on.", whole(1)),
  samples_format: described("png, jpg or webp.", text),
  jpeg_quality: described("Quality of JPEG and WebP, up to 100.", whole(1)),
};

/** As the web UI's slider. */
const MOST_CLIP_LAYERS = 12;

const SETTINGS = v.object(FIELDS);

/** The settings, as the document shows them. */
export const SETTING_SCHEMAS = jsonOf(FIELDS);

/** Settings of one caller, or of one request. */
export interface Settings {
  /** A model's name here. */
  readonly model?: string | undefined;
  /** An autoencoder's name here; null: the model's own. */
  readonly vae?: string | null | undefined;
  /** Last layers of the text encoder to skip. */
  readonly clipSkip?: number | undefined;
  readonly output?: OutputOptions | undefined;
  /** Settings with another value than we have, which have no effect. */
  readonly ignored: readonly string[];
  readonly warnings: readonly string[];
}

/** Settings of the web UI that clients read, with the one value that they have here. */
const FIXED: Readonly<Record<string, unknown>> = {
  sd_checkpoint_hash: "",
  randn_source: "CPU",
  eta_noise_seed_delta: 0,
  emphasis: "Original",
  img2img_fix_steps: false,
  img2img_color_correction: false,
  live_previews_enable: true,
  save_to_dirs: false,
};

const FORMATS: ReadonlyMap<string, OutputOptions["format"]> = new Map([
  ["png", "png"],
  ["jpg", "jpeg"],
  ["jpeg", "jpeg"],
  ["webp", "webp"],
]);

/**
 * The settings in an object. `of` says where they come from: those of a request may name an autoencoder that is not here, since the web UI
 * only warns, too.
 * @throws HttpError
 */
export function readSettings(given: Readonly<Record<string, unknown>>, models: Models, of: "options" | "override_settings"): Settings {
  const { sd_model_checkpoint: model, sd_vae: vae, CLIP_stop_at_last_layers: layers, ...files } = readFields(SETTINGS, given);
  if (layers !== undefined && layers > MOST_CLIP_LAYERS) {
    throw new HttpError(422, `CLIP_stop_at_last_layers is ${layers}; expected 1 to ${MOST_CLIP_LAYERS}`, {
      code: "invalid_CLIP_stop_at_last_layers",
      param: "CLIP_stop_at_last_layers",
    });
  }
  const warnings: string[] = [];
  const isAutomatic = vae === undefined || /^(automatic|none|)$/i.test(vae);
  const foundVae = isAutomatic ? undefined : findName(vae, models.vaeNames);
  if (!isAutomatic && foundVae === undefined) {
    if (of === "options") expectName("VAE", "sd_vae", vae, models.vaeNames);
    warnings.push(`sd_vae ${JSON.stringify(vae.slice(0, 100))} is not on this server; the model's own autoencoder works instead`);
  }
  return {
    model: model ? expectName("Model", "sd_model_checkpoint", model, models.modelNames) : undefined,
    vae: vae === undefined ? undefined : (foundVae ?? null),
    // The web UI counts from the last layer, we count those left out.
    clipSkip: layers === undefined ? undefined : layers - 1,
    output: outputOf(files),
    ignored: Object.keys(given)
      .filter((name) => !Object.hasOwn(SETTINGS.entries, name) && !(Object.hasOwn(FIXED, name) && (given[name] ?? null) === FIXED[name]))
      .slice(0, 100)
      .map((name) => name.slice(0, 100)),
    warnings,
  };
}

function outputOf({
  samples_format: name,
  jpeg_quality: quality,
}: {
  samples_format?: string;
  jpeg_quality?: number;
}): OutputOptions | undefined {
  if (name === undefined && quality === undefined) return undefined;
  const format = FORMATS.get((name ?? "png").toLowerCase());
  if (format === undefined) {
    throw new HttpError(422, `samples_format ${JSON.stringify(name?.slice(0, 20))} is unknown; expected png, jpg or webp`, {
      code: "invalid_samples_format",
      param: "samples_format",
    });
  }
  return format === "png" ? { format } : { format, quality: Math.min(quality ?? 80, 100) };
}

/** The settings of each caller, as long as the server runs. */
export class CallersSettings {
  private readonly settings = new Map<string, Settings>();

  constructor(
    private readonly models: Models,
    /** Callers that are remembered, those that changed something last. */
    private readonly most = 1000,
  ) {}

  of(owner: string): Settings {
    return this.settings.get(owner) ?? { ignored: [], warnings: [] };
  }

  /** Takes over the settings in an object, whole or in part. @throws HttpError, and nothing is changed */
  change(owner: string, given: Readonly<Record<string, unknown>>): void {
    const { ignored, ...changes } = readSettings(given, this.models, "options");
    const before = this.of(owner);
    const kept = before.ignored.filter((name) => !Object.hasOwn(given, name));
    this.settings.delete(owner);
    this.settings.set(owner, { ...merged(before, changes), ignored: [...kept, ...ignored].slice(0, 100), warnings: [] });
    const [oldest] = this.settings.keys();
    if (this.settings.size > this.most && oldest !== undefined) this.settings.delete(oldest);
  }

  /** All settings under the web UI's names. */
  shown(owner: string): Record<string, unknown> {
    const { model = this.models.defaultModel, vae, clipSkip = 0, output = { format: "png" } } = this.of(owner);
    return {
      samples_format: output.format === "jpeg" ? "jpg" : output.format,
      jpeg_quality: output.quality ?? 80,
      sd_model_checkpoint: titleOf(model),
      sd_vae: vae ?? "Automatic",
      CLIP_stop_at_last_layers: clipSkip + 1,
      ...FIXED,
    };
  }
}

/** The one settings over the others. */
export function merged(below: Partial<Settings>, above: Partial<Settings>): Partial<Settings> {
  return { ...below, ...Object.fromEntries(Object.entries(above).filter(([, value]) => value !== undefined)) };
}
