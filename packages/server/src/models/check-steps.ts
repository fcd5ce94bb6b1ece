import { ArgumentError, namedScheduler, resolveScheduler, type Scheduler, Tensor } from "darkroom";
import type { GenerateRequest } from "darkroom/generate";

/** A checkpoint's own scheduler; undefined where it cannot be read without the checkpoint's networks. */
export async function ownScheduler(source: string, className: string, cacheDir: string | undefined): Promise<Scheduler | undefined> {
  try {
    const options = { subfolder: "scheduler", localFilesOnly: true, ...(cacheDir !== undefined && { cacheDir }) };
    return await resolveScheduler(className).class.fromPretrained(source, options);
  } catch {
    // A single file has no scheduler's config, and what is wrong with a checkpoint is said when it is opened.
    return undefined;
  }
}

/**
 * Refuses more steps than the request's scheduler can take, so that no job has to start for that. What it cannot know, the job says.
 * @throws ArgumentError about numInferenceSteps
 */
export function checkSteps(request: GenerateRequest, own: Scheduler): void {
  const { numInferenceSteps: steps, timesteps, sigmas, image, preset } = request;
  // From a picture, a part of the steps is taken, and a preset has a scheduler of its own.
  if (steps === undefined || [timesteps, sigmas, image, preset].some((each) => each !== undefined)) return;
  try {
    const scheduler = schedulerFor(request, own);
    scheduler.setTimesteps(steps);
    const [first = 0] = scheduler.timesteps;
    const { numTrainTimesteps } = scheduler.config as { readonly numTrainTimesteps?: number };
    // Some schedulers look the noise up by the timestep, and the last one of them can be one too far.
    if (numTrainTimesteps !== undefined && first >= numTrainTimesteps) takeStep(scheduler, first);
  } catch (error) {
    if (!(error instanceof ArgumentError) || error.argument !== "numInferenceSteps") return;
    throw error;
  }
}

function schedulerFor({ scheduler: name, timestepSpacing, schedulerConfig }: GenerateRequest, own: Scheduler): Scheduler {
  const settings = { ...schedulerConfig, ...(timestepSpacing !== undefined && { timestepSpacing }) };
  if (name === undefined) return own.clone(settings);
  return namedScheduler(resolveScheduler(name), own, settings);
}

function takeStep(scheduler: Scheduler, timestep: number): void {
  const sample = Tensor.zeros([1, 1, 1, 1]);
  try {
    scheduler.step(sample, timestep, sample);
  } catch (error) {
    if (!(error instanceof ArgumentError) || !error.message.includes("training timesteps")) return;
    throw new ArgumentError(error.message, { argument: "numInferenceSteps", hint: error.hint, cause: error });
  }
}
