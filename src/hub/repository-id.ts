import { wrongArgument } from "../given.js";

const FILE_ENDING = /\.(safetensors|ckpt|pth?|bin|gguf|json|onnx|git)$/i;

/**
 * Whether `source` reads as a repository of the hub, `owner/name`: letters, digits, `-`, `_` and `.`, as huggingface_hub's `validate_repo_id`
 * has it. A path to a file with a checkpoint's ending does not.
 */
export function isRepositoryId(source: string): boolean {
  const parts = source.split("/");
  const isWord = (part: string) => /^\w([\w.-]{0,94}\w)?$/.test(part);
  return parts.length === 2 && parts.every(isWord) && !/--|\.\./.test(source) && !FILE_ENDING.test(source);
}

/** Whether a path of a repository stays inside the folder it is put under, on every system. */
export function isSafePath(path: string): boolean {
  const isSafe = (part: string) => part !== "" && part !== "." && part !== ".." && part.length <= 255;
  // Windows takes \ for / and a colon for a drive or a stream.
  return path.length <= 1024 && !hasOddCharacters(path) && path.split("/").every(isSafe);
}

/** @throws ArgumentError unless the revision can be a branch, a tag, a pull request (`refs/pr/1`) or a commit. */
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
