import * as v from "valibot";
import { ConfigError } from "../errors.js";
import { snakeCase } from "./config.js";

/**
 * A config read against a schema, which gives its type, defaults and the values it may hold. Unknown keys are left out.
 * @throws ConfigError naming the first field whose value the schema does not allow, as config files spell it.
 */
export function parseConfig<Schema extends v.GenericSchema>(owner: string, schema: Schema, config: unknown): v.InferOutput<Schema> {
  const result = v.safeParse(schema, config, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = (issue.path ?? []).map(({ key }) => (typeof key === "string" ? snakeCase(key) : String(key)));
  const expected = issue.expected?.replaceAll(" | ", ", ").replace(/^\(|\)$/g, "");
  throw new ConfigError(`${owner}: ${path.join(".") || "config"} is ${issue.received}; expected ${expected ?? issue.message}`, {
    hint: "this checkpoint needs something Darkroom does not know; check that the config is whole and unchanged",
  });
}

/** One value for every block, or a list with one for each. */
export function perBlock<Item extends v.GenericSchema>(item: Item) {
  return v.union([item, v.array(item)]);
}
