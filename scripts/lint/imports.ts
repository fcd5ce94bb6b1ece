import { posix } from "node:path";

/** Which folders may import which; see `arrows.ts`. */
export interface ImportRules {
  readonly arrows: Readonly<Record<string, readonly string[]>>;
  readonly aliases: Readonly<Record<string, string>>;
  readonly folderOf: (file: string) => string;
}

interface Import {
  readonly line: number;
  readonly target: string;
  /** Whether the target is loaded before the file: not for types and `import()`. */
  readonly loads: boolean;
}

/**
 * What is wrong with the imports of a program: an import between folders that no arrow allows, be it of types or by `import()`; an arrow
 * that points the wrong way, so that folders could import each other; files that load each other. `sources` are the texts of the files by
 * their paths.
 */
export function importProblems(sources: ReadonlyMap<string, string>, { arrows, aliases, folderOf }: ImportRules): string[] {
  const problems = upwardArrows(arrows);
  const graph = new Map<string, readonly Import[]>();
  for (const [file, source] of sources) graph.set(file, importsOf(file, source, aliases));
  for (const [file, imports] of graph) {
    const from = folderOf(file);
    if (!arrows[from]) problems.push(`${file}: the folder ${from} is not in scripts/lint/arrows.ts`);
    for (const { line, target } of imports) {
      const to = folderOf(target);
      if (!sources.has(target)) problems.push(`${file}:${line}: ${target} does not exist`);
      else if (from !== to && to !== "root" && arrows[from] && !arrows[from].includes(to)) {
        problems.push(`${file}:${line}: ${from} may not import ${to} (${target}); scripts/lint/arrows.ts says what it may`);
      }
    }
  }
  for (const circle of circles(graph)) problems.push(`a circle of imports: ${circle.join(" -> ")}`);
  return problems;
}

/** Arrows that no import uses. They should be removed, so that the table stays strict. */
export function unusedArrows(sources: ReadonlyMap<string, string>, { arrows, aliases, folderOf }: ImportRules): string[] {
  const used = new Set<string>();
  for (const [file, source] of sources) {
    for (const { target } of importsOf(file, source, aliases)) used.add(`${folderOf(file)} -> ${folderOf(target)}`);
  }
  const all = Object.entries(arrows).flatMap(([from, allowed]) => allowed.map((to) => `${from} -> ${to}`));
  return all.filter((arrow) => !used.has(arrow)).map((arrow) => `scripts/lint/arrows.ts: no import needs ${arrow}`);
}

function upwardArrows(arrows: ImportRules["arrows"]): string[] {
  const folders = Object.keys(arrows);
  return folders.flatMap((from, i) =>
    (arrows[from] ?? [])
      .filter((to) => !folders.slice(0, i).includes(to))
      .map((to) => `scripts/lint/arrows.ts: ${from} -> ${to} points the wrong way`),
  );
}

/** `import ... from "x"`, `export ... from "x"`, `import "x"` and `import("x")`. */
const IMPORT = /(?:^\s*import\s+(?:[\w*{][^;"'`]*?\sfrom\s+)?|^\s*export\s+(?:type\s+)?[*{][^;"'`]*?\sfrom\s+|\bimport\()"([^"]+)"/gm;

/** The files that a file imports. */
function importsOf(file: string, source: string, aliases: ImportRules["aliases"]): Import[] {
  const code = source.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, (comment) => comment.replace(/[^\n]/g, " "));
  const found: Import[] = [];
  for (const match of code.matchAll(IMPORT)) {
    const [text, specifier = ""] = match;
    const target = aliases[specifier] ?? (specifier.startsWith(".") ? sourceOf(file, specifier) : undefined);
    const line = code.slice(0, match.index + text.length).split("\n").length;
    const loads = !/^\s*(import|export)\s+type\b|\bimport\($/.test(text.slice(0, text.indexOf('"')));
    if (target !== undefined) found.push({ line, target, loads });
  }
  return found;
}

/** The source file of a relative import, which ends in `.js`. */
function sourceOf(file: string, specifier: string): string {
  return posix.join(posix.dirname(file), specifier).replace(/\.js$/, ".ts");
}

/** Circles of files that load each other. A file is in one circle at most, the shortest through the first of its files. */
function circles(graph: ReadonlyMap<string, readonly Import[]>): string[][] {
  const found: string[][] = [];
  const done = new Set<string>();
  const targets = (file: string) => (graph.get(file) ?? []).flatMap(({ target, loads }) => (loads ? [target] : []));
  for (const start of graph.keys()) {
    if (done.has(start)) continue;
    const way = wayBack(start, targets, done);
    if (!way) {
      done.add(start);
      continue;
    }
    found.push(way);
    for (const file of way) done.add(file);
  }
  return found;
}

/** The shortest way from a file back to itself; undefined if there is none. */
function wayBack(start: string, targets: (file: string) => readonly string[], done: ReadonlySet<string>): string[] | undefined {
  const from = new Map<string, string>();
  const queue = [start];
  for (const file of queue) {
    for (const next of targets(file)) {
      if (next === start) return [...pathTo(file), start];
      if (from.has(next) || done.has(next)) continue;
      from.set(next, file);
      queue.push(next);
    }
  }
  return undefined;

  function pathTo(file: string): string[] {
    const before = from.get(file);
    return before === undefined ? [file] : [...pathTo(before), file];
  }
}
