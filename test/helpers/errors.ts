import { expect } from "vitest";
import { CheckpointError, type DarkroomError, HubError } from "../../src/errors.js";

/** The CheckpointError that `work` fails with; the test fails if it does not. */
export async function checkpointError(work: Promise<unknown>): Promise<CheckpointError> {
  return errorOf(CheckpointError, work);
}

/** The HubError that `work` fails with; the test fails if it does not. */
export async function hubError(work: Promise<unknown>): Promise<HubError> {
  return errorOf(HubError, work);
}

async function errorOf<Kind extends DarkroomError>(kind: new (...options: never) => Kind, work: Promise<unknown>): Promise<Kind> {
  const error = await work.then(
    (value) => expect.fail(`no error, but ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(kind);
  return error as Kind;
}
