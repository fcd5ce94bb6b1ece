import { wrongArgument } from "../given.js";

const FILE_ENDING = /\.(safetensors|ckpt|pth?|bin|gguf|json|onnx|git)$/i;

/**
 * Whether `source` has the form of a repository id, `owner/name`: letters, digits, `-`, `_` and `.`, as huggingface_hub's
 * `validate_repo_id` requires. A name with the ending of a checkpoint file does not count.
 */
export function isRepositoryId(source: string): boolean {
  const parts = source.split("/");
  const isWord = (part: string) => /^\w([\w.-]{0,94}\w)?$/.test(part);
  return parts.length === 2 && parts.every(isWord) && !/--|\.\./.test(source) && !FILE_ENDING.test(source);
}

/** Whether a path stays inside its folder on every system. */
export function isSafePath(path: string): boolean {
  const isSafe = (part: string) => part !== "" && part !== "." && part !== ".." && part.length <= 255;
  // On Windows, \ separates folders, and a colon marks a drive or a stream.
  return path.length <= 1024 && !hasOddCharacters(path) && path.split("/").every(isSafe);
}

/** @throws ArgumentError unless `revision` can be a branch, a tag, a pull request (`refs/pr/1`) or a commit. */
export function expectRevision(revision: string): void {
  if (isSafePath(revision)) return;
  throw wrongArgument("revision", revision, "a branch, a tag or a commit", {
    type: "string",
    hint: 'as on the page of the repository, such as "main", "fp16" or "refs/pr/1"',
  });
}

function hasOddCharacters(path: string): boolean {
  return [...path].some((character) => character < " " || '\\:*?"<>|'.includes(character));
}
