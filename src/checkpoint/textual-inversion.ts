import { CheckpointError } from "../errors.js";
import type { Folder } from "../platform/folder.js";
import { rowsOf, type StoredTensor } from "../tensor/stored-tensor.js";
import { printable } from "./json.js";
import { type HeaderTensor, readSafetensorsHeader, type SafetensorsHeader, toStoredTensor } from "./safetensors.js";

/** Who writes embedding files like this: diffusers, AUTOMATIC1111's web UI (and kohya-ss), or those for Stable Diffusion XL's two text encoders. */
export type TextualInversionLayout = "diffusers" | "a1111" | "xl";

/** An embedding whose file was read; its vectors stay in the file. */
export interface TextualInversion {
  /** How messages name the file. */
  readonly name: string;
  /** The file's name without its ending. */
  readonly stem: string;
  /** The program whose layout the file has. */
  readonly layout: TextualInversionLayout;
  /** What stands for the embedding in prompts, where the file says it. */
  readonly token: string | undefined;
  /** Vectors, each of which takes a token's place in a prompt. */
  readonly vectors: number;
  /** One, or, for XL, one for each text encoder. */
  readonly tables: readonly EmbeddingTable[];
}

/** A text encoder's vectors, as they lie in an embedding file. */
export interface EmbeddingTable {
  /** The text encoder they are for, where the file says it. */
  readonly encoder: "text_encoder" | "text_encoder_2" | undefined;
  /** Numbers of a vector: 768 for Stable Diffusion 1, 1024 for Stable Diffusion 2, 768 and 1280 for XL's text encoders. */
  readonly width: number;
  /** The bytes of the vectors `start` to `end`. */
  rows(start: number, end: number): StoredTensor;
}

/** What the web UI calls its one tensor. */
const A1111_TENSOR = "emb_params";
/** What files for XL call theirs: today's names, and those that diffusers' scripts for pivotal tuning wrote first. */
const XL_TENSORS = [
  { encoder: "text_encoder", names: ["clip_l", "text_encoders_0"] },
  { encoder: "text_encoder_2", names: ["clip_g", "text_encoders_1"] },
] as const;
/** A text encoder takes 75 tokens at once; whoever trains more vectors than a few dozen gains nothing. */
export const MOST_VECTORS = 1000;
const FLOATS = ["F8_E4M3", "F8_E5M2", "F16", "BF16", "F32", "F64"];

/** What the header says about an embedding. */
export interface TextualInversionDescription extends Pick<TextualInversion, "layout" | "token" | "vectors"> {
  /** Numbers of a vector, one for each text encoder. */
  readonly widths: readonly number[];
}

/** Describes an embedding from its header alone; undefined if the file is none. */
export function describeTextualInversion(header: SafetensorsHeader): TextualInversionDescription | undefined {
  const tables = findTables(header);
  const [first] = tables ?? [];
  if (!tables || !first) return undefined;
  const layout = first.encoder ? "xl" : first.tensor.name === A1111_TENSOR ? "a1111" : "diffusers";
  return {
    layout,
    token: layout === "diffusers" ? first.tensor.name : undefined,
    vectors: first.vectors,
    widths: tables.map(({ width }) => width),
  };
}

/** Reads an embedding's file. @throws CheckpointError if it is none. */
export async function readTextualInversion(folder: Folder, path: string): Promise<TextualInversion> {
  const header = await readSafetensorsHeader(folder, path);
  const description = describeTextualInversion(header);
  if (!description) throw notAnEmbedding(header);
  const { layout, token } = description;
  return { ...embeddingOf(header.name, findTables(header) ?? []), stem: path.replace(/\.safetensors$/i, ""), layout, token };
}

/** A tensor of an embedding, and the text encoder it is for if the file states it. */
export interface NamedTensor {
  readonly encoder: EmbeddingTable["encoder"];
  readonly tensor: HeaderTensor;
}

