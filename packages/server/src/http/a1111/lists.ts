import { totalmem } from "node:os";
import type { Models } from "../models.js";
import { LATENT_UPSCALERS, UPSCALERS } from "./hires.js";
import { titleOf } from "./names.js";
import { MODULES } from "./preprocessors.js";
import { OFFERED_SPACINGS, SAMPLERS } from "./sampler-table.js";

/** A list of the web UI's API, by its path. */
export type List = (models: Models) => unknown;

/** Lists of what the server has. Paths of files are not told: where the web UI has one, there is a name. */
export const LISTS: Readonly<Record<string, List>> = {
  "/sdapi/v1/sd-models": ({ modelNames }) =>
    modelNames.map((name) => ({ title: titleOf(name), model_name: name, hash: null, sha256: null, filename: name, config: null })),
  "/sdapi/v1/sd-vae": ({ vaeNames }) => vaeNames.map((name) => ({ model_name: name, filename: name })),
  "/sdapi/v1/samplers": () =>
    SAMPLERS.map(({ name, aliases, automatic }) => ({
      name,
      aliases,
      options: automatic === "uniform" ? {} : { scheduler: automatic },
    })),
  "/sdapi/v1/schedulers": () =>
    OFFERED_SPACINGS.map(({ name, label, aliases }) => ({
      name,
      label,
      aliases: aliases ?? null,
      default_rho: name === "karras" ? 7 : name === "polyexponential" ? 1 : -1,
      need_inner_model: false,
    })),
  "/sdapi/v1/upscalers": ({ upscalerNames }) =>
    [...UPSCALERS, ...upscalerNames].map((name) => ({ name, model_name: null, model_path: null, model_url: null, scale: 4 })),
  "/sdapi/v1/latent-upscale-modes": () => LATENT_UPSCALERS.map((name) => ({ name })),
  "/sdapi/v1/loras": async (models) =>
    (await models.loras()).map(({ name }) => ({ name, alias: name, path: `${name}.safetensors`, metadata: {} })),
  "/sdapi/v1/embeddings": async (models) => {
    const unknown = { step: null, sd_checkpoint: null, sd_checkpoint_name: null, shape: null, vectors: null };
    return { loaded: Object.fromEntries((await models.embeddings()).map(({ name }) => [name, unknown])), skipped: {} };
  },
  // webuiapi looks for "controlnet m2m" before it sends units of ControlNet.
  "/sdapi/v1/scripts": () => ({ txt2img: ["controlnet", "controlnet m2m"], img2img: ["controlnet"] }),
  "/sdapi/v1/script-info": () => [false, true].map((is) => ({ name: "controlnet", is_alwayson: true, is_img2img: is, args: [] })),
  "/sdapi/v1/cmd-flags": () => ({ api: true, nowebui: true }),
  "/sdapi/v1/memory": () => {
    const { rss } = process.memoryUsage();
    const total = totalmem();
    return { ram: { free: total - rss, used: rss, total }, cuda: { error: "unavailable" } };
  },
  // How clients find out whether there is a web UI.
  "/internal/ping": () => ({}),
  "/controlnet/version": () => ({ version: 3 }),
  "/controlnet/settings": () => ({ control_net_unit_count: 3 }),
  "/controlnet/model_list": ({ controlnetNames }) => ({ model_list: controlnetNames }),
  "/controlnet/module_list": () => ({
    module_list: MODULES,
    module_detail: Object.fromEntries(MODULES.map((name) => [name, { model_free: false, sliders: name === "canny" ? CANNY_SLIDERS : [] }])),
  }),
  "/controlnet/control_types": ({ controlnetNames }) => ({
    control_types: {
      All: { module_list: MODULES, model_list: ["None", ...controlnetNames], default_option: "none", default_model: "None" },
      Canny: typeOf("canny", controlnetNames),
    },
  }),
};

/** A kind of ControlNets: those with its name in theirs. */
function typeOf(module: (typeof MODULES)[number], names: readonly string[]) {
  const models = names.filter((name) => name.toLowerCase().includes(module));
  return { module_list: ["none", module], model_list: ["None", ...models], default_option: module, default_model: models[0] ?? "None" };
}

const CANNY_SLIDERS = [
  { name: "Resolution", value: 512, min: 64, max: 2048 },
  { name: "Low Threshold", value: 100, min: 1, max: 255 },
  { name: "High Threshold", value: 200, min: 1, max: 255 },
];

/** Lists of what the server does not have: empty. */
export const EMPTY_LISTS: readonly string[] = [
  "/sdapi/v1/extensions",
  "/sdapi/v1/face-restorers",
  "/sdapi/v1/hypernetworks",
  "/sdapi/v1/prompt-styles",
  "/sdapi/v1/realesrgan-models",
];

/** Nothing is to be done: lists are read anew each time, and models are loaded and closed as they are needed. */
export const REFRESHES: readonly string[] = [
  "/sdapi/v1/refresh-checkpoints",
  "/sdapi/v1/refresh-embeddings",
  "/sdapi/v1/refresh-loras",
  "/sdapi/v1/refresh-vae",
  "/sdapi/v1/reload-checkpoint",
  "/sdapi/v1/unload-checkpoint",
];
