import { CheckpointError } from "../errors.js";
import type { Folder } from "../platform/folder.js";
import { rowsOf, type StoredTensor } from "../tensor/stored-tensor.js";
import { printable } from "./json.js";
import { FLOAT_DTYPES, type HeaderTensor, readSafetensorsHeader, type SafetensorsHeader, toStoredTensor } from "./safetensors.js";

/**
 * The layout of an embedding file: that of diffusers, of AUTOMATIC1111's web UI and kohya-ss, or of files for Stable Diffusion XL's two
 * text encoders.
 */
export type TextualInversionLayout = "diffusers" | "a1111" | "xl";

/** An embedding whose file was read. Its vectors stay in the file. */
export interface TextualInversion {
  /** How messages name the file. */
  readonly name: string;
  /** The file's name without its ending. */
  readonly stem: string;
  /** The program whose layout the file has. */
  readonly layout: TextualInversionLayout;
  /** The embedding's token in prompts, if the file states it. */
  readonly token: string | undefined;
  /** How many vectors it has. Each takes the place of one token in a prompt. */
  readonly vectors: number;
  /** One table, or one for each text encoder of XL. */
  readonly tables: readonly EmbeddingTable[];
}

/** The vectors for one text encoder in an embedding file. */
export interface EmbeddingTable {
  /** The text encoder they are for, if the file states it. */
  readonly encoder: "text_encoder" | "text_encoder_2" | undefined;
  /** How many numbers a vector has: 768 for Stable Diffusion 1, 1024 for Stable Diffusion 2, 768 and 1280 for XL's text encoders. */
  readonly width: number;
  /** The vectors `start` to `end` (excluded). */
  rows(start: number, end: number): StoredTensor;
}

/** The name of the only tensor in the web UI's files. */
const A1111_TENSOR = "emb_params";
/** The names of the tensors in files for XL: today's, and those of diffusers' first scripts for pivotal tuning. */
const XL_TENSORS = [
  { encoder: "text_encoder", names: ["clip_l", "text_encoders_0"] },
  { encoder: "text_encoder_2", names: ["clip_g", "text_encoders_1"] },
] as const;
/** A text encoder takes 75 tokens at once, so more than a few dozen vectors gain nothing. */
export const MOST_VECTORS = 1000;

/** An embedding, as its file's header describes it. */
export interface TextualInversionDescription extends Pick<TextualInversion, "layout" | "token" | "vectors"> {
  /** The width of the vectors for each text encoder. */
  readonly widths: readonly number[];
}

/** Describes an embedding by its header alone; undefined if the file is not an embedding. */
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

/** Reads an embedding's file. @throws CheckpointError if it is not an embedding. */
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

/**
 * An embedding inside a file of another kind. `name` names the file in messages; `word` is the embedding's token. @throws CheckpointError
 * if it is not one.
 */
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
  // The file is an embedding only if all its tensors belong to one.
  if (found.length !== tensors.size || (named.length === 0 && found.length !== 1)) return undefined;
  return tablesOf(found);
}

/** The tensors as tables of vectors; undefined if they do not belong to one embedding. */
function tablesOf(found: readonly NamedTensor[]): readonly FoundTable[] | undefined {
  const tables = found.map(({ encoder, tensor }) => {
    const [width = 0, vectors = 1] = tensor.shape.toReversed();
    return { encoder, tensor, vectors, width };
  });
  const isTable = ({ tensor, vectors, width }: FoundTable) =>
    [1, 2].includes(tensor.shape.length) && vectors > 0 && width > 0 && FLOAT_DTYPES.includes(tensor.dtype);
  // An embedding has the same number of vectors for both text encoders.
  return tables.every((table) => isTable(table) && table.vectors === tables[0]?.vectors) ? tables : undefined;
}

function notAnEmbedding({ name, tensors }: SafetensorsHeader): CheckpointError {
  const [some, rest] = [[...tensors.values()].slice(0, 3), Math.max(tensors.size - 3, 0)];
  const listed = some.map((tensor) => `${printable(tensor.name)} ${tensor.dtype} [${tensor.shape.join(", ")}]`).join(", ");
  return new CheckpointError(`${name} is not an embedding: it holds ${listed || "nothing"}${rest > 0 ? ` and ${rest} more tensors` : ""}`, {
    hint: (name) =>
      `an embedding is one tensor [vectors, width] called by its token or ${A1111_TENSOR}; for Stable Diffusion XL it is two, clip_l and clip_g. A LoRA is loaded with ${name("loadLoraWeights")}`,
  });
}
