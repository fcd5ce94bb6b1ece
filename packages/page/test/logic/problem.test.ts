import { expect, it } from "vitest";
import { ApiError, ConnectionLost } from "../../src/api/client.js";
import { isAbout, problemOf } from "../../src/logic/problem.js";
import { FieldProblem } from "../../src/logic/request.js";

it("shows the server's errors by the form's names, with the hint, at the field", () => {
  const error = new ApiError(400, "numInferenceSteps is 5000; this server takes at most 1000 (limit: maxSteps)", {
    param: "numInferenceSteps",
    hint: "fewer are quicker",
  });
  expect(problemOf(error)).toEqual({
    param: "numInferenceSteps",
    message: "Steps is 5000; this server takes at most 1000 (limit: maxSteps)",
    hint: "Fewer are quicker.",
  });
});

it.each([
  "checkpoints are opened with fromPretrained",
  "darkroom inspect fox.safetensors says more",
  "pipe.setAdapters(name, weight) sets it",
  "generate({ seed: 7 }) is enough",
])("leaves out a hint for programs: %s", (hint) => {
  expect(problemOf(new ApiError(400, "that does not work", { hint }))).toMatchObject({ message: "That does not work.", hint: undefined });
});

it("says when to try again if the queue is full", () => {
  const error = new ApiError(429, "1000 jobs are waiting, as many as the server takes", { retryAfter: 30 });
  const { message, hint } = problemOf(error);
  expect(message).toBe("1000 jobs are waiting, as many as the server takes.");
  expect(hint).toContain("in about 30 s");
});

it("keeps problems of the form and of the connection apart from others", () => {
  expect(problemOf(new FieldProblem("seed", "A seed is a whole number."))).toEqual({ param: "seed", message: "A seed is a whole number." });
  expect(problemOf(new ConnectionLost("x")).message).toBe("The server does not answer.");
  expect(problemOf(new Error("odd")).message).toContain("odd");
});

it("finds the field of a part of it", () => {
  const about = (param: string) => isAbout({ param, message: "" }, "loras");
  expect(["loras", "loras[0].name", "loras.0.weight", "lorasMore", "prompt"].map(about)).toEqual([true, true, true, false, false]);
});
