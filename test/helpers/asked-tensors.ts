import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { vi } from "vitest";
import { Scope } from "../../src/graph/scope.js";
import type { Engine } from "../../src/runtime/engine.js";
import { type Shape, sizeOf, Tensor } from "../../src/tensor/tensor.js";
import { writeSafetensors } from "./safetensors.js";
import { temporaryFolder } from "./temporary.js";

// Builds graphs of full-sized configs without weights, and lists the tensors that they ask for.

/** A network class, and how it is run once. */
export interface AskedNetwork<Model extends AsyncDisposable> {
  /** The class. */
  readonly open: { fromPretrained(folder: string, options: { readonly engine: Engine }): Promise<Model> };
  /** Folder of a tiny network of the class in test/checkpoints, which shows the layers that have biases, and the numbers of axes. */
  readonly tiny: string;
  /** Builds all its graphs, with inputs for pictures of 1024 x 1024 pixels. */
  readonly run: (model: Model) => Promise<unknown>;
  /** Tensors that are read outside of graphs. */
  readonly others?: ((model: Model) => readonly string[]) | undefined;
  /** The name in Python of a tensor of this name. */
  readonly nameOut?: ((name: string) => string) | undefined;
  /** The name in the tiny network of a tensor of this name. */
  readonly nameIn?: ((name: string) => string) | undefined;
}

/** What a network asks for. */
export interface Asked {
  /** Lines "name [shape]", as Python prints them, sorted. */
  readonly lines: readonly string[];
  /** SHA-256 of these lines. */
  readonly sha256: string;
  /** Seconds of processor time that building the graphs took. */
  readonly seconds: number;
}

/** Builds the graphs of a network with this `config.json`. */
export async function askedTensors<Model extends AsyncDisposable>(
  { open, tiny, run, others, nameIn = (name) => name, nameOut = (name) => name }: AskedNetwork<Model>,
  config: object,
): Promise<Asked> {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  // A file must be there; its tensor is not read.
  await writeSafetensors(join(folder, "diffusion_pytorch_model.safetensors"), { none: Tensor.zeros([1]) });
  const ranks = ranksIn(tiny);
  const lines = new Set<string>();
  const stored = (scope: Scope, name: string, shape: Shape) => {
    const full = scope.name ? `${scope.name}.${name}` : name;
    // Networks ask for shapes without axes of extent 1 at their ends.
    const ones = Math.max(0, (ranks.get(pattern(nameIn(full))) ?? 0) - shape.length);
    lines.add(line(nameOut(full), [...shape, ...Array<number>(ones).fill(1)]));
    return { name: full, dtype: "bfloat16", shape, file: { id: "none" }, offset: 0, length: 2 * sizeOf(shape) } as const;
  };
  const spies = [
    vi.spyOn(Scope.prototype, "tensor").mockImplementation(function (this: Scope, name, shape, as = shape, dtype) {
      return this.graph.weight(stored(this, name, shape), as, dtype);
    }),
    vi.spyOn(Scope.prototype, "rows").mockImplementation(function (this: Scope, name, shape, start, end) {
      const part = [end - start, ...shape.slice(1)];
      return this.graph.weight({ ...stored(this, name, shape), shape: part, length: 2 * sizeOf(part), offset: start }, part);
    }),
    vi.spyOn(Scope.prototype, "lookup").mockImplementation(function (this: Scope, name, shape, indices) {
      return this.graph.lookup(stored(this, name, shape), shape, indices);
    }),
    vi.spyOn(Scope.prototype, "hasTensor").mockImplementation(function (this: Scope, name) {
      return ranks.has(pattern(nameIn(`${this.name}.${name}`)));
    }),
    vi.spyOn(Scope.prototype, "has").mockReturnValue(false),
  ];
  try {
    await using model = await open.fromPretrained(folder, { engine: engineWithoutSessions() });
    const start = process.cpuUsage();
    await run(model);
    const { user, system } = process.cpuUsage(start);
    const all = [...lines, ...(others?.(model) ?? [])].sort();
    return { lines: all, sha256: createHash("sha256").update(all.join("\n")).digest("hex"), seconds: (user + system) / 1e6 };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

/** A tensor's line. */
export function line(name: string, shape: Shape): string {
  return `${name} [${shape.join(", ")}]`;
}

/** A name with any number in place of each number. */
function pattern(name: string): string {
  return name.replace(/\d+/g, "#");
}

/** The fewest axes of the tensors in a network's folder, by the patterns of their names. */
function ranksIn(folder: string): ReadonlyMap<string, number> {
  const files = readdirSync(folder).filter((file) => file.endsWith(".safetensors"));
  const tensors = files.flatMap((file) => {
    const bytes = readFileSync(join(folder, file));
    const header = bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE()));
    return Object.entries(JSON.parse(header.toString()) as Readonly<Record<string, { readonly shape?: Shape }>>);
  });
  const ranks = new Map<string, number>();
  for (const [name, { shape = [] }] of tensors) ranks.set(pattern(name), Math.min(shape.length, ranks.get(pattern(name)) ?? shape.length));
  return ranks;
}

/** An engine that takes graphs and computes nothing: outputs have their shapes and no numbers. */
function engineWithoutSessions(): Engine {
  return {
    device: "cpu",
    capabilities: { device: "cpu" },
    load: async ({ model: { outputs } }) => ({
      run: async () => Object.fromEntries(outputs.map(({ name, dtype, shape }) => [name, Tensor.zeros(shape).to(dtype as "float32")])),
      release: async () => {},
    }),
    dispose: async () => {},
  };
}
