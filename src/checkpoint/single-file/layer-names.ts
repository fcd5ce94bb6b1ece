// The numbers in layers' names have at most two digits: no network has a hundred layers of a kind, and a hostile file may name the
// billionth. Names longer than this are not those of layers.
const LONGEST_NAME = 300;

/** A layer's name in its authors' code (CompVis' ldm, Stability's sgm, OpenAI's and LAION's CLIP), and its name in diffusers. */
export type NamePair = readonly [original: string, diffusers: string];

/** The names of one network's tensors in its file and in diffusers. */
export interface Naming {
  /** diffusers' name of the file's tensor `name`; undefined if no network of diffusers has it. */
  diffusers(name: string): string | undefined;
  /** The file's name of diffusers' tensor `name`; undefined if such files do not have it. */
  original(name: string): string | undefined;
}

/** A file with diffusers' names. */
export const DIFFUSERS_NAMES: Naming = { diffusers: (name) => name, original: (name) => name };

/** Names of layers in pairs. A pair also names the tensors and layers inside its layer, unless a pair further inside does. */
export class LayerNames implements Naming {
  private readonly diffusersNames = new Map<string, string>();
  private readonly originalNames = new Map<string, string>();

  /** If a name occurs twice, the first pair counts. */
  constructor(pairs: Iterable<NamePair>) {
    for (const [original, diffusers] of pairs) {
      if (!this.diffusersNames.has(original)) this.diffusersNames.set(original, diffusers);
      if (!this.originalNames.has(diffusers)) this.originalNames.set(diffusers, original);
    }
  }

  diffusers(name: string): string | undefined {
    return renamed(name, this.diffusersNames);
  }

  original(name: string): string | undefined {
    return renamed(name, this.originalNames);
  }
}

/** The names of the layers inside the layer `original`, which diffusers calls `diffusers`. */
export function inside(original: string, diffusers: string, layers: readonly NamePair[]): readonly NamePair[] {
  return layers.map(([name, other]) => [`${original}.${name}`, `${diffusers}.${other}`]);
}

function renamed(name: string, names: ReadonlyMap<string, string>): string | undefined {
  if (name.length > LONGEST_NAME) return undefined;
  for (let end = name.length; end > 0; end = name.lastIndexOf(".", end - 1)) {
    const start = names.get(name.slice(0, end));
    if (start !== undefined) return start + name.slice(end);
  }
  return undefined;
}
