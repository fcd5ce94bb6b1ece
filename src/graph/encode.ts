import { ArgumentError } from "../errors.js";
import { encodeModel, type OnnxModel, type OnnxPort } from "./onnx.js";

/** A model as ONNX Runtime takes it. */
export interface RootedModel {
  /** The `.onnx` model. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The folder its weights' locations are relative to. */
  readonly root: string;
}

/** A graph as ONNX Runtime takes it. */
export interface EncodedGraph extends RootedModel {
  /** How many numbers the largest of its intermediate results has. */
  readonly largestValue?: number;
  /** What is computed once, when the graph is loaded; one after another, to bound the memory. */
  readonly preparations?: readonly Preparation[];
}

/** A graph without inputs; its outputs are inputs of another, fed to every run, or, if they are to be written to a file, that one's weights. */
export interface Preparation extends RootedModel {
  readonly outputs: readonly PreparedPort[];
  readonly file?: string;
}

/** A result of a preparation. */
export interface PreparedPort extends OnnxPort {
  /** Where in the preparation's file it belongs, if it has one. */
  readonly offset?: number;
}

/** Encodes a model whose initializers' files have absolute paths. @throws ArgumentError if they are on two drives. */
export function encodeRooted({ initializers, ...model }: OnnxModel): RootedModel {
  const roots = new Set<string>();
  const relative = initializers.map((initializer) => {
    const { data } = initializer;
    if (data instanceof Uint8Array) return initializer;
    const [root = "/"] = /^([A-Za-z]:)?[\\/]+/.exec(data.file) ?? [];
    // Drive letters come in both cases.
    roots.add(root.toUpperCase());
    return { ...initializer, data: { ...data, file: data.file.slice(root.length) } };
  });
  const [root = "/", another] = roots;
  if (another) {
    throw new ArgumentError(`one network's weights lie on two drives, ${root} and ${another}; put them on one`, {
      hint: "fast mode writes weights of its own to the folder for temporary files: the variable TEMP can name one on the same drive",
    });
  }
  return { bytes: encodeModel({ ...model, initializers: relative }), root };
}
