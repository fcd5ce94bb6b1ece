// Layers are counted by the numbers in their names, which patterns take to have two digits at most: no network has a hundred layers of a kind, and one
// that a file says to have billions is none. Nor is a layer's name longer than this.
const LONGEST_NAME = 300;

/** A layer's name in the original authors' code (CompVis' ldm, Stability's sgm, OpenAI's and LAION's CLIP), and its name in diffusers. */
export type NamePair = readonly [original: string, today: string];

/** How the tensors of one part of a checkpoint are named, in its file and today. */
export interface Naming {
  /** Today's name of what the file calls `name`; undefined for what no network of today has. */
  today(name: string): string | undefined;
  /** The file's name of what is called `name` today; undefined for what such files do not have. */
  original(name: string): string | undefined;
}

/** Today's names in the file as well. */
export const TODAYS_NAMES: Naming = { today: (name) => name, original: (name) => name };

/** Names of layers side by side. A pair stands for everything inside the layer; the innermost pair counts. */
export class LayerNames implements Naming {
  private readonly todays = new Map<string, string>();
  private readonly originals = new Map<string, string>();

  /** Where a name comes twice, the first pair counts. */
  constructor(pairs: Iterable<NamePair>) {
    for (const [original, today] of pairs) {
      if (!this.todays.has(original)) this.todays.set(original, today);
      if (!this.originals.has(today)) this.originals.set(today, original);
    }
  }

  today(name: string): string | undefined {
    return renamed(name, this.todays);
  }

  original(name: string): string | undefined {
    return renamed(name, this.originals);
  }
}

/** The names of layers that lie in `original`, which is `today` now. */
export function inside(original: string, today: string, layers: readonly NamePair[]): readonly NamePair[] {
  return layers.map(([name, now]) => [`${original}.${name}`, `${today}.${now}`]);
}

function renamed(name: string, names: ReadonlyMap<string, string>): string | undefined {
  if (name.length > LONGEST_NAME) return undefined;
  for (let end = name.length; end > 0; end = name.lastIndexOf(".", end - 1)) {
    const start = names.get(name.slice(0, end));
    if (start !== undefined) return start + name.slice(end);
  }
  return undefined;
}