/** An embedding inside a file of another kind. `name` names the file in messages; `word` is the embedding's token. @throws CheckpointError if it is not one. */
export function bundledEmbedding(name: string, word: string, tensors: readonly NamedTensor[]): TextualInversion {
  const tables = tablesOf(tensors);
  const isForSeveral = tables !== undefined && tables.length > 1;
  if (!tables || (isForSeveral && tables.some(({ encoder }) => encoder === undefined))) {
    const found = tensors.map(({ tensor }) => `${printable(tensor.name)} ${tensor.dtype} [${tensor.shape.join(", ")}]`).join(", ");
    throw new CheckpointError(
      `${name}: its embedding ${printable(word)} is ${found}; expected vectors [count, width] for each text encoder`,
    );
  }
  return { ...embeddingOf(name, tables), stem: word, layout: tables[0]?.encoder ? "xl" : "a1111", token: word };
}

function embeddingOf(name: string, found: readonly FoundTable[]): Pick<TextualInversion, "name" | "vectors" | "tables"> {
  const count = found[0]?.vectors ?? 0;
  if (count > MOST_VECTORS) {
    throw new CheckpointError(`${name} has ${count} vectors; an embedding has at most ${MOST_VECTORS}`, {
      hint: "text encoders take 75 tokens at once; take an embedding with fewer vectors",
    });
  }
  const tables = found.map(({ encoder, width, vectors, tensor }) => {
    const table = { ...toStoredTensor(tensor, name), shape: [vectors, width] };
    return { encoder, width, rows: (start: number, end: number) => rowsOf(table, start, end) };
  });
  return { name, vectors: count, tables };
}

interface FoundTable extends NamedTensor {
  readonly vectors: number;
  readonly width: number;
}

function findTables({ tensors }: SafetensorsHeader): readonly FoundTable[] | undefined {
  const named = XL_TENSORS.flatMap(({ encoder, names }) => {
    const tensor = names.map((name) => tensors.get(name)).find((found) => found !== undefined);
    return tensor ? [{ encoder, tensor }] : [];
  });
  const found = named.length > 0 ? named : [...tensors.values()].map((tensor) => ({ encoder: undefined, tensor }));
  // All tensors of the file are an embedding's, of which there is one.
  if (found.length !== tensors.size || (named.length === 0 && found.length !== 1)) return undefined;
  return tablesOf(found);
}

/** The tensors as tables of vectors; undefined if they are not those of one embedding. */
function tablesOf(found: readonly NamedTensor[]): readonly FoundTable[] | undefined {
  const tables = found.map(({ encoder, tensor }) => {
    const [width = 0, vectors = 1] = tensor.shape.toReversed();
    return { encoder, tensor, vectors, width };
  });
  const isTable = ({ tensor, vectors, width }: FoundTable) =>
    [1, 2].includes(tensor.shape.length) && vectors > 0 && width > 0 && FLOATS.includes(tensor.dtype);
  // A placeholder has one number of vectors in both text encoders.
  return tables.every((table) => isTable(table) && table.vectors === tables[0]?.vectors) ? tables : undefined;
}

function notAnEmbedding({ name, tensors }: SafetensorsHeader): CheckpointError {
  const [some, rest] = [[...tensors.values()].slice(0, 3), Math.max(tensors.size - 3, 0)];
  const listed = some.map((tensor) => `${printable(tensor.name)} ${tensor.dtype} [${tensor.shape.join(", ")}]`).join(", ");
  return new CheckpointError(`${name} is no embedding: it holds ${listed || "nothing"}${rest > 0 ? ` and ${rest} tensors more` : ""}`, {
    hint: (name) =>
      `an embedding is one tensor [vectors, width], named as its token or ${A1111_TENSOR}; for Stable Diffusion XL clip_l and clip_g. A LoRA is loaded with ${name("loadLoraWeights")}`,
  });
}
