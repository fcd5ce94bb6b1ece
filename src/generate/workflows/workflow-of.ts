import type { FamilyId } from "../../families/lookups.js";
import type { KnownFamily } from "../families.js";
import type { FamilyWorkflow } from "./workflow.js";

// Loaded when they are needed, so that a program pays for the pipelines it uses. The compiler reports a family without an entry.
const WORKFLOWS: Readonly<Record<FamilyId, () => Promise<FamilyWorkflow>>> = {
  sd1: stableDiffusion,
  sd2: stableDiffusion,
  xl: stableDiffusionXL,
  "xl-refiner": stableDiffusionXL,
  lcm: async () => (await import("./latent-consistency.js")).LATENT_CONSISTENCY,
  "sd2-depth": async () => (await import("./depth.js")).STABLE_DIFFUSION_2_DEPTH,
  "x4-upscaler": async () => (await import("./x4-upscaler.js")).X4_UPSCALER,
  "latent-upscaler": async () => (await import("./latent-upscaler.js")).LATENT_UPSCALER,
  pix2pix: async () => (await import("./instruct-pix2pix.js")).INSTRUCT_PIX2PIX,
  "pix2pix-xl": async () => (await import("./instruct-pix2pix.js")).INSTRUCT_PIX2PIX_XL,
  "flux2-klein": async () => (await import("./flux2-klein.js")).FLUX2_KLEIN,
  flux: async () => (await import("./flux.js")).FLUX,
  "flux-fill": async () => (await import("./flux.js")).FLUX_FILL,
  "flux-kontext": async () => (await import("./flux.js")).FLUX_KONTEXT,
  chroma: async () => (await import("./chroma.js")).CHROMA,
  sd3: async () => (await import("./stable-diffusion-3.js")).STABLE_DIFFUSION_3,
  "qwen-image": async () => (await import("./qwen-image.js")).QWEN_IMAGE,
  "qwen-image-edit": async () => (await import("./qwen-image.js")).QWEN_IMAGE_EDIT,
  "z-image": async () => (await import("./z-image.js")).Z_IMAGE,
  ddpm: async () => (await import("./unconditional.js")).DDPM,
  ddim: async () => (await import("./unconditional.js")).DDIM,
  consistency: async () => (await import("./unconditional.js")).CONSISTENCY,
  "score-sde-ve": async () => (await import("./unconditional.js")).SCORE_SDE_VE,
};

async function stableDiffusion(): Promise<FamilyWorkflow> {
  return (await import("./stable-diffusion.js")).STABLE_DIFFUSION;
}

async function stableDiffusionXL(): Promise<FamilyWorkflow> {
  return (await import("./stable-diffusion-xl.js")).STABLE_DIFFUSION_XL;
}

/** How the family makes pictures. */
export function workflowOf({ id }: KnownFamily): Promise<FamilyWorkflow> {
  return WORKFLOWS[id]();
}
