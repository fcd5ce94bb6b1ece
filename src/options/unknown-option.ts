import { ArgumentError } from "../errors.js";
import { camelCase } from "../letter-case.js";
import { mistypedName } from "../nearest.js";

/**
 * Names of other programs for our options, and short names that people try, in camelCase. The first option that the call has is suggested.
 */
const SYNONYMS: Readonly<Record<string, readonly string[]>> = {
  algorithm: ["scheduler"],
  batchCount: ["numImagesPerPrompt", "batchSize"],
  batchSize: ["numImagesPerPrompt"],
  callback: ["onStepEnd"],
  callbackOnStepEnd: ["onStepEnd"],
  cfg: ["guidanceScale"],
  cfgRescale: ["guidanceRescale"],
  cfgScale: ["guidanceScale"],
  configFile: ["config"],
  class: ["classLabels"],
  classLabel: ["classLabels"],
  conditioningScale: ["controlnetConditioningScale"],
  count: ["numImagesPerPrompt", "batchSize"],
  deviceMap: ["device"],
  denoise: ["strength"],
  denoising: ["strength"],
  denoisingStrength: ["strength"],
  dir: ["cacheDir"],
  force: ["overwrite"],
  initImage: ["image"],
  inputImage: ["image"],
  mask: ["maskImage"],
  n: ["numImagesPerPrompt", "batchSize"],
  name: ["adapterName", "weightName", "token"],
  negative: ["negativePrompt"],
  numImages: ["numImagesPerPrompt", "batchSize"],
  offline: ["localFilesOnly"],
  originalConfig: ["config"],
  originalConfigFile: ["config"],
  provider: ["device"],
  sampler: ["scheduler"],
  samplerName: ["scheduler"],
  scale: ["guidanceScale", "loraScale"],
  schedulerType: ["scheduler"],
  steps: ["numInferenceSteps"],
  numSteps: ["numInferenceSteps"],
  useAuthToken: ["token", "hfToken"],
  weight: ["loraScale"],
};

const STEP_BY_STEP = "pipe.steps(request) yields every step: for await (const step of pipe.steps(request))";
const OF_PAG = "pagScale and pagAppliedLayers of a call turn it on, and the classes with PAG in their name have it by default";

/** Options of Python diffusers that Darkroom does not have, in camelCase, and what to do instead. */
const WITHOUT: Readonly<Record<string, string>> = {
  callback: STEP_BY_STEP,
  callbackOnStepEnd: STEP_BY_STEP,
  callbackOnStepEndTensorInputs: "onStepEnd gets all tensors",
  callbackSteps: STEP_BY_STEP,
  crossAttentionKwargs: "a LoRA's weight is set by pipe.setAdapters(name, weight), and masks of IP-Adapters are ipAdapterMasks",
  customPipeline: "pipelines written in Python cannot be run",
  loadSafetyChecker: "safetyChecker: null opens a checkpoint without its safety checker",
  lowCpuMemUsage: "weights are mapped from disk, never read whole; lowMemory: true saves more",
  requiresSafetyChecker: "safetyChecker: null opens a checkpoint without its safety checker",
  returnDict: "the result is always an object with images and seeds",
  dtype: 'the weights keep the type of their file; precision: "fast" computes in less than float32',
  torchDtype: 'the weights keep the type of their file; precision: "fast" computes in less than float32',
  trustRemoteCode: "code of a repository is never run",
  useOnnx: "only safetensors are read",
  useSafetensors: "only safetensors are read, so that there is no choice",
  enablePag: OF_PAG,
  forceDownload: "removeCachedRepository(id) deletes what was downloaded",
  resumeDownload: "downloads are always resumed",
};

/** Our options that another program or another convention (`guidance-scale`, `cfg_scale`) may call `name`, the likeliest first. */
export function ourNamesOf(name: string): readonly string[] {
  const ours = camelCase(name.replaceAll("-", "_"));
  return [ours, ...(Object.hasOwn(SYNONYMS, ours) ? (SYNONYMS[ours] ?? []) : [])];
}

/** The call whose options are checked. */
export interface CheckedCall {
  /** The call as messages name it: `StableDiffusionPipeline.generate`. */
  readonly call: string;
  /** Says which call has an option that this call does not have; `name` is in camelCase. */
  readonly elsewhere?: (name: string) => string | undefined;
}

/** Longer names are cut in messages. */
const LONGEST_NAME = 80;

/** The error for an option that a call does not have. It suggests the right name, or says which call has the option. */
export function unknownOption(name: string, known: readonly string[], of: CheckedCall, prefix: string): ArgumentError {
  if (name.length > LONGEST_NAME + 3) return unknownOption(`${name.slice(0, LONGEST_NAME)}...`, known, of, prefix);
  const ours = camelCase(name);
  const problem = `${of.call} has no option ${prefix}${name}`;
  const argument = prefix + name;
  const meant = ourNamesOf(name).find((each) => known.includes(each));
  if (meant !== undefined) return new ArgumentError(`${problem}; it is called ${prefix}${meant}`, { argument });
  const reason = Object.hasOwn(WITHOUT, ours) ? WITHOUT[ours] : of.elsewhere?.(ours);
  if (reason !== undefined) return new ArgumentError(problem, { argument, hint: reason });
  const nearest = nearestOption(ours, known);
  const hint = known.length > 0 ? `its options are ${known.map((each) => prefix + each).join(", ")}` : "it has none";
  return new ArgumentError(nearest === undefined ? problem : `${problem}; did you mean ${prefix}${nearest}?`, { argument, hint });
}

/** The option that `name` probably means: a misspelt name, or a part of a name. */
function nearestOption(name: string, known: readonly string[]): string | undefined {
  const isPart = (option: string) => name.length > 3 && option.toLowerCase().includes(name.toLowerCase());
  return mistypedName(name, known) ?? known.find(isPart);
}
