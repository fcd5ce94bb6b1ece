import fc from "fast-check";
import type { Json } from "../../src/checkpoint/json.js";

// What an enemy, a bad disk or a wrong program writes into files.

/** Numbers where counts, widths, offsets and factors are expected. */
export const hostileNumber: fc.Arbitrary<number> = fc.oneof(
  fc.constantFrom(0, -0, -1, 1, 2, 3, 4, 8, 0.5, 1.5, 7, 64, 1000, 65536, 1e6, 1e9),
  fc.constantFrom(2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 53, 2 ** 53 + 2, 1e12, 1e15, 1e300, -1e9, 5e-324),
  fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
  fc.integer(),
  fc.nat(100),
  fc.double(),
);

/** Texts where names, words and paths are expected. */
export const hostileText: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    "",
    " ",
    ".",
    "..",
    "../x",
    "../../etc/passwd",
    "/etc/passwd",
    "a/../../b",
    "a//b",
    "./a",
    "..\\x",
    "C:\\x",
    "c:x",
    "\0",
    "a\0b",
  ),
  fc.constantFrom("__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "valueOf", "__metadata__", "then", "length"),
  fc.constantFrom(
    "\u001b[2J",
    "\u202egnp.exe",
    "\ud800",
    "\udfff\ud800",
    "e\u0301",
    "\ufeff",
    "\u0085",
    "ß",
    "İ",
    "K",
    "🦊",
    "|",
    "%s%n",
    "$&",
    "NaN",
  ),
  fc.constantFrom("file:///etc/passwd", "http://127.0.0.1/x", "model.safetensors", "x".repeat(300), "x".repeat(70_000), "a.".repeat(2000)),
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.string({ maxLength: 12 }),
);

/** Values of any kind where one of another kind is expected. */
export const hostileValue: fc.Arbitrary<Json> = fc.oneof(
  { weight: 5, arbitrary: hostileNumber },
  { weight: 2, arbitrary: hostileText },
  { weight: 1, arbitrary: fc.constantFrom<Json>(null, true, false, [], {}, [null], [[]], [{}], { "": null }) },
  { weight: 2, arbitrary: fc.array(hostileNumber, { maxLength: 6 }) },
  { weight: 1, arbitrary: fc.array(hostileText, { maxLength: 4 }) },
  { weight: 1, arbitrary: fc.integer({ min: 2, max: 300 }).map(nested) },
  {
    weight: 1,
    arbitrary: fc.tuple(hostileNumber, fc.constantFrom(100, 5000)).map(([value, times]) => Array.from({ length: times }, () => value)),
  },
);

/** JSON whose objects keep their keys in order and may have one twice, unlike JavaScript's. */
type Node = Entries | Items | { value: Json };
interface Entries {
  entries: { key: string; node: Node }[];
}
interface Items {
  items: { node: Node }[];
}

const EDITS = ["replace", "replace", "replace", "remove", "rename", "twice", "beside", "repeat", "wrap", "exchange"] as const;

interface Edit {
  readonly kind: (typeof EDITS)[number];
  /** Which of all places, and of which other one. */
  readonly at: number;
  readonly other: number;
  readonly key: string;
  readonly value: Json;
}

/** The text of a JSON value with a few of its fields changed, renamed, doubled, gone or moved; numbers as Python writes them. */
export function editedJson(
  json: Json,
  value: fc.Arbitrary<Json> = hostileValue,
  { most = 3 }: { readonly most?: number } = {},
): fc.Arbitrary<string> {
  const edit: fc.Arbitrary<Edit> = fc.record({
    kind: fc.constantFrom(...EDITS),
    at: fc.nat(),
    other: fc.nat(),
    key: hostileText,
    value,
  });
  return fc.array(edit, { minLength: 1, maxLength: most }).map((edits) => {
    const root: Entries = { entries: [{ key: "", node: toNode(json) }] };
    for (const each of edits) change(root, each);
    return root.entries[0] ? toText(root.entries[0].node) : "";
  });
}

/** Bytes with a few of them changed, put in or cut off. */
export function editedBytes(bytes: Uint8Array): fc.Arbitrary<Uint8Array> {
  const patch = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 9 }),
    fc.stringMatching(/^[[\]{}",:0-9eE.\\-]{1,6}$/).map((text) => Buffer.from(text)),
  );
  const edit = fc.record({ at: fc.nat(), patch, isInserted: fc.boolean() });
  return fc.tuple(fc.array(edit, { maxLength: 4 }), fc.option(fc.nat(bytes.length), { freq: 3 })).map(([edits, cut]) => {
    let result = Buffer.from(bytes);
    for (const { at, patch: own, isInserted } of edits) {
      const place = at % (result.length + 1);
      result = Buffer.concat([result.subarray(0, place), own, result.subarray(isInserted ? place : place + own.length)]);
    }
    return cut === null ? result : result.subarray(0, cut);
  });
}

/** JSON text with Python's NaN and Infinity. */
export function pythonJson(json: Json): string {
  return toText(toNode(json));
}

function nested(depth: number): Json {
  let json: Json = 1;
  for (let i = 0; i < depth; i++) json = i % 2 === 0 ? [json] : { a: json };
  return json;
}

function toNode(json: Json): Node {
  if (Array.isArray(json)) return { items: json.map((each) => ({ node: toNode(each) })) };
  if (typeof json === "object" && json !== null)
    return { entries: Object.entries(json).map(([key, each]) => ({ key, node: toNode(each as Json) })) };
  return { value: json };
}

function toText(node: Node): string {
  if ("items" in node) return `[${node.items.map((item) => toText(item.node)).join(",")}]`;
  if ("entries" in node) return `{${node.entries.map((entry) => `${JSON.stringify(entry.key)}:${toText(entry.node)}`).join(",")}}`;
  const { value } = node;
  if (typeof value === "number" && !Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
  return Object.is(value, -0) ? "-0" : JSON.stringify(value);
}

interface Place {
  readonly among: { node: Node }[];
  readonly index: number;
}

function placesIn(node: Node, found: Place[] = []): Place[] {
  const among: { node: Node }[] = "items" in node ? node.items : "entries" in node ? node.entries : [];
  for (const [index, each] of among.entries()) {
    found.push({ among, index });
    placesIn(each.node, found);
  }
  return found;
}

function change(root: Entries, { kind, at, other, key, value }: Edit): void {
  // The first place is the root itself: it is changed where there is nothing else.
  const places = placesIn(root);
  const choose = (number: number) => places[places.length > 1 ? 1 + (number % (places.length - 1)) : 0];
  const place = choose(at);
  if (!place) return;
  const { among, index } = place;
  const own = among[index] as { key?: string; node: Node };
  if (kind === "remove") among.splice(index, 1);
  else if (kind === "rename" && own.key !== undefined) own.key = key;
  else if (kind === "twice") among.splice(index, 0, { ...own, node: toNode(value) });
  else if (kind === "beside")
    among.splice(index, 0, own.key === undefined ? { node: toNode(value) } : ({ key, node: toNode(value) } as { node: Node }));
  else if (kind === "repeat" && "items" in own.node)
    own.node = { items: Array.from({ length: 2 + (other % 40) }, () => (own.node as Items).items).flat() };
  else if (kind === "wrap") own.node = { items: [{ node: own.node }] };
  else if (kind === "exchange")
    own.node = structuredClone((choose(other) ?? place).among[(choose(other) ?? place).index]?.node ?? own.node);
  else own.node = toNode(value);
}
