import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

interface Statement {
  readonly client: string;
  readonly on: string;
  readonly does: string;
}

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));

const { measured } = JSON.parse(readFileSync(path("../contracts/behaviour.json"), "utf8")) as { measured: Statement[] };

/** For each way in which clients behave: the test that shows that the server suits it. */
const TESTS: readonly (readonly [on: string, file: string, test: string])[] = [
  [
    "429, 500, 503, time-out, cut connection",
    "openai.test.ts",
    "tries again by itself after 429 and 503, and not after a job's own failure",
  ],
  ["time-out (10 minutes by default) or abort", "openai.test.ts", "whose time is over sends its request again; its first job is cancelled"],
  ["503", "../start-server.test.ts", "asks clients that wait to come again when it closes, and cancels their jobs"],
  ["no response header for 300 s", "openai.test.ts", "reads a slow reply that begins with blanks"],
  ["a JSON reply that begins with blanks", "openai.test.ts", "reads a slow reply that begins with blanks"],
  ["status 200, then an error object as body", "openai.test.ts", "sees a failure after blanks as a connection that ends"],
  ["a connection cut after blanks or in a stream", "openai.test.ts", "sees a failure after blanks as a connection that ends"],
  ["event: error in a stream", "openai.test.ts", "is told of a failure in a stream"],
  ["comment lines", "openai.test.ts", "skips the comments in a stream that show that it is alive"],
  ["error: a string instead of an object", "openai.test.ts", "gets an error that names the field: %j"],
  ["the user cancels", "a1111/server.test.ts", "cancels the job, and no next one begins"],
  ["every picture", "a1111/server.test.ts", "repeats the request's known fields, and no others"],
  ["every picture", "other-clients.test.ts", "works with an empty Basic header, with a trailing body, and with HEAD"],
  ["every picture", "a1111/server.test.ts", "is 0 without jobs when idle"],
  ["a change of model", "a1111/server.test.ts", "are taken back whole, with one value changed, as Open WebUI sends them"],
  ["connect", "safety.test.ts", "ComfyUI's %s is not there"],
];

it.each(measured)("what $client does on $on has a test", ({ on }) => {
  const found = TESTS.filter(([start]) => on.startsWith(start));
  expect(found).not.toEqual([]);
  for (const [, file, test] of found) {
    expect(existsSync(path(file)), file).toBe(true);
    expect(readFileSync(path(file), "utf8")).toContain(`"${test}"`);
  }
});
