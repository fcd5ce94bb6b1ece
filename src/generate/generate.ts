import { checkOptions } from "../options/check-options.js";
import { callback, type Fields } from "../options/fields.js";
import { OPEN_OPTION_FIELDS, type OpenOptions, openWorkflow, RUN_OPTION_FIELDS } from "./open-workflow.js";
import { belongsToRequest, checkRequest, type GenerateRequest, openingOf, runOf } from "./request.js";
import type { GeneratedPicture, GenerateResult, RunOptions, StepEvent } from "./run.js";
import type { RunSettings } from "./run-settings.js";

/** Options of {@link generate}. A callback that returns a promise is waited for. */
export interface GenerateOptions extends Omit<OpenOptions, "firstRun">, RunOptions {
  /** Called before the first step, with what the run works with. */
  readonly onStart?: ((settings: RunSettings) => void | Promise<void>) | undefined;
  /** Called after every step. */
  readonly onStep?: ((step: StepEvent) => void | Promise<void>) | undefined;
  /** Called with each picture as soon as it is finished. */
  readonly onPicture?: ((picture: GeneratedPicture) => void | Promise<void>) | undefined;
}

const { firstRun: _, ...OPENING } = OPEN_OPTION_FIELDS;

const GENERATE_OPTION_FIELDS: Fields<GenerateOptions> = {
  ...OPENING,
  ...RUN_OPTION_FIELDS,
  onStart: callback(),
  onStep: callback(),
  onPicture: callback(),
};

/**
 * Makes the pictures of a request, and frees everything at the end. Loading takes longer than making a picture, so a program with several
 * requests opens a workflow instead.
 * @throws ArgumentError for a request that makes no sense; CheckpointError, ConfigError, DeviceError, HubError; the signal's reason
 */
export async function generate(request: GenerateRequest, options: GenerateOptions = {}): Promise<GenerateResult> {
  const { onStart, onStep, onPicture, onStepEnd, ...opening } = checkOptions(options, GENERATE_OPTION_FIELDS, {
    call: "generate",
    elsewhere: belongsToRequest,
  });
  const checked = checkRequest(request);
  const run = runOf(checked);
  const workflow = await openWorkflow(openingOf(checked), { ...opening, firstRun: run });
  const events = workflow.run(run, { signal: opening.signal, onStepEnd });
  try {
    for (;;) {
      const { done, value } = await events.next();
      if (done) return value;
      if (value.kind === "start") await onStart?.(value.settings);
      else if (value.kind === "step") await onStep?.(value);
      else await onPicture?.(value.picture);
    }
  } finally {
    await workflow.dispose();
  }
}
