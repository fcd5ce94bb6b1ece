/** The width of code and comments. Biome formats code, this file keeps comments. */
export const WIDTH = 140;

/** A comment that is too wide. */
export interface WideComment {
  /** Counted from 1. */
  readonly line: number;
  readonly width: number;
}

/** Lines with a comment that is wider than {@link WIDTH}. Lines with a URL and directives of tools are excepted: they cannot be broken. */
export function wideComments(source: string): WideComment[] {
  return commentLines(source).flatMap(({ line, text }) =>
    text.length > WIDTH && !/https?:\/\//.test(text) && !isDirective(text) ? [{ line, width: text.length }] : [],
  );
}

/** The source with the paragraphs of comments that are too wide wrapped again. A comment behind code stays as it is. */
export function wrapComments(source: string): string {
  const lines = source.split("\n");
  const wide = new Set(wideComments(source).map(({ line }) => line - 1));
  const result: string[] = [];
  for (let i = 0; i < lines.length; ) {
    const end = blockEnd(lines, i);
    const block = lines.slice(i, end);
    const isWide = block.some((_, offset) => wide.has(i + offset));
    result.push(...(isWide ? wrapBlock(block) : block));
    i = end;
  }
  return result.join("\n");
}

function commentLines(source: string): { readonly line: number; readonly text: string }[] {
  const found: { line: number; text: string }[] = [];
  let inBlock = false;
  for (const [i, text] of source.split("\n").entries()) {
    const begins = !inBlock && /^\s*\/\*/.test(text);
    if (inBlock || begins || /^\s*\/\//.test(text) || /;\s+\/\/ [^"'`]*$/.test(text)) found.push({ line: i + 1, text });
    if (begins) inBlock = true;
    if (inBlock && text.includes("*/")) inBlock = false;
  }
  return found;
}

function isDirective(text: string): boolean {
  return /^\s*\/\/(\/| biome-ignore| @ts-)/.test(text);
}

/**
 * The end of the comment that begins at line `start`: a block, or neighbouring `//` lines with one indentation. Any other line is its own
 * block.
 */
function blockEnd(lines: readonly string[], start: number): number {
  const first = lines[start] ?? "";
  if (/^\s*\/\*/.test(first)) return lines.findIndex((line, i) => i >= start && line.includes("*/")) + 1 || lines.length;
  const indent = /^(\s*)\/\/ /.exec(first)?.[1];
  if (indent === undefined || isDirective(first)) return start + 1;
  const end = lines.findIndex((line, i) => i > start && (!line.startsWith(`${indent}// `) || isDirective(line)));
  return end < 0 ? lines.length : end;
}

function wrapBlock(block: readonly string[]): string[] {
  const first = block[0] ?? "";
  const indent = /^\s*/.exec(first)?.[0] ?? "";
  if (first.startsWith(`${indent}//`)) {
    const text = block.map((line) => line.slice(indent.length + 3)).join(" ");
    return wrap(text, WIDTH - indent.length - 3).map((line) => `${indent}// ${line}`);
  }
  if (!first.startsWith(`${indent}/*`)) return [...block];
  const opening = first.startsWith(`${indent}/**`) ? "/**" : "/*";
  const inside = block
    .join("\n")
    .replace(/^\s*\/\*\*?[ \t]*\n?/, "")
    .replace(/\s*\*\/\s*$/, "")
    .split("\n")
    .map((line) => line.replace(/^\s*\* ?/, ""));
  const wrapped = paragraphs(inside).flatMap((lines) => (lines.some(isTooWide) ? wrap(lines.join(" "), WIDTH - indent.length - 3) : lines));
  return [`${indent}${opening}`, ...wrapped.map((line) => `${indent} * ${line}`.trimEnd()), `${indent} */`];

  function isTooWide(line: string): boolean {
    return line.length + indent.length + 3 > WIDTH;
  }
}

/** Lines that belong together: a tag, a list's item or an indented line begins a paragraph, an empty line ends one. */
function paragraphs(lines: readonly string[]): string[][] {
  const found: string[][] = [];
  for (const line of lines) {
    const last = found.at(-1);
    if (!last || line === "" || last.at(-1) === "" || /^(@|\s|[-*] |\d+\. |```|\|)/.test(line)) found.push([line]);
    else last.push(line);
  }
  return found;
}

/** Words of at most `width` in a line. Code in backticks and links are words. */
function wrap(text: string, width: number): string[] {
  const words = text.trim().match(/(?:\{@\w+ [^}]*\}|`[^`]*`|\S)+/g) ?? [];
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
