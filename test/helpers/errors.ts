import { expect } from "vitest";
import { CheckpointError } from "../../src/errors.js";

/** The CheckpointError that `work` fails with; the test fails if it does not. */
export async function checkpointError(work: Promise<unknown>): Promise<CheckpointError> {
  const error = await work.then(
    (value) => expect.fail(`no error, but ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(CheckpointError);
  return error as CheckpointError;
}
