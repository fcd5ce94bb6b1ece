import { ArgumentError } from "../../errors.js";
import type { Box } from "../../image/resize.js";
import type { UNet2DConditionInputs } from "../../models/unet-2d-condition.js";
import type { Scheduler } from "../../schedulers/shared/scheduler.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { Size, SizeOptions } from "./arguments.js";

/** What steers a UNet beside the text, ready for one call: ControlNets or T2I-Adapters with their pictures. */
export interface Control {
  /** Height and width of the controlling pictures in pixels; those of the result. */
  readonly size: Size;
  /** The UNet's further inputs at one turn of the loop. */
  inputs(turn: ControlTurn): Promise<Partial<UNet2DConditionInputs>>;
}

/** One turn of the denoising loop. */
export interface ControlTurn {
  /** The latents, scaled for the timestep. */
  readonly scaled: Tensor;
  readonly timestep: number;
  /** Counts from 0. */
  readonly index: number;
  /** The turns of the loop, and how many there were before `denoisingEnd` left out the last ones. */
  readonly turns: LoopTurns;
  /** The UNet's inputs that the text makes. */
  readonly conditioning: UNet2DConditionInputs;
}

/** The length of a denoising loop; infinite if the scheduler chooses its steps as it goes. */
export interface LoopTurns {
  readonly taken: number;
  readonly planned: number;
}

/** The turns of the loop over `timesteps`, which are all or a part of those `planned`. */
export function loopTurns({ isAdaptive }: Scheduler, timesteps: readonly number[], planned: readonly number[]): LoopTurns {
  const lengthOf = ({ length }: readonly number[]) => (isAdaptive ? Number.POSITIVE_INFINITY : length);
  return { taken: lengthOf(timesteps), planned: lengthOf(planned) };
}

/** How the controlling pictures are brought to the size of the result. */
export interface ControlFit extends SizeOptions {
  /** The part of every picture to use; inpainting works on the part around the mask. */
  readonly crop?: Box | undefined;
}

/** @throws ArgumentError unless the controlling pictures are as large as the picture that the call starts from. */
export function expectSameSize(control: Control | undefined, { height, width }: Size): void {
  if (!control || (control.size.height === height && control.size.width === width)) return;
  const { size } = control;
  throw new ArgumentError(
    (name) =>
      `${name("controlImage")} is ${size.width}x${size.height} and ${name("image")} ${width}x${height} pixels; expected the same size`,
    { argument: "controlImage", hint: "give width and height; all pictures are resized to them" },
  );
}
