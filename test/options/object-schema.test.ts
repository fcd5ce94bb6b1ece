import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { described, type Fields, field, group, groups, needed, oneOrList, text, whole, withJson } from "../../src/options/fields.js";
import { objectSchema } from "../../src/options/object-schema.js";

interface Options {
  readonly name: string;
  readonly sizes?: number | readonly number[] | undefined;
  readonly inner?: { readonly count?: number | undefined } | undefined;
  readonly items?: readonly { readonly name: string }[] | undefined;
  readonly bytes?: string | Uint8Array | undefined;
}

const FIELDS: Fields<Options> = {
  name: described("Its name.", needed(text, "it has no default")),
  sizes: oneOrList(whole(1), "a size or a list of sizes"),
  inner: group<{ readonly count?: number | undefined }>({ count: whole(0, 5) }),
  items: groups({ name: needed(text, "it has no default") }, "a list of items"),
  bytes: withJson(
    v.string(),
    field<string | Uint8Array>((value) => typeof value === "string" || value instanceof Uint8Array, "bytes or their text"),
  ),
};

describe("objectSchema", () => {
  const schema = objectSchema(FIELDS);
  const accepts = (value: unknown) => v.is(schema, value);

  it("accepts what the fields accept, also values that JSON cannot hold", () => {
    expect(accepts({ name: "a", sizes: [1, 2], inner: { count: 5 }, items: [{ name: "b" }], bytes: new Uint8Array(1) })).toBe(true);
    expect(accepts({ name: "a", sizes: 1, bytes: "AA==", inner: undefined })).toBe(true);
  });

  it.each([
    {},
    { name: 5 },
    { name: "a", other: 1 },
    { name: "a", sizes: [] },
    { name: "a", sizes: Number.POSITIVE_INFINITY },
    { name: "a", inner: { count: 6 } },
    { name: "a", inner: { other: 1 } },
    { name: "a", items: [{}] },
    { name: "a", bytes: 5 },
  ])("refuses %j", (value) => expect(accepts(value)).toBe(false));

  it("needs a schema for JSON of every field", () => {
    expect(() =>
      objectSchema<{ work?: () => void }>({ work: field<() => void>((value) => typeof value === "function", "a function") }),
    ).toThrow(/work has no schema/);
  });
});
